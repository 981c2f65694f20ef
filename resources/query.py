"""Answering a query over the warehouse and the staged tables, read-only, without files and network.

What a query may be stands in `query_guard`, how an answer is written in `query_output`.
"""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import polars as pl
import pyarrow as pa

from exposure_assets.contracts import STAGED_TABLES, WAREHOUSE_TABLES
from resources.query_guard import CheckedQuery, QueryError, check_query, one_sentence, refuse_unknown_tables
from resources.query_tables import empty_table, staged_dataset
from resources.query_values import Column, plain_columns
from resources.staging import Staging
from resources.warehouse import Mode, Warehouse

__all__ = ["QueryError", "QueryResult", "run_query"]

_ROWS_PER_BATCH = 122_880


@dataclass
class QueryResult:
    """An answer that is computed while it is read, once; closing it lets go of the warehouse."""

    columns: list[Column]
    _relation: duckdb.DuckDBPyRelation
    _open: ExitStack = field(repr=False)

    def batches(self, expressions: Mapping[str, str]) -> Iterator[pa.RecordBatch]:
        """The rows as Arrow batches of the given SQL expressions over the columns, by name; the first is empty.

        Raises:
            QueryError: the query fails while it runs.
        """
        projection = ", ".join(f'{expression} AS "{name}"' for name, expression in expressions.items())
        try:
            reader = self._relation.project(projection).to_arrow_reader(_ROWS_PER_BATCH)
            yield pa.RecordBatch.from_pylist([], schema=reader.schema)
            yield from reader
        except duckdb.Error as error:
            raise QueryError(one_sentence(error)) from error

    def frame(self) -> pl.DataFrame:
        """All rows; types that Polars does not have become text. Closes the result."""
        plain = plain_columns(self.columns)
        with self:
            batches = list(self.batches({f"c{i}": sql for i, sql in enumerate(plain.values())}))
        rows = pl.concat([pl.DataFrame(batch) for batch in batches])
        return rows.rename(dict(zip(rows.columns, plain, strict=True)))

    def close(self) -> None:
        """Let go of the warehouse."""
        self._open.close()

    def __enter__(self) -> "QueryResult":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def run_query(warehouse: Warehouse, staging: str | Path, sql: str) -> QueryResult:
    """Start answering a query; whoever gets the result reads it once and closes it.

    A table of the contract that has not been built yet is empty.

    Args:
        warehouse: Where the tables are.
        staging: Folder of the staged tables.
        sql: One SELECT.

    Raises:
        QueryError: the query is not one SELECT over our tables, or DuckDB finds a mistake in it.
        WarehouseMissing: nothing has been built yet.
        WarehouseBusy: a process that is writing holds the warehouse.
    """
    query = check_query(sql)
    with ExitStack() as stack:
        connection = stack.enter_context(warehouse.connect(mode=Mode.QUERY))
        _add_tables(connection, query, Staging(Path(staging)))
        try:
            relation = connection.sql(query.sql)
        except duckdb.Error as error:
            raise QueryError(one_sentence(error)) from error
        columns = [Column(*pair) for pair in zip(relation.columns, relation.types, strict=True)]
        return QueryResult(columns, relation, stack.pop_all())


def _add_tables(connection: duckdb.DuckDBPyConnection, query: CheckedQuery, staging: Staging) -> None:
    built = {name for (name,) in connection.execute("SHOW TABLES").fetchall()}
    refuse_unknown_tables(query, built | WAREHOUSE_TABLES.keys() | STAGED_TABLES.keys())
    asked_for = {table.rpartition(".")[2] for table in query.tables}
    for name, contract in (WAREHOUSE_TABLES | STAGED_TABLES).items():
        if name not in built and (name in asked_for or query.lists_tables):
            is_staged = name in STAGED_TABLES
            connection.register(
                name, staged_dataset(staging, contract) if is_staged else empty_table(contract)
            )
