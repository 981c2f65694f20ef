"""Which rows a set of partitions covers: rectangles of days and experiments, in SQL and in Polars.

How partitions depend on each other is Dagster's business; how rows are stored, the warehouse's.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

import polars as pl


@dataclass(frozen=True)
class PartitionSlice:
    """A rectangle of partitions: the days from first to last, both included, of some experiments.

    Null is no limit: without a first day the slice reaches back to the earliest row, without experiments it
    covers all of them.
    """

    first_day: date | None = None
    last_day: date | None = None
    experiments: tuple[str, ...] | None = None

    def of(self, experiments: Sequence[str] | None) -> "PartitionSlice | None":
        """The part that belongs to some experiments; null where nothing is left."""
        if experiments is None:
            return self
        wanted = tuple(experiments)
        if self.experiments is not None:
            mine = set(self.experiments)
            wanted = tuple(experiment for experiment in wanted if experiment in mine)
        return replace(self, experiments=wanted) if wanted else None


WHOLE_TABLE = (PartitionSlice(),)


def slices_of(keys: Iterable[str]) -> list[PartitionSlice]:
    """Partition keys as few rectangles: experiments with the same runs of days stand together.

    The rectangles cover exactly these keys, also where they form no rectangle.

    Args:
        keys: `2026-01-01|checkout-button` (day and experiment) or `2026-01-01` (day alone).
    """
    days_by_experiment: dict[str | None, set[date]] = {}
    for key in keys:
        day, separator, experiment = key.partition("|")
        days_by_experiment.setdefault(experiment if separator else None, set()).add(date.fromisoformat(day))
    experiments_by_run: dict[tuple[date, date], list[str | None]] = {}
    for experiment, days in days_by_experiment.items():
        for run in runs_of_days(sorted(days)):
            experiments_by_run.setdefault(run, []).append(experiment)
    slices = []
    for (first, last), experiments in sorted(experiments_by_run.items()):
        named = tuple(sorted(experiment for experiment in experiments if experiment is not None))
        if named:
            slices.append(PartitionSlice(first, last, named))
        if None in experiments:
            slices.append(PartitionSlice(first, last, None))
    return slices


def runs_of_days(days: Sequence[date]) -> Iterator[tuple[date, date]]:
    """The ranges (first, last) of ascending days without a gap."""
    first = last = None
    for day in days:
        if first is not None and last is not None and day - last > timedelta(days=1):
            yield first, last
            first = None
        first, last = first or day, day
    if first is not None and last is not None:
        yield first, last


def as_sql(slices: Iterable[PartitionSlice], columns: Mapping[str, str]) -> str:
    """The rows of the slices as a SQL condition; `columns` as `TableContract.partition_columns` gives them."""
    return " OR ".join(f"({_one_as_sql(part, columns)})" for part in slices) or "false"


def _one_as_sql(part: PartitionSlice, columns: Mapping[str, str]) -> str:
    conditions = []
    if "date" in columns:
        if part.first_day is not None:
            conditions.append(f"{quoted(columns['date'])} >= DATE '{part.first_day}'")
        if part.last_day is not None:
            conditions.append(f"{quoted(columns['date'])} <= DATE '{part.last_day}'")
    if "experiment" in columns and part.experiments is not None:
        experiments = ", ".join(literal(experiment) for experiment in part.experiments)
        conditions.append(f"{quoted(columns['experiment'])} IN ({experiments})" if experiments else "false")
    return " AND ".join(conditions) or "true"


def outside(
    frame: pl.DataFrame, slices: Iterable[PartitionSlice], columns: Mapping[str, str]
) -> pl.DataFrame:
    """The rows of a frame that lie in none of the slices; a row without a day or experiment lies in no limited one."""
    for part in slices:
        conditions = _conditions(part, columns)
        if not conditions:
            return frame.clear()
        # Never literals alone: Polars 2.1 gives those another length than a large frame.
        frame = frame.filter(~pl.all_horizontal(conditions).fill_null(False))
    return frame


def _conditions(part: PartitionSlice, columns: Mapping[str, str]) -> list[pl.Expr]:
    conditions = []
    if "date" in columns:
        if part.first_day is not None:
            conditions.append(pl.col(columns["date"]) >= pl.lit(part.first_day, pl.Date))
        if part.last_day is not None:
            conditions.append(pl.col(columns["date"]) <= pl.lit(part.last_day, pl.Date))
    if "experiment" in columns and part.experiments is not None:
        wanted = pl.Series(part.experiments, dtype=pl.String).implode()
        conditions.append(pl.col(columns["experiment"]).is_in(wanted))
    return conditions


def quoted(name: str) -> str:
    """A name as SQL writes it."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as a SQL literal."""
    return "'" + text.replace("'", "''") + "'"
