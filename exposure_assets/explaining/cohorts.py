"""Cohorts at the same age: of which ones fewer units were exposed than of those before, and how many are missing.

What explains a drop is looked at in the modules of the steps.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import polars as pl

from exposure_assets.contracts import Experiment
from exposure_assets.explaining.findings import Baseline, Drop, Target
from exposure_assets.transforms.quality_shifts import rate_shifts, shortfall_z

TARGETS: tuple[Target, ...] = ("exposed", "valid_exposed")
# Rows that arrive later than that are too few to wait for.
LONGEST_LATENESS_DAYS = 7
_LIMITS = ("baseline_days", "min_units", "smallest_shift", "shift_z")


@dataclass(frozen=True)
class Case:
    """The cohort that is explained: of which experiment and day, and how many whole days after it count."""

    experiment: Experiment
    event: str
    day: date
    data_until: date

    @property
    def age_days(self) -> int:
        """Whole days after the cohort day that have data, at most those on which the unit is observed."""
        return age_of(self.experiment, self.day, self.data_until)

    @property
    def first_cohort(self) -> date:
        """The oldest cohort that this one is compared with."""
        return self.day - timedelta(days=self.experiment.quality.baseline_days)

    def limits(self, keys: pl.Series, smallest_shift: float) -> pl.LazyFrame:
        """The rules of the experiment for `rate_shifts`, of which every key is compared by itself."""
        quality = self.experiment.quality
        return pl.LazyFrame({"experiment_id": keys.unique()}).with_columns(
            baseline_days=quality.baseline_days,
            min_units=quality.min_units,
            smallest_shift=smallest_shift,
            shift_z=quality.shift_z,
        )


def age_of(experiment: Experiment, day: date, data_until: date) -> int:
    """How many days after a cohort's own are over; the last day with data may still be filling."""
    return min(experiment.exposure.observe_days, max(0, (data_until - day).days - 1))


def arrived_shares(arrivals: pl.DataFrame, last_day: date) -> list[float]:
    """Which share of a day's rows usually is there so many days later, from 0 to `LONGEST_LATENESS_DAYS`.

    Args:
        arrivals: `day, arrival_date, row_count`.
        last_day: The last day that had its time to arrive; nothing is known where no day had.
    """
    settled = arrivals.filter(pl.col("day") <= last_day).with_columns(
        lateness=(pl.col("arrival_date") - pl.col("day")).dt.total_days()
    )
    total = int(settled["row_count"].sum())
    if not total:
        return [1.0] * (LONGEST_LATENESS_DAYS + 1)
    return [
        int(settled.filter(pl.col("lateness") <= days)["row_count"].sum()) / total
        for days in range(LONGEST_LATENESS_DAYS + 1)
    ]


def drops(
    counts: pl.DataFrame, experiment: Experiment, data_until: date, arrived: list[float]
) -> dict[date, dict[Target, Drop]]:
    """Per cohort that has units, and per target, whether fewer of them were exposed than of those before.

    A cohort is compared with the earlier ones as they were at its age. Of a young one some rows are still on their
    way: what is expected is lowered by the share that usually is.

    Args:
        counts: Of `stage_counts` the rows of the experiment.
        experiment: With its rules.
        data_until: Last UTC day with data.
        arrived: Of `arrived_shares`.
    """
    by_stage = counts.group_by("assignment_date", "stage", "reached_date").agg(pl.col("unit_count").sum())
    assigned = by_stage.filter(stage="assigned").select("assignment_date", assigned_units="unit_count")
    if assigned.is_empty():
        return {}
    ages = [
        (day, age_of(experiment, day, data_until), _arrived_of(day, data_until, arrived))
        for day in assigned["assignment_date"].sort()
    ]
    cases = pl.DataFrame(
        ages, schema={"case": pl.Date, "age": pl.Int64, "arrived": pl.Float64}, orient="row"
    ).lazy()
    found: dict[date, dict[Target, Drop]] = {day: {} for day, _, _ in ages}
    reach = timedelta(days=experiment.quality.baseline_days)
    for target in TARGETS:
        reached = by_stage.lazy().filter(stage=target)
        cohorts = (
            cases.join(assigned.lazy(), how="cross")
            .filter(pl.col("assignment_date").is_between(pl.col("case") - reach, pl.col("case")))
            .join(reached, on="assignment_date", how="left")
            .with_columns(
                is_reached=(pl.col("reached_date") - pl.col("assignment_date")).dt.total_days()
                <= pl.col("age")
            )
            .group_by("case", "age", "arrived", "assignment_date", "assigned_units")
            .agg(hits=pl.col("unit_count").filter("is_reached").sum())
            .with_columns(
                hits=pl.when(pl.col("assignment_date") == pl.col("case"))
                .then(pl.col("hits").cast(pl.Float64))
                .otherwise(pl.col("hits") * pl.col("arrived")),
                experiment_id=pl.col("case").cast(pl.String),
            )
            .collect()
        )
        for day, drop in _judged(cohorts, experiment, data_until, target).items():
            found[day][target] = drop
    return found


def dropped(drop: Mapping[Target, Drop]) -> Drop:
    """What there is to explain of a cohort: fewer exposed, else fewer validly exposed, else nothing."""
    exposed, valid = drop["exposed"], drop["valid_exposed"]
    return valid if valid.has_dropped and not exposed.has_dropped else exposed


def _arrived_of(day: date, data_until: date, arrived: list[float]) -> float:
    lag = min(max(0, (data_until - day).days - 1), LONGEST_LATENESS_DAYS)
    return arrived[lag] if lag < LONGEST_LATENESS_DAYS else 1.0


def _judged(
    cohorts: pl.DataFrame, experiment: Experiment, data_until: date, target: Target
) -> dict[date, Drop]:
    quality = experiment.quality
    case = Case(experiment, "", data_until, data_until)
    shifts = (
        rate_shifts(
            cohorts.lazy(), "hits", case.limits(cohorts["experiment_id"], quality.exposure_rate_shift)
        )
        .filter(pl.col("experiment_id") == pl.col("assignment_date").cast(pl.String))
        .join(
            cohorts.lazy().select("experiment_id", "assignment_date", "age", found="hits"),
            on=["experiment_id", "assignment_date"],
        )
        .with_columns(
            warning_z=shortfall_z(
                pl.col("found"), pl.col("units").cast(pl.Float64), pl.lit(quality.warning_exposure_rate)
            )
        )
        .sort("assignment_date")
        .collect()
    )
    return {
        row["assignment_date"]: _drop(row, experiment, data_until, target)
        for row in shifts.iter_rows(named=True)
    }


def _drop(row: dict[str, Any], experiment: Experiment, data_until: date, target: Target) -> Drop:
    """The verdict on one cohort; without a past of its own it is held against the rate that warns."""
    quality = experiment.quality
    units, found = int(row["units"]), int(row["found"])
    baseline: Baseline = "none"
    expected: float | None = None
    z: float | None = None
    has_dropped = False
    if row["is_judged"]:
        baseline, z, expected = "past_cohorts", row["z"], units * row["past_rate"]
        has_dropped = bool(row["has_shifted"]) and row["shift"] < 0
    if not has_dropped and _may_be_held_against_the_warning(row, experiment, data_until, target):
        # Where all cohorts are critical, none has dropped, and yet units are missing.
        limit = quality.critical_exposure_rate if row["is_judged"] else quality.warning_exposure_rate
        is_too_low = row["rate"] < limit and row["warning_z"] <= -quality.shift_z
        if is_too_low or not row["is_judged"]:
            baseline, z = "warning_exposure_rate", row["warning_z"]
            expected = units * quality.warning_exposure_rate
            has_dropped = is_too_low
    return Drop(
        target=target,
        age_days=int(row["age"]),
        baseline=baseline,
        past_cohorts=int(row["past_cohorts"]),
        assigned_units=units,
        found_units=found,
        expected_units=expected,
        missing_units=max(0.0, (expected or 0.0) - found) if has_dropped else 0.0,
        z=z,
        has_dropped=has_dropped,
    )


def _may_be_held_against_the_warning(
    row: dict[str, Any], experiment: Experiment, data_until: date, target: Target
) -> bool:
    """Only a cohort of enough units that had its time for exposure, and only its exposure."""
    is_of_age = row["assignment_date"] <= experiment.last_judged_date(data_until)
    return target == "exposed" and is_of_age and row["units"] >= experiment.quality.min_units
