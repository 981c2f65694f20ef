"""Which upstream partitions a partition is computed from: what Dagster is told, and what is read.

The windows themselves are the contract's; here they become edges and days.
"""

from collections.abc import Callable

import dagster as dg

from exposure_assets.transforms.exposure_validation import DAYS_OBSERVED_BEFORE_ASSIGNMENT
from partitions.calendar import DATE, EXPERIMENT

# A mapping or a reach gets the graph's horizon in days, whether it needs it or not.
Mapping = Callable[[int], dg.PartitionMapping]
# How many days before and after a partition's own are read of a table.
Reach = Callable[[int], tuple[int, int]]


def same_partition(horizon_days: int) -> dg.PartitionMapping:
    """The same day of the same experiment: the edge between all tables by day and experiment.

    Where a table reads a window of days the edge says less than is read, on purpose: Dagster would compute everything
    that a window touches, so that a backfill of eight days became three runs over six weeks.
    """
    return dg.IdentityPartitionMapping()


def shared_day(horizon_days: int) -> dg.PartitionMapping:
    """The same day, which all experiments share."""
    return dg.MultiToSingleDimensionPartitionMapping(partition_dimension_name=DATE)


def its_experiment(horizon_days: int) -> dg.PartitionMapping:
    """The experiment, whatever the day."""
    return dg.MultiToSingleDimensionPartitionMapping(partition_dimension_name=EXPERIMENT)


def same_day(horizon_days: int) -> tuple[int, int]:
    """The partition's own day."""
    return 0, 0


def observed_days(horizon_days: int) -> tuple[int, int]:
    """The days on which a cohort's exposures can lie: a day changes no cohort beyond them."""
    return DAYS_OBSERVED_BEFORE_ASSIGNMENT, horizon_days
