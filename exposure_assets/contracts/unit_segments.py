"""Contract of `unit_segments`: whether an assigned unit is in each segment of its experiment.

What a segment is stands in `catalog_segments`; how events are counted, in the transform of the same name.
"""

import pandera.polars as pa
import polars as pl
from pandera.api.polars.types import PolarsData

from exposure_assets.contracts.base import TableContract, UtcInstant, holds


class UnitSegments(TableContract):
    """One row per assignment and segment, whether the unit is in it or not."""

    experiment_id: pl.String = pa.Field(description="The experiment.")
    unit_id: pl.String = pa.Field(description="The assigned unit.")
    variation_id: pl.String = pa.Field(description="The assigned variation.")
    assignment_date: pl.Date = pa.Field(description="The cohort: UTC day of the assignment.")
    segment_id: pl.String = pa.Field(description="The segment of the catalog.")
    is_post_assignment: pl.Boolean = pa.Field(
        description="Events after the assignment count too: a comparison inside the segment is biased."
    )
    window_start_at: UtcInstant = pa.Field(description="First instant that counts (included).")
    window_end_at: UtcInstant = pa.Field(
        description="End of the window (excluded); equals `window_start_at` where nothing can count."
    )
    event_count: pl.Int64 = pa.Field(ge=0, description="Events of the unit inside the window.")
    is_in_segment: pl.Boolean = pa.Field(description="There are as many events as the segment asks for.")

    class Config:
        name = "unit_segments"

    @classmethod
    def grain(cls) -> tuple[str, ...]:
        return ("experiment_id", "unit_id", "segment_id")

    @classmethod
    def partition_columns(cls) -> dict[str, str]:
        return {"date": "assignment_date", "experiment": "experiment_id"}

    @pa.dataframe_check(name="the window does not end before it starts")
    @classmethod
    def window_is_ordered(cls, data: PolarsData) -> pl.LazyFrame:
        return holds(data, pl.col("window_end_at") >= pl.col("window_start_at"))

    @pa.dataframe_check(name="no unit without events is in a segment")
    @classmethod
    def segments_need_events(cls, data: PolarsData) -> pl.LazyFrame:
        return holds(data, (pl.col("event_count") > 0) | ~pl.col("is_in_segment"))
