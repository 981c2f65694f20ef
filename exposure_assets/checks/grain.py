"""The grain over all partitions together, for the tables whose contract promises it.

Inside a partition the grain is checked before publishing, by the contract itself.
"""

import dagster as dg

from exposure_assets.checks.sql_rule import verdict
from exposure_assets.contracts import WAREHOUSE_TABLES, TableContract
from resources.workspace import Workspace


def grain_checks() -> list[dg.AssetChecksDefinition]:
    """One check per table that is unique over all of its partitions."""
    return [
        _check(table, contract)
        for table, contract in WAREHOUSE_TABLES.items()
        if contract.is_unique_over_all_partitions()
    ]


def _check(table: str, contract: type[TableContract]) -> dg.AssetChecksDefinition:
    promise = f"One row per {', '.join(contract.grain())}, over all partitions together."

    @dg.asset_check(
        asset=table,
        name="one_row_per_grain_over_all_partitions",
        description=promise,
        required_resource_keys={"workspace"},
    )
    def check(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        workspace: Workspace = context.resources.workspace
        return verdict(workspace.warehouse.repeated_keys(contract), promise)

    return check
