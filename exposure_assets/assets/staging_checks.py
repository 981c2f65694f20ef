"""Checks of what is read: files that could not be, and raw rows that have to be accounted for.

They are judged by the assets that read, because nothing else sees every file and every raw row.
"""

from collections.abc import Sequence

import dagster as dg
import polars as pl

from resources.warehouse_contract_breach import as_markdown

FILES_ARE_READABLE = "landing_files_are_readable"
ROWS_ARE_ACCOUNTED_FOR = "every_row_is_in_one_bucket"
CREDIT_IS_ACCOUNTED_FOR = "every_credit_is_an_exposure"

READABILITY = dg.AssetCheckSpec(
    FILES_ARE_READABLE,
    asset="landing_files",
    description="No file of the landing zone is truncated, corrupt or of another schema.",
)
CONSERVATION = dg.AssetCheckSpec(
    ROWS_ARE_ACCOUNTED_FOR,
    asset="exposure_waterfall",
    description="The buckets sum to the rows read, and `accepted` equals the rows of exposure_events.",
)

CREDIT_CONSERVATION = dg.AssetCheckSpec(
    CREDIT_IS_ACCOUNTED_FOR,
    asset="credit_ledger",
    description="Every experiment of a coenrolling feature has as many credited displays as accepted exposures.",
)


def readability(quarantined: pl.DataFrame) -> dg.AssetCheckResult:
    """Failed as long as the landing zone holds files that cannot be read.

    Args:
        quarantined: stream, path and reason of these files.
    """
    named = "; ".join(f"{path}: {reason}" for _, path, reason in quarantined.head(3).iter_rows())
    more = f"; and {quarantined.height - 3} more" if quarantined.height > 3 else ""
    return dg.AssetCheckResult(
        check_name=FILES_ARE_READABLE,
        asset_key="landing_files",
        passed=quarantined.is_empty(),
        metadata={
            "found": quarantined.height,
            "expected": 0,
            "files": dg.MetadataValue.md(as_markdown(quarantined)),
        },
        description=f"{quarantined.height} files are quarantined, none of their rows counts until they are delivered "
        f"again: {named}{more}"
        if quarantined.height
        else "Every file of the landing zone can be read.",
    )


def conservation(
    waterfall: pl.DataFrame, matched_rows: int, judged_rows: int, exposure_rows: int
) -> dg.AssetCheckResult:
    """Failed when a raw row is in no bucket, or when the accepted rows are not those of `exposure_events`.

    Args:
        waterfall: Obeys `contracts.ExposureWaterfall`; of the days that were staged.
        matched_rows: Raw rows that an exposure source matched.
        judged_rows: Raw rows that got a bucket.
        exposure_rows: Rows written to `exposure_events`.
    """
    accepted = int(waterfall.filter(pl.col("bucket") == "accepted")["row_count"].sum())
    return dg.AssetCheckResult(
        check_name=ROWS_ARE_ACCOUNTED_FOR,
        asset_key="exposure_waterfall",
        passed=matched_rows == judged_rows and accepted == exposure_rows,
        metadata={
            "found": judged_rows,
            "expected": matched_rows,
            "rows_read": matched_rows,
            "rows_in_a_bucket": judged_rows,
            "accepted": accepted,
            "exposure_events": exposure_rows,
        },
        description=f"{judged_rows} of {matched_rows} rows read are in a bucket; {accepted} were accepted, "
        f"exposure_events has {exposure_rows}.",
    )


def credit_conservation(
    ledger: pl.DataFrame, waterfall: pl.DataFrame, experiments: Sequence[str]
) -> dg.AssetCheckResult:
    """Failed when the ledger credits an experiment with more or fewer displays than the waterfall accepts.

    Args:
        ledger: Obeys `contracts.CreditLedger`; of the days that were staged.
        waterfall: Obeys `contracts.ExposureWaterfall`; of the same days.
        experiments: Those whose exposures are displays of coenrolling features.
    """
    day = ["experiment_id", "exposure_date"]
    accepted = waterfall.filter(
        pl.col("bucket") == "accepted", pl.col("experiment_id").is_in(list(experiments))
    ).select(*day, accepted="row_count")
    differing = (
        ledger.filter(pl.col("credited_count") > 0)
        .select(*day, "credited_count")
        .join(accepted, on=day, how="full", coalesce=True)
        .filter(~pl.col("credited_count").eq_missing(pl.col("accepted")))
        .sort(day)
    )
    return dg.AssetCheckResult(
        check_name=CREDIT_IS_ACCOUNTED_FOR,
        asset_key="credit_ledger",
        passed=differing.is_empty(),
        metadata={
            "found": differing.height,
            "expected": 0,
            "credited": int(ledger["credited_count"].sum()),
            "displays": int(ledger["display_count"].sum()),
            "days": dg.MetadataValue.md(as_markdown(differing.head(20))),
        },
        description=f"{ledger['credited_count'].sum()} of {ledger['display_count'].sum()} displays were credited; "
        f"{differing.height} days of experiments differ from the accepted exposures.",
    )
