"""Rows on their way into a DuckDB file: kept in memory while they are few, beyond that in an unnamed file.

A DuckLake's rows go straight into Parquet files instead; see `warehouse_lake`.
"""

import itertools
import mmap
import os
from collections.abc import Iterable, Iterator
from typing import IO, Protocol

import duckdb
import polars as pl
import pyarrow as pa

from resources.warehouse_slices import quoted

_BYTES_IN_MEMORY = 1 << 27
# DuckDB's own row group: it reads such batches on all threads and stores them without cutting.
_ROWS_PER_BATCH = 122_880
_ROWS_PER_INSERT = 500_000
# Strings as views, as Polars has them: in memory and in the file alike, and nothing is copied.
_ARROW = pl.CompatLevel.newest()
# A column of empty lists has a buffer without bytes, at an address that Arrow calls poorly aligned, on stderr.
os.environ.setdefault("ACERO_ALIGNMENT_HANDLING", "ignore")


class StagedRows(Protocol):
    """Frames that have been checked and wait for the transaction that publishes them."""

    def add(self, frame: pl.DataFrame) -> None:
        """Take a frame in."""
        ...

    def publish(self, connection: duckdb.DuckDBPyConnection, table: str) -> None:
        """Insert everything by name; may be called again when the transaction has to be repeated."""
        ...


class SpooledRows:
    """Rows in memory up to 128 MiB, then in `file`."""

    def __init__(self, file: IO[bytes]) -> None:
        self._frames: list[pl.DataFrame] = []
        self._bytes = 0
        self._file = file
        self._places: list[tuple[int, int]] = []

    def add(self, frame: pl.DataFrame) -> None:
        """Take a frame in."""
        self._bytes += frame.estimated_size()
        if self._bytes <= _BYTES_IN_MEMORY:
            self._frames.append(frame)
            return
        start = -(-self._file.tell() // mmap.ALLOCATIONGRANULARITY) * mmap.ALLOCATIONGRANULARITY
        self._file.seek(start)
        frame.write_ipc(self._file, compression="uncompressed", compat_level=_ARROW)
        self._places.append((start, self._file.tell() - start))

    def publish(self, connection: duckdb.DuckDBPyConnection, table: str) -> None:
        """Insert everything by name, in one statement: a registered table would stay in memory until the commit."""
        batches = self._batches()
        first = next(batches, None)
        if first is None:
            return
        reader = pa.RecordBatchReader.from_batches(first.schema, itertools.chain([first], batches))
        connection.register("new_rows", reader)
        connection.execute(f"INSERT INTO {quoted(table)} BY NAME SELECT * FROM new_rows")
        connection.unregister("new_rows")

    def _batches(self) -> Iterator[pa.RecordBatch]:
        for table in self._tables():
            yield from table.to_batches(max_chunksize=_ROWS_PER_BATCH)

    def _tables(self) -> Iterator[pa.Table]:
        yield from (frame.to_arrow(compat_level=_ARROW) for frame in self._frames)
        self._file.flush()
        for start, length in self._places:
            # Mapped, not read: its pages go as soon as the batches of this frame are stored.
            mapped = mmap.mmap(self._file.fileno(), length, offset=start, access=mmap.ACCESS_READ)
            yield pa.ipc.open_file(pa.py_buffer(mapped)).read_all()


def in_fewer_frames(frames: Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    """Small frames joined until they are worth an insert of their own; none is empty."""
    waiting: list[pl.DataFrame] = []
    rows = 0
    for frame in frames:
        if frame.height == 0:
            continue
        waiting.append(frame)
        rows += frame.height
        if rows >= _ROWS_PER_INSERT:
            yield pl.concat(waiting, rechunk=True)
            waiting, rows = [], 0
    if waiting:
        yield pl.concat(waiting, rechunk=True)
