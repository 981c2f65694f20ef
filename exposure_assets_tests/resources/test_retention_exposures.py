"""Which preaggregated exposures go, and when: never a row that somebody may still use."""

import os
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from resources.exposure_store import ExposureStore
from resources.job_ledger import Job, JobLedger
from resources.retention_exposures import sweep_exposures

DAY = date(2026, 1, 1)
VERSIONS: Mapping[date, int] = {DAY: 1}
ROWS = pl.DataFrame({"unit_id": ["ann"], "exposure_date": [DAY]})
NOW = datetime.now(UTC)


@pytest.fixture
def ledger(tmp_path: Path) -> JobLedger:
    return JobLedger(str(tmp_path / "warehouse.duckdb"))


@pytest.fixture
def store(tmp_path: Path) -> ExposureStore:
    return ExposureStore(tmp_path / "staging")


def kept_job(ledger: JobLedger, store: ExposureStore, expires: timedelta) -> Job:
    (job,) = ledger.claim("a" * 64, "exp", [VERSIONS], NOW.timestamp()).mine
    store.write_job(job, ROWS)
    assert ledger.finish(job, 1, NOW.timestamp(), (NOW + expires).timestamp())
    return job


def age(path: Path, days: float) -> None:
    then = (NOW - timedelta(days=days)).timestamp()
    os.utime(path, (then, then))


def file_of(store: ExposureStore, job: Job) -> Path:
    return next(path for path, job_id in store.files_of_jobs().items() if job_id == job.job_id)


def test_rows_of_an_expired_job_go_a_day_after_they_were_written_and_others_stay(
    ledger: JobLedger, store: ExposureStore
):
    expired = kept_job(ledger, store, -timedelta(seconds=1))
    fresh = kept_job(ledger, store, timedelta(hours=1))
    for job in (expired, fresh):
        age(file_of(store, job), 2)
    assert sweep_exposures(ledger, store, NOW).files == 1
    assert ledger.job_ids() == {fresh.job_id}
    assert store.read_job(expired, [DAY], ["unit_id"]) is None
    assert store.read_job(fresh, [DAY], ["unit_id"]) is not None


def test_a_file_whose_job_is_unknown_goes_once_it_is_a_day_old(ledger: JobLedger, store: ExposureStore):
    job = kept_job(ledger, store, -timedelta(seconds=1))
    assert sweep_exposures(ledger, store, NOW).files == 0
    assert store.read_job(job, [DAY], ["unit_id"]) is not None
    age(file_of(store, job), 1.1)
    assert sweep_exposures(ledger, store, NOW).files == 1


def test_an_answer_goes_30_days_after_it_was_last_used(ledger: JobLedger, store: ExposureStore):
    for key in ("used", "unused"):
        store.write_answer(key, ROWS, {})
        store.write_merge(key, VERSIONS, ROWS)
    for path in store.files_to_read_again():
        age(path, 31)
    assert store.read_answer("used") is not None
    assert store.read_merge("used", VERSIONS) is not None
    assert sweep_exposures(ledger, store, NOW).files == 3
    assert store.read_answer("used") is not None
    assert store.read_answer("unused") is None
    assert store.read_merge("used", VERSIONS) is not None
    assert store.read_merge("unused", VERSIONS) is None


def test_without_any_exposures_there_is_nothing_to_delete(ledger: JobLedger, store: ExposureStore):
    assert sweep_exposures(ledger, store, NOW).files == 0
