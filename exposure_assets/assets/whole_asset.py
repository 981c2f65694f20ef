"""The asset of a table without partitions that rests on other tables: read, computed and published in one go.

What such a table rests on stands in `transforms.whole_versions`.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import dagster as dg
import polars as pl

from exposure_assets.assets.table_metadata import table_metadata, table_tags
from exposure_assets.contracts import WAREHOUSE_TABLES, TableContract, table_name
from exposure_assets.transforms.partition_versions import version_of_whole
from exposure_assets.transforms.whole_versions import WHOLE_TABLES, whole_version
from resources.dagster_home import WAREHOUSE_POOL
from resources.data_reach import data_until
from resources.warehouse_io_manager import Publication
from resources.workspace import Workspace

Compute = Callable[[Workspace], pl.DataFrame | Iterable[pl.DataFrame]]
Describe = Callable[[pl.DataFrame], Mapping[str, Any]]


def whole_asset(
    contract: type[TableContract], *, group: str, deps: Iterable[str] = (), describe: Describe | None = None
) -> Callable[[Compute], dg.AssetsDefinition]:
    """Declare the asset of a table without partitions; the function reads what it needs and returns the rows.

    Args:
        contract: The table, one of `WHOLE_TABLES`.
        group: Asset group in the UI.
        deps: Assets that it reads beside the tables that its version rests on.
        describe: What Dagster should show beside the number of rows, from the rows as they are published.
    """
    table = table_name(contract)

    def declare(compute: Compute) -> dg.AssetsDefinition:
        @dg.asset(
            name=table,
            description=compute.__doc__,
            group_name=group,
            kinds={"polars", "duckdb"},
            deps=[*WHOLE_TABLES[table].upstream, *deps],
            io_manager_key="warehouse_io_manager",
            pool=WAREHOUSE_POOL,
            tags=table_tags(contract),
            metadata=table_metadata(contract),
            required_resource_keys={"workspace"},
        )
        def whole(context: dg.AssetExecutionContext) -> Publication:
            workspace: Workspace = context.resources.workspace

            def about() -> Mapping[str, Any]:
                return describe(workspace.warehouse.scan(contract).collect()) if describe else {}

            return Publication(
                frames=lambda: compute(workspace),
                versions=lambda: current_version(workspace, table),
                about=about,
            )

        return whole

    return declare


def current_version(workspace: Workspace, table: str) -> pl.DataFrame:
    """The version that a table without partitions would have if it were computed now."""
    upstream = workspace.warehouse.versions(WAREHOUSE_TABLES[name] for name in WHOLE_TABLES[table].upstream)
    return version_of_whole(
        whole_version(table, workspace.catalog(), upstream, data_until(workspace.staging))
    )
