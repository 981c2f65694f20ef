"""The verdict on every assignment, from the exposures around it.

Exposures come deduped by day; which assignments are canonical has been decided before.
"""

from collections.abc import Mapping
from datetime import timedelta

import polars as pl

from exposure_assets.contracts import ExposureRules, ExposureValidation, columns_of
from exposure_assets.transforms.ordering import RUN_START, in_total_order

DAYS_OBSERVED_BEFORE_ASSIGNMENT = 7
_ROW = "assignment_row"


def validate_exposures(
    assignments: pl.LazyFrame, exposures: pl.LazyFrame, rules: Mapping[str, ExposureRules]
) -> pl.LazyFrame:
    """Judge every assignment by the exposures that followed it.

    Grain out: one row per (experiment_id, unit_id) of `assignments`; none is dropped, none is added.

    A unit exposed both before and after its assignment is judged by the later exposure: the earlier one is
    reported (`is_pre_assignment_exposure`), it does not hide the other.

    Args:
        assignments: Obeys `contracts.Assignments`.
        exposures: Obeys `contracts.DedupedExposures`; has to reach from 7 days before the first cohort to
            `observe_days` past the last one.
        rules: The exposure rules of each experiment of `assignments`: grace in minutes, windows in days, bounds
            inclusive.
    """
    assigned = (
        assignments.select("experiment_id", "unit_id", "variation_id", "assigned_at", "assignment_date")
        .join(_rules_frame(rules), on="experiment_id", how="inner")
        .with_row_index(_ROW)
        .with_columns(
            observed_since_date=pl.col("assignment_date").dt.offset_by(
                f"-{DAYS_OBSERVED_BEFORE_ASSIGNMENT}d"
            ),
            observed_until_date=(
                pl.col("assignment_date").cast(pl.Int32) + pl.col("observe_days").cast(pl.Int32)
            ).cast(pl.Date),
            counts_from=pl.col("assigned_at") - pl.col("grace"),
        )
        .collect()
    )
    observed = _observed_exposures(assigned, exposures)
    verdicts = (
        assigned.lazy()
        .join(_totals(observed).lazy(), on=_ROW, how="left", maintain_order="left")
        .join(
            _first_exposure(observed, "first_exposure_any").lazy(), on=_ROW, how="left", maintain_order="left"
        )
        .join(
            _first_exposure(_from_grace_on(observed), "first_exposure").lazy(),
            on=_ROW,
            how="left",
            maintain_order="left",
        )
    )
    return _judged(verdicts).select(columns_of(ExposureValidation).keys())


def _rules_frame(rules: Mapping[str, ExposureRules]) -> pl.LazyFrame:
    return pl.LazyFrame(
        {
            "experiment_id": list(rules),
            "grace": [timedelta(minutes=rule.grace_minutes) for rule in rules.values()],
            "window": [timedelta(days=rule.max_days_after_assignment) for rule in rules.values()],
            "observe_days": [rule.observe_days for rule in rules.values()],
            "excludes_crossover": [rule.crossover_policy == "exclude" for rule in rules.values()],
        },
        schema={
            "experiment_id": pl.String,
            "grace": pl.Duration("us"),
            "window": pl.Duration("us"),
            "observe_days": pl.Int64,
            "excludes_crossover": pl.Boolean,
        },
    )


def _observed_exposures(assigned: pl.DataFrame, exposures: pl.LazyFrame) -> pl.DataFrame:
    """The deduped exposures of assigned units on their observed days, with the row of their assignment."""
    windows = assigned.lazy().select(
        "experiment_id", "unit_id", _ROW, "observed_since_date", "observed_until_date", "counts_from"
    )
    return (
        exposures.select(
            "experiment_id",
            "unit_id",
            "variation_id",
            "exposure_date",
            "exposure_count",
            "last_exposed_at",
            "later_exposed_at",
            "later_event_ids",
            at="first_exposed_at",
            event_id="first_event_id",
        )
        .join(windows, on=["experiment_id", "unit_id"], how="inner")
        .filter(pl.col("exposure_date").is_between("observed_since_date", "observed_until_date"))
        .drop("experiment_id", "unit_id", "exposure_date", "observed_since_date", "observed_until_date")
        .collect()
    )


def _totals(observed: pl.DataFrame) -> pl.DataFrame:
    per_variation = observed.group_by(_ROW, pl.col("variation_id").hash()).agg(pl.col("exposure_count").sum())
    return per_variation.group_by(_ROW).agg(
        pl.col("exposure_count").sum(), exposure_variation_count=pl.len().cast(pl.Int64)
    )


def _from_grace_on(observed: pl.DataFrame) -> pl.DataFrame:
    """Per observed row its first exposure at or after `counts_from`; rows that have none are left out.

    Only on the one day on which `counts_from` falls can the day's first exposure lie before it and another after.
    """
    after = observed.filter(pl.col("at") >= pl.col("counts_from"))
    astride = (
        observed.filter(
            (pl.col("at") < pl.col("counts_from")) & (pl.col("last_exposed_at") >= pl.col("counts_from"))
        )
        .explode("later_exposed_at", "later_event_ids")
        .filter(pl.col("later_exposed_at") >= pl.col("counts_from"))
        .with_columns(at="later_exposed_at", event_id="later_event_ids")
    )
    columns = [_ROW, "at", "event_id", "variation_id"]
    return pl.concat([after.select(columns), astride.select(columns)])


def _first_exposure(exposures: pl.DataFrame, name: str) -> pl.DataFrame:
    """One row per assignment that has one: its earliest exposure; ties: the smallest event id."""
    ordered = in_total_order(
        exposures.select(_ROW, "at", "event_id", "variation_id"), [_ROW], "at", ["event_id"]
    )
    return ordered.filter(RUN_START).select(
        _ROW,
        pl.col("at").alias(f"{name}_at"),
        pl.col("variation_id").alias(f"{name}_variation_id"),
        pl.col("event_id").alias(f"{name}_event_id"),
    )


def _judged(verdicts: pl.LazyFrame) -> pl.LazyFrame:
    any_at, first_at = pl.col("first_exposure_any_at"), pl.col("first_exposure_at")
    delay_microseconds = (first_at - pl.col("assigned_at")).dt.total_microseconds()
    return (
        verdicts.with_columns(
            pl.col("exposure_count").fill_null(0),
            pl.col("exposure_variation_count").fill_null(0),
            exposure_delay_seconds=delay_microseconds.floordiv(1_000_000),
            has_any_exposure=any_at.is_not_null(),
            has_post_assignment_exposure=first_at.is_not_null(),
            is_pre_assignment_exposure=(any_at < pl.col("counts_from")).fill_null(False),
            is_exposure_outside_window=(first_at > pl.col("assigned_at") + pl.col("window")).fill_null(False),
            is_variation_mismatch=(pl.col("first_exposure_variation_id") != pl.col("variation_id")).fill_null(
                False
            ),
        )
        .with_columns(has_crossover=pl.col("exposure_variation_count") > 1)
        .with_columns(excluded_crossover=pl.col("has_crossover") & pl.col("excludes_crossover"))
        .with_columns(
            has_valid_exposure=pl.col("has_post_assignment_exposure")
            & ~pl.col("is_exposure_outside_window")
            & ~pl.col("is_variation_mismatch")
            & ~pl.col("excluded_crossover")
        )
        .with_columns(
            validation_status=pl.when(~pl.col("has_any_exposure"))
            .then(pl.lit("no_exposure"))
            .when(pl.col("excluded_crossover"))
            .then(pl.lit("crossover"))
            .when(pl.col("is_pre_assignment_exposure") & ~pl.col("has_valid_exposure"))
            .then(pl.lit("pre_assignment_exposure"))
            .when(pl.col("is_exposure_outside_window"))
            .then(pl.lit("exposure_outside_window"))
            .when(pl.col("is_variation_mismatch"))
            .then(pl.lit("variation_mismatch"))
            .otherwise(pl.lit("valid"))
        )
    )
