"""The asset of the covariates.

What is aggregated stands in the transform of the same name.
"""

from datetime import timedelta

import polars as pl

from exposure_assets.assets.table_asset import Batch, by_rows_of, table_asset
from exposure_assets.contracts import MetricEvents, UnitCovariates
from exposure_assets.transforms.metric_events import metric_fields
from exposure_assets.transforms.unit_covariates import unit_covariates as aggregate_covariates
from partitions.mappings import same_day, shared_day


@table_asset(
    UnitCovariates,
    group="outcomes",
    batches=by_rows_of("assignments"),
    reads={"assignments": same_day},
    reads_staged={"metric_events": shared_day},
)
def unit_covariates(batch: Batch, assignments: pl.LazyFrame) -> pl.LazyFrame:
    """What every assigned unit did before its assignment, per metric of an experiment with covariates."""
    before = max((e.results.covariate_days for e in batch.experiments.values()), default=0)
    metrics = batch.catalog.metrics
    events = batch.staging.scan(
        MetricEvents,
        (batch.days[0] - timedelta(days=before), batch.days[1]),
        dict.fromkeys(metric_fields(metrics), pl.Float64()),
    )
    return aggregate_covariates(assignments, events, batch.experiments, metrics)
