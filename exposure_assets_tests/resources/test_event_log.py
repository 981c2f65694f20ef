"""The event log: real runs, real processes and the files they leave, beside those of Dagster's own event log.

What the runs write to the tables is tested where the tables are.
"""

import json
import os
import re
import signal
import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import EmptyWorkspaceTarget
from dagster_graphql.cli import execute_query

from exposure_assets_tests.resources.event_runs import (
    RUN,
    in_another_process,
    logged,
    materialise,
    opened,
    shown,
    written,
)
from resources.dagster_home import dagster_home
from resources.event_log import BatchedSqliteEventLogStorage


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of Dagster with the batched event log, in batches that are smaller than a range."""
    monkeypatch.setenv("DAGSTER_EVENT_BATCH_SIZE", "3")
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home"))
    return dagster_home(tmp_path / "home")


@pytest.fixture
def stock_home(tmp_path: Path) -> Path:
    """A home of Dagster as Dagster makes it."""
    (tmp_path / "stock").mkdir()
    (tmp_path / "stock" / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    return tmp_path / "stock"


TABLES = {
    "event_logs": "run_id, dagster_event_type, step_key, asset_key, partition, event",
    "asset_keys": "asset_key, last_run_id, last_materialization",
    "asset_event_tags": "asset_key, key, value, event_id",
    "asset_check_executions": "asset_key, check_name, partition, run_id, execution_status, evaluation_event, "
    "evaluation_event_storage_id, materialization_event_storage_id",
}
DURATION = re.compile(r" in [0-9.]+m?s\b")


def stored(home: Path, file: str) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of a file of the event log, apart from what two runs of the same thing can't share."""
    with closing(sqlite3.connect(home / "history" / "runs" / f"{file}.db")) as database:
        return {
            table: [
                tuple(_without_its_moment(value) for value in row)
                for row in database.execute(f"SELECT id, {columns} FROM {table} ORDER BY id")
            ]
            for table, columns in TABLES.items()
        }


def _without_its_moment(value: Any) -> Any:
    """Drop times, durations and the folder of the home from an event, at any depth."""
    if isinstance(value, str):
        return _without_its_moment(json.loads(value)) if value.startswith("{") else DURATION.sub("", value)
    if isinstance(value, list):
        return [_without_its_moment(item) for item in value]
    if not isinstance(value, dict):
        return value
    if value.get("__class__") in ("EngineEventData", "ComputeLogsCaptureData"):
        return value["__class__"]
    dropped = {"timestamp", "duration_ms"}
    return {key: _without_its_moment(item) for key, item in value.items() if key not in dropped}


def test_a_run_leaves_the_same_rows_as_with_dagsters_own_event_log(home: Path, stock_home: Path):
    materialise(home, "2026-01-01|checkout", "2026-01-04|search")
    materialise(stock_home, "2026-01-01|checkout", "2026-01-04|search")

    with opened(home) as ours, opened(stock_home) as stock:
        assert type(ours.event_log_storage) is not type(stock.event_log_storage)
    for file in ("index", RUN):
        ours, theirs = stored(home, file), stored(stock_home, file)
        for table in TABLES:
            assert ours[table] == theirs[table], f"{table} of {file}.db"
    counts = {table: len(rows) for table, rows in stored(home, "index").items()}
    assert counts["asset_keys"] == 2 and counts["asset_check_executions"] == 2
    assert counts["event_logs"] >= 2 * 2 * 8 and counts["asset_event_tags"] >= 2 * 8


def test_dagsters_own_event_log_reads_what_was_stored_in_batches_and_goes_on_with_it(home: Path):
    materialise(home, "2026-01-01|checkout", "2026-01-02|search")
    (home / "dagster.yaml").unlink()

    with opened(home) as stock:
        assert type(stock.event_log_storage) is not BatchedSqliteEventLogStorage
        assert shown(stock, "exposure_validation") == [
            "2026-01-01|checkout",
            "2026-01-01|search",
            "2026-01-02|checkout",
            "2026-01-02|search",
        ]
    materialise(home, "2026-01-05|search", "2026-01-05|search", run_id=RUN.replace("1", "2"))
    dagster_home(home)
    with opened(home) as ours:
        assert len(shown(ours, "exposure_validation")) == 5


def test_a_batch_that_cannot_be_stored_leaves_no_part_of_itself(home: Path):
    materialise(home, "2026-01-01|checkout", "2026-01-02|search")
    with opened(home) as instance:
        entries = instance.all_logs(RUN, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION)
        batch = sorted(entries, key=lambda entry: str(entry.get_dagster_event().partition))
    with closing(sqlite3.connect(home / "history" / "runs" / "index.db")) as database:
        database.execute(
            "CREATE TRIGGER full BEFORE INSERT ON event_logs WHEN new.partition = '2026-01-02|search' "
            "BEGIN SELECT RAISE(ABORT, 'the disk is full'); END"
        )
    before = stored(home, "index"), stored(home, RUN)

    with opened(home) as instance, pytest.raises(Exception, match="the disk is full"):
        instance.event_log_storage.store_event_batch(batch)

    assert (stored(home, "index"), stored(home, RUN)) == before


def test_several_processes_write_at_once_and_nothing_is_lost(home: Path):
    runs = {f"2026-01-0{day}": f"3f0c2a1e-0000-4000-8000-00000000001{day}" for day in (1, 2, 3)}
    processes = [
        in_another_process(home, f"{day}|checkout", f"{day}|search", run_id=run_id)
        for day, run_id in runs.items()
    ]
    for process in processes:
        process.join()

    assert [process.exitcode for process in processes] == [0, 0, 0]
    with opened(home) as instance:
        keys = [f"{day}|{experiment}" for day in runs for experiment in ("checkout", "search")]
        assert shown(instance, "assignments") == shown(instance, "exposure_validation") == keys
        for run_id in runs.values():
            assert len(logged(instance, "assignments", run_id)) == 2
            run = instance.get_run_by_id(run_id)
            assert run is not None and run.status == dg.DagsterRunStatus.SUCCESS


def test_a_process_that_watches_a_run_sees_every_event_of_another_process(home: Path):
    seen: list[str] = []
    over = threading.Event()

    def see(entry: dg.EventLogEntry, cursor: str) -> None:
        if not entry.is_dagster_event:
            return
        event = entry.get_dagster_event()
        if event.is_step_materialization and event.asset_key:
            seen.append(f"{event.asset_key.to_user_string()} {event.partition}")
        if event.is_job_success:
            over.set()

    with opened(home) as instance:
        instance.watch_event_logs(RUN, None, see)
        run = in_another_process(home, "2026-01-01|checkout", "2026-01-02|search")
        arrived = over.wait(timeout=60)
        run.join()
        expected = [
            f"{asset} {key}"
            for asset in ("assignments", "exposure_validation")
            for key in logged(instance, asset)
        ]
    assert arrived
    assert seen == expected and len(seen) == 8


def test_the_web_pages_show_what_another_process_has_materialised(home: Path):
    query = """{
      assetOrError(assetKey: {path: ["assignments"]}) { ... on Asset { assetMaterializations { partition } } }
      runOrError(runId: "%s") { ... on Run { status stats { ... on RunStatsSnapshot { materializations } } } }
    }"""
    with opened(home) as instance, WorkspaceProcessContext(instance, EmptyWorkspaceTarget()) as pages:
        run = in_another_process(home, "2026-01-01|checkout", "2026-01-02|search")
        run.join()
        answer = execute_query(pages, query % RUN).get("data") or {}

    partitions = [item["partition"] for item in answer["assetOrError"]["assetMaterializations"]]
    assert sorted(partitions) == [
        "2026-01-01|checkout",
        "2026-01-01|search",
        "2026-01-02|checkout",
        "2026-01-02|search",
    ]
    assert answer["runOrError"] == {"status": "SUCCESS", "stats": {"materializations": 8}}


def test_a_killed_run_shows_the_finished_asset_and_none_of_the_next(home: Path):
    run = in_another_process(home, "2026-01-01|checkout", "2026-01-02|search", kill="between the assets")
    run.join()

    assert run.exitcode == -signal.SIGKILL
    with opened(home) as instance:
        assert shown(instance, "assignments") == sorted(logged(instance, "assignments"))
        assert len(shown(instance, "assignments")) == 4
        assert shown(instance, "exposure_validation") == logged(instance, "exposure_validation") == []


def test_a_run_killed_amid_its_batches_shows_only_what_is_written(home: Path):
    first, last = "2026-01-01|checkout", "2026-01-02|search"
    run = in_another_process(home, first, last, kill="at the first materialisation")
    run.join()

    assert run.exitcode == -signal.SIGKILL
    with opened(home) as instance:
        assert len(shown(instance, "assignments")) == 3, "one whole batch, although the first event killed"
        assert set(shown(instance, "assignments")) == set(logged(instance, "assignments"))
        assert set(shown(instance, "assignments")) < set(written(home, "assignments"))

    materialise(home, first, last, run_id=RUN.replace("1", "2"))
    with opened(home) as instance:
        for asset in ("assignments", "exposure_validation"):
            assert shown(instance, asset) == written(home, asset)


def test_dagster_batches_as_soon_as_the_storage_is_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("DAGSTER_EVENT_BATCH_SIZE", "to be restored")
    monkeypatch.delenv("DAGSTER_EVENT_BATCH_SIZE")
    BatchedSqliteEventLogStorage(str(tmp_path)).dispose()
    assert int(os.environ["DAGSTER_EVENT_BATCH_SIZE"]) > 1


def test_a_batch_size_that_somebody_chose_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("DAGSTER_EVENT_BATCH_SIZE", "7")
    BatchedSqliteEventLogStorage(str(tmp_path)).dispose()
    assert os.environ["DAGSTER_EVENT_BATCH_SIZE"] == "7"
