"""The versions that partitions were computed as, kept in the warehouse beside the rows and written with them.

What a version is a digest of stands in the transforms; the rows are written in `warehouse`.
"""

from collections.abc import Sequence

import duckdb
import polars as pl

from exposure_assets.contracts import TableContract, table_name
from exposure_assets.transforms.partition_versions import VERSION_SCHEMA
from resources.warehouse_slices import PartitionSlice, as_sql, quoted

_SCHEMA = "versions"
_COLUMNS = {"date": "day", "experiment": "experiment_id"}


def replace_versions(
    connection: duckdb.DuckDBPyConnection,
    contract: type[TableContract],
    slices: Sequence[PartitionSlice],
    versions: pl.DataFrame | None,
) -> None:
    """Record the versions of the slices, inside the caller's transaction: rows and versions change together.

    Args:
        connection: Writes the warehouse.
        contract: The table.
        slices: The partitions being written; what was recorded of them is forgotten.
        versions: `day`, `experiment_id`, `version`, null where the table has no such dimension; 0 is not recorded.
            Without: nobody knows what the rows were computed from, so they count as out of date.
    """
    table = _name(contract)
    connection.execute(f"CREATE SCHEMA IF NOT EXISTS {_SCHEMA}")
    connection.execute(
        f"CREATE TABLE IF NOT EXISTS {table} (day DATE, experiment_id VARCHAR, version UBIGINT)"
    )
    columns = {part: _COLUMNS[part] for part in contract.partition_columns()}
    connection.execute(f"DELETE FROM {table} WHERE {as_sql(slices, columns)}")
    if versions is not None and not versions.is_empty():
        recorded = versions.select(VERSION_SCHEMA.keys()).filter(pl.col("version") != 0).to_arrow()
        connection.register("recorded_versions", recorded)
        connection.execute(f"INSERT INTO {table} SELECT day, experiment_id, version FROM recorded_versions")
        connection.unregister("recorded_versions")


def read_versions(connection: duckdb.DuckDBPyConnection, contract: type[TableContract]) -> pl.DataFrame:
    """The recorded versions of a table: `day`, `experiment_id`, `version`; empty where it was never written."""
    try:
        found = connection.execute(f"SELECT day, experiment_id, version FROM {_name(contract)}").pl()
    except duckdb.CatalogException:
        return pl.DataFrame(schema=VERSION_SCHEMA)
    return found.cast(pl.Schema(VERSION_SCHEMA))


def _name(contract: type[TableContract]) -> str:
    return f"{_SCHEMA}.{quoted(table_name(contract))}"
