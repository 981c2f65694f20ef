"""The check of `sample_ratios`: a split that is not the declared one is announced, with where to look for the reason.

What a mismatch is stands in the transform of the same name and, with its thresholds, in the catalog.
"""

from typing import Any

import dagster as dg
import polars as pl

from exposure_assets.contracts import STAGES, SampleRatios
from resources.warehouse_contract_breach import ROWS_SHOWN, as_markdown
from resources.workspace import Workspace

_AS_DECLARED = "Units come to every stage in the shares that the catalog declares for the variations."
_REMEDIES = {
    "assigned": "Compare what happens before an assignment is logged (redirects, bot filters, caches) between the "
    "variations; if traffic was split otherwise on purpose, declare [[allocation_phases]].",
    "exposed": "Assignments are as declared: look for what keeps units of one variation from being exposed, or their "
    "exposures from being logged.",
    "valid_exposed": "Exposures are as declared: daily_quality says which verdict takes units of one variation out.",
    "completed": "Valid exposures are as declared: compare on which days the variations were exposed.",
}
_SHOWN = (
    "experiment_id",
    "as_of_date",
    "stage",
    "has_conflicting_units",
    "worst_variation_id",
    "worst_unit_count",
    "worst_expected_unit_count",
    "unit_count",
    "largest_deviation",
    "sequential_p_value",
    "p_value",
    "unexpected_unit_count",
)


@dg.asset_check(
    asset="sample_ratios",
    name="sample_ratio_is_as_declared",
    description=_AS_DECLARED,
    required_resource_keys={"workspace"},
)
def sample_ratio_is_as_declared(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
    """Warn about experiments whose shares, of all units until the last day, fail the sequential test."""
    workspace: Workspace = context.resources.workspace
    latest = _latest(workspace.warehouse.scan(SampleRatios))
    mismatches = _first_stages(latest.filter("is_sequential_mismatch"))
    worst = mismatches.row(0, named=True) if mismatches.height else None
    return dg.AssetCheckResult(
        passed=worst is None,
        severity=dg.AssetCheckSeverity.WARN,
        description=_AS_DECLARED if worst is None else _said(mismatches.height, worst),
        metadata={
            "found": mismatches.height,
            "expected": 0,
            "experiments": latest["experiment_id"].n_unique(),
            **(
                {"numbers": dg.MetadataValue.md(as_markdown(mismatches.select(_SHOWN).head(ROWS_SHOWN)))}
                if mismatches.height
                else {}
            ),
        },
    )


def _latest(ratios: pl.LazyFrame) -> pl.DataFrame:
    """The cumulative rows of each experiment as of its last day."""
    is_last = pl.col("as_of_date") == pl.col("as_of_date").max().over("experiment_id")
    return ratios.filter("is_cumulative").filter(is_last).collect()


def _first_stages(mismatches: pl.DataFrame) -> pl.DataFrame:
    """Per experiment the first stage with a mismatch, for there its reason lies; the least probable ones first."""
    stage = pl.col("stage").cast(pl.Enum(STAGES))
    return (
        mismatches.sort(stage, "has_conflicting_units", descending=[False, True])
        .unique("experiment_id", keep="first", maintain_order=True)
        .sort("sequential_p_value", "largest_deviation", "experiment_id", descending=[False, True, False])
    )


def _said(count: int, worst: dict[str, Any]) -> str:
    experiments = "1 experiment has" if count == 1 else f"{count} experiments have"
    counted = "" if worst["has_conflicting_units"] else ", without conflicting units"
    unexpected = (
        f" {worst['unexpected_unit_count']} units are in variations whose allocation is 0."
        if worst["unexpected_unit_count"]
        else ""
    )
    return (
        f"{experiments} other shares than declared. {worst['experiment_id']}, {worst['stage']} until "
        f"{worst['as_of_date']}{counted}: {worst['worst_variation_id']} has {worst['worst_unit_count']} of "
        f"{worst['unit_count']} units, expected {worst['worst_expected_unit_count']:.1f} (deviation "
        f"{worst['largest_deviation']:.2g}, sequential p {worst['sequential_p_value']:.2g}).{unexpected} "
        f"{_REMEDIES[worst['stage']]}"
    )


CHECKS = (sample_ratio_is_as_declared,)
