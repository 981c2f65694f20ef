"""The asset of the exposure validation.

The rules stand in the transform of the same name.
"""

import polars as pl

from exposure_assets.assets.table_asset import Batch, by_rows_of, table_asset
from exposure_assets.contracts import ExposureValidation
from exposure_assets.transforms.exposure_validation import validate_exposures
from partitions.mappings import observed_days, same_day


@table_asset(
    ExposureValidation,
    group="exposures",
    batches=by_rows_of("deduped_exposures"),
    reads={"assignments": same_day, "deduped_exposures": observed_days},
)
def exposure_validation(
    batch: Batch, assignments: pl.LazyFrame, deduped_exposures: pl.LazyFrame
) -> pl.LazyFrame:
    """One verdict per assignment: was the unit exposed, in time, to its own variation?"""
    rules = {experiment.id: experiment.exposure for experiment in batch.experiments.values()}
    return validate_exposures(assignments, deduped_exposures, rules)
