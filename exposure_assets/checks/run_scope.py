"""Which partitions a check has to judge: those of its run, or the whole table where it is executed by itself.

What is judged about them stands with the checks.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

import dagster as dg
import polars as pl
from dagster._core.definitions.partitions.context import partition_loading_context

from partitions.calendar import DATE, EXPERIMENT, EXPERIMENTS
from resources.warehouse_slices import WHOLE_TABLE, PartitionSlice, as_sql, slices_of

EXPERIMENT_COLUMN = "experiment_id"


@dataclass(frozen=True)
class RunScope:
    """Rectangles of days and experiments; one without days or experiments is unlimited there."""

    parts: tuple[PartitionSlice, ...]

    @property
    def is_whole_table(self) -> bool:
        """Whether the check was executed by itself, without partitions."""
        return self.parts == WHOLE_TABLE

    @property
    def experiments(self) -> tuple[str, ...] | None:
        """The experiments of the partitions; null is all of them."""
        named = [part.experiments for part in self.parts]
        return None if None in named else tuple(sorted({e for some in named for e in some or ()}))

    @property
    def days(self) -> tuple[date, date]:
        """The first and the last day of the partitions."""
        firsts, lasts = zip(
            *((p.first_day or date.min, p.last_day or date.max) for p in self.parts), strict=True
        )
        return min(firsts), max(lasts)

    def and_partitions(self, keys: Iterable[str]) -> "RunScope":
        """These partitions too, by their keys `YYYY-MM-DD|experiment`."""
        return self if self.is_whole_table else RunScope((*self.parts, *slices_of(keys)))

    def as_sql(self, day_column: str) -> str:
        """The partitions' rows as a condition on a table's day and experiment."""
        return f"({as_sql(self.parts, {DATE: day_column, EXPERIMENT: EXPERIMENT_COLUMN})})"

    def holds(self, day_column: str) -> pl.Expr:
        """Whether a row's day and experiment are one of the partitions."""
        return pl.any_horizontal(*(_is_of(part, day_column) for part in self.parts))

    def __str__(self) -> str:
        if self.is_whole_table:
            return "the whole table"
        (first, last), named = self.days, self.experiments or ()
        days = f"{first}" if first == last else f"{first} to {last}"
        return f"{days} of {named[0] if len(named) == 1 else f'{len(named)} experiments'}"


def _is_of(part: PartitionSlice, day_column: str) -> pl.Expr:
    first, last = part.first_day or date.min, part.last_day or date.max
    is_of = pl.col(day_column).is_between(pl.lit(first, pl.Date), pl.lit(last, pl.Date))
    return is_of if part.experiments is None else is_of & pl.col(EXPERIMENT_COLUMN).is_in(part.experiments)


def scope_of(context: dg.AssetCheckExecutionContext) -> RunScope:
    """The partitions of the run: one, or a range of days of neighbouring experiments."""
    if not (context.has_partition_key or context.has_partition_key_range):
        return RunScope(WHOLE_TABLE)
    keys = context.partition_key_range
    first, last = _dimensions(keys.start), _dimensions(keys.end)
    experiments = None
    if EXPERIMENT in first:
        named = dg.PartitionKeyRange(first[EXPERIMENT], last[EXPERIMENT])
        with partition_loading_context(dynamic_partitions_store=context.instance):
            experiments = tuple(EXPERIMENTS.get_partition_keys_in_range(named))
    days = date.fromisoformat(first[DATE]), date.fromisoformat(last[DATE])
    return RunScope((PartitionSlice(*days, experiments),))


def _dimensions(key: str) -> Mapping[str, str]:
    # The run's tags carry keys of two dimensions as text: the day first, as Dagster sorts dimensions by name.
    day, separator, experiment = str(key).partition("|")
    return {DATE: day, EXPERIMENT: experiment} if separator else {DATE: day}
