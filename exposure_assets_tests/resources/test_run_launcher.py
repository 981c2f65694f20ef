"""Noticing that the process of a run has died: real processes, really killed, and Dagster's own run monitoring.

How runs wait for one another is Dagster's; its limits are tested in test_dagster_home.py.
"""

import logging
import multiprocessing
import multiprocessing.process
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import EmptyWorkspaceTarget
from dagster._daemon.monitoring import execute_run_monitoring_iteration

from exposure_assets_tests.resources.event_runs import opened
from resources.dagster_home import dagster_home
from resources.run_launcher import HOST_TAG, host_tags, is_alive

RUN = "3f0c2a1e-0000-4000-8000-000000000002"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home"))
    return dagster_home(tmp_path / "home")


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    yield process
    process.kill()
    process.wait()


@dg.op
def wait_to_be_killed(context: dg.OpExecutionContext) -> None:
    Path(os.environ["DAGSTER_HOME"], "started").touch()
    time.sleep(600)


def run_in_this_process(home: Path, tags: dict[str, str]) -> None:
    os.environ["DAGSTER_HOME"] = str(home)
    waiting = dg.GraphDefinition("waiting", node_defs=[wait_to_be_killed]).to_job()
    with opened(home) as instance:
        waiting.execute_in_process(instance=instance, run_id=RUN, tags=tags)


def start(home: Path, tags: dict[str, str]) -> multiprocessing.process.BaseProcess:
    """Start a run in a process of its own and return when its step is at work."""
    process = multiprocessing.get_context("spawn").Process(target=run_in_this_process, args=(home, tags))
    process.start()
    while not (home / "started").exists():
        assert process.is_alive()
        time.sleep(0.05)
    return process


def status_after_monitoring(home: Path) -> dg.DagsterRunStatus:
    """What run monitoring makes of the run when it comes by."""
    with opened(home) as instance:
        with WorkspaceProcessContext(instance, EmptyWorkspaceTarget()) as context:
            errors = list(execute_run_monitoring_iteration(context, logging.getLogger("monitoring")))
        assert errors in ([], [None])
        run = instance.get_run_by_id(RUN)
        assert run is not None
        return run.status


def test_a_run_is_ended_when_its_process_was_killed_and_not_before(home: Path):
    process = start(home, host_tags())
    assert status_after_monitoring(home) is dg.DagsterRunStatus.STARTED

    process.kill()
    process.join()

    assert status_after_monitoring(home) is dg.DagsterRunStatus.FAILURE


def test_a_run_of_another_machine_is_left_alone(home: Path):
    process = start(home, {HOST_TAG: "another-machine"})
    process.kill()
    process.join()
    assert status_after_monitoring(home) is dg.DagsterRunStatus.STARTED


def test_a_process_is_alive_until_it_ends(sleeper: subprocess.Popen[bytes]):
    now = time.time()
    assert is_alive(sleeper.pid, now)
    sleeper.kill()
    sleeper.wait()
    assert not is_alive(sleeper.pid, now)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="only /proc tells when a process started")
def test_a_process_that_got_the_id_of_one_that_ended_is_not_taken_for_it(sleeper: subprocess.Popen[bytes]):
    an_hour_before_it_started = time.time() - 3600
    assert not is_alive(sleeper.pid, an_hour_before_it_started)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="only /proc tells who is a zombie")
def test_a_process_that_ended_and_waits_for_its_parent_is_not_alive(sleeper: subprocess.Popen[bytes]):
    sleeper.send_signal(signal.SIGKILL)
    while Path(f"/proc/{sleeper.pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
        time.sleep(0.01)
    assert not is_alive(sleeper.pid, time.time())
