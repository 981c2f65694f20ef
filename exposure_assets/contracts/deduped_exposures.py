"""Contract of `deduped_exposures`: a unit's exposures to one variation on one day, as one mergeable row.

How the rows are made and merged stands in `transforms.deduped_exposures`.
"""

import pandera.polars as pa
import polars as pl
from pandera.api.polars.types import PolarsData

from exposure_assets.contracts.base import (
    InstantList,
    IntegerList,
    StringList,
    TableContract,
    UtcInstant,
    holds,
)


class DedupedExposures(TableContract):
    """One row per experiment, unit, variation and UTC day of exposure.

    The `later_...` columns keep what a first exposure would hide: whoever asks for the first exposure at or after an
    instant inside the day, or for the number of exposures between two instants, finds it here, exactly as over the
    raw events.
    """

    experiment_id: pl.String = pa.Field(description="The experiment.")
    unit_id: pl.String = pa.Field(description="The exposed unit.")
    variation_id: pl.String = pa.Field(description="The variation that the unit met.")
    exposure_date: pl.Date = pa.Field(description="UTC day of the exposures.")
    first_exposed_at: UtcInstant = pa.Field(description="Earliest exposure of the day.")
    last_exposed_at: UtcInstant = pa.Field(description="Latest exposure of the day.")
    exposure_count: pl.Int64 = pa.Field(ge=1, description="Exposure events of the day.")
    first_event_id: pl.String = pa.Field(description="Event of the earliest exposure; ties: the smallest id.")
    first_session_id: pl.String = pa.Field(nullable=True, description="Session of that event.")
    later_exposed_at: InstantList = pa.Field(
        nullable=True, description="The other instants of exposure, ascending; null where there is none."
    )
    later_event_ids: StringList = pa.Field(
        nullable=True,
        description="For each of these instants the smallest event id; null where there is none.",
    )
    later_exposure_counts: IntegerList = pa.Field(
        nullable=True,
        description="For each of these instants its exposure events; null where there is none. What is left of "
        "`exposure_count` happened at `first_exposed_at`.",
    )

    class Config:
        name = "deduped_exposures"

    @classmethod
    def grain(cls) -> tuple[str, ...]:
        return ("experiment_id", "unit_id", "variation_id", "exposure_date")

    @classmethod
    def partition_columns(cls) -> dict[str, str]:
        return {"date": "exposure_date", "experiment": "experiment_id"}

    @pa.dataframe_check(name="first and last exposure lie in order inside exposure_date")
    @classmethod
    def exposures_lie_inside_the_day(cls, data: PolarsData) -> pl.LazyFrame:
        first, last = pl.col("first_exposed_at"), pl.col("last_exposed_at")
        day = pl.col("exposure_date")
        return holds(data, (first <= last) & (first.dt.date() == day) & (last.dt.date() == day))

    @pa.dataframe_check(name="later exposures end at last_exposed_at and are fewer than the events")
    @classmethod
    def later_exposures_are_complete(cls, data: PolarsData) -> pl.LazyFrame:
        first, last, later = pl.col("first_exposed_at"), pl.col("last_exposed_at"), pl.col("later_exposed_at")
        counts = pl.col("later_exposure_counts")
        return holds(
            data,
            pl.when(later.is_null())
            .then((first == last) & pl.col("later_event_ids").is_null() & counts.is_null())
            .otherwise(
                (later.list.last() == last)
                & (later.list.first() > first)
                & (later.list.len() == pl.col("later_event_ids").list.len())
                & (later.list.len() == counts.list.len())
                & (counts.list.min() >= 1)
                & (counts.list.sum() < pl.col("exposure_count"))
            ),
        )
