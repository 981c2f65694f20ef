"""The job that keeps house, as the daemon runs it: what it deletes, what it says, and when it runs."""

import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.instance.ref import InstanceRef
from dagster._utils.schedules import schedule_execution_time_iterator

from exposure_assets.automation.retention import keep_house, keep_house_daily
from exposure_assets.contracts import Assignments
from exposure_assets_tests.resources.landing_files import event, jsonl
from exposure_assets_tests.resources.warehouse_rows import assigned, part, units
from resources.dagster_home import dagster_home
from resources.settings import Settings
from resources.warehouse import Warehouse
from resources.workspace import Workspace

CATALOG = Path(__file__).parents[2] / "catalog"


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    shutil.copytree(CATALOG, tmp_path / "catalog")
    (tmp_path / "landing" / "events" / "date=2026-01-01").mkdir(parents=True)
    return Workspace(
        Settings(
            landing=str(tmp_path / "landing"),
            catalog=tmp_path / "catalog",
            warehouse=f"ducklake:sqlite:{tmp_path}/lake.sqlite",
            staging=tmp_path / "staging",
            horizon_days=28,
        )
    )


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    home = dagster_home(tmp_path / "home")
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    with dg.DagsterInstance.from_ref(InstanceRef.from_dir(str(home))) as instance:
        yield instance


def run(workspace: Workspace, instance: dg.DagsterInstance, **config: Any) -> dict[str, dict[str, Any]]:
    """Per step what it says it deleted."""
    result = keep_house.execute_in_process(
        instance=instance,
        resources={"workspace": workspace},
        run_config={"ops": config},
        raise_on_error=False,
    )
    outputs = [event for event in result.all_events if event.event_type is dg.DagsterEventType.STEP_OUTPUT]
    return {
        str(event.step_key): {name: value.value for name, value in event.step_output_data.metadata.items()}
        for event in outputs
    }


def make_old(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        os.utime(path, (1e9, 1e9))


def test_an_installation_in_use_loses_nothing_and_the_steps_say_so(
    workspace: Workspace, instance: dg.DagsterInstance
):
    landing = Path(workspace.settings.landing)
    (landing / "events" / "date=2026-01-01" / "a.jsonl").write_bytes(jsonl(event("a"), event("late", 2)))
    Warehouse(workspace.settings.warehouse).replace(
        Assignments, [assigned(("a", "unit", 1))], [part(1, 1, "a")]
    )
    workspace.landing(workspace.catalog()).refresh()
    make_old(landing)
    make_old(workspace.settings.staging)
    before = {path: path.stat().st_size for path in landing.parent.rglob("*.parquet")}
    said = run(workspace, instance)
    assert said == {
        "sweep_staging_caches": {"deleted_files": 0, "deleted_bytes": 0, "leftover_files": 0},
        "sweep_preaggregated_exposures": {"deleted_files": 0, "deleted_bytes": 0},
        "sweep_logs_of_old_runs": {"deleted_files": 0, "deleted_bytes": 0, "runs": 0},
        "tidy_warehouse": {
            "deleted_files": 0,
            "deleted_bytes": 0,
            "forgotten_snapshots": 0,
            "gathered_files": 0,
        },
    }
    after = {path: path.stat().st_size for path in landing.parent.rglob("*.parquet")}
    assert before.keys() <= after.keys()
    assert units(workspace.warehouse.scan(Assignments)) == [("a", "unit", 1)]


def test_what_nothing_needs_is_deleted_and_counted(workspace: Workspace, instance: dg.DagsterInstance):
    path = Path(workspace.settings.landing) / "events" / "date=2026-01-01" / "a.jsonl"
    path.write_bytes(jsonl(event("a"), event("late", 2)))
    workspace.landing(workspace.catalog()).refresh()
    path.unlink()
    leftover = workspace.settings.staging / "exposure_events" / ".part-0.parquet.0123.partial"
    leftover.parent.mkdir()
    leftover.write_bytes(b"1234")
    make_old(workspace.settings.staging)
    said = run(workspace, instance)["sweep_staging_caches"]
    assert (said["deleted_files"], said["leftover_files"]) == (4, 1)
    assert said["deleted_bytes"] > 4
    assert not leftover.exists()


def test_a_step_that_fails_hinders_no_other(workspace: Workspace, instance: dg.DagsterInstance):
    shutil.rmtree(workspace.settings.landing)
    others = ["sweep_logs_of_old_runs", "sweep_preaggregated_exposures", "tidy_warehouse"]
    assert sorted(run(workspace, instance)) == others


def test_the_days_to_keep_are_config_and_at_least_one(workspace: Workspace, instance: dg.DagsterInstance):
    step = "sweep_logs_of_old_runs"
    with pytest.raises(dg.DagsterInvalidConfigError):
        run(workspace, instance, **{step: {"config": {"days": "thirty"}}})
    assert step not in run(workspace, instance, **{step: {"config": {"days": 0}}})
    assert run(workspace, instance, **{step: {"config": {"days": 1}}})[step]["runs"] == 0


def test_it_runs_every_night_once_the_daemon_does(workspace: Workspace, instance: dg.DagsterInstance):
    definitions = dg.Definitions(
        jobs=[keep_house], schedules=[keep_house_daily], resources={"workspace": workspace}
    )
    dg.Definitions.validate_loadable(definitions)
    assert keep_house_daily.default_status is dg.DefaultScheduleStatus.RUNNING
    midnight = datetime(2026, 1, 1, tzinfo=UTC)
    cron, zone = keep_house_daily.cron_schedule, keep_house_daily.execution_timezone
    ticks = schedule_execution_time_iterator(midnight.timestamp(), cron, zone)
    assert [next(ticks) for _ in range(2)] == [
        midnight + timedelta(hours=3, minutes=30),
        midnight + timedelta(days=1, hours=3, minutes=30),
    ]
    with dg.build_schedule_context(instance=instance, scheduled_execution_time=midnight) as context:
        (request,) = keep_house_daily.evaluate_tick(context).run_requests or []
    assert request.run_config == {}
