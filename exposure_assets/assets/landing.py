"""The assets at the edge of the graph: what the landing zone holds, and the staged rows of its days.

How days are staged stands in `staging`.
"""

from collections.abc import Iterator
from datetime import date
from typing import Any

import dagster as dg
import polars as pl

from exposure_assets.assets.progress import report_progress
from exposure_assets.assets.staging import StagingReport, stage_days
from exposure_assets.contracts import STAGED_TABLES, LandingFiles, columns_of
from partitions.calendar import Calendar
from resources.workspace import Workspace

FILES_ARE_READABLE = "landing_files_are_readable"
ROWS_ARE_ACCOUNTED_FOR = "every_row_is_in_one_bucket"


@dg.asset(
    group_name="landing",
    kinds={"parquet", "json", "csv"},
    io_manager_key="warehouse_io_manager",
    required_resource_keys={"workspace"},
)
def landing_files(context: dg.AssetExecutionContext) -> pl.DataFrame:
    """Every file of the landing zone: what it holds, or why it was quarantined."""
    workspace: Workspace = context.resources.workspace
    manifest = workspace.landing(workspace.catalog()).refresh()
    return manifest.frame.select(columns_of(LandingFiles).keys()).sort("stream", "path")


def staged_assets(calendar: Calendar) -> dg.AssetsDefinition:
    """The staged tables and the waterfall, out of one pass over the raw rows of a range of days."""

    @dg.multi_asset(
        name="stage_landing_zone",
        outs={
            **{
                name: dg.AssetOut(
                    dagster_type=dg.Nothing,
                    description=contract.__doc__,
                    group_name="landing",
                    kinds={"polars", "parquet"},
                )
                for name, contract in STAGED_TABLES.items()
            },
            "exposure_waterfall": dg.AssetOut(
                description="Where the raw rows of the exposure sources went: rows per experiment, day and bucket.",
                group_name="landing",
                kinds={"polars", "duckdb"},
                io_manager_key="warehouse_io_manager",
                metadata={"partition_expr": "exposure_date", "has_open_start": True},
            ),
        },
        partitions_def=calendar.days,
        backfill_policy=dg.BackfillPolicy.single_run(),
        deps=["experiments", "variations", "landing_files"],
        required_resource_keys={"workspace"},
        check_specs=[
            dg.AssetCheckSpec(
                FILES_ARE_READABLE,
                asset="exposure_events",
                description="No file of the landing zone is truncated, corrupt or of another schema.",
            ),
            dg.AssetCheckSpec(
                ROWS_ARE_ACCOUNTED_FOR,
                asset="exposure_waterfall",
                description="The buckets sum to the rows read, and `accepted` equals the rows of exposure_events.",
            ),
        ],
    )
    def stage_landing_zone(context: dg.AssetExecutionContext) -> Iterator[Any]:
        workspace: Workspace = context.resources.workspace
        catalog = workspace.catalog()
        keys = sorted(context.partition_keys)
        days = (date.fromisoformat(keys[0]), date.fromisoformat(keys[-1]))
        report_progress(context, "exposure_events", days)
        report = stage_days(
            workspace.landing(catalog), workspace.staging, catalog, days, calendar.first_day
        )
        for table in STAGED_TABLES:
            rows = {"dagster/row_count": report.row_counts.get(table, 0)}
            yield dg.Output(None, output_name=table, metadata=rows)
        yield dg.Output(report.waterfall, output_name="exposure_waterfall")
        yield _readability(report)
        yield _conservation(report)

    return stage_landing_zone


def _readability(report: StagingReport) -> dg.AssetCheckResult:
    damaged = report.quarantined
    lines = [f"| {path} | {reason} |" for _, path, reason in damaged.iter_rows()]
    table = "\n".join(["| file | reason |", "|---|---|", *lines])
    return dg.AssetCheckResult(
        check_name=FILES_ARE_READABLE,
        asset_key="exposure_events",
        passed=damaged.is_empty(),
        metadata={"quarantined_files": damaged.height, "files": dg.MetadataValue.md(table)},
        description=f"{damaged.height} files are quarantined: none of their rows counts. Deliver them again.",
    )


def _conservation(report: StagingReport) -> dg.AssetCheckResult:
    accepted = int(report.waterfall.filter(pl.col("bucket") == "accepted")["row_count"].sum())
    return dg.AssetCheckResult(
        check_name=ROWS_ARE_ACCOUNTED_FOR,
        asset_key="exposure_waterfall",
        passed=report.matched_rows == report.judged_rows and accepted == report.exposure_rows,
        metadata={
            "rows_read": report.matched_rows,
            "rows_in_a_bucket": report.judged_rows,
            "accepted": accepted,
            "exposure_events": report.exposure_rows,
        },
        description=f"{report.judged_rows} of {report.matched_rows} rows read are in a bucket; {accepted} were "
        f"accepted, exposure_events has {report.exposure_rows}.",
    )
