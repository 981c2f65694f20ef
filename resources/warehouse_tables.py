"""Tables as their contracts say: which DuckDB type a Polars type becomes, how a table is created and grows.

Which rows a table holds is not decided here.
"""

import logging
from collections.abc import Mapping

import duckdb
import polars as pl
from polars.datatypes import DataTypeClass

from exposure_assets.contracts import TableContract, UnitOutcomes, columns_of, table_name
from resources.warehouse_errors import FrameMismatch, TableMismatch, UnsupportedType
from resources.warehouse_slices import quoted

_LOG = logging.getLogger(__name__)
_SCALARS: dict[pl.DataType, str] = {
    pl.String(): "VARCHAR",
    pl.Boolean(): "BOOLEAN",
    pl.Int32(): "INTEGER",
    pl.Int64(): "BIGINT",
    pl.Float64(): "DOUBLE",
    pl.Date(): "DATE",
    pl.Datetime("us", "UTC"): "TIMESTAMP WITH TIME ZONE",
}
_POLARS = {name: dtype for dtype, name in _SCALARS.items()}

Columns = dict[str, pl.DataType]
Types = Mapping[str, pl.DataType | DataTypeClass]


def duckdb_type(dtype: pl.DataType) -> str:
    """The DuckDB type of a Polars type.

    Raises:
        UnsupportedType: no contract uses this type, so nobody has decided how it is stored.
    """
    if isinstance(dtype, pl.List):
        return f"{duckdb_type(as_instance(dtype.inner))}[]"
    if dtype not in _SCALARS:
        known = ", ".join(map(str, _SCALARS))
        raise UnsupportedType(f"found a column of type {dtype}, expected {known} or a list of these.")
    return _SCALARS[dtype]


def polars_type(name: str) -> pl.DataType:
    """The Polars type of a DuckDB type as DESCRIBE names it; String where we never wrote such a column."""
    if name.endswith("[]"):
        return pl.List(polars_type(name.removesuffix("[]")))
    return _POLARS.get(name, pl.String())


def as_instance(dtype: pl.DataType | DataTypeClass) -> pl.DataType:
    """`pl.Int64` and `pl.Int64()` mean the same."""
    return dtype() if isinstance(dtype, DataTypeClass) else dtype


def contract_columns(contract: type[TableContract]) -> Columns:
    """The contract's columns with their exact types."""
    return {name: as_instance(dtype) for name, dtype in columns_of(contract).items()}


def may_grow(contract: type[TableContract]) -> bool:
    """Whether columns follow those of the contract: one per metric of the catalog."""
    return issubclass(contract, UnitOutcomes)


def wanted_columns(contract: type[TableContract], extra: Types) -> Columns:
    """The contract's columns and the extra ones.

    Raises:
        FrameMismatch: an extra column has a contract column's name, or the contract allows none.
    """
    columns = contract_columns(contract)
    if extra and not may_grow(contract):
        surplus = ", ".join(extra)
        raise FrameMismatch(f"{table_name(contract)}: found the columns {surplus}, expected only its own.")
    if taken := sorted(columns.keys() & extra.keys()):
        raise FrameMismatch(
            f"{table_name(contract)}: found metrics named {', '.join(taken)}, which are columns of the table "
            "already; rename the metrics."
        )
    return columns | {name: as_instance(dtype) for name, dtype in extra.items()}


def stored_columns(connection: duckdb.DuckDBPyConnection, table: str) -> dict[str, str] | None:
    """The table's columns with DuckDB's types; null where it has not been built."""
    try:
        rows = connection.execute(f"DESCRIBE {quoted(table)}").fetchall()
    except duckdb.CatalogException:
        return None
    return {row[0]: row[1] for row in rows}


def create_or_grow(
    connection: duckdb.DuckDBPyConnection, contract: type[TableContract], wanted: Columns
) -> None:
    """Bring the table to the wanted columns, inside the caller's transaction.

    Columns are declared nullable: what may be null is the contract's to say, and a column that is added later
    is null in the older rows anyway. An extra column whose type changed starts anew: its old values answer to
    another definition of the metric, so they read as null until their partitions run again.

    Raises:
        TableMismatch: a stored column has another type than the contract says.
    """
    table = table_name(contract)
    fixed = contract_columns(contract)
    declared = ", ".join(f"{quoted(name)} {duckdb_type(dtype)}" for name, dtype in wanted.items())
    connection.execute(f"CREATE TABLE IF NOT EXISTS {quoted(table)} ({declared})")
    stored = stored_columns(connection, table) or {}
    for name, dtype in wanted.items():
        expected = duckdb_type(dtype)
        if stored.get(name) == expected:
            continue
        if name in stored:
            if name in fixed:
                raise TableMismatch(
                    f"{table}.{name}: found the type {stored[name]} in the warehouse, expected {expected}; the "
                    "table was built by another version. Drop it and run a backfill."
                )
            _LOG.warning(
                f"{table}.{name} was {stored[name]} and becomes {expected}: the metric is defined anew, "
                "so older partitions read as null until they run again."
            )
            connection.execute(f"ALTER TABLE {quoted(table)} DROP COLUMN {quoted(name)}")
        connection.execute(f"ALTER TABLE {quoted(table)} ADD COLUMN {quoted(name)} {expected}")


def conformed(frame: pl.DataFrame, wanted: Columns, table: str) -> pl.DataFrame:
    """The frame with the wanted columns in their order.

    Raises:
        FrameMismatch: a column is missing, surplus or of another type.
    """
    found = dict(frame.schema)
    problems = [f"found no {name}" for name in wanted.keys() - found.keys()]
    problems += [f"found a column {name}" for name in found.keys() - wanted.keys()]
    problems += [
        f"found {name} as {found[name]}, expected {dtype}"
        for name, dtype in wanted.items()
        if name in found and found[name] != dtype
    ]
    if problems:
        expected = ", ".join(wanted)
        raise FrameMismatch(f"{table}: {'; '.join(sorted(problems))}. Expected the columns {expected}.")
    return frame.select(wanted.keys())
