"""The asset of the diagnostics of cohorts.

What is counted stands in the transform of the same name.
"""

from datetime import timedelta

import polars as pl

from exposure_assets.assets.table_asset import Batch, by_rows_of, table_asset
from exposure_assets.contracts import CohortDiagnostics, MetricEvents
from exposure_assets.transforms.cohort_diagnostics import cohort_diagnostics as count_diagnostics
from partitions.mappings import same_day, shared_day


@table_asset(
    CohortDiagnostics,
    group="quality",
    batches=by_rows_of("unit_outcomes"),
    reads={"assignments": same_day, "unit_outcomes": same_day, "deduped_exposures": same_day},
    reads_staged={"metric_events": shared_day},
)
def cohort_diagnostics(
    batch: Batch,
    assignments: pl.LazyFrame,
    unit_outcomes: pl.LazyFrame,
    deduped_exposures: pl.LazyFrame,
) -> pl.LazyFrame:
    """What `daily_quality` doesn't count: repeated assignments, outcomes before their anchor, who was exposed."""
    reach = max((e.exposure.observe_days for e in batch.experiments.values()), default=0)
    events = batch.staging.scan(MetricEvents, (batch.days[0], batch.days[1] + timedelta(days=reach)))
    catalog = batch.catalog
    return count_diagnostics(
        assignments, unit_outcomes, deduped_exposures, events, batch.experiments, catalog.metrics
    )
