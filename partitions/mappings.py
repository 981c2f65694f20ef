"""Which upstream partitions a partition is computed from.

The windows themselves are the contract's; here they become offsets in days.
"""

import dagster as dg

from partitions.calendar import DATE, EXPERIMENT

DAYS_BEFORE_ASSIGNMENT = 7


def same_partition() -> dg.MultiPartitionMapping:
    """The same day of the same experiment."""
    return _by_experiment(dg.TimeWindowPartitionMapping())


def days_around(before: int, after: int) -> dg.MultiPartitionMapping:
    """The days from `before` days earlier to `after` days later, of the same experiment."""
    return _by_experiment(_window(before, after))


def all_days() -> dg.MultiPartitionMapping:
    """Every day of the same experiment."""
    return _by_experiment(dg.AllPartitionMapping())


def same_day_of_all_experiments() -> dg.MultiToSingleDimensionPartitionMapping:
    """From a day that all experiments share to each experiment's partition of that day."""
    return dg.MultiToSingleDimensionPartitionMapping(partition_dimension_name=DATE)


def _window(before: int, after: int) -> dg.TimeWindowPartitionMapping:
    return dg.TimeWindowPartitionMapping(
        start_offset=-before, end_offset=after, allow_nonexistent_upstream_partitions=True
    )


def _by_experiment(days: dg.PartitionMapping) -> dg.MultiPartitionMapping:
    return dg.MultiPartitionMapping(
        {
            DATE: dg.DimensionPartitionMapping(DATE, days),
            EXPERIMENT: dg.DimensionPartitionMapping(EXPERIMENT, dg.IdentityPartitionMapping()),
        }
    )
