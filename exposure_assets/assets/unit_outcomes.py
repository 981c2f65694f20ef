"""The asset of the unit outcomes.

How outcomes are aggregated stands in the transform of the same name.
"""

from datetime import timedelta

import polars as pl

from exposure_assets.assets.table_asset import Batch, by_rows_of, table_asset
from exposure_assets.contracts import MetricEvents, UnitOutcomes, segment_columns
from exposure_assets.transforms.exposure_validation import DAYS_OBSERVED_BEFORE_ASSIGNMENT
from exposure_assets.transforms.metric_events import metric_fields
from exposure_assets.transforms.unit_outcomes import unit_outcomes as aggregate_outcomes
from exposure_assets.transforms.unit_segments import cut_by_segments
from partitions.mappings import same_day, shared_day


@table_asset(
    UnitOutcomes,
    group="outcomes",
    batches=by_rows_of("exposure_validation"),
    reads={"exposure_validation": same_day, "unit_segments": same_day},
    reads_staged={"metric_events": shared_day},
)
def unit_outcomes(
    batch: Batch, exposure_validation: pl.LazyFrame, unit_segments: pl.LazyFrame
) -> pl.LazyFrame:
    """What every assigned unit did inside its outcome window, one column per metric and segment of the catalog."""
    reach = max(
        (e.exposure.observe_days + e.outcomes.window_days for e in batch.experiments.values()), default=0
    )
    events = batch.staging.scan(
        MetricEvents,
        (
            batch.days[0] - timedelta(days=DAYS_OBSERVED_BEFORE_ASSIGNMENT),
            batch.days[1] + timedelta(days=reach + 1),
        ),
        dict.fromkeys(metric_fields(batch.catalog.metrics), pl.Float64()),
    )
    outcomes = aggregate_outcomes(exposure_validation, events, batch.experiments, batch.catalog.metrics)
    columns = segment_columns(batch.catalog.experiments)
    return cut_by_segments(outcomes, unit_segments, batch.experiments, columns)
