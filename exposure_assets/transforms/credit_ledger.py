"""The credit ledger: displays of coenrolling features, counted by what became of them.

What becomes of a display stands in `attribution` and `exposure_events`.
"""

from collections.abc import Iterable, Mapping

import polars as pl

from exposure_assets.contracts import (
    CREDIT_COUNTS,
    UNATTRIBUTABLE_BUCKETS,
    CreditLedger,
    ExposureSource,
    columns_of,
)
from exposure_assets.transforms.attribution import BUCKET, SOURCE

_DAY = ["experiment_id", "exposure_date"]
OUTCOME_COUNTS = {
    "experiment_id": pl.String(),
    "exposure_date": pl.Date(),
    "rule": pl.String(),
    BUCKET: pl.String(),
    "row_count": pl.Int64(),
}


def display_counts(verdicts: pl.DataFrame, sources: Mapping[str, ExposureSource]) -> pl.DataFrame:
    """Raw rows of displays by experiment, day, rule and bucket: parts that sum up over days and files.

    Args:
        verdicts: One row per raw row with `experiment_id`, `exposure_date`, `SOURCE` and `BUCKET`.
        sources: All exposure sources, by id.
    """
    rules = {source.id: source.attribution for source in sources.values() if source.credits_displays}
    return (
        verdicts.filter(pl.col(SOURCE).is_in(list(rules)))
        .with_columns(rule=pl.col(SOURCE).replace_strict(rules, default=None, return_dtype=pl.String))
        .group_by(*_DAY, "rule", BUCKET)
        .agg(row_count=pl.len().cast(pl.Int64))
        .select(OUTCOME_COUNTS.keys())
    )


def credit_ledger(counts: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """Sum up the ledger.

    Grain out: (experiment_id or null, exposure_date).

    Args:
        counts: Of `display_counts`.
    """

    def rows(condition: pl.Expr) -> pl.Expr:
        return pl.col("row_count").filter(condition).sum()

    is_credit = pl.col(BUCKET) == "accepted"
    every = pl.concat([pl.DataFrame(schema=OUTCOME_COUNTS), *counts])
    return (
        every.group_by(_DAY)
        .agg(
            *(
                rows(is_credit & (pl.col("rule") == rule)).alias(column)
                for rule, column in CREDIT_COUNTS.items()
            ),
            *(
                rows(pl.col(BUCKET) == bucket).alias(f"{bucket}_count")
                for bucket in (*UNATTRIBUTABLE_BUCKETS, "duplicate")
            ),
        )
        .with_columns(
            credited_count=pl.sum_horizontal(CREDIT_COUNTS.values()),
            unattributable_count=pl.sum_horizontal(f"{bucket}_count" for bucket in UNATTRIBUTABLE_BUCKETS),
        )
        .with_columns(display_count=pl.col("credited_count") + pl.col("unattributable_count"))
        .with_columns(
            unattributable_share=pl.when(pl.col("display_count") > 0).then(
                pl.col("unattributable_count") / pl.col("display_count")
            )
        )
        .select(columns_of(CreditLedger).keys())
    )
