"""Contracts of the staged events: accepted exposures, metric events, rejected rows and the waterfall.

How a raw row gets into one of them stands in `transforms.exposure_events`.
"""

import pandera.polars as pa
import polars as pl
from pandera.api.polars.types import PolarsData

from exposure_assets.contracts.base import TableContract, UtcInstant, holds

BUCKETS = (
    "accepted",
    "duplicate",
    "malformed",
    "unknown_experiment",
    "unknown_variation",
    "unresolved_template",
    "ambiguous_attribution",
    "outside_experiment",
    "unassigned_unit",
)


class ExposureEvents(TableContract):
    """Accepted exposure events, each once, staged by the UTC day of `occurred_at`."""

    experiment_id: pl.String = pa.Field(description="The experiment that the event credits.")
    event_id: pl.String = pa.Field(description="Id of the raw event.")
    unit_id: pl.String = pa.Field(description="The unit that met the variation.")
    variation_id: pl.String = pa.Field(description="The variation that the unit met.")
    occurred_at: UtcInstant = pa.Field(description="When the exposure happened.")
    exposure_date: pl.Date = pa.Field(description="UTC day of `occurred_at`.")
    session_id: pl.String = pa.Field(
        nullable=True, description="Session of the event; null where none was sent."
    )

    class Config:
        name = "exposure_events"

    @classmethod
    def grain(cls) -> tuple[str, ...]:
        return ("experiment_id", "event_id")

    @classmethod
    def partition_columns(cls) -> dict[str, str]:
        return {"date": "exposure_date"}

    @pa.dataframe_check(name="exposure_date is the UTC day of occurred_at")
    @classmethod
    def date_is_the_day(cls, data: PolarsData) -> pl.LazyFrame:
        return holds(data, pl.col("exposure_date") == pl.col("occurred_at").dt.date())


class MetricEvents(TableContract):
    """Events that a metric counts, each once, staged by the UTC day of `occurred_at`.

    Every field that a metric reads follows as one more Float64 column, named by its path.
    """

    event_id: pl.String = pa.Field(unique=False, description="Id of the raw event.")
    event_name: pl.String = pa.Field(description="Name of the raw event.")
    unit_id: pl.String = pa.Field(description="The unit that did it.")
    occurred_at: UtcInstant = pa.Field(description="When it happened.")
    event_date: pl.Date = pa.Field(description="UTC day of `occurred_at`.")

    class Config:
        name = "metric_events"

    @classmethod
    def grain(cls) -> tuple[str, ...]:
        return ("event_id",)

    @classmethod
    def partition_columns(cls) -> dict[str, str]:
        return {"date": "event_date"}


class SegmentEvents(TableContract):
    """Events that a segment counts, each once per rule, staged by the UTC day of `occurred_at`."""

    rule: pl.String = pa.Field(
        description="Which events count: event name and filter, as the catalog has them."
    )
    event_id: pl.String = pa.Field(description="Id of the raw event.")
    unit_id: pl.String = pa.Field(description="The unit that did it.")
    occurred_at: UtcInstant = pa.Field(description="When it happened.")
    event_date: pl.Date = pa.Field(description="UTC day of `occurred_at`.")

    class Config:
        name = "segment_events"

    @classmethod
    def grain(cls) -> tuple[str, ...]:
        return ("rule", "event_id")

    @classmethod
    def partition_columns(cls) -> dict[str, str]:
        return {"date": "event_date"}


class RejectedEvents(TableContract):
    """One row per raw row that was not accepted, with the reason, by arrival day."""

    arrival_date: pl.Date = pa.Field(description="Arrival day of the file.")
    stream: pl.String = pa.Field(isin=["events", "assignments"], description="Stream of the landing zone.")
    file: pl.String = pa.Field(description="The file, relative to the landing zone.")
    reason: pl.String = pa.Field(description="Why the row was not accepted.")
    event_id: pl.String = pa.Field(nullable=True, description="As delivered.")
    event_name: pl.String = pa.Field(nullable=True, description="As delivered; null for assignments.")
    experiment_id: pl.String = pa.Field(nullable=True, description="The experiment that the row names.")
    unit_id: pl.String = pa.Field(nullable=True, description="As delivered.")
    variation_id: pl.String = pa.Field(nullable=True, description="The variation that the row names.")
    occurred_at: UtcInstant = pa.Field(
        nullable=True, description="`occurred_at` or `assigned_at`; null: unreadable."
    )
    row: pl.String = pa.Field(description="Every field of the raw row, as JSON.")

    class Config:
        name = "rejected_events"

    @classmethod
    def partition_columns(cls) -> dict[str, str]:
        return {"date": "arrival_date"}


class ExposureWaterfall(TableContract):
    """Where the raw rows of the exposure sources went: rows per experiment, day and bucket."""

    experiment_id: pl.String = pa.Field(
        nullable=True, description="The experiment; null where none of ours is named."
    )
    exposure_date: pl.Date = pa.Field(description="UTC day of the event; the arrival day where it has none.")
    bucket: pl.String = pa.Field(isin=list(BUCKETS), description="What became of the rows.")
    row_count: pl.Int64 = pa.Field(ge=1, description="Raw rows.")

    class Config:
        name = "exposure_waterfall"

    @classmethod
    def grain(cls) -> tuple[str, ...]:
        return ("experiment_id", "exposure_date", "bucket")

    @classmethod
    def partition_columns(cls) -> dict[str, str]:
        return {"date": "exposure_date"}
