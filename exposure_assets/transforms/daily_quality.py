"""The daily quality of a cohort: how many were exposed, in time, and to what.

Which rate is alarming is a matter of the checks and reports.
"""

from collections.abc import Mapping
from datetime import date, timedelta

import polars as pl

from exposure_assets.contracts import ALL_VARIATIONS, DailyQuality, Experiment, columns_of

DAYS_TO_ASSIGN_AFTER_EXPOSURE = 7
CRITICAL_BELOW, WARNING_BELOW = 0.7, 0.9

_COUNTED_FLAGS = {
    "exposed_units": "has_post_assignment_exposure",
    "valid_exposed_units": "has_valid_exposure",
    "no_exposure_units": "has_no_exposure",
    "crossover_units": "has_crossover",
    "pre_assignment_units": "is_pre_assignment_exposure",
    "outside_window_units": "is_exposure_outside_window",
    "mismatch_units": "is_variation_mismatch",
    "conflicting_units": "is_conflicting",
}
_RATES = {
    "exposure_rate": "exposed_units",
    "valid_exposure_rate": "valid_exposed_units",
    "crossover_rate": "crossover_units",
    "pre_assignment_rate": "pre_assignment_units",
    "outside_window_rate": "outside_window_units",
    "mismatch_rate": "mismatch_units",
}
_DAY = ["experiment_id", "assignment_date"]


def daily_quality(
    validation: pl.LazyFrame,
    exposures: pl.LazyFrame,
    assignments: pl.LazyFrame,
    experiments: Mapping[str, Experiment],
) -> pl.LazyFrame:
    """Count every cohort, per variation and for all together.

    Grain out: (experiment_id, assignment_date, variation_id), `variation_id = '*'` for all variations. A day with
    an assigned or an unassigned exposed unit has a row for `*` and for every variation of the catalog.

    Args:
        validation: Obeys `contracts.ExposureValidation`; the cohorts to count, whole.
        exposures: Obeys `contracts.DedupedExposures`; the same calendar days.
        assignments: Obeys `contracts.Assignments`; of these experiments every cohort until 7 days after the last
            day. Earlier cohorts matter: a unit assigned weeks ago is no unassigned unit.
        experiments: The experiments of the cohorts, by id.
    """
    judged = _with_conflicts(validation, assignments)
    by_variation = judged.group_by(*_DAY, "variation_id").agg(_measures())
    in_total = judged.group_by(_DAY).agg(_measures()).with_columns(variation_id=pl.lit(ALL_VARIATIONS))
    unassigned = _unassigned_exposed_units(exposures, assignments)
    days = pl.concat([in_total.select(_DAY), unassigned.select(_DAY)]).unique()
    rows = pl.LazyFrame(
        [(e.id, v) for e in experiments.values() for v in (ALL_VARIATIONS, *(v.id for v in e.variations))],
        schema={"experiment_id": pl.String, "variation_id": pl.String},
        orient="row",
    )
    grain = [*_DAY, "variation_id"]
    counted = pl.concat([by_variation, in_total.select(by_variation.collect_schema().names())])
    assigned = pl.col("assigned_units")
    return (
        days.join(rows, on="experiment_id", how="inner")
        .join(counted, on=grain, how="left")
        .join(unassigned.with_columns(variation_id=pl.lit(ALL_VARIATIONS)), on=grain, how="left")
        .with_columns(pl.col("assigned_units", *_COUNTED_FLAGS).fill_null(0))
        .with_columns(
            *(
                pl.when(assigned > 0).then(pl.col(part) / assigned).alias(rate)
                for rate, part in _RATES.items()
            ),
            unassigned_exposed_units=pl.when(pl.col("variation_id") == ALL_VARIATIONS).then(
                pl.col("unassigned_exposed_units").fill_null(0)
            ),
        )
        .with_columns(
            exposure_health=pl.when(pl.col("exposure_rate") < CRITICAL_BELOW)
            .then(pl.lit("critical"))
            .when(pl.col("exposure_rate") < WARNING_BELOW)
            .then(pl.lit("warning"))
            .when(pl.col("exposure_rate").is_not_null())
            .then(pl.lit("ok"))
        )
        .select(columns_of(DailyQuality).keys())
    )


def last_assignment_day_that_counts(exposure_date: date) -> date:
    """Until when an assignment makes a unit exposed on `exposure_date` an assigned one."""
    return exposure_date + timedelta(days=DAYS_TO_ASSIGN_AFTER_EXPOSURE)


def _with_conflicts(validation: pl.LazyFrame, assignments: pl.LazyFrame) -> pl.LazyFrame:
    conflicting = assignments.filter("is_conflicting").select("experiment_id", "unit_id", "is_conflicting")
    return validation.join(conflicting, on=["experiment_id", "unit_id"], how="left").with_columns(
        pl.col("is_conflicting").fill_null(False), has_no_exposure=~pl.col("has_any_exposure")
    )


def _measures() -> list[pl.Expr]:
    delay = pl.col("exposure_delay_seconds")
    return [
        pl.len().cast(pl.Int64).alias("assigned_units"),
        *(pl.col(flag).sum().cast(pl.Int64).alias(count) for count, flag in _COUNTED_FLAGS.items()),
        # The sum of whole seconds is exact, so the mean does not depend on the order of the units.
        (delay.sum() / delay.count()).fill_nan(None).alias("avg_exposure_delay_seconds"),
        delay.quantile(0.5, "linear").alias("p50_exposure_delay_seconds"),
        delay.quantile(0.95, "linear").alias("p95_exposure_delay_seconds"),
    ]


def _unassigned_exposed_units(exposures: pl.LazyFrame, assignments: pl.LazyFrame) -> pl.LazyFrame:
    """Per experiment and day the units exposed on it and not assigned until 7 days later."""
    in_time = pl.col("cohort_date") <= pl.col("assignment_date").dt.offset_by(
        f"{DAYS_TO_ASSIGN_AFTER_EXPOSURE}d"
    )
    return (
        exposures.select("experiment_id", "unit_id", assignment_date="exposure_date")
        .unique()
        .join(
            assignments.select("experiment_id", "unit_id", cohort_date="assignment_date"),
            on=["experiment_id", "unit_id"],
            how="left",
        )
        .filter(~in_time.fill_null(False))
        .group_by(_DAY)
        .agg(unassigned_exposed_units=pl.len().cast(pl.Int64))
    )
