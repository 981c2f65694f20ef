"""The asset of the delays of first exposures.

How they are counted stands in the transform of the same name.
"""

import polars as pl

from exposure_assets.assets.table_asset import Batch, by_rows_of, table_asset
from exposure_assets.contracts import ExposureDelays
from exposure_assets.transforms.exposure_delays import exposure_delays as count_delays
from partitions.mappings import same_day


@table_asset(
    ExposureDelays,
    group="quality",
    batches=by_rows_of("exposure_validation"),
    reads={"exposure_validation": same_day},
)
def exposure_delays(batch: Batch, exposure_validation: pl.LazyFrame) -> pl.LazyFrame:
    """How long after their assignment the units of every variation were first exposed, by ranges of delay."""
    return count_delays(exposure_validation)
