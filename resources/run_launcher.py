"""Launching runs: as Dagster does, and noticing when the process of a run has died.

What a run does stands in the assets; how many may run at once, in the `dagster.yaml` of `dagster_home`.
"""

import os
import socket
import time
from collections.abc import Mapping
from pathlib import Path

from dagster import DagsterEventType, DagsterInstance, DagsterRun
from dagster._core.events import EngineEventData
from dagster._core.launcher import CheckRunHealthResult, DefaultRunLauncher, LaunchRunContext, WorkerStatus

HOST_TAG = "exposures/host"
# A process logs its id a second or more after it started; the kernel's clock is only right to a second.
_CLOCK_SECONDS = 2.0


def host_tags() -> dict[str, str]:
    """The tag that says on which machine a run's process is, for runs that are executed in this process."""
    return {HOST_TAG: socket.gethostname()[:256]}


class WatchedRunLauncher(DefaultRunLauncher):
    """Dagster's default launcher, which also knows whether the process of a run still lives.

    The code server that started a run reports its death within a second. When code server and run die
    together (a reboot, a container that is replaced, a service that is killed), nobody does: the run would
    stay `STARTED`, and its pools taken, for ever. Here run monitoring learns of it and ends the run.
    """

    def launch_run(self, context: LaunchRunContext) -> None:
        """Launch the run, and note the machine when its code server is on this one."""
        super().launch_run(context)
        client = self._get_grpc_client_for_termination(context.dagster_run.run_id)
        if client is not None and client.host in ("localhost", "127.0.0.1", "::1"):
            self._instance.add_run_tags(context.dagster_run.run_id, host_tags())

    @property
    def supports_check_run_worker_health(self) -> bool:
        """Run monitoring asks only a launcher that says so."""
        return True

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """`NOT_FOUND` when the run's process was on this machine and is gone; `RUNNING` when it can't be known."""
        if run.tags.get(HOST_TAG) != host_tags()[HOST_TAG]:
            return CheckRunHealthResult(WorkerStatus.RUNNING, "its process is on another machine")
        process = _process_of(self._instance, run.run_id)
        if process is None:
            return CheckRunHealthResult(WorkerStatus.RUNNING, "its process has not said its id yet")
        pid, seen_at = process
        if is_alive(pid, seen_at):
            return CheckRunHealthResult(WorkerStatus.RUNNING, run_worker_id=str(pid))
        return CheckRunHealthResult(
            WorkerStatus.NOT_FOUND, f"process {pid} of the run no longer exists", run_worker_id=str(pid)
        )


def is_alive(pid: int, seen_at: float) -> bool:
    """Tell whether the process that had this id at an instant (seconds since 1970) still lives.

    Another process that was given the id since then started later, and is told apart by that where the system
    has a `/proc`.
    """
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # Somebody else's process, so there is one.
    status = Path("/proc", str(pid), "stat")
    if not status.exists():
        return not Path("/proc/self/stat").exists()
    # The name in parentheses may hold anything, blanks and parentheses too.
    state, *fields = status.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    since_boot = int(fields[18]) / os.sysconf("SC_CLK_TCK")
    booted_at = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    return state != "Z" and booted_at + since_boot <= seen_at + _CLOCK_SECONDS


def _process_of(instance: DagsterInstance, run_id: str) -> tuple[int, float] | None:
    """The id that the run's process logged last, and when."""
    events = instance.get_records_for_run(run_id, of_type=DagsterEventType.ENGINE_EVENT, ascending=False)
    for record in events.records:
        event = record.event_log_entry
        data = event.dagster_event.event_specific_data if event.dagster_event else None
        pid = _text(data.metadata, "pid") if isinstance(data, EngineEventData) else None
        if pid is not None and pid.isascii() and pid.isdigit():
            return int(pid), event.timestamp
    return None


def _text(metadata: Mapping[str, object], key: str) -> str | None:
    value = metadata.get(key)
    return str(getattr(value, "value", value)) if value is not None else None
