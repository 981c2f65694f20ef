"""Reading the tables with SQL, safely: one SELECT, read-only, without access to files or the network.

How the warehouse is opened stands in `warehouse`; how rows are laid out for people, in `query_output`.
"""

from pathlib import Path

import duckdb
import polars as pl
import pyarrow.dataset

from exposure_assets.contracts import STAGED_TABLES, WAREHOUSE_TABLES, TableContract, empty_frame
from resources.staging import Staging
from resources.warehouse import Mode, Warehouse
from resources.warehouse_tables import stored_columns


class QueryError(Exception):
    """The query cannot be answered; the message says what to change."""


def run_query(warehouse: Warehouse, staging: Path, sql: str) -> pl.DataFrame:
    """The rows of one SELECT over the tables of the contract, wherever they are stored.

    A table that has not been computed yet is empty.

    Raises:
        QueryError: not exactly one SELECT, or one that DuckDB refuses; names what is wrong in it.
        WarehouseMissing: nothing has been computed yet.
    """
    _check_is_one_select(sql)
    with warehouse.connect(mode=Mode.QUERY) as connection:
        for name, contract in STAGED_TABLES.items():
            connection.register(name, _staged(Staging(staging), contract))
        for name, contract in WAREHOUSE_TABLES.items():
            if stored_columns(connection, name) is None:
                connection.register(name, empty_frame(contract).to_arrow())
        try:
            return _with_plain_integers(connection.execute(sql).pl())
        except duckdb.Error as error:
            raise QueryError(_sentence(error)) from error


def _check_is_one_select(sql: str) -> None:
    try:
        statements = duckdb.extract_statements(sql)
    except duckdb.Error as error:
        raise QueryError(_sentence(error)) from error
    found = [statement.type.name for statement in statements]
    if found != ["SELECT"]:
        raise QueryError(f"found {' and '.join(found) or 'no statement'}, expected exactly one SELECT.")


def _staged(staging: Staging, contract: type[TableContract]) -> pyarrow.dataset.Dataset:
    """The staged files as a dataset: DuckDB reads the columns and row groups it needs, and no other file."""
    schema = empty_frame(contract).to_arrow().schema
    return pyarrow.dataset.dataset(
        [str(file) for file in staging.files(contract)], schema=schema, format="parquet"
    )


def _with_plain_integers(rows: pl.DataFrame) -> pl.DataFrame:
    """DuckDB sums integers as 128-bit ones; those that fit become plain ones, which every format can hold."""
    wide = [c for c, dtype in rows.schema.items() if dtype == pl.Int128 or str(dtype).endswith("scale=0)")]
    narrow = rows.with_columns(pl.col(wide).cast(pl.Int64, strict=False))
    fits = [column for column in wide if narrow[column].null_count() == rows[column].null_count()]
    return rows.with_columns(narrow[column] for column in fits)


def _sentence(error: duckdb.Error) -> str:
    return " ".join(str(error).split())
