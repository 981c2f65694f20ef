"""Contract of `unit_covariates`: what every assigned unit did in the days before its assignment, per metric.

Which metrics have covariates stands in `catalog_results`; what they are good for, in `metric_moments`.
"""

import pandera.polars as pa
import polars as pl
from pandera.api.polars.types import PolarsData

from exposure_assets.contracts.base import TableContract, UtcInstant, holds


class UnitCovariates(TableContract):
    """One row per assignment and metric of an experiment with `covariate_days`: the metric before the assignment.

    Metrics that are null without events (mean, min, max) have none.
    """

    experiment_id: pl.String = pa.Field(description="The experiment.")
    unit_id: pl.String = pa.Field(description="The assigned unit.")
    variation_id: pl.String = pa.Field(description="The assigned variation.")
    assignment_date: pl.Date = pa.Field(description="The cohort: UTC day of the assignment.")
    metric_id: pl.String = pa.Field(description="Metric of the catalog.")
    window_start_at: UtcInstant = pa.Field(description="First instant that counts (included).")
    window_end_at: UtcInstant = pa.Field(description="The assignment (excluded).")
    covariate: pl.Float64 = pa.Field(
        description="The metric over this window, capped as the metric is; 0 without events."
    )

    class Config:
        name = "unit_covariates"

    @classmethod
    def grain(cls) -> tuple[str, ...]:
        return ("experiment_id", "unit_id", "metric_id")

    @classmethod
    def partition_columns(cls) -> dict[str, str]:
        return {"date": "assignment_date", "experiment": "experiment_id"}

    @pa.dataframe_check(name="the window lies before the assignment, on or before its day")
    @classmethod
    def window_is_before_the_assignment(cls, data: PolarsData) -> pl.LazyFrame:
        is_ordered = pl.col("window_start_at") < pl.col("window_end_at")
        return holds(data, is_ordered & (pl.col("window_end_at").dt.date() == pl.col("assignment_date")))
