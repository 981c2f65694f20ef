"""Writing an answer as a table for reading, or as CSV, JSON or Parquet for programs.

What the values are stands in `query`.
"""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Literal

import polars as pl
import pyarrow as pa
import pyarrow.parquet
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from resources.atomic import replacing
from resources.query_guard import QueryError
from resources.query_values import json_object, plain_columns, text_columns, unique_names

if TYPE_CHECKING:
    from resources.query import QueryResult

Format = Literal["table", "csv", "json", "parquet"]

_ROWS_IN_A_TABLE = 1_000
_WIDER_THAN_ANY_ROW = 1 << 24
_NULL = Text("null", style="dim")
_RIGHT_ALIGNED = ("int", "double", "float", "decimal")


def write_result(result: "QueryResult", format: str = "table", output: Path | None = None) -> int:
    """Write the answer and close it.

    - `table`: aligned, at most 1,000 rows, with the number of all rows below.
    - `csv`: RFC 4180 with a header, lines end in a line feed; null is empty, an empty text is `""`.
    - `json`: an array of objects; instants in ISO 8601, decimals in full, NaN and infinities null.
    - `parquet`: types as they are; a type that Parquet does not have becomes text.

    Args:
        result: Of `run_query`.
        format: One of the above.
        output: A file, written whole or not at all; standard output without.

    Returns:
        The number of rows; 0 where nobody reads them to the end.

    Raises:
        QueryError: the query fails while it runs, Parquet would go to a terminal, or the file cannot be written.
    """
    writers: dict[str, Callable[[QueryResult, IO[bytes]], int]] = {
        "table": _write_table,
        "csv": _write_csv,
        "json": _write_json,
        "parquet": _write_parquet,
    }
    with result:
        if format not in writers:
            raise QueryError(f"found the format {format!r}, expected one of {', '.join(writers)}.")
        if format == "parquet" and output is None and sys.stdout.isatty():
            raise QueryError(
                "Parquet is binary and standard output is a terminal: name a file with --output."
            )
        count = 0
        with _readable_errors(output), _target(output) as target:
            count = writers[format](result, target)
        return count


def write_text(text: str, output: Path | None = None) -> None:
    """Write a text to a file, whole or not at all, or to standard output.

    Raises:
        QueryError: the file cannot be written.
    """
    with _readable_errors(output), _target(output) as target:
        target.write(text.encode())


@contextmanager
def _readable_errors(output: Path | None) -> Iterator[None]:
    """Say in a sentence that a place cannot be written; a reader who went away is no error."""
    try:
        yield
    except BrokenPipeError:
        # Whoever read our output has seen enough; Python must not complain when it flushes at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        place = output or "standard output"
        raise QueryError(f"{place}: cannot be written ({error.strerror or error}).") from error


@contextmanager
def _target(output: Path | None) -> Iterator[IO[bytes]]:
    if output is None:
        sys.stdout.flush()
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    is_replaceable = output.is_file() or not output.exists()
    with replacing(output) if is_replaceable else nullcontext(output) as path, path.open("wb") as target:
        yield target


def _write_table(result: "QueryResult", target: IO[bytes]) -> int:
    is_terminal = target.isatty()
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    expressions = text_columns(result.columns)
    for name, column in zip(expressions, result.columns, strict=True):
        is_number = any(kind in column.type.id for kind in _RIGHT_ALIGNED)
        table.add_column(
            Text(_printable(name)),
            justify="right" if is_number else "left",
            no_wrap=True,
            overflow="ellipsis",
        )
    rows = (
        row
        for batch in result.batches({f"c{i}": sql for i, sql in enumerate(expressions.values())})
        for row in batch.to_pylist()
    )
    shown = 0
    for row in islice(rows, _ROWS_IN_A_TABLE):
        table.add_row(*(_NULL if cell is None else Text(_printable(cell)) for cell in row.values()))
        shown += 1
    count = shown + sum(1 for _ in rows)
    console = Console(force_terminal=is_terminal, width=None if is_terminal else _WIDER_THAN_ANY_ROW)
    with console.capture() as captured:
        console.print(table)
    text = "\n".join(line.rstrip() for line in captured.get().splitlines())
    first = (
        "" if count == shown else f", the first {shown:,} are shown; --format csv, json or parquet gives all"
    )
    target.write(f"{text}\n({count:,} {'row' if count == 1 else 'rows'}{first})\n".encode())
    return count


def _write_csv(result: "QueryResult", target: IO[bytes]) -> int:
    expressions = text_columns(result.columns)
    target.write(_as_csv(pl.DataFrame([[name] for name in expressions])))
    count = 0
    for batch in result.batches({f"c{i}": sql for i, sql in enumerate(expressions.values())}):
        target.write(_as_csv(pl.DataFrame(batch)))
        count += batch.num_rows
    return count


def _as_csv(rows: pl.DataFrame) -> bytes:
    return rows.write_csv(include_header=False).encode()


def _write_json(result: "QueryResult", target: IO[bytes]) -> int:
    count = 0
    target.write(b"[")
    for batch in result.batches({"row": json_object(result.columns)}):
        for row in batch.column(0).to_pylist():
            target.write(b",\n " if count else b"\n ")
            target.write(row.encode())
            count += 1
    target.write(b"\n]\n" if count else b"]\n")
    return count


def _write_parquet(result: "QueryResult", target: IO[bytes]) -> int:
    names = unique_names(result.columns)
    batches = result.batches({f"c{i}": sql for i, sql in enumerate(plain_columns(result.columns).values())})
    writer: pyarrow.parquet.ParquetWriter | None = None
    count = 0
    try:
        for batch in batches:
            named = batch.rename_columns(names)
            writer = writer or pyarrow.parquet.ParquetWriter(target, named.schema, compression="zstd")
            writer.write_batch(named)
            count += batch.num_rows
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid) as error:
        raise QueryError(f"Parquet cannot hold this answer ({error}); cast the column to VARCHAR.") from error
    finally:
        if writer is not None:
            writer.close()
    return count


def _printable(text: str) -> str:
    """Control characters as escapes: an id must not move a terminal's cursor."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
