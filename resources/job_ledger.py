"""The ledger of jobs: who computes which days of a definition, from which versions, and until when the rows are kept.

Nothing is true because it stands here: rows are taken by the versions of their days, so a lost or wrong ledger costs
work and no answer. The rows themselves are in `exposure_store`.
"""

import json
import threading
import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from resources.job_database import Execute, LedgerUnavailable, job_database
from resources.processes import Process
from resources.warehouse_slices import literal

PENDING, READY, FAILED = "PENDING", "READY", "FAILED"
BEAT_SECONDS = 2.0
# A computing process on another machine whose beat stands still for so long, by our own clock, counts as dead.
LEASE_SECONDS = 15.0
# Jobs that failed, or whose rows are a table's own, are history after a week.
FORGOTTEN_AFTER = timedelta(days=7)

_TABLE = """CREATE TABLE IF NOT EXISTS jobs (
    job_id TEXT PRIMARY KEY, definition_hash TEXT NOT NULL, experiment_id TEXT NOT NULL,
    first_day TEXT NOT NULL, last_day TEXT NOT NULL, versions TEXT NOT NULL, status TEXT NOT NULL,
    owner TEXT NOT NULL, beat BIGINT NOT NULL, created_at DOUBLE PRECISION NOT NULL,
    computed_at DOUBLE PRECISION, expires_at DOUBLE PRECISION, row_count BIGINT, reason TEXT)"""
_COLUMNS = (
    "job_id, definition_hash, experiment_id, versions, status, owner, beat, created_at, expires_at, "
    "row_count, reason"
)


@dataclass(frozen=True)
class Job:
    """Days of a definition that are being computed, or are computed, each from one version of what it rests on.

    Instants are seconds since 1970 by the clock of whoever wrote them; only `expires_at` is ever compared with another
    clock, and it decides how long rows are kept, never whether they are right.
    """

    job_id: str
    definition_hash: str
    experiment_id: str
    versions: Mapping[date, int]
    status: str
    owner: str
    beat: int
    created_at: float
    expires_at: float | None
    row_count: int | None
    reason: str | None

    @property
    def days(self) -> list[date]:
        """The UTC days, ascending."""
        return sorted(self.versions)


@dataclass(frozen=True)
class Claims:
    """Who computes what: the jobs that are now ours, and those of others that cover some of the days."""

    mine: Sequence[Job]
    others: Sequence[Job]


class JobLedger:
    """The jobs of an installation, read and written in transactions of their own."""

    def __init__(self, warehouse: str) -> None:
        self._database = job_database(warehouse, _TABLE)

    def jobs(self, definition_hash: str, days: tuple[date, date]) -> list[Job]:
        """The jobs of a definition that touch some days, the newest first.

        Raises:
            LedgerUnavailable: the ledger cannot be read.
        """
        with self._database.alone() as execute:
            return _jobs(execute, definition_hash, days)

    def claim(
        self,
        definition_hash: str,
        experiment_id: str,
        ranges: Sequence[Mapping[date, int]],
        now: float,
        dead: Collection[tuple[str, int]] = (),
    ) -> Claims:
        """Make jobs of the days that nobody is computing from the same versions, in one transaction.

        Args:
            definition_hash: Of the definition.
            experiment_id: For those who read the ledger.
            ranges: Days with their versions; each range is one job, less the days that somebody is computing.
            now: Seconds since 1970.
            dead: Jobs, with the beat last seen, whose process no longer lives; they are failed where the beat is still
                that one.

        Raises:
            LedgerUnavailable: the ledger cannot be written.
        """
        days = [day for one in ranges for day in one]
        mine: list[Job] = []
        with self._database.alone() as execute:
            for job_id, beat in dead:
                _give_up(execute, job_id, beat)
            pending = []
            for job in _jobs(execute, definition_hash, (min(days), max(days))):
                if job.status == PENDING and Process.parse(job.owner).is_dead:
                    _give_up(execute, job.job_id, job.beat)
                elif job.status == PENDING:
                    pending.append(job)
            taken = {item for job in pending for item in job.versions.items()}
            for one in ranges:
                free = {day: version for day, version in one.items() if (day, version) not in taken}
                if free:
                    job = _new_job(definition_hash, experiment_id, free, now)
                    execute(_insert(job))
                    mine.append(job)
        wanted = {item for one in ranges for item in one.items()}
        return Claims(mine, [job for job in pending if wanted & set(job.versions.items())])

    def finish(self, job: Job, row_count: int, now: float, expires_at: float | None) -> bool:
        """Declare a job of ours ready; false where somebody has taken it for dead, and its rows are nobody's.

        Raises:
            LedgerUnavailable: the ledger cannot be written.
        """
        expires = "NULL" if expires_at is None else repr(expires_at)
        with self._database.alone() as execute:
            execute(
                f"UPDATE jobs SET status = '{READY}', computed_at = {now!r}, expires_at = {expires}, "
                f"row_count = {row_count} WHERE job_id = {literal(job.job_id)} AND status = '{PENDING}'"
            )
            found = execute(f"SELECT status FROM jobs WHERE job_id = {literal(job.job_id)}")
        return found == [(READY,)]

    def fail(self, job: Job, reason: str) -> None:
        """Give a job of ours up; who waits for it computes its days.

        Raises:
            LedgerUnavailable: the ledger cannot be written.
        """
        with self._database.alone() as execute:
            execute(
                f"UPDATE jobs SET status = '{FAILED}', reason = {literal(reason[:500].replace(chr(0), ''))} "
                f"WHERE job_id = {literal(job.job_id)} AND status = '{PENDING}'"
            )

    def take_out(self, now: float, failed_before: float) -> list[Job]:
        """Forget jobs that have expired, and those that failed or began long ago without an end; gives them.

        Raises:
            LedgerUnavailable: the ledger cannot be written.
        """
        condition = (
            f"(expires_at IS NOT NULL AND expires_at <= {now!r}) "
            f"OR (status <> '{READY}' AND created_at <= {failed_before!r}) "
            f"OR (status = '{READY}' AND expires_at IS NULL AND created_at <= {failed_before!r})"
        )
        with self._database.alone() as execute:
            gone = [_job(row) for row in execute(f"SELECT {_COLUMNS} FROM jobs WHERE {condition}")]
            execute(f"DELETE FROM jobs WHERE {condition}")
        return gone

    def job_ids(self) -> set[str]:
        """Every job that is known.

        Raises:
            LedgerUnavailable: the ledger cannot be read.
        """
        with self._database.alone() as execute:
            return {str(job_id) for (job_id,) in execute("SELECT job_id FROM jobs")}

    @contextmanager
    def beating(self, jobs: Sequence[Job]) -> Iterator[None]:
        """Show others that the jobs are being computed for as long as the block lasts."""
        if not jobs:
            yield
            return
        ended = threading.Event()

        def beat() -> None:
            ids = ", ".join(literal(job.job_id) for job in jobs)
            while not ended.wait(BEAT_SECONDS):
                # A beat that is missed costs at most that somebody computes the same too.
                with suppress(LedgerUnavailable), self._database.alone() as execute:
                    execute(f"UPDATE jobs SET beat = beat + 1 WHERE job_id IN ({ids})")

        thread = threading.Thread(target=beat, name="exposure-jobs-beat", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()


def _give_up(execute: Execute, job_id: str, beat: int) -> None:
    execute(
        f"UPDATE jobs SET status = '{FAILED}', reason = 'the process that computed it is gone' "
        f"WHERE job_id = {literal(job_id)} AND status = '{PENDING}' AND beat = {beat}"
    )


def _jobs(execute: Execute, definition_hash: str, days: tuple[date, date]) -> list[Job]:
    rows = execute(
        f"SELECT {_COLUMNS} FROM jobs WHERE definition_hash = {literal(definition_hash)} "
        f"AND first_day <= '{days[1]}' AND last_day >= '{days[0]}' ORDER BY created_at DESC, job_id"
    )
    return [_job(row) for row in rows]


def _job(row: tuple[Any, ...]) -> Job:
    job_id, definition, experiment, versions, *rest = row
    by_day = {date.fromisoformat(day): int(version, 16) for day, version in json.loads(versions).items()}
    return Job(job_id, definition, experiment, by_day, *rest)


def _new_job(definition_hash: str, experiment_id: str, versions: Mapping[date, int], now: float) -> Job:
    owner = str(Process.this())
    return Job(
        uuid.uuid4().hex, definition_hash, experiment_id, versions, PENDING, owner, 0, now, None, None, None
    )


def _insert(job: Job) -> str:
    versions = json.dumps({day.isoformat(): f"{version:x}" for day, version in job.versions.items()})
    texts = (
        job.job_id,
        job.definition_hash,
        job.experiment_id,
        f"{job.days[0]}",
        f"{job.days[-1]}",
        versions,
    )
    values = ", ".join(map(literal, (*texts, job.status, job.owner)))
    return (
        "INSERT INTO jobs (job_id, definition_hash, experiment_id, first_day, last_day, versions, status, owner, "
        f"beat, created_at) VALUES ({values}, {job.beat}, {job.created_at!r})"
    )
