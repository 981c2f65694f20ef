"""Contract of `experiment_reports`: which page of which experiment was written, and what it says first.

What stands on a page is decided in `reports`; where pages are written, by the settings.
"""

import pandera.polars as pa
import polars as pl
from pandera.api.polars.types import PolarsData

from exposure_assets.contracts.base import StringList, TableContract, holds


class ExperimentReports(TableContract):
    """One row per experiment that has started and has data: its page as of its last day."""

    experiment_id: pl.String = pa.Field(description="The experiment.")
    as_of_date: pl.Date = pa.Field(description="The UTC day whose end the page shows.")
    is_valid_for_analysis: pl.Boolean = pa.Field(
        nullable=True, description="The verdict that the page begins with; null: it was not judged."
    )
    failed_guardrails: StringList = pa.Field(description="What keeps its results from being read.")
    file: pl.String = pa.Field(description="The page's name in the folder of reports.")
    page_bytes: pl.Int64 = pa.Field(ge=1, description="Its size.")
    page_digest: pl.String = pa.Field(description="SHA-256 of the page, in hexadecimal digits.")

    class Config:
        name = "experiment_reports"

    @classmethod
    def grain(cls) -> tuple[str, ...]:
        return ("experiment_id",)

    @pa.dataframe_check(name="an experiment is valid exactly when no guardrail fails")
    @classmethod
    def verdict_agrees(cls, data: PolarsData) -> pl.LazyFrame:
        none_failed = pl.col("failed_guardrails").list.len() == 0
        return holds(data, pl.col("is_valid_for_analysis").fill_null(True) == none_failed)
