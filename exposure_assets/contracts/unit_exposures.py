"""Contract of the answer to a question for exposures: one row per unit over an interval of instants.

It is stored nowhere as a table; how it is merged out of days stands in `transforms.unit_exposures`.
"""

import pandera.polars as pa
import polars as pl
from pandera.api.polars.types import PolarsData

from exposure_assets.contracts.base import TableContract, UtcInstant, holds


class UnitExposures(TableContract):
    """One row per unit that was exposed inside the interval, by unit id."""

    unit_id: pl.String = pa.Field(description="The exposed unit.")
    variation_id: pl.String = pa.Field(
        description="The variation it met; of several, under the policy `first_seen`, the one of its first exposure."
    )
    first_exposed_at: UtcInstant = pa.Field(description="Earliest exposure inside the interval.")
    last_exposed_at: UtcInstant = pa.Field(description="Latest exposure inside the interval.")
    exposure_count: pl.Int64 = pa.Field(ge=1, description="Exposure events inside the interval.")
    first_event_id: pl.String = pa.Field(description="Event of the earliest exposure; ties: the smallest id.")
    first_session_id: pl.String = pa.Field(nullable=True, description="Session of that event.")

    class Config:
        name = "unit_exposures"

    @classmethod
    def grain(cls) -> tuple[str, ...]:
        return ("unit_id",)

    @pa.dataframe_check(name="the first exposure is not after the last")
    @classmethod
    def exposures_are_in_order(cls, data: PolarsData) -> pl.LazyFrame:
        return holds(data, pl.col("first_exposed_at") <= pl.col("last_exposed_at"))
