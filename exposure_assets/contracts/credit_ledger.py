"""Contract of `credit_ledger`: which displays of coenrolling features credit whom, by which rule, and why others don't.

How a display is credited stands in `transforms.attribution`.
"""

import pandera.polars as pa
import polars as pl
from pandera.api.polars.types import PolarsData

from exposure_assets.contracts.base import TableContract, holds

CREDIT_COUNTS = {
    "slug": "credited_by_slug_count",
    "part_id": "credited_by_part_id_count",
    "message_under_experiment": "credited_by_message_count",
}
UNATTRIBUTABLE_BUCKETS = (
    "unknown_experiment",
    "unknown_variation",
    "unresolved_template",
    "ambiguous_attribution",
    "unassigned_unit",
    "outside_experiment",
    "malformed",
)


class CreditLedger(TableContract):
    """Displays of coenrolling features by experiment and day: credited by which rule, or unattributable and why."""

    experiment_id: pl.String = pa.Field(
        nullable=True, description="The experiment; null where the displays name no single one of ours."
    )
    exposure_date: pl.Date = pa.Field(
        description="UTC day of the display; the arrival day where it has none."
    )
    display_count: pl.Int64 = pa.Field(ge=0, description="Displays, each once.")
    credited_count: pl.Int64 = pa.Field(ge=0, description="Displays that credit the experiment.")
    credited_by_slug_count: pl.Int64 = pa.Field(ge=0, description="Credited by the slug that they carry.")
    credited_by_part_id_count: pl.Int64 = pa.Field(ge=0, description="Credited by the part they show.")
    credited_by_message_count: pl.Int64 = pa.Field(
        ge=0, description="Credited by the message under experiment."
    )
    unattributable_count: pl.Int64 = pa.Field(ge=0, description="Displays that credit nobody.")
    unattributable_share: pl.Float64 = pa.Field(
        nullable=True, ge=0.0, le=1.0, description="Of the displays; null without any."
    )
    unknown_experiment_count: pl.Int64 = pa.Field(ge=0, description="They name no experiment of ours.")
    unknown_variation_count: pl.Int64 = pa.Field(ge=0, description="They name no variation of it.")
    unresolved_template_count: pl.Int64 = pa.Field(ge=0, description="They carry the literal `{experiment}`.")
    ambiguous_attribution_count: pl.Int64 = pa.Field(
        ge=0, description="They may come of several experiments."
    )
    unassigned_unit_count: pl.Int64 = pa.Field(
        ge=0, description="The unit is not assigned to the experiment."
    )
    outside_experiment_count: pl.Int64 = pa.Field(
        ge=0, description="Their day is not one of the experiment's."
    )
    malformed_count: pl.Int64 = pa.Field(ge=0, description="An id, time or field is missing or unreadable.")
    duplicate_count: pl.Int64 = pa.Field(ge=0, description="Copies of displays; not among them.")

    class Config:
        name = "credit_ledger"

    @classmethod
    def grain(cls) -> tuple[str, ...]:
        return ("experiment_id", "exposure_date")

    @classmethod
    def partition_columns(cls) -> dict[str, str]:
        return {"date": "exposure_date"}

    @pa.dataframe_check(name="every display is credited or unattributable")
    @classmethod
    def displays_are_accounted_for(cls, data: PolarsData) -> pl.LazyFrame:
        displays = pl.col("credited_count") + pl.col("unattributable_count")
        return holds(data, pl.col("display_count") == displays)

    @pa.dataframe_check(name="the rules sum to the credited displays, the reasons to the others")
    @classmethod
    def parts_sum_up(cls, data: PolarsData) -> pl.LazyFrame:
        rules = pl.sum_horizontal(CREDIT_COUNTS.values())
        reasons = pl.sum_horizontal(f"{bucket}_count" for bucket in UNATTRIBUTABLE_BUCKETS)
        return holds(data, (pl.col("credited_count") == rules) & (pl.col("unattributable_count") == reasons))

    @pa.dataframe_check(name="the share is unattributable displays over displays")
    @classmethod
    def share_is_consistent(cls, data: PolarsData) -> pl.LazyFrame:
        displays = pl.col("display_count")
        share = pl.when(displays > 0).then(pl.col("unattributable_count") / displays)
        return holds(data, pl.col("unattributable_share").eq_missing(share))
