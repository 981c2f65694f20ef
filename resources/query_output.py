"""The rows of a query on a terminal, in a pipe or in a file.

Where the rows come from stands in `query`.
"""

import sys
from pathlib import Path
from typing import IO

import polars as pl
import polars.selectors as cs
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from resources.atomic import replacing
from resources.query import QueryError

_INSTANT_FORMAT = "%Y-%m-%dT%H:%M:%S%.6fZ"


def write_result(rows: pl.DataFrame, format: str, output: Path | None) -> None:
    """Write rows as `table`, `csv`, `json` (an array of objects) or `parquet`; a file appears whole or not at all.

    Raises:
        QueryError: Parquet for a terminal, or a file that cannot be written.
    """
    if output is None:
        if format == "parquet" and sys.stdout.isatty():
            raise QueryError("Parquet is binary: give --output FILE, or pipe it somewhere.")
        sys.stdout.flush()
        _write(rows, format, sys.stdout.buffer)
        sys.stdout.buffer.flush()
        return
    try:
        with replacing(output) as partial, partial.open("wb") as file:
            _write(rows, format, file)
    except OSError as error:
        raise QueryError(f"--output {output}: cannot be written ({error.strerror}).") from error


def _write(rows: pl.DataFrame, format: str, target: IO[bytes]) -> None:
    match format:
        case "csv":
            _flat(rows).write_csv(target, datetime_format=_INSTANT_FORMAT)
        case "json":
            number = cs.float()
            rows.with_columns(
                pl.when(number.is_finite()).then(number),
                cs.datetime().dt.strftime(_INSTANT_FORMAT),
            ).write_json(target)
        case "parquet":
            rows.write_parquet(target)
        case _:
            target.write(_table(rows).encode())


def _flat(rows: pl.DataFrame) -> pl.DataFrame:
    """Lists and structs as text: CSV has no other place for them."""
    as_text = [
        pl.col(name).struct.json_encode() if isinstance(dtype, pl.Struct) else _joined(name)
        for name, dtype in rows.schema.items()
        if isinstance(dtype, pl.List | pl.Array | pl.Struct)
    ]
    return rows.with_columns(as_text)


def _joined(name: str) -> pl.Expr:
    return pl.format("[{}]", pl.col(name).cast(pl.List(pl.String)).list.join(", ", ignore_nulls=False)).alias(
        name
    )


def _table(rows: pl.DataFrame) -> str:
    console = Console(width=None if sys.stdout.isatty() else 100_000)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name, dtype in rows.schema.items():
        table.add_column(name, justify="right" if dtype.is_numeric() else "left", overflow="ellipsis")
    for row in rows.iter_rows():
        table.add_row(*(Text("" if value is None else str(value)) for value in row))
    with console.capture() as captured:
        console.print(table)
    return f"{captured.get()}{rows.height} rows\n"
