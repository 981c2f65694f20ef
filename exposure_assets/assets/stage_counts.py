"""The asset of the units at each stage.

How they are counted stands in the transform of the same name.
"""

import polars as pl

from exposure_assets.assets.table_asset import Batch, by_rows_of, table_asset
from exposure_assets.contracts import StageCounts
from exposure_assets.transforms.stage_counts import stage_counts as count_stages
from partitions.mappings import same_day


@table_asset(
    StageCounts,
    group="quality",
    batches=by_rows_of("assignments"),
    reads={"assignments": same_day, "exposure_validation": same_day, "unit_outcomes": same_day},
)
def stage_counts(
    batch: Batch,
    assignments: pl.LazyFrame,
    exposure_validation: pl.LazyFrame,
    unit_outcomes: pl.LazyFrame,
) -> pl.LazyFrame:
    """How many units of a cohort were assigned, exposed, validly exposed and completed, and on which day."""
    return count_stages(assignments, exposure_validation, unit_outcomes)
