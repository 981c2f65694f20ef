"""The partitions: UTC days, experiments, and their product.

Which partition depends on which stands in `mappings`; what is in one, in the assets.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property, lru_cache

import dagster as dg

from exposure_assets.contracts import Catalog

EXPERIMENTS = dg.DynamicPartitionsDefinition(name="experiments")
DATE, EXPERIMENT = "date", "experiment"


class DaysByExperiment(dg.MultiPartitionsDefinition):
    """Days times experiments, whose keys are made once for the same days and experiments.

    Dagster asks for all keys anew at every check of a table that rests on partitioned ones. Three years of twenty
    experiments are 20,000 keys and a quarter of a second each time.
    """

    def _get_partition_keys(self, _current_time: datetime) -> Sequence[dg.MultiPartitionKey]:
        # In the order of names, as Dagster keeps the dimensions.
        days, experiments = (tuple(one.partitions_def.get_partition_keys()) for one in self.partitions_defs)
        return _keys(days, experiments)


@lru_cache(maxsize=4)
def _keys(days: Sequence[str], experiments: Sequence[str]) -> Sequence[dg.MultiPartitionKey]:
    # A key that holds the delimiter cannot be split again; Dagster leaves those out too.
    kept = [experiment for experiment in experiments if "|" not in experiment]
    return [dg.MultiPartitionKey({DATE: day, EXPERIMENT: experiment}) for day in days for experiment in kept]


@dataclass(frozen=True)
class Calendar:
    """The UTC days from `first_day` to `last_day`, both included, as Dagster partitions.

    `last_day` is null for a calendar that goes on: today is then its last day.
    """

    first_day: date
    last_day: date | None = None

    @property
    def last(self) -> date:
        """The last day that has a partition."""
        return self.last_day or datetime.now(UTC).date()

    @cached_property
    def days(self) -> dg.DailyPartitionsDefinition:
        """One partition per UTC day; a day has its partition from its first second on."""
        if self.last_day is None:
            return dg.DailyPartitionsDefinition(self.first_day.isoformat(), end_offset=1)
        end = self.last_day + timedelta(days=1)
        return dg.DailyPartitionsDefinition(self.first_day.isoformat(), end_date=end.isoformat())

    @cached_property
    def days_by_experiment(self) -> DaysByExperiment:
        """One partition per UTC day and experiment."""
        return DaysByExperiment({DATE: self.days, EXPERIMENT: EXPERIMENTS})


def calendar_of(catalog: Catalog, arrival_days: Iterable[date]) -> Calendar:
    """The calendar from the first day on which an event can count until today.

    Rows that fall before it are accounted for with its first day. Where the landing zone runs ahead of the clock,
    the calendar follows the landing zone.
    """
    today = datetime.now(UTC).date()
    arrived = list(arrival_days)
    starts = [experiment.first_event_date for experiment in catalog.experiments.values()]
    first = min(starts, default=min(arrived, default=today))
    last_arrival = max(arrived, default=today)
    return Calendar(min(first, today), last_arrival if last_arrival > today else None)


def each_day(first: date, last: date) -> list[date]:
    """The days from the first to the last, both included."""
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


def partition_key(day: date, experiment: str) -> dg.MultiPartitionKey:
    """The key of one day of one experiment."""
    return dg.MultiPartitionKey({DATE: day.isoformat(), EXPERIMENT: experiment})


def split_key(key: str) -> tuple[date, str]:
    """The day and the experiment of a partition key."""
    day, _, experiment = key.partition("|")
    return date.fromisoformat(day), experiment
