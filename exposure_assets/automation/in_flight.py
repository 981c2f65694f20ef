"""What is being computed right now, or waits in the queue to be: the partitions of Dagster's unfinished runs.

What is out of date stands in `outdated`; the two meet in `pending`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

import dagster as dg
import polars as pl

from exposure_assets.automation.jobs import STAGING_JOB
from exposure_assets.automation.outdated import partitions
from exposure_assets.automation.requests import RANGE_END, RANGE_START
from exposure_assets.contracts import STAGED_TABLES
from exposure_assets.transforms.partition_versions import CODE_VERSIONS, VERSION_SCHEMA
from partitions.calendar import each_day, split_key

_PARTITION = "dagster/partition"
_UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


@dataclass(frozen=True)
class InFlight:
    """The days being staged, per table the partitions being computed, and the tables without partitions."""

    days: frozenset[date] = frozenset()
    tables: Mapping[str, pl.DataFrame] = field(default_factory=dict)
    whole_tables: frozenset[str] = frozenset()
    run_count: int = 0

    @classmethod
    def of(cls, instance: dg.DagsterInstance, order: Sequence[str]) -> "InFlight":
        """Read the unfinished runs that Dagster has launched or will launch.

        A run inside a command's own process is left aside: if that is killed, nobody ends its run.

        Args:
            instance: Dagster's.
            order: The experiments in the order of their dynamic partitions.
        """
        days: set[date] = set()
        tables: dict[str, list[pl.DataFrame]] = {}
        whole: set[str] = set()
        launched = [
            run
            for run in instance.get_runs(dg.RunsFilter(statuses=_UNFINISHED))
            if run.remote_job_origin is not None
        ]
        for run in launched:
            first, last = _range(run)
            names = {key.path[-1] for key in run.asset_selection or ()}
            if first is None or last is None:
                whole |= names
            elif "|" not in first:
                if run.job_name == STAGING_JOB or names & STAGED_TABLES.keys():
                    days.update(each_day(date.fromisoformat(first), date.fromisoformat(last)))
            else:
                computed = partitions(*_rectangle(first, last, order))
                for table in names & CODE_VERSIONS.keys() if names else CODE_VERSIONS:
                    tables.setdefault(table, []).append(computed)
        gathered = {table: pl.concat(frames).unique() for table, frames in tables.items()}
        return cls(frozenset(days), gathered, frozenset(whole), len(launched))

    def of_table(self, table: str) -> pl.DataFrame:
        """The partitions of a table that are being computed."""
        return self.tables.get(table, pl.DataFrame(schema=VERSION_SCHEMA))


def _range(run: dg.DagsterRun) -> tuple[str | None, str | None]:
    single = run.tags.get(_PARTITION)
    return run.tags.get(RANGE_START, single), run.tags.get(RANGE_END, single)


def _rectangle(first: str, last: str, order: Sequence[str]) -> tuple[list[date], Iterable[str]]:
    (first_day, first_experiment), (last_day, last_experiment) = split_key(first), split_key(last)
    if first_experiment in order and last_experiment in order:
        experiments = order[order.index(first_experiment) : order.index(last_experiment) + 1]
    else:
        experiments = sorted({first_experiment, last_experiment})
    return each_day(first_day, last_day), experiments
