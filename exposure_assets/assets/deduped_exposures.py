"""The asset of the deduped exposures.

How exposures are folded stands in the transform of the same name.
"""

import polars as pl

from exposure_assets.assets.table_asset import Batch, by_days_of, table_asset
from exposure_assets.contracts import DedupedExposures, ExposureEvents
from exposure_assets.transforms.deduped_exposures import dedupe_exposures
from partitions.mappings import shared_day


@table_asset(
    DedupedExposures,
    group="exposures",
    batches=by_days_of(ExposureEvents),
    reads_staged={"exposure_events": shared_day},
)
def deduped_exposures(batch: Batch) -> pl.LazyFrame:
    """A unit's exposures to one variation on one day, as one row that merges with those of other days."""
    events = batch.staging.scan(ExposureEvents, batch.days).filter(batch.of_these_experiments())
    return dedupe_exposures(events)
