"""The assets of the staged rows: accepted exposures, metric events, assignments, rejected rows, and what counts them.

How days are staged stands in `staging`; what becomes of a row, in the transforms.
"""

from collections.abc import Iterator
from datetime import date
from typing import Any

import dagster as dg

from exposure_assets.assets.progress import report_progress
from exposure_assets.assets.staging import stage_days
from exposure_assets.assets.staging_checks import (
    CONSERVATION,
    CREDIT_CONSERVATION,
    conservation,
    credit_conservation,
)
from exposure_assets.assets.table_metadata import table_metadata, table_tags
from exposure_assets.contracts import STAGED_TABLES, CreditLedger, ExposureWaterfall, table_name
from exposure_assets.transforms.attribution import attributed_experiments
from partitions.calendar import Calendar
from resources.warehouse_io_manager import Publication
from resources.workspace import Workspace

# The same for every partition and run, as in `table_asset`.
STAGED_VERSION = dg.DataVersion("1")


def staged_assets(calendar: Calendar, pool: str) -> dg.AssetsDefinition:
    """The staged tables, the waterfall and the credit ledger, out of one pass over the raw rows of a range of days.

    Args:
        calendar: The days.
        pool: Of the runs beside which no other may stage.
    """

    @dg.multi_asset(
        name="stage_landing_zone",
        outs={
            **{
                name: dg.AssetOut(
                    dagster_type=dg.Nothing,
                    description=contract.__doc__,
                    group_name="landing",
                    kinds={"polars", "parquet"},
                    tags=table_tags(contract),
                    metadata=table_metadata(contract),
                )
                for name, contract in STAGED_TABLES.items()
            },
            **{
                table_name(contract): dg.AssetOut(
                    description=contract.__doc__,
                    group_name="landing",
                    kinds={"polars", "duckdb"},
                    io_manager_key="warehouse_io_manager",
                    tags=table_tags(contract),
                    metadata={
                        "partition_expr": "exposure_date",
                        "has_open_start": True,
                        **table_metadata(contract),
                    },
                )
                for contract in (ExposureWaterfall, CreditLedger)
            },
        },
        partitions_def=calendar.days,
        backfill_policy=dg.BackfillPolicy.single_run(),
        deps=["experiments", "variations", "landing_files"],
        required_resource_keys={"workspace"},
        check_specs=[CONSERVATION, CREDIT_CONSERVATION],
        pool=pool,
    )
    def stage_landing_zone(context: dg.AssetExecutionContext) -> Iterator[Any]:
        workspace: Workspace = context.resources.workspace
        catalog = workspace.catalog()
        keys = sorted(context.partition_keys)
        days = (date.fromisoformat(keys[0]), date.fromisoformat(keys[-1]))
        report_progress(context, "exposure_events", days)
        report = stage_days(
            workspace.landing(catalog),
            workspace.staging,
            workspace.ledger,
            catalog,
            days,
            calendar.first_day,
        )
        for table in STAGED_TABLES:
            rows = {"dagster/row_count": report.row_counts.get(table, 0)}
            yield dg.Output(None, output_name=table, metadata=rows, data_version=STAGED_VERSION)
        for contract, rows in ((ExposureWaterfall, report.waterfall), (CreditLedger, report.ledger)):
            counts = Publication(frames=lambda rows=rows: rows, versions=lambda: report.versions)
            yield dg.Output(counts, output_name=table_name(contract), data_version=STAGED_VERSION)
        yield conservation(report.waterfall, report.matched_rows, report.judged_rows, report.exposure_rows)
        yield credit_conservation(report.ledger, report.waterfall, attributed_experiments(catalog))

    return stage_landing_zone
