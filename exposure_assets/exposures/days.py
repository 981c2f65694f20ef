"""The days of a definition, found where they are kept and computed where they aren't: once, whoever else asks too.

Where rows of days are kept, and from what they are computed, differs by definition: see `own_days` and `defined_days`.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from typing import Protocol

import polars as pl

from exposure_assets.exposures.plan import Plan
from exposure_assets.exposures.question import Question
from exposure_assets.transforms.preaggregation_windows import missing_ranges
from resources.job_database import LedgerUnavailable
from resources.job_ledger import LEASE_SECONDS, Job, JobLedger

_PAUSES = (0.02, 0.5)

Versions = Mapping[date, int]


class NotKept(Exception):
    """The rows of a job could not be put where others find them; the answer is made without."""


@dataclass
class Found:
    """Rows of days that are kept as their versions want them, and by which jobs."""

    frames: list[pl.DataFrame] = field(default_factory=list)
    jobs: dict[date, str] = field(default_factory=dict)


class Days(Protocol):
    """Where rows of days are kept, and how they are computed."""

    def find(self, wanted: Versions) -> Found:
        """The rows of those days that are kept in the wanted version."""
        ...

    def compute(self, days: Versions) -> pl.DataFrame:
        """The rows of days, with the columns of `DedupedExposures`."""
        ...

    def keep(self, job: Job, rows: pl.DataFrame) -> str:
        """Put the rows of a job where others find them; gives how the job is called.

        Raises:
            NotKept: it cannot be done; the message says why.
        """
        ...

    def expires_at(self, job: Job, now: float) -> float | None:
        """Until when the rows of a job are kept, in seconds since 1970; null: as long as their partition."""
        ...

    def lifetime(self, day: date) -> int:
        """What must be alike for two days to share a job."""
        ...


@dataclass
class Settling:
    """Gets the rows of days together: what is kept, what others are computing, and the rest computed now."""

    question: Question
    days: Days
    ledger: JobLedger
    plan: Plan
    wait_seconds: float
    frames: list[pl.DataFrame] = field(default_factory=list)
    jobs: dict[date, str] = field(default_factory=dict)

    def settle(self, wanted: Versions) -> None:
        """Fill `frames` with the rows of every wanted day, and `jobs` with the jobs that keep them.

        A day that is not among `jobs` afterwards was computed, and nobody keeps it.
        """
        missing = self._take(dict(wanted))
        watch = _Watch(self.wait_seconds)
        while missing:
            try:
                claims = self.ledger.claim(
                    self.question.definition_hash,
                    self.question.experiment.id,
                    list(self._ranges(missing)),
                    time.time(),
                    watch.dead,
                )
            except LedgerUnavailable as error:
                self.plan.note(f"computed without the job ledger: {error}")
                self._compute_alone(missing)
                return
            if claims.mine:
                missing = self._work(claims.mine, missing)
            elif not watch.goes_on(claims.others):
                self.plan.note(
                    f"waited {self.wait_seconds:.0f} s for another process, then computed without it"
                )
                self._compute_alone(missing)
                return
            if missing:
                missing = self._take(missing)

    def _ranges(self, missing: Versions) -> Iterator[Versions]:
        lived = {day: self.days.lifetime(day) for day in missing}
        for run in missing_ranges(missing, (), lived):
            yield {day: missing[day] for day in run}

    def _take(self, missing: dict[date, int]) -> dict[date, int]:
        """Take what is kept; gives what is still missing."""
        found = self.days.find(missing)
        self.frames += found.frames
        self.jobs |= found.jobs
        return {day: version for day, version in missing.items() if day not in found.jobs}

    def _work(self, mine: Sequence[Job], missing: dict[date, int]) -> dict[date, int]:
        """Compute the days of our jobs; gives the days that others are computing."""
        waiting = list(mine)
        try:
            with self.ledger.beating(mine):
                # Somebody may have finished between our looking and our claiming.
                still = self._take(missing)
                for job in mine:
                    left = {day: version for day, version in job.versions.items() if day in still}
                    if left:
                        self._do(job, left)
                    else:
                        self._give_up(job, "its days were computed by another process meanwhile")
                    waiting.remove(job)
                    still = {day: version for day, version in still.items() if day not in left}
        except BaseException as error:
            for job in waiting:
                self._give_up(job, f"{type(error).__name__}: {error}")
            raise
        return still

    def _do(self, job: Job, left: Versions) -> None:
        rows = self.days.compute(job.versions)
        self.frames.append(rows.filter(pl.col("exposure_date").is_in(list(left))))
        try:
            name = self.days.keep(job, rows)
            now = time.time()
            if self.ledger.finish(job, rows.height, now, self.days.expires_at(job, now)):
                self.jobs |= dict.fromkeys(left, name)
        except NotKept as error:
            self.plan.note(f"computed and not kept: {error}")
            self._give_up(job, str(error))
        except LedgerUnavailable as error:
            self.plan.note(f"computed, but the job ledger was not told: {error}")

    def _compute_alone(self, missing: Versions) -> None:
        self.frames.append(self.days.compute(missing))

    def _give_up(self, job: Job, reason: str) -> None:
        with suppress(LedgerUnavailable):
            self.ledger.fail(job, reason)


class _Watch:
    """Watches the jobs of others: by our own clock, and by whether their beats go on."""

    def __init__(self, seconds: float) -> None:
        self._ends = time.monotonic() + seconds
        self._seen: dict[str, tuple[int, float]] = {}
        self._pause = _PAUSES[0]
        self.dead: list[tuple[str, int]] = []

    def goes_on(self, jobs: Sequence[Job]) -> bool:
        """Wait a little; false when the time is up."""
        now = time.monotonic()
        if now >= self._ends:
            return False
        self.dead = []
        for job in jobs:
            beat, since = self._seen.get(job.job_id, (job.beat, now))
            if beat != job.beat:
                since = now
            self._seen[job.job_id] = (job.beat, since)
            if now - since > LEASE_SECONDS:
                self.dead.append((job.job_id, job.beat))
        time.sleep(min(self._pause, max(self._ends - now, 0.001)))
        self._pause = min(self._pause * 1.5, _PAUSES[1])
        return True
