"""The days of any other definition: rows computed from raw files, kept by job until they expire.

The experiment's own definition is in `own_days`.
"""

import time
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cached_property

import polars as pl

from exposure_assets.exposures.days import Found, NotKept, Versions
from exposure_assets.exposures.plan import Plan
from exposure_assets.exposures.world import World
from exposure_assets.transforms.deduped_exposures import dedupe_exposures
from exposure_assets.transforms.digests import digest_of, mixed
from exposure_assets.transforms.partition_versions import CODE_VERSIONS
from exposure_assets.transforms.preaggregation_windows import ABOUT_TO_EXPIRE
from exposure_assets.transforms.unit_exposures import MERGED_COLUMNS
from resources.exposure_store import ExposureStore
from resources.job_database import LedgerUnavailable
from resources.job_ledger import FAILED, READY, Job, JobLedger
from resources.landing_inputs import held_inputs


@dataclass(frozen=True)
class DefinedDays:
    """Finds days among the jobs of the ledger, computes them from raw files, and keeps them in files of their own."""

    world: World
    ledger: JobLedger
    store: ExposureStore
    plan: Plan

    def wanted(self, days: Collection[date]) -> dict[date, int]:
        """The versions of days: digests of the files that their rows are in, and of all that decides about them."""
        inputs = held_inputs(self.world.zone, self.world.manifest, "events")
        code = f"{CODE_VERSIONS['deduped_exposures']} {pl.__version__}"
        decisive = digest_of(f"{self.world.question.definition_hash} {code}")
        versions = inputs.select("day", mixed(pl.col("inputs"), decisive))
        return {day: version for day, version in versions.iter_rows() if day in set(days)}

    def find(self, wanted: Versions) -> Found:
        """See `Days`."""
        if not wanted:
            return Found()
        try:
            jobs = self.ledger.jobs(self.world.question.definition_hash, (min(wanted), max(wanted)))
        except LedgerUnavailable as error:
            self.plan.note(f"the job ledger was not read: {error}")
            return Found()
        found = Found()
        soon = time.time() + ABOUT_TO_EXPIRE.total_seconds()
        for job in jobs:
            mine = [day for day in job.days if day in wanted and day not in found.jobs]
            outdated = [day for day in mine if job.versions[day] != wanted[day]]
            usable = [day for day in mine if day not in outdated]
            if job.status == FAILED:
                self.plan.reject(job.job_id, mine, f"failed: {job.reason}")
            elif job.status == READY:
                if outdated:
                    self.plan.reject(job.job_id, outdated, "late rows, or other files, on these days")
                if usable and job.expires_at is not None and job.expires_at < soon:
                    self.plan.reject(job.job_id, usable, "expires within the hour")
                elif usable:
                    self._use(job, usable, found)
        return found

    def _use(self, job: Job, days: list[date], found: Found) -> None:
        rows = self.store.read_job(job, days, MERGED_COLUMNS)
        if rows is None:
            self.plan.reject(job.job_id, days, "its rows are gone")
            return
        self.plan.use(job.job_id, days, rows.height)
        found.frames.append(rows)
        found.jobs |= dict.fromkeys(days, job.job_id)

    def compute(self, days: Versions) -> pl.DataFrame:
        """See `Days`."""
        return self.deduped(sorted(days))

    def deduped(
        self, days: list[date], start: datetime | None = None, end: datetime | None = None
    ) -> pl.DataFrame:
        """The rows of days, or of the part of them that lies between two instants."""
        started = time.monotonic()
        events = self.world.landed_exposures(days)
        if start is not None:
            events = events.filter(pl.col("occurred_at") >= start)
        if end is not None:
            events = events.filter(pl.col("occurred_at") < end)
        rows = dedupe_exposures(events.lazy()).collect()
        self.plan.compute("raw files", days, events.height, (time.monotonic() - started) * 1000)
        return rows

    def keep(self, job: Job, rows: pl.DataFrame) -> str:
        """See `Days`."""
        try:
            self.store.write_job(job, rows)
        except OSError as error:
            raise NotKept(
                f"{error.filename or self.world.workspace.settings.staging}: {error.strerror}"
            ) from error
        return job.job_id

    def expires_at(self, job: Job, now: float) -> float | None:
        """The rows of a job go at once, so they live as long as the first of its days lets them."""
        return now + min(map(self.lifetime, job.days))

    def lifetime(self, day: date) -> int:
        """Seconds that the rows of a day are kept."""
        return self.world.question.lifetimes.seconds(day, self._today)

    @cached_property
    def _today(self) -> date:
        return datetime.now(UTC).date()
