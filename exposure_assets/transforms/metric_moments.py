"""What comparing variations needs to know of the units of a cohort: counts, means and centred second moments.

How variations compare is computed in `experiment_results`; how cells are merged, in `merged_moments`.
"""

from collections.abc import Iterator, Mapping
from itertools import product
from typing import NamedTuple

import polars as pl

from exposure_assets.contracts import (
    MOMENT_PAIRS,
    MOMENT_PARTS,
    Experiment,
    Metric,
    MetricMoments,
    columns_of,
    comoment_column,
    empty_frame,
    mean_column,
)

_UNIT = ("experiment_id", "unit_id")
_COHORT = ("experiment_id", "assignment_date", "variation_id", "is_conflicting")
# Which units a basis has, and which day completes them.
_BASES = {
    "assigned": (pl.lit(True), "window_over_date"),
    "exposed": (pl.col("has_post_assignment_exposure"), "exposed_window_over_date"),
    "valid_exposed": (pl.col("has_valid_exposure"), "exposed_window_over_date"),
    "not_exposed": (~pl.col("has_post_assignment_exposure"), "window_over_date"),
}


class Measure(NamedTuple):
    """What is compared of units: a metric, or a ratio of two; with or without what they did before."""

    metric_id: str
    value: str
    denominator: str | None = None
    has_covariates: bool = False

    @property
    def parts(self) -> tuple[str, ...]:
        """The parts of its moments."""
        own = ("value",) if self.denominator is None else ("value", "denominator")
        before = {"value": "covariate", "denominator": "denominator_covariate"}
        return (*own, *(before[part] for part in own)) if self.has_covariates else own


def measures_of(experiment: Experiment, metrics: Mapping[str, Metric]) -> list[Measure]:
    """Everything that is compared in an experiment, sorted by id.

    Args:
        experiment: With its metrics and ratios.
        metrics: All metrics of the catalog.
    """

    def measured(metric_id: str, *columns: str) -> Measure:
        has_covariates = experiment.results.covariate_days > 0 and all(
            metrics[column].is_zero_without_events for column in columns
        )
        value, denominator = (*columns, None)[:2]
        return Measure(metric_id, str(value), denominator, has_covariates)

    plain = [measured(metric, metric) for metric in experiment.outcomes.metrics]
    ratios = [measured(ratio.id, ratio.numerator, ratio.denominator) for ratio in experiment.results.ratios]
    return sorted(plain + ratios)


def metric_moments(
    assignments: pl.LazyFrame,
    validation: pl.LazyFrame,
    outcomes: pl.LazyFrame,
    covariates: pl.LazyFrame,
    experiments: Mapping[str, Experiment],
    metrics: Mapping[str, Metric],
) -> pl.LazyFrame:
    """Sum up the outcomes of every cohort, per variation, basis, metric and day on which units are complete.

    Grain out: (experiment_id, assignment_date, variation_id, is_conflicting, analysis_basis, metric_id,
    completed_date), where there are units.

    A unit is complete on the day by whose end its outcome window is over; on an exposed basis never before it is
    exposed. Whether it is exposed is decided with all its exposures, as in `stage_counts`. Sums are taken in the order
    of the units' ids, so no order of rows shows in them, and units that are all alike have moments of exactly 0.

    Args:
        assignments: Obeys `contracts.Assignments`; the cohorts, whole.
        validation: Obeys `contracts.ExposureValidation`; the same cohorts.
        outcomes: Obeys `contracts.UnitOutcomes`, with the metrics of the experiments; the same cohorts.
        covariates: Obeys `contracts.UnitCovariates`; the same cohorts.
        experiments: The experiments of `assignments`.
        metrics: All metrics of the catalog.
    """
    sharing: dict[Measure, list[str]] = {}
    for e in experiments.values():
        for measure in measures_of(e, metrics):
            sharing.setdefault(measure, []).append(e.id)
    if not sharing:
        return empty_frame(MetricMoments).lazy()
    units = _units(assignments, validation, outcomes, covariates, sharing).collect()
    return pl.concat(_cells(units, sharing)).lazy()


def _units(
    assignments: pl.LazyFrame,
    validation: pl.LazyFrame,
    outcomes: pl.LazyFrame,
    covariates: pl.LazyFrame,
    sharing: Mapping[Measure, list[str]],
) -> pl.LazyFrame:
    """One row per unit with its bases, days and numbers, in the order of the units' ids."""
    used = sorted({column for m in sharing for column in (m.value, m.denominator) if column})
    before = sorted({c for m in sharing if m.has_covariates for c in (m.value, m.denominator) if c})
    cohort, window_over = pl.col("assignment_date"), pl.col("window_end_at").dt.offset_by("-1us").dt.date()
    verdicts = validation.select(
        *_UNIT, "first_exposure_at", "has_post_assignment_exposure", "has_valid_exposure"
    )
    numbers = outcomes.select(*_UNIT, "window_end_at", *(pl.col(column).cast(pl.Float64) for column in used))
    by_unit = covariates.group_by(_UNIT).agg(
        pl.col("covariate").filter(metric_id=column).first().alias(_before(column)) for column in before
    )
    return (
        assignments.select(*_COHORT, "unit_id")
        .join(verdicts, on=_UNIT)
        .join(numbers, on=_UNIT)
        .join(by_unit, on=_UNIT, how="left")
        .with_columns(window_over_date=pl.max_horizontal(window_over, cohort))
        .with_columns(
            exposed_window_over_date=pl.max_horizontal(
                "window_over_date", pl.col("first_exposure_at").dt.date()
            )
        )
        .drop("window_end_at", "first_exposure_at")
        .sort("unit_id")
    )


def _cells(units: pl.DataFrame, sharing: Mapping[Measure, list[str]]) -> Iterator[pl.DataFrame]:
    bases = {
        name: units.filter(belongs).rename({day: "completed_date"}) for name, (belongs, day) in _BASES.items()
    }
    for (name, of_basis), (measure, ids) in product(bases.items(), sharing.items()):
        columns = [measure.value, measure.denominator, _before(measure.value)]
        columns += [_before(measure.denominator)] if measure.denominator else []
        sources: dict[str, str | None] = dict(zip(MOMENT_PARTS, columns, strict=False))
        has_value = pl.all_horizontal(pl.col(part).is_not_null() for part in measure.parts)
        yield (
            of_basis.filter(pl.col("experiment_id").is_in(ids))
            .select(
                *_COHORT, "completed_date", **{part: pl.col(str(sources[part])) for part in measure.parts}
            )
            .group_by(*_COHORT, "completed_date", maintain_order=True)
            .agg(
                unit_count=has_value.sum().cast(pl.Int64),
                missing_unit_count=(~has_value).sum().cast(pl.Int64),
                **_moments(measure.parts, has_value),
            )
            .with_columns(
                analysis_basis=pl.lit(name),
                metric_id=pl.lit(measure.metric_id),
                **{column: pl.lit(None, pl.Float64) for column in _unused(measure.parts)},
            )
            .select(columns_of(MetricMoments).keys())
        )


def _before(metric_id: str) -> str:
    return f"{metric_id} before"


def _moments(parts: tuple[str, ...], has_value: pl.Expr) -> dict[str, pl.Expr]:
    """Means and comoments over the units of a cell that have a value."""
    values = {part: pl.col(part).filter(has_value) for part in parts}
    means = {}
    for part, value in values.items():
        # From the first unit on, so that units that are all alike have that very mean. One by one: a plain sum adds in
        # blocks, which begin wherever the rows of other cells end.
        means[part] = value.first() + (value - value.first()).cum_sum().last() / value.len()
    deviations = {part: values[part] - means[part] for part in parts}
    comoments = {
        comoment_column(a, b): (deviations[a] * deviations[b]).cum_sum().last()
        for a, b in MOMENT_PAIRS
        if a in parts and b in parts
    }
    return {mean_column(part): mean for part, mean in means.items()} | comoments


def _unused(parts: tuple[str, ...]) -> list[str]:
    means = [mean_column(part) for part in MOMENT_PARTS if part not in parts]
    return means + [comoment_column(a, b) for a, b in MOMENT_PAIRS if not (a in parts and b in parts)]
