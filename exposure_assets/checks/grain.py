"""The grain over all partitions together, for the tables whose contract promises it.

Inside a partition the grain is checked before publishing, by the contract itself.
"""

import dagster as dg
import duckdb
import polars as pl

from exposure_assets.checks.partition_results import PARTITION, Findings, partitioned_check
from exposure_assets.checks.run_scope import EXPERIMENT_COLUMN, RunScope
from exposure_assets.checks.sql_rule import findings_of
from exposure_assets.contracts import WAREHOUSE_TABLES, TableContract, table_name
from resources.warehouse_admission import repeated_keys_sql
from resources.warehouse_contract_breach import ROWS_SHOWN
from resources.warehouse_slices import PartitionSlice, as_sql, quoted
from resources.workspace import Workspace

_MOST_KEYS = 10_000


def grain_checks() -> list[dg.AssetChecksDefinition]:
    """One check per table that is unique over all of its partitions."""
    return [
        _check(table, contract)
        for table, contract in WAREHOUSE_TABLES.items()
        if contract.is_unique_over_all_partitions()
    ]


def repeated_units(
    connection: duckdb.DuckDBPyConnection, contract: type[TableContract], scope: RunScope
) -> Findings:
    """The partitions of the run that hold a key which stands anywhere else in the table too.

    Only keys of the run's partitions are looked for: a key that stands twice outside them was reported by the run
    that wrote it.
    """
    table, day = quoted(table_name(contract)), contract.partition_columns()["date"]
    key = ", ".join(quoted(column) for column in contract.grain())
    condition = as_sql([PartitionSlice(experiments=scope.experiments)], contract.partition_columns())
    if not scope.is_whole_table:
        mine = f"SELECT hash({key}) FROM {table} WHERE {scope.as_sql(day)}"
        condition = f"{condition} AND hash({key}) IN ({mine})"
    repeated = connection.execute(repeated_keys_sql(contract, contract.grain(), condition, _MOST_KEYS)).pl()
    found = (
        repeated.with_columns(pl.col("found_on_dates").alias(day))
        .explode(day)
        .filter(scope.holds(day))
        .with_columns(pl.col("found_on_dates").cast(pl.List(pl.String)).list.join(", "))
        .with_columns(offending_rows=pl.len().over(day, EXPERIMENT_COLUMN))
    )
    findings = findings_of(found, day)
    return Findings(findings.failing, findings.rows.group_by(PARTITION).head(ROWS_SHOWN))


def _check(table: str, contract: type[TableContract]) -> dg.AssetChecksDefinition:
    promise = f"One row per {', '.join(contract.grain())}, over all partitions together."
    name = "one_row_per_grain_over_all_partitions"
    key = dg.AssetCheckKey(dg.AssetKey(table), name)

    def find(context: dg.AssetCheckExecutionContext, workspace: Workspace, scope: RunScope) -> Findings:
        with workspace.warehouse.connect(read_only=True) as connection:
            return repeated_units(connection, contract, scope)

    return partitioned_check(
        key, promise, find, severity=dg.AssetCheckSeverity.ERROR, judges_failed_before=True
    )
