"""Which upstream partitions a partition is computed from.

The windows themselves are the contract's; here they become offsets in days.
"""

from collections.abc import Callable

import dagster as dg

from exposure_assets.transforms.daily_quality import DAYS_TO_ASSIGN_AFTER_EXPOSURE
from exposure_assets.transforms.exposure_validation import DAYS_OBSERVED_BEFORE_ASSIGNMENT
from partitions.calendar import DATE, EXPERIMENT

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
    """The same day, which all experiments share.

    Where a table reads a window of such days the edge says less than is read: Dagster has no window from days to
    days by experiment, and every day as the edge would drag every day along.
    """
    return dg.MultiToSingleDimensionPartitionMapping(partition_dimension_name=DATE)


def its_experiment(horizon_days: int) -> dg.PartitionMapping:
    """The experiment, whatever the day."""
    return dg.MultiToSingleDimensionPartitionMapping(partition_dimension_name=EXPERIMENT)


def assigned_days(horizon_days: int) -> dg.PartitionMapping:
    """Of the same experiment the days on which a unit exposed on a day is likely to have been assigned.

    The table behind it is read as a whole. The edge says less, so that a backfill of ten days in the UI does not
    drag every other day along.
    """
    return _by_experiment(
        dg.TimeWindowPartitionMapping(
            start_offset=-horizon_days,
            end_offset=DAYS_TO_ASSIGN_AFTER_EXPOSURE,
            allow_nonexistent_upstream_partitions=True,
        )
    )


def _by_experiment(days: dg.PartitionMapping) -> dg.MultiPartitionMapping:
    return dg.MultiPartitionMapping(
        {
            DATE: dg.DimensionPartitionMapping(DATE, days),
            EXPERIMENT: dg.DimensionPartitionMapping(EXPERIMENT, dg.IdentityPartitionMapping()),
        }
    )
