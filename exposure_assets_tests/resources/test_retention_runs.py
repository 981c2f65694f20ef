"""Logs of old runs: what goes, and that partitions, checks and the list of runs do not go with them."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus

from exposure_assets_tests.resources.event_runs import RUN, logged, materialise, opened, shown
from resources.dagster_home import dagster_home
from resources.retention_runs import sweep_run_logs

FIRST, LAST = "2026-01-01|checkout", "2026-01-02|search"
SECOND_RUN = RUN.replace("1", "2")
CHECKS = [dg.AssetCheckKey(dg.AssetKey("assignments"), name) for name in ("grain", "timing")]


@pytest.fixture(params=["ours", "Dagster's own"])
def home(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of Dagster in which two runs have ended."""
    home = tmp_path / "home"
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    dagster_home(home)
    if request.param != "ours":
        (home / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    materialise(home, FIRST, LAST)
    materialise(home, LAST, LAST, run_id=SECOND_RUN)
    return home


@pytest.fixture
def instance(home: Path) -> Iterator[dg.DagsterInstance]:
    with opened(home) as instance:
        yield instance


def end(home: Path, run_id: str, days_ago: int) -> None:
    """Move the end of a run into the past."""
    ended_at = datetime.now(UTC) - timedelta(days=days_ago)
    with closing(sqlite3.connect(home / "history" / "runs.db")) as database, database:
        database.execute("UPDATE runs SET end_time = ? WHERE run_id = ?", (ended_at.timestamp(), run_id))


def known(instance: dg.DagsterInstance) -> dict[str, Any]:
    """What Dagster's pages show of assets, checks and runs."""
    storage = instance.event_log_storage
    checks = storage.get_latest_asset_check_execution_by_key(CHECKS)
    statuses = {check.name: record.status for check, record in checks.items()}
    assert statuses["timing"] is AssetCheckExecutionRecordStatus.FAILED
    latest = instance.get_latest_materialization_event(dg.AssetKey("assignments"))
    assert latest is not None and latest.asset_materialization is not None
    return {
        "materialised": {name: shown(instance, name) for name in ("assignments", "exposure_validation")},
        "metadata": latest.asset_materialization.metadata,
        "checks": statuses,
        "failed rows": [
            record.event.dagster_event.asset_check_evaluation_data.metadata
            for record in checks.values()
            if record.event and record.event.dagster_event
        ],
        "runs": [
            (record.dagster_run.run_id, record.dagster_run.status, record.end_time)
            for record in instance.get_run_records()
        ],
    }


def files(home: Path, run_id: str) -> list[Path]:
    outputs = home / "storage" / run_id / "compute_logs"
    return [*(home / "history" / "runs").glob(f"{run_id}*"), *outputs.glob("*")]


def cutoff() -> datetime:
    return datetime.now(UTC) - timedelta(days=30)


def test_the_log_of_an_old_run_goes_and_what_it_did_is_still_known(home: Path, instance: dg.DagsterInstance):
    end(home, RUN, days_ago=31)
    before = known(instance)
    found = files(home, RUN)
    assert {path.suffix for path in found} >= {".db", ".err", ".out"}, "a log and what the run printed"
    size = sum(path.stat().st_size for path in found)
    swept = sweep_run_logs(instance, cutoff())
    assert (swept.runs, swept.removed.files, swept.removed.bytes, swept.note) == (1, len(found), size, None)
    assert files(home, RUN) == []
    assert known(instance) == before
    assert before["materialised"]["assignments"] == [FIRST, "2026-01-01|search", "2026-01-02|checkout", LAST]


def test_a_run_that_ended_lately_keeps_its_log(home: Path, instance: dg.DagsterInstance):
    end(home, RUN, days_ago=31)
    end(home, SECOND_RUN, days_ago=29)
    sweep_run_logs(instance, cutoff())
    assert logged(instance, "assignments", SECOND_RUN) == [LAST]
    assert sweep_run_logs(instance, cutoff()).runs == 0


def test_a_run_that_has_not_ended_keeps_its_log_however_old_it_is(home: Path, instance: dg.DagsterInstance):
    end(home, RUN, days_ago=400)
    with closing(sqlite3.connect(home / "history" / "runs.db")) as database, database:
        database.execute("UPDATE runs SET status = 'STARTED' WHERE run_id = ?", (RUN,))
    assert sweep_run_logs(instance, cutoff()).runs == 0
    assert len(logged(instance, "assignments", RUN)) == 4


def test_the_page_of_a_swept_run_is_empty_and_no_error(home: Path, instance: dg.DagsterInstance):
    end(home, RUN, days_ago=31)
    sweep_run_logs(instance, cutoff())
    with opened(home) as another_process:
        assert logged(another_process, "assignments", RUN) == []
        assert another_process.get_run_stats(RUN).materializations == 0
        assert sorted(shown(another_process, "assignments"))[0] == FIRST


def test_a_process_that_has_shown_a_run_shows_it_as_empty_once_it_is_swept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    home = tmp_path / "home"
    monkeypatch.setenv("DAGSTER_HOME", str(dagster_home(home)))
    materialise(home, FIRST, FIRST)
    end(home, RUN, days_ago=31)
    with opened(home) as webserver, opened(home) as instance:
        assert logged(webserver, "assignments", RUN) == [FIRST]
        assert sweep_run_logs(instance, cutoff()).runs == 1
        assert logged(webserver, "assignments", RUN) == []


def test_the_partitions_of_a_swept_run_can_be_materialised_anew(home: Path, instance: dg.DagsterInstance):
    end(home, RUN, days_ago=31)
    before = known(instance)["materialised"]
    sweep_run_logs(instance, cutoff())
    third = RUN.replace("1", "3")
    materialise(home, FIRST, FIRST, run_id=third)
    assert known(instance)["materialised"] == before
    assert logged(instance, "assignments", third) == [FIRST]


def test_an_event_log_that_keeps_all_runs_together_is_left_alone():
    with dg.DagsterInstance.ephemeral() as instance:
        swept = sweep_run_logs(instance, datetime.now(UTC))
        assert swept.runs == swept.removed.files == 0
        assert (
            swept.note == "InMemoryEventLogStorage keeps the events of all runs together: nothing is deleted."
        )
