"""The asset of the daily quality.

What is counted stands in the transform of the same name.
"""

import polars as pl

from exposure_assets.assets.table_asset import Batch, by_rows_of, table_asset
from exposure_assets.contracts import Assignments, DailyQuality
from exposure_assets.transforms.daily_quality import daily_quality as count_daily_quality
from exposure_assets.transforms.daily_quality import last_assignment_day_that_counts
from partitions.mappings import same_partition


@table_asset(
    DailyQuality,
    group="quality",
    batches=by_rows_of("exposure_validation"),
    reads={"exposure_validation": same_partition, "deduped_exposures": same_partition},
    reads_whole=[Assignments],
)
def daily_quality(
    batch: Batch,
    exposure_validation: pl.LazyFrame,
    deduped_exposures: pl.LazyFrame,
    assignments: pl.LazyFrame,
) -> pl.LazyFrame:
    """How many units of a cohort were exposed, in time and to what: counts, rates and delays per variation."""
    until = last_assignment_day_that_counts(batch.days[1])
    assigned_in_time = assignments.filter(pl.col("assignment_date") <= until)
    return count_daily_quality(exposure_validation, deduped_exposures, assigned_in_time, batch.experiments)
