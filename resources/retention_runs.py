"""The logs of runs that ended long ago, where Dagster keeps them as files of this machine.

Which partitions are materialised, how checks ended and which runs there were is kept elsewhere and stays.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path

from dagster import DagsterInstance, RunRecord, RunsFilter
from dagster._core.storage.dagster_run import FINISHED_STATUSES
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._core.storage.local_compute_log_manager import LocalComputeLogManager

from resources.retention import Removed, remove

_RUNS_AT_ONCE = 200


@dataclass(frozen=True)
class SweptRuns:
    """Of how many runs something was deleted, what it came to, and why nothing could be."""

    runs: int
    removed: Removed
    note: str | None = None


def sweep_run_logs(instance: DagsterInstance, ended_before: datetime) -> SweptRuns:
    """Delete the event log and the captured output of every run that ended before an instant.

    SQLite: each run's events are in a file of their own, and those that say what became of assets, partitions, checks
    and runs are in `index.db` too. The file goes, the index stays; the page of such a run then shows no events.
    PostgreSQL and MySQL keep all events in one table, where they cannot be told apart like this: nothing is done.
    """
    storage = instance.event_log_storage
    if not isinstance(storage, SqliteEventLogStorage):
        return SweptRuns(
            0,
            Removed(),
            f"{type(storage).__name__} keeps the events of all runs together: nothing is deleted.",
        )
    runs, removed = 0, Removed()
    for record in _records(instance, storage.get_all_run_ids()):
        if not _ended(record, ended_before):
            continue
        run_id = record.dagster_run.run_id
        database = Path(storage.path_for_shard(run_id))
        # The database itself last: as long as it is there, the next sweep finds the rest.
        for path in (
            *_outputs(instance, run_id),
            *(database.with_name(database.name + end) for end in ("-wal", "-shm")),
        ):
            removed += remove(path)
        removed += remove(database)
        runs += 1
    return SweptRuns(runs, removed)


def _records(instance: DagsterInstance, run_ids: Sequence[str]) -> Iterator[RunRecord]:
    ids = iter(run_ids)
    while some := list(islice(ids, _RUNS_AT_ONCE)):
        yield from instance.get_run_records(RunsFilter(run_ids=some))


def _ended(record: RunRecord, before: datetime) -> bool:
    ended_at = record.end_time or record.update_timestamp.timestamp()
    return record.dagster_run.status in FINISHED_STATUSES and ended_at < before.timestamp()


def _outputs(instance: DagsterInstance, run_id: str) -> Iterator[Path]:
    """The folder of what the run wrote to its output and error streams."""
    manager = instance.compute_log_manager
    if isinstance(manager, LocalComputeLogManager):
        yield Path(manager.get_captured_local_path([run_id, "compute_logs", "step"], "out")).parent
