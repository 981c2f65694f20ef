"""The verdict on every unit that is assigned to an experiment with messages, by the displays it was credited with.

How a display comes to be credited stands in `crediting`.
"""

import polars as pl

from exposure_assets.simulation.experiments import SimulatedExperiment


def verdicts_on_units(
    experiment: SimulatedExperiment, assigned: pl.DataFrame, credited: pl.DataFrame
) -> pl.DataFrame:
    """Flags and status of every unit of `assigned`, in the columns of `truth/units.parquet` but for the fault.

    Args:
        experiment: Its rules.
        assigned: `unit`, `variation_id`, `assigned_at`, `assignment_count`, `is_conflicting`.
        credited: `unit`, `at`, `shown`, `event_id`: every accepted display of the experiment once.
    """
    day = pl.col("assigned_at").dt.truncate("1d")
    grace_start = pl.col("assigned_at") - pl.duration(microseconds=experiment.grace_us, time_unit="us")
    is_post = pl.col("at") >= grace_start
    seen = (
        assigned.select("unit", "assigned_at")
        .join(credited, on="unit")
        .filter(
            (pl.col("at") >= day - pl.duration(days=7))
            & (pl.col("at") < day + pl.duration(days=experiment.observe_days + 1))
        )
        .sort("unit", "at", "event_id")
        .group_by("unit", maintain_order=True)
        .agg(
            is_pre_assignment_exposure=(~is_post).first(),
            has_crossover=pl.col("shown").n_unique() > 1,
            first_exposure_at=pl.col("at").filter(is_post).first(),
            first_exposure_variation_id=pl.col("shown").filter(is_post).first(),
        )
    )
    window_end = pl.col("assigned_at") + pl.duration(days=experiment.max_days_after_assignment)
    is_excluded = pl.col("has_crossover") & pl.lit(experiment.crossover_policy == "exclude")
    is_late, is_other = pl.col("is_exposure_outside_window"), pl.col("is_variation_mismatch")
    is_valid = pl.col("has_post_assignment_exposure") & ~is_late & ~is_other & ~is_excluded
    return (
        assigned.join(seen, on="unit", how="left")
        .with_columns(
            has_any_exposure=pl.col("has_crossover").is_not_null(),
            has_post_assignment_exposure=pl.col("first_exposure_at").is_not_null(),
            is_pre_assignment_exposure=pl.col("is_pre_assignment_exposure").fill_null(False),
            has_crossover=pl.col("has_crossover").fill_null(False),
            is_exposure_outside_window=(pl.col("first_exposure_at") > window_end).fill_null(False),
            is_variation_mismatch=(pl.col("first_exposure_variation_id") != pl.col("variation_id")).fill_null(
                False
            ),
        )
        .with_columns(
            experiment_id=pl.lit(experiment.id),
            validation_status=pl.when(~pl.col("has_any_exposure"))
            .then(pl.lit("no_exposure"))
            .when(is_excluded)
            .then(pl.lit("crossover"))
            .when(pl.col("is_pre_assignment_exposure") & ~is_valid)
            .then(pl.lit("pre_assignment_exposure"))
            .when(is_late)
            .then(pl.lit("exposure_outside_window"))
            .when(is_other)
            .then(pl.lit("variation_mismatch"))
            .otherwise(pl.lit("valid")),
        )
    )
