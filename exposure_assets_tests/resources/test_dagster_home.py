"""Making a home for Dagster: what is in it, what is left alone, and several processes making one at once.

What the event log in it holds is tested in test_event_log.py.
"""

import multiprocessing
import shutil
from pathlib import Path

import pytest
from dagster._core.instance.config import PoolGranularity

from exposure_assets_tests.resources.event_runs import materialise, opened, shown
from resources.dagster_home import DagsterHomeError, dagster_home
from resources.event_log import BatchedSqliteEventLogStorage


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home"))
    return dagster_home(tmp_path / "home")


def test_a_home_that_moved_keeps_its_events(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    materialise(home, "2026-01-01|checkout", "2026-01-01|search")
    moved = tmp_path / "elsewhere"
    shutil.move(home, moved)
    monkeypatch.setenv("DAGSTER_HOME", str(moved))

    with opened(moved) as instance:
        assert shown(instance, "assignments") == ["2026-01-01|checkout", "2026-01-01|search"]
    assert not home.exists()


def test_a_home_is_made_with_telemetry_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    made = dagster_home(tmp_path / "a" / "b")
    monkeypatch.setenv("DAGSTER_HOME", str(made))
    with opened(made) as instance:
        assert instance.telemetry_enabled is False
        assert type(instance.event_log_storage) is BatchedSqliteEventLogStorage


def test_a_new_home_lets_one_run_at_a_time_into_each_pool_from_the_first_run_on(home: Path):
    with opened(home) as instance:
        limits = {
            pool.name: (pool.limit, pool.from_default)
            for pool in instance.event_log_storage.get_pool_limits()
        }
        granularity = instance.get_concurrency_config().pool_config.pool_granularity
    assert limits == {"staging": (1, True), "warehouse": (1, True)}
    assert granularity is PoolGranularity.RUN


def test_a_home_from_before_pools_and_run_monitoring_still_opens_and_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    (tmp_path / "dagster.yaml").write_text(
        "telemetry:\n  enabled: false\nnux:\n  enabled: false\nevent_log_storage:\n"
        "  module: resources.event_log\n  class: BatchedSqliteEventLogStorage\n  config: {}\n"
    )
    materialise(dagster_home(tmp_path), "2026-01-01|checkout", "2026-01-01|search")
    with opened(tmp_path) as instance:
        assert shown(instance, "assignments") == ["2026-01-01|checkout", "2026-01-01|search"]


def test_a_dagster_yaml_that_somebody_wrote_is_kept_and_nothing_is_added(tmp_path: Path):
    (tmp_path / "dagster.yaml").write_text("telemetry:\n  enabled: true\n")
    dagster_home(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["dagster.yaml"]
    assert (tmp_path / "dagster.yaml").read_text() == "telemetry:\n  enabled: true\n"


def test_several_processes_make_one_home_at_once(tmp_path: Path):
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=dagster_home, args=(tmp_path / "home",)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()

    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert sorted(path.name for path in (tmp_path / "home").iterdir()) == [
        "dagster.yaml",
        "history",
        "schedules",
    ]


def test_a_home_whose_making_was_cut_short_is_completed_and_keeps_its_events(home: Path):
    materialise(home, "2026-01-01|checkout", "2026-01-01|search")
    (home / "dagster.yaml").unlink()
    shutil.rmtree(home / "schedules")

    dagster_home(home)

    with opened(home) as instance:
        assert type(instance.event_log_storage) is BatchedSqliteEventLogStorage
        assert shown(instance, "assignments") == ["2026-01-01|checkout", "2026-01-01|search"]


def test_a_home_given_relative_to_the_working_directory_becomes_absolute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    assert dagster_home(Path("data/dagster_home")) == (tmp_path / "data" / "dagster_home").resolve()


def test_a_file_where_the_home_should_be_is_named(tmp_path: Path):
    (tmp_path / "home").write_text("")
    with pytest.raises(DagsterHomeError, match="home, which is a file; expected a folder"):
        dagster_home(tmp_path / "home")


def test_an_event_log_without_a_folder_says_what_to_set(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    with pytest.raises(DagsterHomeError, match="Set DAGSTER_HOME"):
        BatchedSqliteEventLogStorage.from_config_value(None, {})
