"""Writing rows that were computed, and not queried, as an answer to a query is written.

How each format looks stands in `query_output`.
"""

from contextlib import ExitStack
from pathlib import Path

import polars as pl

from resources.query import QueryResult
from resources.query_output import write_result
from resources.query_values import Column
from resources.warehouse_sessions import Mode, open_session


def write_rows(rows: pl.DataFrame, format: str, output: Path | None = None) -> None:
    """Write a frame in one of the formats of `query_output.write_result`.

    Raises:
        QueryError: the output cannot be written.
    """
    with ExitStack() as stack:
        connection = stack.enter_context(open_session(Mode.READ))
        connection.register("rows", rows.to_arrow())
        relation = connection.sql('SELECT * FROM "rows"')
        columns = [Column(*pair) for pair in zip(relation.columns, relation.types, strict=True)]
        write_result(QueryResult(columns, relation, stack.pop_all()), format, output)
