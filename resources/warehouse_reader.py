"""Reading a table lazily: DuckDB hands over batches of the columns that Polars asks for.

Which rows are asked for is decided by the caller.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import cache

import duckdb
import polars as pl
from polars.io.plugins import register_io_source

from exposure_assets.contracts import TableContract, table_name
from resources.warehouse_errors import WarehouseMissing
from resources.warehouse_slices import PartitionSlice, as_sql, quoted
from resources.warehouse_tables import (
    Columns,
    Types,
    as_instance,
    contract_columns,
    duckdb_type,
    may_grow,
    polars_type,
    stored_columns,
)

# Two of DuckDB's row groups: large enough for Polars' threads, small enough that a window never fills the memory.
_ROWS_PER_BATCH = 245_760

Connect = Callable[..., AbstractContextManager[duckdb.DuckDBPyConnection]]


class TableReader:
    """The rows of a table that lie in some slices."""

    def __init__(
        self, connect: Connect, contract: type[TableContract], slices: Sequence[PartitionSlice]
    ) -> None:
        self._connect = connect
        self._contract = contract
        self._table = table_name(contract)
        self._condition = as_sql(slices, contract.partition_columns()) if slices else "false"

    def scan(self, columns: Sequence[str] | None, extra: Types) -> pl.LazyFrame:
        """The rows as a LazyFrame that reads when it is collected."""

        @cache
        def schema() -> Columns:
            return self._schema(columns, extra)

        def read(
            with_columns: list[str] | None,
            predicate: pl.Expr | None,
            n_rows: int | None,
            batch_size: int | None,
        ) -> Iterator[pl.DataFrame]:
            wanted = {name: schema()[name] for name in (schema() if with_columns is None else with_columns)}
            for batch in self._batches(wanted, n_rows if predicate is None else None):
                yield batch if predicate is None else batch.filter(predicate)

        # Pure: a query that uses the frame twice reads it once. Every collect reads anew.
        return register_io_source(read, schema=lambda: pl.Schema(schema()), is_pure=True)

    def select(self, sql: str, schema: Columns) -> pl.DataFrame:
        """The rows of a query over the table; none where the table has not been built."""
        empty = pl.DataFrame(schema=schema)
        try:
            with self._connect(read_only=True) as connection:
                if stored_columns(connection, self._table) is None:
                    return empty
                return connection.execute(sql).pl().select(schema.keys()).cast(pl.Schema(schema))
        except WarehouseMissing:
            return empty

    def _schema(self, columns: Sequence[str] | None, extra: Types) -> Columns:
        known = contract_columns(self._contract) | {name: as_instance(dtype) for name, dtype in extra.items()}
        if may_grow(self._contract) and (columns is None or not known.keys() >= set(columns)):
            known = known | {
                name: dtype for name, dtype in self._stored_schema().items() if name not in known
            }
        return known if columns is None else {name: known.get(name, pl.Null()) for name in columns}

    def _stored_schema(self) -> Columns:
        try:
            with self._connect(read_only=True) as connection:
                stored = stored_columns(connection, self._table) or {}
        except WarehouseMissing:
            return {}
        return {name: polars_type(dtype) for name, dtype in stored.items()}

    def _batches(self, wanted: Columns, limit: int | None) -> Iterator[pl.DataFrame]:
        try:
            with self._connect(read_only=True) as connection:
                stored = stored_columns(connection, self._table)
                if stored is not None:
                    # A struct of no column would lose the number of rows, which is all that is asked for then.
                    chosen = (
                        ", ".join(_column(name, dtype, stored) for name, dtype in wanted.items())
                        or "NULL AS none"
                    )
                    sql = f"SELECT {chosen} FROM {quoted(self._table)} WHERE {self._condition}"
                    reader = connection.execute(
                        sql if limit is None else f"{sql} LIMIT {limit}"
                    ).to_arrow_reader(_ROWS_PER_BATCH)
                    for batch in reader:
                        frame = pl.DataFrame(batch)
                        yield frame.cast(pl.Schema(wanted)) if wanted else frame
        except WarehouseMissing:
            pass
        yield pl.DataFrame(schema=wanted)


def _column(name: str, dtype: pl.DataType, stored: Mapping[str, str]) -> str:
    """The column, or nulls of its type where the table does not have it so."""
    if isinstance(dtype, pl.Null):
        return f"NULL AS {quoted(name)}"
    expected = duckdb_type(dtype)
    return quoted(name) if stored.get(name) == expected else f"CAST(NULL AS {expected}) AS {quoted(name)}"
