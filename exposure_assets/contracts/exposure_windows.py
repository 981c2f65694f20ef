"""Contract of `exposure_windows`: how often an assigned unit was exposed inside each window of its experiment.

What a window is stands in `catalog_windows`; how exposures are counted, in the transform of the same name.
"""

import pandera.polars as pa
import polars as pl
from pandera.api.polars.types import PolarsData

from exposure_assets.contracts.base import TableContract, UtcInstant, holds


class ExposureWindows(TableContract):
    """One row per assignment, exposure window and analysis window, whether the unit was exposed in it or not."""

    experiment_id: pl.String = pa.Field(description="The experiment.")
    unit_id: pl.String = pa.Field(description="The assigned unit.")
    variation_id: pl.String = pa.Field(description="The assigned variation.")
    assignment_date: pl.Date = pa.Field(description="The cohort: UTC day of the assignment.")
    exposure_window_id: pl.String = pa.Field(description="The exposure window of the catalog.")
    analysis_window_id: pl.String = pa.Field(
        description="The analysis window: `overall`, `day_0`, `week_0` or `days_0_6`."
    )
    analysis_window_index: pl.Int64 = pa.Field(
        ge=0, description="Its number in its sequence: the days, the weeks or the list, each from 0."
    )
    window_start_at: UtcInstant = pa.Field(description="First instant that counts (included).")
    window_end_at: UtcInstant = pa.Field(
        description="End of the window (excluded); equals `window_start_at` where nothing can count."
    )
    exposure_count: pl.Int64 = pa.Field(ge=0, description="Exposure events of the unit inside the window.")
    is_exposed_in_window: pl.Boolean = pa.Field(description="The unit was exposed inside the window.")
    is_exposed_to_date: pl.Boolean = pa.Field(
        description="The unit was exposed inside this window or one before it in its sequence."
    )

    class Config:
        name = "exposure_windows"

    @classmethod
    def grain(cls) -> tuple[str, ...]:
        return ("experiment_id", "unit_id", "exposure_window_id", "analysis_window_id")

    @classmethod
    def partition_columns(cls) -> dict[str, str]:
        return {"date": "assignment_date", "experiment": "experiment_id"}

    @pa.dataframe_check(name="the window does not end before it starts")
    @classmethod
    def window_is_ordered(cls, data: PolarsData) -> pl.LazyFrame:
        return holds(data, pl.col("window_end_at") >= pl.col("window_start_at"))

    @pa.dataframe_check(name="a unit is exposed where it has exposures, and from then on")
    @classmethod
    def flags_say_what_the_counts_say(cls, data: PolarsData) -> pl.LazyFrame:
        is_exposed, to_date = pl.col("is_exposed_in_window"), pl.col("is_exposed_to_date")
        return holds(data, (is_exposed == (pl.col("exposure_count") > 0)) & (to_date | ~is_exposed))

    @pa.dataframe_check(name="nothing counts in an empty window")
    @classmethod
    def empty_windows_hold_nothing(cls, data: PolarsData) -> pl.LazyFrame:
        is_empty = pl.col("window_end_at") == pl.col("window_start_at")
        return holds(data, ~is_empty | (pl.col("exposure_count") == 0))
