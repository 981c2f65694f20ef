"""The places at one moment: which files have landed, which days hold events, which are staged as they should be.

What is read from them for an answer stands in `own_days` and `defined_days`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from functools import cached_property

import polars as pl

from exposure_assets.contracts import (
    AssignmentEvents,
    Catalog,
    ExposureEvents,
    columns_of,
    empty_frame,
)
from exposure_assets.exposures.question import Question
from exposure_assets.transforms.acceptance import unstaged_days
from exposure_assets.transforms.assignment_events import stage_assignments
from exposure_assets.transforms.attribution import NOBODY_ASSIGNED, attributing_assignments
from exposure_assets.transforms.daily_quality import last_assignment_day_that_counts
from exposure_assets.transforms.exposure_definitions import judging_catalog
from exposure_assets.transforms.preaggregation_windows import Interval, missing_ranges
from exposure_assets.transforms.staged_events import stage_events, well_formed_ids
from resources.landing import LandingZone, Manifest
from resources.landing_inputs import day_inputs
from resources.landing_order import judge_in_order
from resources.staging import remembered_first_day
from resources.workspace import Workspace


@dataclass(frozen=True)
class World:
    """What an answer is computed from; `manifest` is the landing zone as it was scanned."""

    workspace: Workspace
    question: Question
    zone: LandingZone
    manifest: Manifest
    ledger: pl.DataFrame

    @classmethod
    def scanned(cls, workspace: Workspace, question: Question) -> "World":
        """Scan the landing zone and read what staging has recorded.

        Raises:
            LandingError: the landing zone cannot be reached.
        """
        zone = landing_of(workspace, question)
        return cls(workspace, question, zone, zone.refresh(), workspace.ledger.read())

    @cached_property
    def interval(self) -> Interval:
        """The instants that are asked for."""
        days = self.manifest.days("events")
        return self.question.interval(days[-1] if days else None)

    @cached_property
    def days(self) -> list[date]:
        """The UTC days of the interval on which events fall that can count, ascending."""
        first, last = self.interval.days()
        held = self.manifest.file_days.filter(pl.col("stream") == "events", "is_held")["day"].unique().sort()
        return [day for day in held if first <= day <= last and self.question.accepts(day)]

    @cached_property
    def judging_catalog(self) -> Catalog:
        """The catalog by which raw rows are judged."""
        question = self.question
        if question.is_own:
            return question.catalog
        return judging_catalog(question.definition, question.experiment)

    @cached_property
    def first_day(self) -> date:
        """The first day of the calendar, as staging knows it."""
        starts = [entry.first_event_date for entry in self.question.catalog.experiments.values()]
        remembered = remembered_first_day(self.workspace.settings.staging)
        return min([*starts, *([remembered] if remembered else [])])

    @cached_property
    def _outdated(self) -> set[date]:
        inputs = day_inputs(self.zone, self.manifest, self.first_day)
        return unstaged_days(self.ledger, inputs, self.question.catalog)

    @cached_property
    def _days_of_assignments(self) -> list[date]:
        """The days whose assignments can decide about displays of the days; none where events name a variation."""
        if not self.days or not self.question.definition.source.credits_displays:
            return []
        until = last_assignment_day_that_counts(self.days[-1])
        return [day for day in self.manifest.days("assignments") if day <= until]

    def to_stage(self) -> list[date]:
        """The days to stage before the staged rows are those that landing zone and catalog give, ascending."""
        needed = {*self.days, *(max(day, self.first_day) for day in self._days_of_assignments)}
        return sorted(needed & self._outdated)

    def unstaged(self) -> list[date]:
        """The days whose staged rows are not those that landing zone and catalog give, ascending."""
        if any(max(day, self.first_day) in self._outdated for day in self._days_of_assignments):
            return self.days
        return [day for day in self.days if day in self._outdated]

    def landed_exposures(self, days: Iterable[date]) -> pl.DataFrame:
        """The exposure events of some days, out of the raw files; with the columns of `ExposureEvents`.

        Raises:
            DamagedFile: a file's content cannot be read although its index could.
        """
        found = [empty_frame(ExposureEvents)]
        catalog = self.judging_catalog
        is_mine = pl.col("experiment_id") == self.question.experiment.id

        assigned = self._landed_assignments()

        def judge(rows: pl.DataFrame, day: date, settled: pl.Series, suspects: pl.Series) -> pl.Series:
            staged = stage_events(rows, day, catalog, settled, suspects, assigned)
            found.append(staged.exposure_events.filter(is_mine).select(columns_of(ExposureEvents).keys()))
            return staged.settled_ids

        def counting_ids(rows: pl.DataFrame) -> pl.Series:
            return well_formed_ids(rows, catalog)

        for run in missing_ranges(days, ()):
            judge_in_order(self.zone, self.manifest, "events", (run[0], run[-1]), (), counting_ids, judge)
        return pl.concat(found)

    def _landed_assignments(self) -> pl.DataFrame:
        """The assignments that decide about displays, out of the raw files."""
        catalog = self.question.catalog
        days = self._days_of_assignments
        if not days:
            return NOBODY_ASSIGNED
        found = [empty_frame(AssignmentEvents)]

        def judge(rows: pl.DataFrame, day: date, settled: pl.Series, suspects: pl.Series) -> pl.Series:
            staged = stage_assignments(rows, day, catalog, settled, suspects)
            found.append(staged.assignment_events)
            return staged.settled_ids

        def counting_ids(rows: pl.DataFrame) -> pl.Series:
            return rows["event_id"].unique()

        span = (days[0], days[-1])
        judge_in_order(self.zone, self.manifest, "assignments", span, (), counting_ids, judge)
        return attributing_assignments(pl.concat(found).lazy(), catalog, self.days[-1])


def landing_of(workspace: Workspace, question: Question) -> LandingZone:
    """The landing zone, read with the columns that the definition needs besides those of the catalog."""
    catalog = question.catalog
    if not question.is_own:
        sources = {
            **catalog.exposure_sources,
            **judging_catalog(question.definition, question.experiment).exposure_sources,
        }
        catalog = catalog.model_copy(update={"exposure_sources": sources})
    return workspace.landing(catalog)
