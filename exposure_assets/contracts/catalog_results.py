"""The `[results]` section of an experiment: how its variations are compared, and which ratios of its metrics are too.

What is computed from it stands in `transforms.metric_moments` and `transforms.experiment_results`.
"""

from typing import Literal

from pydantic import Field

from exposure_assets.contracts.catalog_model import CatalogModel
from exposure_assets.contracts.catalog_values import CatalogScope, Fault, Id, WindowDays, nearest


class Ratio(CatalogModel):
    """A ratio of the means of two metrics of the experiment, such as revenue per order."""

    id: Id = Field(examples=['id = "revenue_per_order"'])
    numerator: str = Field(examples=['numerator = "revenue_usd"'])
    denominator: str = Field(examples=['denominator = "orders"'])


class ResultRules(CatalogModel):
    """How results are computed: intervals of confidence 1 - alpha, and p-values of all metrics looked at together."""

    alpha: float = Field(default=0.05, gt=0, lt=1, allow_inf_nan=False, examples=["alpha = 0.05"])
    multiple_comparisons: Literal["holm", "benjamini-hochberg", "none"] = Field(
        default="holm", examples=['multiple_comparisons = "holm"']
    )
    is_forced: bool = Field(default=False, examples=["is_forced = true"])
    covariate_days: WindowDays = Field(default=0, examples=["covariate_days = 14"])
    ratios: tuple[Ratio, ...] = Field(
        default=(),
        strict=False,
        examples=[
            'ratios = [{ id = "revenue_per_order", numerator = "revenue_usd", denominator = "orders" }]'
        ],
    )

    def faults(self, metrics: tuple[str, ...], scope: CatalogScope | None) -> list[Fault]:
        """What is wrong with the ratios beside the metrics of their experiment.

        Args:
            metrics: The metrics that the experiment lists.
            scope: With the metrics of the catalog, whose ids a ratio can't have.
        """
        taken = set(metrics) | (set(scope.metric_ids) if scope else set())
        found = []
        for number, ratio in enumerate(self.ratios):
            key = ("ratios", number)
            if ratio.id in taken:
                expected = "an id that no metric and no other ratio has"
                found.append(Fault(repr(ratio.id), expected, "give the ratio another id", (*key, "id")))
            taken.add(ratio.id)
            for name, metric in (("numerator", ratio.numerator), ("denominator", ratio.denominator)):
                if metric not in metrics:
                    expected = "one of the experiment's metrics in [outcomes]"
                    found.append(Fault(repr(metric[:100]), expected, nearest(metric, metrics), (*key, name)))
        return found
