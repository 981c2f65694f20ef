"""The real daemon and webserver, started as the README says, with files dropped while they run and everything killed.

What is requested for which change is tested tick by tick in `test_landing_sensor`.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import polars as pl

from exposure_assets.assets.calendar import calendar_for
from exposure_assets.automation.outdated import GraphState
from exposure_assets.simulation import SimulationPlan, simulate
from exposure_assets_tests.installation import ROOT, Installation
from resources.dagster_home import dagster_home
from resources.warehouse import WarehouseBusy, WarehouseMissing

_PATIENCE_SECONDS = 600


@contextmanager
def running(installation: Installation) -> Iterator[str]:
    """`dagster dev` in a process group of its own, which is killed at the end without a warning."""
    dagster_home(installation.place / "dagster_home")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = (installation.place / "daemon.log").open("ab")
    arguments = ["dev", "--host", "127.0.0.1", "--port", str(port), "--workspace", "workspace.yaml"]
    process = subprocess.Popen(
        [sys.executable, "-m", "dagster", *arguments],
        cwd=ROOT,
        env={**os.environ, **installation.environment, "PYTHONPATH": str(ROOT)},
        stdout=log,
        stderr=log,
        start_new_session=True,
    )
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        log.close()


def is_fresh(installation: Installation) -> bool:
    workspace = installation.workspace
    try:
        return GraphState.read(workspace, calendar_for(workspace).first_day).is_fresh
    except (WarehouseBusy, WarehouseMissing):
        return False


def wait_until(installation: Installation, condition: str, holds: Callable[[], bool]) -> None:
    ends = time.monotonic() + _PATIENCE_SECONDS
    while not holds():
        log = (installation.place / "daemon.log").read_text(errors="replace")
        assert time.monotonic() < ends, f"not yet {condition}:\n{log[-6000:]}"
        time.sleep(1.0)


def runs_of(installation: Installation, statuses: list[dg.DagsterRunStatus]) -> int:
    with installation.instance() as instance:
        return instance.get_runs_count(dg.RunsFilter(statuses=statuses))


def drop(installation: Installation, name: str, rows: pl.DataFrame) -> None:
    folder = installation.zone / "landing" / "events" / "date=2026-01-02"
    rows.write_parquet(folder / f".{name}")
    (folder / f".{name}").rename(folder / name)


def test_whatever_is_dropped_or_killed_the_tables_end_as_the_reference_says(tmp_path: Path):
    simulate(SimulationPlan(days=2, units=100, experiments=1, seed=8), tmp_path / "zone")
    installation = Installation(tmp_path / "zone", tmp_path / "place")
    installation.place.mkdir()
    events = pl.read_parquet(sorted((tmp_path / "zone" / "landing" / "events").glob("date=*02/*.parquet"))[0])
    exposure = events.filter(pl.col("event_name") == "experiment_exposed").head(1)
    started = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.SUCCESS]
    with running(installation):
        wait_until(installation, "at work", lambda: runs_of(installation, started) > 0)
    # Daemon, webserver, code server and run are gone, whatever they were doing.
    drop(installation, "again.parquet", events)
    with running(installation) as page:
        wait_until(installation, "fresh", lambda: is_fresh(installation))
        assert installation.differences() == {}
        catalog = installation.zone / "catalog" / "experiments"
        new = (catalog / "checkout-button.toml").read_text()
        (catalog / "brand-new.toml").write_text(new)
        late = exposure.with_columns(
            event_id=pl.lit("late"),
            occurred_at=pl.lit(datetime(2026, 1, 1, 23, tzinfo=UTC)).cast(exposure.schema["occurred_at"]),
            properties=pl.lit(json.dumps({"experiment": "brand-new", "variation": "control"})),
        )
        drop(installation, "late.parquet", late)
        wait_until(installation, "stale", lambda: not is_fresh(installation))
        wait_until(installation, "fresh again", lambda: is_fresh(installation))
        assert installation.differences() == {}
        with urllib.request.urlopen(f"{page}/server_info", timeout=30) as answer:
            assert "dagster_version" in json.load(answer)
    assert "brand-new" in installation.table("deduped_exposures")["experiment_id"].unique()
