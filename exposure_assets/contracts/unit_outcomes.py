"""Contract of `unit_outcomes`: one row per assignment with one column per metric and segment of the catalog.

How outcomes are aggregated stands in `transforms.unit_outcomes`.
"""

from collections.abc import Mapping

import pandera.polars as pa
import polars as pl
from pandera.api.polars.types import PolarsData

from exposure_assets.contracts.base import AssignedUnitContract, UtcInstant, holds
from exposure_assets.contracts.catalog import Experiment
from exposure_assets.contracts.catalog_metrics import Metric
from exposure_assets.contracts.catalog_segments import segment_column

AGGREGATION_TYPES: dict[str, type[pl.DataType]] = {
    "count": pl.Int64,
    "count_distinct_days": pl.Int64,
    "converted": pl.Boolean,
    "sum": pl.Float64,
    "mean": pl.Float64,
    "min": pl.Float64,
    "max": pl.Float64,
}


class UnitOutcomes(AssignedUnitContract):
    """One row per assignment: what the unit did inside its outcome window; columns of metrics and segments follow."""

    experiment_id: pl.String = pa.Field(description="The experiment.")
    unit_id: pl.String = pa.Field(description="The assigned unit.")
    variation_id: pl.String = pa.Field(description="The assigned variation.")
    assignment_date: pl.Date = pa.Field(description="The cohort: UTC day of the assignment.")
    anchor: pl.String = pa.Field(
        isin=["first_exposure", "assignment"], description="Where this unit's window starts."
    )
    anchor_at: UtcInstant = pa.Field(description="First instant of the outcome window (included).")
    window_end_at: UtcInstant = pa.Field(description="End of the outcome window (excluded).")

    class Config:
        name = "unit_outcomes"

    @pa.dataframe_check(name="the window does not end before it starts")
    @classmethod
    def window_is_ordered(cls, data: PolarsData) -> pl.LazyFrame:
        return holds(data, pl.col("window_end_at") >= pl.col("anchor_at"))


def metric_columns(metrics: Mapping[str, Metric]) -> dict[str, type[pl.DataType]]:
    """The columns that the catalog's metrics add to `unit_outcomes`, in the order of their ids."""
    return {metric.id: AGGREGATION_TYPES[metric.aggregation] for _, metric in sorted(metrics.items())}


def segment_columns(experiments: Mapping[str, Experiment]) -> dict[str, type[pl.DataType]]:
    """The columns that the catalog's segments add to `unit_outcomes`, in the order of their ids."""
    ids = sorted({segment.id for e in experiments.values() for segment in e.segments})
    return {segment_column(segment_id): pl.Boolean for segment_id in ids}
