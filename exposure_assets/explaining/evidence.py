"""What the steps look at: the units of the cohort and of those before it, and what the log held on these days.

How it is read stands in `reading`; what follows from it, in the modules of the steps.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import NDArray

from exposure_assets.explaining.cohorts import Case
from exposure_assets.explaining.findings import Drop
from exposure_assets.transforms.quality_shifts import FEWEST_PAST_COHORTS, rate_shifts

RAW_DAYS_BEFORE, RAW_DAYS_AFTER = 7, 7
Instants = NDArray[np.int64]
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Evidence:
    """Frames about one case; days are UTC days.

    Attributes:
        case: The cohort that is explained.
        drop: How many units are missing.
        units: The cohort's units and those of the cohorts before it, as of the same age: `unit_id, variation_id,
            assignment_date, assigned_at, status, first_exposure_at, is_found` (exposed, or validly, as the drop says)
            and the flags of `exposure_validation`.
        quality: The rows of `daily_quality` of all variations together.
        rejects: Rejected rows of the exposure event: `unit_id, reason, name` (of experiment or variation)`,
            arrival_date`.
        files: `landing_files` of the stream of events.
        names: `day, hour, event_name, row_count` of raw events, from `RAW_DAYS_BEFORE` the cohort on.
        arrivals: `day, arrival_date, row_count` of the exposure event's raw rows.
        exposed_hours: `day, hour, unit_count` of accepted exposures.
        marks: `unit_id, day, cause, key`: raw rows that would be exposures but for their name or a filter.
        traits: `unit_id, trait, value`: what a unit's exposure events say of it, one value each.
        carriers: `event_name, row_count`: other events that name the experiment, on the observed days.
    """

    case: Case
    drop: Drop
    units: pl.DataFrame
    quality: pl.DataFrame
    rejects: pl.DataFrame
    files: pl.DataFrame
    names: pl.DataFrame
    arrivals: pl.DataFrame
    exposed_hours: pl.DataFrame
    marks: pl.DataFrame
    traits: pl.DataFrame
    carriers: pl.DataFrame

    @property
    def is_held_against_the_past(self) -> bool:
        """Whether there are earlier cohorts to compare with."""
        return self.drop.baseline != "warning_exposure_rate"

    @cached_property
    def observed_days(self) -> list[date]:
        """The days on which the cohort's exposures are looked at in the raw log, the cohort day first.

        After the experiment's end clients send less and less, and nobody is to be missed for it.
        """
        days = min(self.case.age_days, RAW_DAYS_AFTER)
        last = self.case.experiment.end.date() if self.case.experiment.end else date.max
        after = [self.case.day + n * _DAY for n in range(1, days + 1)]
        return [self.case.day, *(day for day in after if day <= last)]

    @cached_property
    def days_before(self) -> list[date]:
        """The days before the cohort of which the raw log was read, and which have rows."""
        return sorted(day for day in self.names["day"].unique() if day < self.case.day)

    @cached_property
    def cohort(self) -> pl.DataFrame:
        """The units that are explained."""
        return self.units.filter(pl.col("assignment_date") == self.case.day)

    @cached_property
    def past(self) -> pl.DataFrame:
        """The units of the cohorts before."""
        return self.units.filter(pl.col("assignment_date") < self.case.day)

    @property
    def days_of_exposures_before(self) -> list[date]:
        """The days before the cohort on all of which the experiment was running."""
        return [day for day in self.days_before if day > self.case.experiment.start.date()]

    def missing(self, units: float) -> float:
        """So many units, as far as they are missing."""
        return max(0.0, min(self.drop.missing_units, units))

    def expected_first_exposures(self, start: date, hours: tuple[int, int] = (0, 24)) -> float:
        """How many of the cohort's first exposures the delays of the past let expect between hours of a day."""
        bounds = [_instant(start) + hour * 3_600_000_000 for hour in hours]
        assigned = _microseconds(self.cohort["assigned_at"])
        within = [np.searchsorted(self._delays, bound - assigned) for bound in bounds]
        if self.past.is_empty():
            return 0.0
        return float((within[1] - within[0]).sum()) / self.past.height

    def first_exposures(self, start: date, hours: tuple[int, int] = (0, 24)) -> int:
        """How many of the cohort's first exposures were found between hours of a day."""
        at = _microseconds(self.cohort.filter("is_found")["first_exposure_at"])
        first, last = (_instant(start) + hour * 3_600_000_000 for hour in hours)
        return int(((at >= first) & (at < last)).sum())

    @cached_property
    def _delays(self) -> Instants:
        exposed = self.past.filter("is_found")
        delays = _microseconds(exposed["first_exposure_at"]) - _microseconds(exposed["assigned_at"])
        return np.sort(delays)

    @cached_property
    def undisturbed(self) -> pl.DataFrame:
        """The cohort and those before it that were observed before its day, so that nothing of that day is in them.

        All of them where these are too few to compare with.
        """
        last = self.case.day - timedelta(days=self.case.experiment.exposure.observe_days + 1)
        before = self.past.filter(pl.col("assignment_date") <= last)
        is_enough = before["assignment_date"].n_unique() >= FEWEST_PAST_COHORTS
        return pl.concat([before, self.cohort]) if is_enough else self.units

    def excesses(
        self, marked: pl.DataFrame, first_cohort: date | None = None, among: pl.DataFrame | None = None
    ) -> pl.DataFrame:
        """Of which marks more missing units than usual have one: `mark, units, expected, z`, only those.

        A unit that is missing and has a mark is explained by it, as far as such units are more than usual: units that
        are never exposed have marks too.

        Args:
            marked: `unit_id, mark`, distinct.
            first_cohort: Marks are known of cohorts since then; all without.
            among: The units to compare; all without.
        """
        since = first_cohort or self.case.first_cohort
        units = (self.units if among is None else among).filter(pl.col("assignment_date") >= since)
        marks = marked.select("mark").unique()
        counts = (
            units.group_by("assignment_date")
            .agg(assigned_units=pl.len().cast(pl.Int64))
            .join(marks, how="cross")
            .join(
                units.filter(~pl.col("is_found"))
                .join(marked, on="unit_id")
                .group_by("assignment_date", "mark")
                .agg(hits=pl.len().cast(pl.Int64)),
                on=["assignment_date", "mark"],
                how="left",
            )
            .with_columns(pl.col("hits").fill_null(0))
        )
        return self.rises(counts)

    def rises(self, counts: pl.DataFrame) -> pl.DataFrame:
        """Of which marks the explained day has more than the days before: `mark, units, expected, z`, only those.

        Args:
            counts: `mark, assignment_date, assigned_units, hits`: a row per mark and day.
        """
        schema = {"mark": pl.String, "units": pl.Float64, "expected": pl.Float64, "z": pl.Float64}
        if counts.is_empty():
            return pl.DataFrame(schema=schema)
        shift = self.case.experiment.quality.exposure_rate_shift
        cohorts = counts.rename({"mark": "experiment_id"})
        shifts = (
            rate_shifts(
                cohorts.lazy(), "hits", self.case.limits(cohorts["experiment_id"], shift), only_rises=True
            )
            .filter(pl.col("assignment_date") == self.case.day)
            .collect()
        )
        if not self.is_held_against_the_past:
            is_enough = (pl.col("rate") > shift) & self.drop.has_dropped
            shifts = shifts.with_columns(past_rate=0.0, has_shifted=is_enough)
        return (
            shifts.filter("has_shifted")
            .select(
                mark="experiment_id",
                units=pl.col("rate") * pl.col("units"),
                expected=pl.col("past_rate") * pl.col("units"),
                z="z",
            )
            .sort(pl.col("expected") - pl.col("units"), "mark")
        )


def _microseconds(instants: pl.Series) -> Instants:
    return instants.drop_nulls().cast(pl.Int64).to_numpy()


def _instant(day: date) -> int:
    return (day - date(1970, 1, 1)).days * 86_400_000_000
