"""Contract of `landing_files`: what the landing zone held when it was last scanned.

How files are read and judged stands in `resources.landing`.
"""

import pandera.polars as pa
import polars as pl

from exposure_assets.contracts.base import TableContract, UtcInstant


class LandingFiles(TableContract):
    """One row per file of the landing zone: what it holds, or why it was quarantined."""

    stream: pl.String = pa.Field(isin=["events", "assignments"], description="Stream of the landing zone.")
    path: pl.String = pa.Field(description="The file, relative to the landing zone.")
    arrival_date: pl.Date = pa.Field(
        nullable=True, description="Arrival day: the `date=` folder; null where that names no day."
    )
    size_bytes: pl.Int64 = pa.Field(ge=0, description="Size of the file.")
    checksum: pl.String = pa.Field(description="Checksum of the content, or the object store's etag.")
    row_count: pl.Int64 = pa.Field(ge=0, description="Raw rows; 0 in a quarantined file.")
    first_occurred_at: UtcInstant = pa.Field(nullable=True, description="Earliest readable time of its rows.")
    last_occurred_at: UtcInstant = pa.Field(nullable=True, description="Latest readable time of its rows.")
    status: pl.String = pa.Field(isin=["ready", "quarantined"], description="Whether its rows are read.")
    reason: pl.String = pa.Field(nullable=True, description="Why the file was quarantined; null: it was not.")

    class Config:
        name = "landing_files"

    @classmethod
    def grain(cls) -> tuple[str, ...]:
        return ("stream", "path")
