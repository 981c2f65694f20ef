"""Reading what an explanation rests on: tables of the warehouse, staged rows, and raw rows of a few days.

What is read is judged elsewhere in this package; here nothing is.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property

import polars as pl

from exposure_assets.contracts import (
    ALL_VARIATIONS,
    Assignments,
    Catalog,
    DailyQuality,
    DedupedExposures,
    Experiment,
    ExposureEvents,
    ExposureValidation,
    LandingFiles,
    RejectedEvents,
    StageCounts,
    TableContract,
)
from exposure_assets.explaining.cohorts import (
    LONGEST_LATENESS_DAYS,
    Case,
    arrived_shares,
    drops,
)
from exposure_assets.explaining.evidence import RAW_DAYS_AFTER, RAW_DAYS_BEFORE, Evidence
from exposure_assets.explaining.findings import Drop, Target
from exposure_assets.explaining.raw_days import ARRIVALS, RawDay, raw_day, trait_names
from exposure_assets.transforms.exposure_validation import (
    DAYS_OBSERVED_BEFORE_ASSIGNMENT,
    validate_exposures,
)
from resources.landing import LandingZone, Manifest
from resources.landing_days import day_rows
from resources.workspace import Workspace

_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Reader:
    """Reads for explanations; what all of them share is read once.

    `data_until` is the last UTC day with data.
    """

    workspace: Workspace
    catalog: Catalog
    data_until: date

    @cached_property
    def _zone(self) -> LandingZone:
        return self.workspace.landing(self.catalog)

    @cached_property
    def _manifest(self) -> Manifest:
        return self._zone.refresh()

    @cached_property
    def arrived(self) -> list[float]:
        """Which share of a day's raw events usually is there so many days later.

        Raises:
            LandingError: the landing zone cannot be reached.
        """
        last = self.data_until - LONGEST_LATENESS_DAYS // 2 * _DAY
        days = [last - n * _DAY for n in range(2 * RAW_DAYS_BEFORE)]
        counted = [
            (day, piece.file.arrival_date, piece.rows.select(pl.len()).collect().item())
            for day in days
            for piece in self._zone.pieces(self._manifest, "events", day)
            if piece.day is not None
        ]
        return arrived_shares(pl.DataFrame(counted, schema=ARRIVALS, orient="row"), last)

    def drops(self, experiment: Experiment) -> Mapping[date, Mapping[Target, Drop]]:
        """Per cohort of an experiment that has units whether it has dropped."""
        counts = self._scan(StageCounts, experiment).collect()
        return drops(counts, experiment, self.data_until, self.arrived)

    def evidence(self, experiment: Experiment, day: date, drop: Drop) -> Evidence:
        """All that the steps look at.

        Raises:
            LandingError: the landing zone cannot be reached.
            DamagedFile: a raw file cannot be read although its index could.
        """
        source = self.catalog.exposure_sources[experiment.exposure.source]
        case = Case(experiment, source.event, day, self.data_until)
        units = self._units(case, drop)
        raw = self._raw(case, units["unit_id"].unique())
        exposed = self._exposure_events(case).collect()
        quality = self._scan(DailyQuality, experiment).filter(variation_id=ALL_VARIATIONS).collect()
        names = pl.concat([part.names for part in raw])
        carriers = pl.concat([part.carriers for part in raw]).filter(pl.col("day") >= day)
        return Evidence(
            case=case,
            drop=drop,
            units=units,
            quality=quality.sort("assignment_date"),
            rejects=self._rejects(case),
            files=self.workspace.warehouse.scan(LandingFiles).filter(stream="events").collect(),
            names=names,
            arrivals=pl.concat([part.arrivals for part in raw]),
            exposed_hours=exposed.group_by(
                day="exposure_date", hour=pl.col("occurred_at").dt.hour().cast(pl.Int64)
            ).agg(unit_count=pl.col("unit_id").n_unique().cast(pl.Int64)),
            marks=pl.concat([part.marks for part in raw]),
            traits=pl.concat([part.traits for part in raw])
            .group_by("unit_id", "trait")
            .agg(pl.col("value").min()),
            carriers=carriers.group_by("event_name")
            .agg(pl.col("row_count").sum())
            .sort(-pl.col("row_count"), "event_name"),
        )

    def _scan(
        self, contract: type[TableContract], experiment: Experiment, days: tuple[date, date] | None = None
    ) -> pl.LazyFrame:
        return self.workspace.warehouse.scan(contract, days=days, experiments=[experiment.id])

    def _units(self, case: Case, drop: Drop) -> pl.DataFrame:
        cohorts = (case.first_cohort, case.day)
        if case.age_days >= case.experiment.exposure.observe_days:
            verdicts = self._scan(ExposureValidation, case.experiment, cohorts)
        else:
            verdicts = self._verdicts_at_age(case, cohorts)
        is_found = "has_valid_exposure" if drop.target == "valid_exposed" else "has_post_assignment_exposure"
        return (
            verdicts.select(
                *("unit_id", "variation_id", "assignment_date", "assigned_at", "first_exposure_at"),
                *("has_crossover", "is_pre_assignment_exposure", "is_exposure_outside_window"),
                "is_variation_mismatch",
                status="validation_status",
                is_found=is_found,
            )
            .sort("assignment_date", "unit_id")
            .collect()
        )

    def _verdicts_at_age(self, case: Case, cohorts: tuple[date, date]) -> pl.LazyFrame:
        """The verdicts as they were when each cohort was as old as the explained one is now."""
        assignments = self._scan(Assignments, case.experiment, cohorts).collect().lazy()
        first = cohorts[0] - DAYS_OBSERVED_BEFORE_ASSIGNMENT * _DAY
        last = case.day + case.age_days * _DAY
        exposures = self._scan(DedupedExposures, case.experiment, (first, last))
        last_date = pl.col("assignment_date").dt.offset_by(f"{case.age_days}d")
        aged = (
            exposures.join(assignments.select("unit_id", "assignment_date"), on="unit_id")
            .filter(pl.col("exposure_date") <= last_date)
            .drop("assignment_date")
        )
        return validate_exposures(assignments, aged, {case.experiment.id: case.experiment.exposure})

    def _rejects(self, case: Case) -> pl.DataFrame:
        days = (case.first_cohort, case.day + case.age_days * _DAY)
        others = [id_ for id_ in self.catalog.experiments if id_ != case.experiment.id]
        named = pl.col("experiment_id")
        by_variation = pl.col("reason").is_in(["unknown_variation"])
        return (
            self.workspace.staging.scan(RejectedEvents, days)
            .filter(
                pl.col("stream") == "events",
                pl.col("event_name") == case.event,
                named.is_null() | ~named.is_in(others),
            )
            .select(
                "unit_id",
                "reason",
                "arrival_date",
                name=pl.when(by_variation).then("variation_id").otherwise("experiment_id"),
            )
            .collect()
        )

    def _exposure_events(self, case: Case) -> pl.LazyFrame:
        days = self._raw_days(case)
        return self.workspace.staging.scan(ExposureEvents, (days[0], days[-1])).filter(
            experiment_id=case.experiment.id
        )

    def _raw_days(self, case: Case) -> list[date]:
        after = min(case.age_days, RAW_DAYS_AFTER)
        return [case.day + n * _DAY for n in range(-RAW_DAYS_BEFORE, after + 1)]

    def _raw(self, case: Case, units: pl.Series) -> list[RawDay]:
        source = self.catalog.exposure_sources[case.experiment.exposure.source]
        accepted = self._exposure_events(case).select("exposure_date", "event_id").collect()
        traits: list[str] | None = None
        found = []
        for day in self._raw_days(case):
            rows = day_rows(self._zone, self._manifest, "events", day)
            ids = accepted.filter(exposure_date=day)["event_id"]
            mine = rows.filter(pl.col("event_id").is_in(ids.implode()))
            if traits is None and not mine.is_empty():
                traits = trait_names(mine, source)
            found.append(raw_day(rows, day, source, case.experiment.id, units, ids, traits or []))
        return found
