"""Contract of `exposure_delays`: how long after their assignment the units of a cohort were first exposed.

How they are counted stands in `transforms.exposure_delays`; whether variations differ, in `experiment_quality_report`.
"""

import pandera.polars as pa
import polars as pl
from pandera.api.polars.types import PolarsData

from exposure_assets.contracts.base import TableContract, holds

# Where ranges of delay begin, in seconds; the first one holds what came before the assignment, inside the grace.
DELAY_STARTS = (
    -604_800,
    0,
    1,
    10,
    60,
    600,
    3_600,
    21_600,
    86_400,
    172_800,
    345_600,
    604_800,
    1_209_600,
)


class ExposureDelays(TableContract):
    """Units per cohort, variation and day of their first exposure, by the range of its delay; where there are any."""

    experiment_id: pl.String = pa.Field(description="The experiment.")
    assignment_date: pl.Date = pa.Field(description="The cohort day.")
    variation_id: pl.String = pa.Field(description="Assigned variation.")
    exposed_date: pl.Date = pa.Field(
        description="UTC day of the first exposure, never before the cohort day."
    )
    from_seconds: pl.Int64 = pa.Field(
        isin=DELAY_STARTS,
        description="Where the range of `exposure_delay_seconds` begins (included); it ends where the next one begins.",
    )
    unit_count: pl.Int64 = pa.Field(ge=1, description="Units first exposed on that day, after such a delay.")

    class Config:
        name = "exposure_delays"

    @classmethod
    def grain(cls) -> tuple[str, ...]:
        return ("experiment_id", "assignment_date", "variation_id", "exposed_date", "from_seconds")

    @classmethod
    def partition_columns(cls) -> dict[str, str]:
        return {"date": "assignment_date", "experiment": "experiment_id"}

    @pa.dataframe_check(name="nobody is first exposed before the cohort day")
    @classmethod
    def days_are_in_order(cls, data: PolarsData) -> pl.LazyFrame:
        return holds(data, pl.col("exposed_date") >= pl.col("assignment_date"))
