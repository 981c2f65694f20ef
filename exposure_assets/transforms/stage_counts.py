"""How many units of a cohort came to each stage, per variation and by the day on which they came there.

Whether the variations keep their declared shares on the way is judged in `sample_ratios`.
"""

import polars as pl

from exposure_assets.contracts import STAGES, StageCounts, columns_of

_UNIT = ("experiment_id", "unit_id")
_GROUP = ("experiment_id", "assignment_date", "variation_id", "is_conflicting")


def stage_counts(assignments: pl.LazyFrame, validation: pl.LazyFrame, outcomes: pl.LazyFrame) -> pl.LazyFrame:
    """Count the units of every cohort at every stage.

    Grain out: (experiment_id, assignment_date, variation_id, is_conflicting, stage, reached_date), where there are
    units.

    Whether an exposure is valid is decided with all exposures of the unit, so a later crossover takes its unit out of
    `valid_exposed` from the start. A unit is `completed` on the day its outcome window ends, yet never before the day
    of its exposure: as of any day no stage has more units than the one before it.

    Args:
        assignments: Obeys `contracts.Assignments`; the cohorts to count, whole.
        validation: Obeys `contracts.ExposureValidation`; the same cohorts.
        outcomes: Obeys `contracts.UnitOutcomes`; the same cohorts.
    """
    cohort = pl.col("assignment_date")
    exposed = pl.max_horizontal(pl.col("first_exposure_at").dt.date(), cohort)
    window_end = pl.col("window_end_at").dt.date()
    is_valid = pl.col("has_valid_exposure")
    days = {
        "assigned": cohort,
        "exposed": pl.when("has_post_assignment_exposure").then(exposed),
        "valid_exposed": pl.when(is_valid).then(exposed),
        "completed": pl.when(is_valid).then(pl.max_horizontal(window_end, exposed)),
    }
    verdicts = validation.select(
        *_UNIT, "first_exposure_at", "has_post_assignment_exposure", "has_valid_exposure"
    )
    return (
        assignments.select(*_GROUP, "unit_id")
        .join(verdicts, on=_UNIT)
        .join(outcomes.select(*_UNIT, "window_end_at"), on=_UNIT)
        .select(*_GROUP, **days)
        # Units with the same days are one row, before every stage of them becomes one.
        .group_by(*_GROUP, *(stage for stage in STAGES if stage != "assigned"))
        .agg(unit_count=pl.len().cast(pl.Int64))
        .with_columns(assigned=cohort)
        .unpivot(STAGES, index=[*_GROUP, "unit_count"], variable_name="stage", value_name="reached_date")
        .filter(pl.col("reached_date").is_not_null())
        .group_by(StageCounts.grain())
        .agg(pl.col("unit_count").sum())
        .select(columns_of(StageCounts).keys())
    )
