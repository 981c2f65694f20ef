"""The ledger of jobs: who computes what, on every place that a warehouse's ledger can lie in."""

import multiprocessing
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from resources.job_database import LedgerUnavailable, SqliteJobs, job_database
from resources.job_ledger import FAILED, PENDING, READY, Claims, Job, JobLedger
from resources.processes import Process

NOW = 1_700_000_000.0
HASH, OTHER = "a" * 64, "b" * 64


def jan(*days: int, version: int = 1) -> Mapping[date, int]:
    return {date(2024, 1, day): version for day in days}


def days_of(jobs: Sequence[Job]) -> list[list[int]]:
    return sorted([day.day for day in job.days] for job in jobs)


@pytest.fixture
def ledger(warehouse_url: str) -> JobLedger:
    return JobLedger(warehouse_url)


def claim(ledger: JobLedger, *ranges: Mapping[date, int], definition: str = HASH, **also: Any) -> Claims:
    return ledger.claim(definition, "exp", list(ranges), NOW, **also)


def test_a_job_is_read_as_it_was_claimed(ledger: JobLedger):
    (job,) = claim(ledger, jan(1, 2, version=1 << 63)).mine
    assert ledger.jobs(HASH, (date(2024, 1, 2), date(2024, 1, 9))) == [job]
    assert (job.status, job.versions, job.experiment_id) == (PENDING, jan(1, 2, version=1 << 63), "exp")
    assert Process.parse(job.owner) == Process.this()


def test_jobs_of_other_days_and_of_other_definitions_are_not_found(ledger: JobLedger):
    claim(ledger, jan(1, 2))
    assert ledger.jobs(HASH, (date(2024, 1, 3), date(2024, 1, 9))) == []
    assert ledger.jobs(OTHER, (date(2024, 1, 1), date(2024, 1, 9))) == []
    assert claim(ledger, jan(1, 2), definition=OTHER).others == []


def test_days_that_somebody_is_computing_are_left_to_them(ledger: JobLedger):
    (first,) = claim(ledger, jan(2)).mine
    claims = claim(ledger, jan(1, 2, 3))
    assert days_of(claims.mine) == [[1, 3]]
    assert [job.job_id for job in claims.others] == [first.job_id]


def test_a_day_that_somebody_computes_from_another_version_is_computed_beside_them(ledger: JobLedger):
    claim(ledger, jan(1, version=1))
    claims = claim(ledger, jan(1, version=2))
    assert (days_of(claims.mine), claims.others) == ([[1]], [])


def test_a_ready_job_does_not_keep_anybody_from_computing(ledger: JobLedger):
    (job,) = claim(ledger, jan(1)).mine
    assert ledger.finish(job, 7, NOW, NOW + 60)
    (ready,) = ledger.jobs(HASH, (date(2024, 1, 1), date(2024, 1, 1)))
    assert (ready.status, ready.row_count, ready.expires_at) == (READY, 7, NOW + 60)
    assert days_of(claim(ledger, jan(1)).mine) == [[1]]


def test_a_failed_job_says_why_and_its_days_are_free(ledger: JobLedger):
    (job,) = claim(ledger, jan(1)).mine
    ledger.fail(job, "the disk's full \\ 'really'")
    (failed,) = ledger.jobs(HASH, (date(2024, 1, 1), date(2024, 1, 1)))
    assert (failed.status, failed.reason) == (FAILED, "the disk's full \\ 'really'")
    assert days_of(claim(ledger, jan(1)).mine) == [[1]]
    assert not ledger.finish(job, 1, NOW, None)


def test_the_job_of_a_process_that_is_gone_is_taken_over(ledger: JobLedger):
    (job,) = claim(ledger, jan(1)).mine
    disown(ledger, job.job_id, dead_process())
    assert days_of(claim(ledger, jan(1)).mine) == [[1]]
    (failed,) = [
        one for one in ledger.jobs(HASH, (date(2024, 1, 1), date(2024, 1, 1))) if one.status == FAILED
    ]
    assert failed.reason == "the process that computed it is gone"


def test_the_job_of_a_process_elsewhere_is_taken_over_only_when_its_beat_stands_still(ledger: JobLedger):
    (job,) = claim(ledger, jan(1)).mine
    disown(ledger, job.job_id, replace(Process.this(), host="elsewhere"))
    assert claim(ledger, jan(1)).mine == []
    assert claim(ledger, jan(1), dead=[(job.job_id, job.beat - 1)]).mine == [], "it has beaten since"
    assert days_of(claim(ledger, jan(1), dead=[(job.job_id, job.beat)]).mine) == [[1]]


def test_who_was_taken_for_dead_cannot_finish(ledger: JobLedger):
    (job,) = claim(ledger, jan(1)).mine
    (second,) = claim(ledger, jan(1), dead=[(job.job_id, job.beat)]).mine
    assert not ledger.finish(job, 1, NOW, None)
    assert ledger.finish(second, 1, NOW, None)


def test_what_has_expired_is_taken_out_once_and_the_rest_stays(ledger: JobLedger):
    jobs = claim(ledger, jan(1), jan(3), jan(5)).mine
    for job, expires_at in zip(jobs, (NOW, NOW + 1, None), strict=True):
        ledger.finish(job, 1, NOW, expires_at)
    assert days_of(ledger.take_out(NOW, NOW - 10)) == [[1]]
    assert ledger.take_out(NOW, NOW - 10) == []
    assert days_of(ledger.jobs(HASH, (date(2024, 1, 1), date(2024, 1, 9)))) == [[3], [5]]


def test_what_failed_or_never_ended_is_forgotten_after_a_while(ledger: JobLedger):
    failed, pending = claim(ledger, jan(1), jan(3)).mine
    ledger.fail(failed, "no luck")
    assert ledger.take_out(NOW, NOW - 1) == []
    assert days_of(ledger.take_out(NOW, NOW)) == [[1], [3]]
    assert not ledger.finish(pending, 1, NOW, None)


def test_an_empty_ledger_has_no_jobs(ledger: JobLedger):
    assert ledger.jobs(HASH, (date(2024, 1, 1), date(2024, 1, 9))) == []
    assert ledger.take_out(NOW, NOW) == []


def _claim_days(url: str, days: Mapping[date, int]) -> list[list[int]]:
    return days_of(claim(JobLedger(url), *({day: version} for day, version in days.items())).mine)


def test_of_processes_that_claim_at_once_each_day_goes_to_one(warehouse_url: str):
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        claimed = pool.starmap(_claim_days, [(warehouse_url, jan(*range(1, 9)))] * 6)
    # A process that has ended is dead, and none ends before all have claimed.
    assert sorted(days for mine in claimed for days in mine) == [[day] for day in range(1, 9)]


def test_a_ledger_that_cannot_be_written_says_so(tmp_path: Path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(LedgerUnavailable, match="exposure_jobs"):
        claim(JobLedger(str(tmp_path / "file" / "warehouse.duckdb")), jan(1))


def test_a_ledger_that_is_no_database_says_so(tmp_path: Path):
    (tmp_path / "warehouse.duckdb.exposure_jobs.sqlite").write_text("x" * 5000)
    with pytest.raises(LedgerUnavailable, match="not a database"):
        claim(JobLedger(str(tmp_path / "warehouse.duckdb")), jan(1))


def test_the_ledger_lies_beside_a_file_and_never_in_the_file_that_duckdb_opens(tmp_path: Path):
    for url in (f"{tmp_path}/w.duckdb", f"ducklake:sqlite:{tmp_path}/lake.sqlite"):
        database = job_database(url, "")
        assert isinstance(database, SqliteJobs)
        assert database.path.parent == tmp_path
        assert not url.endswith(database.path.name)


def disown(ledger: JobLedger, job_id: str, owner: Process) -> None:
    with ledger._database.alone() as execute:
        execute(f"UPDATE jobs SET owner = '{owner}' WHERE job_id = '{job_id}'")


def dead_process() -> Process:
    """A process of this machine that has ended."""
    code = "from resources.processes import Process; print(Process.this())"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return Process.parse(done.stdout.strip())
