"""Which upstream partitions a partition is computed from.

The windows themselves are the contract's; here they become offsets in days.
"""

from collections.abc import Callable

import dagster as dg

from partitions.calendar import DATE, EXPERIMENT

DAYS_OBSERVED_BEFORE_ASSIGNMENT = 7

# Every mapping gets the graph's horizon in days, whether it needs it or not.
Mapping = Callable[[int], dg.PartitionMapping]


def same_partition(horizon_days: int) -> dg.PartitionMapping:
    """The same day of the same experiment."""
    return _by_experiment(dg.TimeWindowPartitionMapping())


def observed_days(horizon_days: int) -> dg.PartitionMapping:
    """Of the same experiment the days on which a cohort's exposures can lie: a day changes no cohort beyond them."""
    return _by_experiment(
        dg.TimeWindowPartitionMapping(
            start_offset=-DAYS_OBSERVED_BEFORE_ASSIGNMENT,
            end_offset=horizon_days,
            allow_nonexistent_upstream_partitions=True,
        )
    )


def shared_day(horizon_days: int) -> dg.PartitionMapping:
    """The same day, which all experiments share."""
    return dg.MultiToSingleDimensionPartitionMapping(partition_dimension_name=DATE)


def everything(horizon_days: int) -> dg.PartitionMapping:
    """Every partition: where a window would have to reach back to the first day, or lead from days to days by
    experiment, for which Dagster has no mapping. Day by day and experiment by experiment the edge would be named
    quadratically often."""
    return dg.AllPartitionMapping()


def _by_experiment(days: dg.PartitionMapping) -> dg.MultiPartitionMapping:
    return dg.MultiPartitionMapping(
        {
            DATE: dg.DimensionPartitionMapping(DATE, days),
            EXPERIMENT: dg.DimensionPartitionMapping(EXPERIMENT, dg.IdentityPartitionMapping()),
        }
    )
