"""Answering a question for exposures: from a stored answer, from days that are kept, or from what is computed now.

What is kept for a definition, and how it is computed, stands in `own_days` and `defined_days`.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from hashlib import sha256
from typing import Any

import polars as pl

from exposure_assets.contracts import DedupedExposures, empty_frame
from exposure_assets.exposures.days import Settling
from exposure_assets.exposures.defined_days import DefinedDays
from exposure_assets.exposures.own_days import OwnDays
from exposure_assets.exposures.plan import Plan
from exposure_assets.exposures.question import Question, asked
from exposure_assets.exposures.world import World, landing_of
from exposure_assets.transforms.exposure_definitions import ExposureDefinition
from exposure_assets.transforms.partition_versions import CODE_VERSIONS
from exposure_assets.transforms.preaggregation_windows import lifetimes
from exposure_assets.transforms.unit_exposures import MERGED_COLUMNS, by_policy, merge_units, with_bounds
from resources.exposure_store import ExposureStore
from resources.job_database import LedgerUnavailable
from resources.job_ledger import FORGOTTEN_AFTER, JobLedger
from resources.landing_days import DamagedFile
from resources.settings import Settings
from resources.warehouse import Warehouse
from resources.workspace import Workspace

_ATTEMPTS = 4
# Assignments first, then the displays that they credit otherwise.
_ROUNDS_OF_STAGING = 2
# Another process may hold a DuckDB file for minutes; the answer can be had without it.
_WAREHOUSE_PATIENCE_SECONDS = 0.0
_WAITS_FOR_OTHERS_SECONDS = 60.0


class LandingKeepsChanging(Exception):
    """Files were replaced or removed faster than they could be read."""


@dataclass(frozen=True)
class Exposures:
    """An answer: one row per unit as `contracts.UnitExposures` says, by unit id, and how it came about."""

    rows: pl.DataFrame
    plan: Plan


@dataclass(frozen=True)
class Preaggregation:
    """Whether every window is kept now, and by which jobs."""

    ready: bool
    job_ids: tuple[str, ...]


def exposures(
    experiment: str,
    start: datetime | None = None,
    end: datetime | None = None,
    definition: ExposureDefinition | None = None,
    crossover_policy: str | None = None,
    ttl: int | Mapping[int | str, int] | None = None,
    *,
    workspace: Workspace | None = None,
) -> Exposures:
    """Who was exposed between two instants, to what, when first and last, and how often.

    Grain out: one row per unit with an exposure in [start, end), to the microsecond, sorted by unit id. A unit that
    met several variations inside the interval is left out under `exclude`, and counts as the variation of its first
    exposure under `first_seen`; `plan.crossover_units` says how many there were.

    The answer is that of a scan over all files of the landing zone as it was listed at `plan.as_of`, judged by the
    catalog as it was read then; whatever was computed before, by whomever, only makes it quicker.

    Args:
        experiment: Its id in the catalog.
        start: First instant; without a zone it is UTC; by default the experiment's start.
        end: First instant that no longer counts; by default the experiment's end, or that of the last day that holds
            events.
        definition: Which events count; by default what the catalog says of the experiment.
        crossover_policy: `exclude` or `first_seen`; by default the experiment's.
        ttl: Seconds for which rows computed for another definition are kept, or seconds by the age of a window in
            days (`{"0d": 3600, "7d": 86400, "default": 604800}`).
        workspace: The places; by default those of the environment's settings.

    Raises:
        QuestionError, IntervalError, LifetimeError, DefinitionError: something was asked for that does not exist.
        CatalogError, LandingError: a place cannot be read.
        LandingKeepsChanging: files vanished while they were read, again and again.
    """
    workspace = workspace or Workspace(Settings.from_environment())
    lived = lifetimes(ttl)
    for _ in range(_ATTEMPTS):
        question = asked(workspace.catalog(), experiment, start, end, definition, crossover_policy, lived)
        try:
            answer = _Answering(workspace, question).answer()
        except DamagedFile as damaged:
            landing_of(workspace, question).quarantine(damaged.file, damaged.reason)
        except FileNotFoundError:
            continue
        else:
            if answer is not None:
                return answer
    raise LandingKeepsChanging(
        f"{workspace.settings.landing}: files changed during each of {_ATTEMPTS} attempts to read them, expected a "
        "minute in which none is replaced or removed; ask again."
    )


def ensure_preaggregated(
    definition: ExposureDefinition,
    start: datetime,
    end: datetime,
    ttl: int | Mapping[int | str, int] | None = None,
    *,
    workspace: Workspace | None = None,
) -> Preaggregation:
    """Have every UTC day that [start, end) touches computed and kept, by us or by whoever is at it already.

    A day without events needs no job. Not ready means that rows could not be kept (a full disk, a warehouse that
    another process holds); `exposures` gives the right answer all the same.

    Args:
        definition: Which events count, of which experiment.
        start: First instant.
        end: First instant that no longer counts.
        ttl: As in `exposures`.
        workspace: The places; by default those of the environment's settings.

    Raises:
        QuestionError, IntervalError, LifetimeError: something was asked for that does not exist.
        CatalogError, LandingError: a place cannot be read.
        LandingKeepsChanging: files vanished while they were read, again and again.
    """
    workspace = workspace or Workspace(Settings.from_environment())
    lived = lifetimes(ttl)
    for _ in range(_ATTEMPTS):
        question = asked(workspace.catalog(), definition.experiment_id, start, end, definition, None, lived)
        try:
            return _Answering(workspace, question).ensure()
        except DamagedFile as damaged:
            landing_of(workspace, question).quarantine(damaged.file, damaged.reason)
        except FileNotFoundError:
            continue
    raise LandingKeepsChanging(
        f"{workspace.settings.landing}: files changed during each of {_ATTEMPTS} attempts to read them; ask again."
    )


class _Answering:
    """One attempt at one question."""

    def __init__(self, workspace: Workspace, question: Question) -> None:
        self._workspace = workspace
        self._question = question
        self._started = time.monotonic()
        self._merge: tuple[Mapping[date, int], pl.DataFrame] | None = None
        self._store = ExposureStore(workspace.settings.staging)
        self._ledger = JobLedger(workspace.settings.warehouse)
        self._warehouse = Warehouse(workspace.settings.warehouse, wait_seconds=_WAREHOUSE_PATIENCE_SECONDS)
        self._plan = Plan(
            experiment_id=question.experiment.id,
            definition_hash=question.definition_hash,
            is_own_definition=question.is_own,
            start=question.start.isoformat(),
            end="" if question.end is None else question.end.isoformat(),
            crossover_policy=question.policy,
        )

    def answer(self) -> Exposures | None:
        """The answer; null where files changed while it was made, in a way that touches it."""
        question, plan = self._question, self._plan
        plan.as_of = datetime.now(UTC).isoformat(timespec="seconds")
        landed = landing_of(self._workspace, question).fingerprint()
        key = self._key(landed)
        if (stored := self._store.read_answer(key)) is not None:
            return self._again(*stored)
        world = World.scanned(self._workspace, question)
        plan.start, plan.end = world.interval.start.isoformat(), world.interval.end.isoformat()
        units = merge_units(pl.concat(self._frames(world)))
        rows, plan.crossover_units = by_policy(units, question.policy)
        plan.units = rows.height
        # Versions were compared before rows were read: that nothing has changed since says that they are of one state.
        if landing_of(self._workspace, question).fingerprint() != landed:
            now = World.scanned(self._workspace, question)
            is_credited = question.definition.source.credits_displays
            if is_credited or now.days != world.days or self._versions(now) != self._versions(world):
                return None
        elif world.manifest.is_complete:
            self._keep(key, rows)
        self._keep_merge()
        plan.milliseconds = (time.monotonic() - self._started) * 1000
        self._announce(world)
        return Exposures(rows, plan)

    def ensure(self) -> Preaggregation:
        """Have the windows kept."""
        world = World.scanned(self._workspace, self._question)
        staged = self._staged(world) if self._question.is_own else world
        days = self._days(staged)
        wanted = days.wanted(staged.days)
        settling = self._settle(days, wanted)
        self._announce(staged)
        unstaged = isinstance(days, OwnDays) and bool(days.unstaged)
        names = tuple(dict.fromkeys(settling.jobs[day] for day in sorted(settling.jobs)))
        return Preaggregation(not unstaged and settling.jobs.keys() >= wanted.keys(), names)

    def _frames(self, world: World) -> list[pl.DataFrame]:
        """The rows of every day: whole days as they are kept, the two at the edges clipped."""
        interval = world.interval
        staged = self._staged(world) if self._question.is_own and world.days else world
        days = self._days(staged)
        whole = [day for day in staged.days if interval.covers(day)]
        edges = [day for day in staged.days if not interval.covers(day)]
        direct = [day for day in whole if isinstance(days, OwnDays) and day in days.unstaged]
        wanted = days.wanted([day for day in whole if day not in direct])
        merged = self._merged(days, wanted)
        frames = [with_bounds(empty_frame(DedupedExposures).select(MERGED_COLUMNS)), merged]
        if direct:
            frames.append(with_bounds(days.deduped(direct).select(MERGED_COLUMNS)))
        if edges:
            clipped = days.deduped(edges, interval.start, interval.end)
            frames.append(with_bounds(clipped.select(MERGED_COLUMNS)))
        return frames

    def _merged(self, days: OwnDays | DefinedDays, wanted: Mapping[date, int]) -> pl.DataFrame:
        """The units of whole days: what was merged before, where it still holds, and the days that it lacks."""
        before = (
            self._store.read_merge(self._question.definition_hash, wanted) if self._question.is_own else None
        )
        merged, frames = before[0] if before else [], [before[1]] if before else []
        if before:
            self._plan.use("merge of days", merged, before[1].height)
        left = {day: version for day, version in wanted.items() if day not in merged}
        settling = self._settle(days, left)
        frames += [with_bounds(frame.select(MERGED_COLUMNS)) for frame in settling.frames]
        nothing = with_bounds(empty_frame(DedupedExposures).select(MERGED_COLUMNS))
        units = merge_units(pl.concat([nothing, *frames]))
        if self._question.is_own and left:
            self._merge = (wanted, units)
        return units

    def _keep_merge(self) -> None:
        if self._merge is None:
            return
        try:
            self._store.write_merge(self._question.definition_hash, *self._merge)
        except OSError as error:
            self._plan.note(f"the merge of days was not kept: {error.strerror or error}")

    def _days(self, world: World) -> OwnDays | DefinedDays:
        if self._question.is_own:
            return OwnDays(world, self._warehouse, self._plan, frozenset(world.unstaged()))
        return DefinedDays(world, self._ledger, self._store, self._plan)

    def _settle(self, days: OwnDays | DefinedDays, wanted: Mapping[date, int]) -> Settling:
        settling = Settling(self._question, days, self._ledger, self._plan, _WAITS_FOR_OTHERS_SECONDS)
        settling.settle(wanted)
        self._expire()
        return settling

    def _staged(self, world: World) -> World:
        """The world once what is outdated of its days was staged, as a backfill does it.

        Assignments that were staged just now may credit displays of other days otherwise: those are staged then.
        """
        for _ in range(_ROUNDS_OF_STAGING):
            outdated = world.to_stage()
            if not outdated:
                break
            # Staging is an asset's, and assets need Dagster, which takes a second to import.
            from exposure_assets.exposures.staging_first import stage_outdated

            stage_outdated(self._workspace, world, outdated, self._warehouse, self._plan)
            world = World.scanned(self._workspace, self._question)
        return world

    def _versions(self, world: World) -> tuple[Mapping[date, int], Sequence[date]]:
        """What the world's rows are made of, as far as the question goes."""
        held = DefinedDays(world, self._ledger, self._store, self._plan)
        return held.wanted(world.days), world.days

    def _key(self, landed: str) -> str:
        """The digest of all that the answer rests on; an answer that is kept under it is never stale."""
        question = self._question
        parts = (
            landed,
            question.definition_hash,
            question.catalog_digest,
            question.experiment.first_exposure_date,
            question.experiment.last_exposure_date,
            question.start.isoformat(),
            question.end and question.end.isoformat(),
            question.policy,
            CODE_VERSIONS["deduped_exposures"],
            pl.__version__,
        )
        return sha256("\x00".join(map(str, parts)).encode()).hexdigest()[:32]

    def _again(self, rows: pl.DataFrame, about: dict[str, Any]) -> Exposures:
        plan = Plan(**about)
        plan.as_of, plan.answered_from = self._plan.as_of, "stored answer"
        plan.rows_read, plan.published = rows.height, []
        plan.milliseconds = (time.monotonic() - self._started) * 1000
        return Exposures(rows, plan)

    def _keep(self, key: str, rows: pl.DataFrame) -> None:
        try:
            self._store.write_answer(key, rows, asdict(self._plan))
        except OSError as error:
            self._plan.note(f"the answer was not kept: {error.strerror or error}")

    def _expire(self) -> None:
        now = time.time()
        try:
            gone = self._ledger.take_out(now, now - FORGOTTEN_AFTER.total_seconds())
            self._store.remove_jobs(gone)
        except (LedgerUnavailable, OSError) as error:
            self._plan.note(f"expired rows were not deleted: {error}")

    def _announce(self, world: World) -> None:
        if self._plan.published:
            from exposure_assets.exposures.announcing import announce

            announce(world.workspace, self._question.experiment.id, self._plan)
