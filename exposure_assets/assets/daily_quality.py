"""The asset of the daily quality.

What is counted stands in the transform of the same name.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from exposure_assets.assets.table_asset import Batch, by_rows_of, table_asset
from exposure_assets.assets.table_metadata import quality_numbers
from exposure_assets.contracts import ALL_VARIATIONS, Assignments, DailyQuality
from exposure_assets.reports.rates import quality_metadata
from exposure_assets.transforms.daily_quality import daily_quality as count_daily_quality
from exposure_assets.transforms.daily_quality import last_assignment_day_that_counts
from partitions.calendar import split_key
from partitions.mappings import same_day
from resources.data_reach import data_until
from resources.workspace import Workspace


def _numbers_and_plots(workspace: Workspace, keys: Sequence[str]) -> Mapping[str, Mapping[str, Any]]:
    """The rates of every partition, for Dagster's own plots, and with the last one pictures of whole experiments."""
    experiments = sorted({split_key(key)[1] for key in keys})
    wanted = set(keys)
    quality = workspace.warehouse.scan(DailyQuality, experiments=experiments)
    numbers = quality_numbers(quality.filter(variation_id=ALL_VARIATIONS).collect())
    shown: dict[str, Mapping[str, Any]] = {key: rates for key, rates in numbers.items() if key in wanted}
    last = max(keys)
    plots = quality_metadata(quality, experiments, workspace.catalog(), data_until(workspace.staging))
    return {**shown, last: {**shown.get(last, {}), **plots}}


@table_asset(
    DailyQuality,
    group="quality",
    batches=by_rows_of("exposure_validation"),
    reads={"exposure_validation": same_day, "deduped_exposures": same_day},
    reads_whole=[Assignments],
    describe=_numbers_and_plots,
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
