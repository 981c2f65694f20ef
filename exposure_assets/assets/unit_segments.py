"""The asset of the segments.

What is counted stands in the transform of the same name.
"""

from datetime import timedelta

import polars as pl

from exposure_assets.assets.table_asset import Batch, by_rows_of, table_asset
from exposure_assets.contracts import SegmentEvents, UnitSegments
from exposure_assets.transforms.unit_segments import unit_segments as count_events
from partitions.mappings import same_day, shared_day


@table_asset(
    UnitSegments,
    group="outcomes",
    batches=by_rows_of("assignments"),
    reads={"assignments": same_day},
    reads_staged={"segment_events": shared_day},
)
def unit_segments(batch: Batch, assignments: pl.LazyFrame) -> pl.LazyFrame:
    """Whether every assigned unit is in the segments of its experiment, by what it did around its assignment."""
    reaches = [e.segment_reach_days for e in batch.experiments.values()]
    first = batch.days[0] - timedelta(days=max((before for before, _ in reaches), default=0))
    last = batch.days[1] + timedelta(days=max((after for _, after in reaches), default=0))
    rules = {segment.rule for e in batch.experiments.values() for segment in e.segments}
    events = batch.staging.scan(SegmentEvents, (first, last)).filter(pl.col("rule").is_in(sorted(rules)))
    return count_events(assignments, events, batch.experiments)
