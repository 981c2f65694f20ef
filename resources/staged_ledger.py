"""The ledger of staging: per staged day what it was staged from, and digests of the rows that came out.

What is out of date because of a digest is decided in the transforms; the staged rows themselves are in `staging`.
"""

from collections.abc import Collection
from datetime import date
from pathlib import Path

import polars as pl

from exposure_assets.transforms.partition_versions import ASSIGNED_COHORT, COHORT, LEDGER_SCHEMA
from resources.atomic import content_of, replacing


class StagedLedger:
    """One Parquet file beside the staged tables, replaced as a whole after the rows that it speaks of.

    A reader who reads the ledger first and the rows afterwards may hold rows that are newer than the ledger says,
    never older ones: what is computed from them is computed again, and nothing stale passes for fresh.
    """

    def __init__(self, staging: Path) -> None:
        self._path = staging / "ledger.parquet"

    def read(self) -> pl.DataFrame:
        """(`day`, `kind`, `key`, `digest`), in no particular order; empty where nothing is staged."""
        if not self._path.exists():
            return pl.DataFrame(schema=LEDGER_SCHEMA)
        ledger = pl.read_parquet(content_of(self._path))
        # A ledger of another version of this module vouches for nothing: every day is staged anew.
        return ledger if ledger.schema == pl.Schema(LEDGER_SCHEMA) else pl.DataFrame(schema=LEDGER_SCHEMA)

    def record(self, days: tuple[date, date], rows: pl.DataFrame, cohorts_of: Collection[str]) -> None:
        """Put `rows` in the place of all that was recorded of `days`, and of the cohorts of some experiments.

        Args:
            days: The first and the last day that were staged; those between without `rows` hold nothing.
            rows: Of the ledger's columns.
            cohorts_of: Experiments whose cohorts, on whatever day, are replaced too.
        """
        is_cohort = pl.col("kind").is_in([COHORT, ASSIGNED_COHORT])
        replaced = (~is_cohort & pl.col("day").is_between(*days)) | (
            is_cohort & pl.col("key").is_in(list(cohorts_of))
        )
        kept = self.read().filter(~replaced)
        with replacing(self._path) as partial:
            pl.concat([kept, rows.select(LEDGER_SCHEMA.keys())]).sort("day", "kind", "key").write_parquet(
                partial
            )
