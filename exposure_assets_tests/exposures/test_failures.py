"""What goes wrong around an answer: others hold the warehouse, die, fill the disk; the answer is right or an error."""

import os
import signal
import subprocess
import sys
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from exposure_assets.exposures import ensure_preaggregated
from exposure_assets_tests.exposures.asking import Asker, at, computed, dagster_home, saw, used
from exposure_assets_tests.exposures.definitions import OTHER
from exposure_assets_tests.installation import ROOT
from exposure_assets_tests.reference.small_zone import exposed
from exposure_assets_tests.resources.test_job_ledger import dead_process, disown
from resources.job_ledger import FAILED, PENDING, READY, Job, JobLedger

HOLDS_THE_FILE = """
import duckdb, os
held = duckdb.connect(os.environ["EXPOSURES_WAREHOUSE"])
print("held", flush=True)
input()
"""
DAYS = (date(2026, 1, 1), date(2026, 1, 31))


@pytest.fixture
def asker(tmp_path: Path) -> Asker:
    return Asker(tmp_path)


def ledger_of(asker: Asker) -> JobLedger:
    return JobLedger(asker.installation.workspace.settings.warehouse)


def jobs_of(asker: Asker, definition_hash: str = OTHER.hash) -> list[Job]:
    return ledger_of(asker).jobs(definition_hash, DAYS)


def program(asker: Asker, code: str) -> subprocess.Popen[str]:
    """A process of its own with the installation's settings."""
    return subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, **asker.installation.environment},
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )


def test_an_answer_comes_while_another_process_holds_the_duckdb_file(asker: Asker):
    asker.deliver(*(exposed("ann", "control", f"{day} 09:00") for day in (10, 11)))
    asker.is_right("10 00:00", "11 00:00")
    with program(asker, HOLDS_THE_FILE) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        answer = asker.is_right("10 00:00", "12 00:00")
        holder.communicate("\n")
    assert (used(answer), computed(answer)) == (["2026-01-10"], ["2026-01-11 from staged events"])
    assert any("busy" in note for note in answer.plan.notes)
    assert not ensure_ready_while_held(asker)
    again = asker.is_right("10 00:00", "13 00:00")
    assert again.rows.height == 1


def ensure_ready_while_held(asker: Asker) -> bool:
    with program(asker, HOLDS_THE_FILE) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        ensured = ensure_preaggregated(
            asker.own, at("10 00:00"), at("12 00:00"), workspace=asker.installation.workspace
        )
        holder.communicate("\n")
    return ensured.ready


def test_an_answer_comes_without_a_ledger(asker: Asker):
    asker.deliver(saw("ann", "control", "10 09:00"), exposed("ann", "control", "10 09:00"))
    (asker.folder / "place").mkdir()
    (asker.folder / "place" / "warehouse.duckdb.exposure_jobs.sqlite").write_text("broken" * 1000)
    for definition in (None, OTHER):
        answer = asker.is_right(definition=definition)
        assert any("ledger" in note for note in answer.plan.notes)


def test_an_answer_comes_where_nothing_can_be_kept(asker: Asker):
    asker.deliver(saw("ann", "control", "10 09:00"))
    staging = asker.installation.workspace.settings.staging
    staging.mkdir(parents=True)
    # As a full disk would: whatever is written fails.
    (staging / "exposures").write_text("no folder")
    answer = asker.is_right(definition=OTHER)
    assert any("not kept" in note for note in answer.plan.notes)
    assert [job.status for job in jobs_of(asker)] == [FAILED]
    (staging / "exposures").unlink()
    assert computed(asker.is_right(definition=OTHER)) == ["2026-01-10 from raw files"]
    assert sorted(job.status for job in jobs_of(asker)) == [FAILED, READY]


def test_the_job_of_a_killed_process_is_taken_over(asker: Asker):
    asker.deliver(saw("ann", "control", "10 09:00"))
    asker.is_right(definition=OTHER)
    (job,) = jobs_of(asker)
    asker.deliver(saw("bob", "control", "11 09:00"))
    claimed = ledger_of(asker).claim(OTHER.hash, "exp", [wanted_of(asker)], time.time()).mine
    for one in claimed:
        disown(ledger_of(asker), one.job_id, dead_process())
    answer = asker.is_right(definition=OTHER)
    assert computed(answer) == ["2026-01-11 from raw files"]
    assert {one.status for one in jobs_of(asker)} == {READY, FAILED}
    assert job.job_id in {one["job"] for one in answer.plan.used}


def wanted_of(asker: Asker) -> dict[date, int]:
    """The versions that the days of the other definition should have now."""
    from exposure_assets.exposures.answering import _Answering
    from exposure_assets.exposures.defined_days import DefinedDays
    from exposure_assets.exposures.question import asked
    from exposure_assets.exposures.world import World
    from exposure_assets.transforms.preaggregation_windows import lifetimes

    place = asker.installation.workspace
    question = asked(place.catalog(), "exp", None, None, OTHER, None, lifetimes(None))
    answering = _Answering(place, question)
    world = World.scanned(place, question)
    return DefinedDays(world, answering._ledger, answering._store, answering._plan).wanted(world.days)


def test_a_process_killed_while_it_computes_leaves_a_right_answer_behind(asker: Asker):
    asker.deliver(*(saw(f"u{n}", "control", f"{10 + n % 9} 09:00") for n in range(200)))
    code = (
        "import sys\n"
        "from exposure_assets.exposures import defined_days, exposures\n"
        "from exposure_assets_tests.exposures.definitions import OTHER\n"
        "class Slow(defined_days.DefinedDays):\n"
        "    def compute(self, days):\n"
        "        print('computing', flush=True); sys.stdin.readline()\n"
        "import exposure_assets.exposures.answering as answering\n"
        "answering.DefinedDays = Slow\n"
        "exposures('exp', definition=OTHER)\n"
    )
    with program(asker, code) as slow:
        assert slow.stdout is not None and slow.stdout.readline() == "computing\n"
        assert [job.status for job in jobs_of(asker)] == [PENDING]
        slow.send_signal(signal.SIGKILL)
    assert asker.is_right(definition=OTHER).rows.height == 200
    assert sorted(job.status for job in jobs_of(asker)) == [FAILED, READY]


def test_of_callers_at_once_one_computes_and_all_are_right(tmp_path: Path, warehouse_url: str):
    asker = Asker(tmp_path, warehouse_url)
    asker.deliver(*(saw(f"u{n}", "control", f"{10 + n % 9} 09:00") for n in range(300)))
    asker.deliver(*(exposed(f"u{n}", "control", f"{10 + n % 9} 09:00") for n in range(300)))
    code = (
        "import sys\n"
        "from exposure_assets.exposures import exposures\n"
        "from exposure_assets_tests.exposures.definitions import OTHER\n"
        "print('ready', flush=True); sys.stdin.readline()\n"
        "answers = [exposures('exp', definition=definition) for definition in (OTHER, None)]\n"
        "print([answer.rows.rows() for answer in answers])\n"
    )
    callers = [program(asker, code) for _ in range(2)]
    for caller in callers:
        assert caller.stdout is not None and caller.stdout.readline() == "ready\n"
    said = []
    for caller in callers:
        assert caller.stdin is not None
        caller.stdin.write("go\n")
        caller.stdin.flush()
    for caller in callers:
        said.append(caller.communicate(timeout=120)[0])
        assert caller.returncode == 0
    assert len(set(said)) == 1
    asker.is_right(definition=OTHER)
    asker.is_right()
    ready = [job for job in jobs_of(asker) if job.status == READY]
    assert sorted(day for job in ready for day in job.days) == [date(2026, 1, day) for day in range(10, 19)]


def test_expired_rows_are_deleted_and_computed_again(asker: Asker):
    asker.deliver(saw("ann", "control", "10 09:00"))
    asker.is_right(definition=OTHER)
    (job,) = jobs_of(asker)
    files = list(asker.installation.workspace.settings.staging.rglob(f"{job.job_id}.parquet"))
    assert len(files) == 1
    expire(asker, job, time.time() + 1800)
    answer = asker.is_right("09 00:00", "12 00:00", OTHER)
    assert [one["reason"] for one in answer.plan.rejected] == ["expires within the hour"]
    assert computed(answer) == ["2026-01-10 from raw files"]
    expire(asker, job, time.time() - 1)
    asker.is_right("08 00:00", "12 00:00", OTHER)
    assert not files[0].exists()
    assert job.job_id not in {one.job_id for one in jobs_of(asker)}


def test_rows_that_somebody_deleted_are_computed_again(asker: Asker):
    asker.deliver(saw("ann", "control", "10 09:00"))
    asker.is_right(definition=OTHER)
    for path in asker.installation.workspace.settings.staging.rglob("jobs/*/*.parquet"):
        path.unlink()
    answer = asker.is_right("09 00:00", "12 00:00", OTHER)
    assert [one["reason"] for one in answer.plan.rejected] == ["its rows are gone"]


def test_a_clock_that_is_wrong_by_years_changes_no_answer(asker: Asker):
    asker.deliver(saw("ann", "control", "10 09:00"))
    asker.is_right(definition=OTHER)
    (job,) = jobs_of(asker)
    asker.deliver(saw("bob", "control", "10 10:00"))
    for years in (-30, 30):
        expire(asker, job, (datetime.now(UTC) + timedelta(days=365 * years)).timestamp())
        assert asker.is_right("09 00:00", f"{12 + years // 30} 00:00", OTHER).rows.height == 2


def test_staged_rows_that_are_not_those_of_the_ledger_are_not_read(asker: Asker):
    asker.deliver(exposed("ann", "control", "10 09:00"), exposed("bob", "control", "10 10:00"))
    asker.is_right("11 00:00", "12 00:00")
    asker.is_right("10 00:00", "10 08:00")
    (staged,) = asker.installation.workspace.staging.folder.glob("exposure_events/date=2026-01-10/*.parquet")
    # As a stager leaves it that was killed between its rows and its ledger.
    pl.read_parquet(staged).head(1).write_parquet(staged)
    answer = asker.is_right("10 00:00", "12 00:00")
    assert computed(answer) == ["2026-01-10 from raw files"]


def test_dagster_hears_of_partitions_that_an_answer_made(asker: Asker):
    asker.deliver(exposed("ann", "control", "10 09:00"))
    with dagster_home(asker) as instance:
        asker.is_right()
        records = instance.fetch_materializations(dg.AssetKey("deduped_exposures"), limit=10).records
        assert [str(record.partition_key) for record in records] == ["2026-01-10|exp"]
        assert used(asker.is_right("09 00:00", "12 00:00")) == ["2026-01-10"]


def expire(asker: Asker, job: Job, expires_at: float) -> None:
    with ledger_of(asker)._database.alone() as execute:
        execute(f"UPDATE jobs SET expires_at = {expires_at!r} WHERE job_id = '{job.job_id}'")
