"""The asset of the moments of the metrics.

How they are summed up stands in the transform of the same name.
"""

import polars as pl

from exposure_assets.assets.table_asset import Batch, by_rows_of, table_asset
from exposure_assets.contracts import MetricMoments
from exposure_assets.transforms.metric_moments import metric_moments as sum_up
from partitions.mappings import same_day


@table_asset(
    MetricMoments,
    group="results",
    batches=by_rows_of("assignments"),
    reads={
        "assignments": same_day,
        "exposure_validation": same_day,
        "unit_outcomes": same_day,
        "unit_covariates": same_day,
    },
)
def metric_moments(
    batch: Batch,
    assignments: pl.LazyFrame,
    exposure_validation: pl.LazyFrame,
    unit_outcomes: pl.LazyFrame,
    unit_covariates: pl.LazyFrame,
) -> pl.LazyFrame:
    """Counts, means and second moments of every metric, per cohort, variation, basis and day of completion."""
    return sum_up(
        assignments,
        exposure_validation,
        unit_outcomes,
        unit_covariates,
        batch.experiments,
        batch.catalog.metrics,
    )
