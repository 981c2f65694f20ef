"""The warehouse: whole partitions replaced in one transaction, tables read as Polars frames.

Where the data lies stands in `warehouse_file` and `warehouse_lake`; what a table holds, in its contract.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date

import duckdb
import polars as pl

from exposure_assets.contracts import TableContract, table_name
from resources.warehouse_errors import (
    ExtensionMissing,
    FrameMismatch,
    RepeatedKeys,
    RowsOutsidePartition,
    TableMismatch,
    UnsupportedType,
    WarehouseBusy,
    WarehouseError,
    WarehouseMissing,
    WarehouseUnreadable,
    WarehouseUrlError,
)
from resources.warehouse_file import FileStore
from resources.warehouse_lake import LakeStore
from resources.warehouse_reader import TableReader
from resources.warehouse_sessions import Mode, Patience
from resources.warehouse_slices import WHOLE_TABLE, PartitionSlice, as_expression, as_sql, quoted, slices_of
from resources.warehouse_staged_rows import StagedRows, in_fewer_frames
from resources.warehouse_tables import Columns, conformed, create_or_grow, wanted_columns
from resources.warehouse_url import FileLocation, parse_location

__all__ = [
    "ExtensionMissing",
    "FrameMismatch",
    "Mode",
    "PartitionSlice",
    "RepeatedKeys",
    "RowsOutsidePartition",
    "TableMismatch",
    "UnsupportedType",
    "Warehouse",
    "WarehouseBusy",
    "WarehouseError",
    "WarehouseMissing",
    "WarehouseUnreadable",
    "WarehouseUrlError",
    "Written",
    "slices_of",
]

_ROWS_SHOWN = 10
_LONGEST_CELL = 80
_CONFLICT_ADVICE = "Wait for the other writers to end and run it again."


@dataclass
class Written:
    """What a call wrote: its rows, altogether and per partition (day, experiment)."""

    row_count: int = 0
    by_partition: dict[tuple[date | None, str | None], int] = field(default_factory=dict)


class Warehouse:
    """Tables of the contracts, in a DuckDB file or a DuckLake.

    Args:
        url: A path (a DuckDB file), `ducklake:sqlite:PATH` or `ducklake:postgres:DSN`; the last two take
            `?data_path=FOLDER_OR_URL` at the end, by default `<PATH's folder>/<PATH's stem>.files/`.
        wait_seconds: How long to wait for another process before giving up.

    Raises:
        WarehouseUrlError: the URL is none of these.
    """

    def __init__(self, url: str, *, wait_seconds: float = 60.0) -> None:
        location = parse_location(url)
        self._wait_seconds = wait_seconds
        self._store = (
            FileStore(location, wait_seconds)
            if isinstance(location, FileLocation)
            else LakeStore(location, wait_seconds)
        )

    def __str__(self) -> str:
        return str(self._store.location)

    def exists(self) -> bool:
        """Whether there is something to read; true for a PostgreSQL catalog, which only answers when asked."""
        return self._store.exists()

    @contextmanager
    def connect(self, *, read_only: bool = False, mode: Mode | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection in UTC whose default schema holds the tables; closed when the block ends.

        Args:
            read_only: Do not write. A reading process keeps others from writing a DuckDB file, never a DuckLake.
            mode: Instead of `read_only`; `Mode.QUERY` is read-only, without access to files and the network.

        Raises:
            WarehouseMissing: nothing has been written yet and this would only read.
            WarehouseBusy: another process holds the warehouse.
            WarehouseUnreadable: what stands there is no warehouse that this version can open.
        """
        with self._store.session(mode or (Mode.READ if read_only else Mode.WRITE)) as connection:
            yield connection

    def replace(
        self,
        contract: type[TableContract],
        frames: Iterable[pl.DataFrame],
        slices: Sequence[PartitionSlice] = WHOLE_TABLE,
        extra_columns: Mapping[str, pl.DataType | type[pl.DataType]] | None = None,
    ) -> Written:
        """Put the frames in the place of the slices' rows, in one transaction: readers see all of it or nothing.

        Frames are taken one by one and laid aside before the transaction starts, so that memory stays bounded
        and nobody waits while they are computed. Whatever fails, also in the iterator, leaves the old rows.

        Args:
            contract: The table; it is created, and grown by new columns, as needed.
            frames: Rows with the contract's columns and the extra ones, in any order of columns.
            slices: The partitions being written; ignored for a table without partition columns.
            extra_columns: Metric columns of `unit_outcomes`.

        Raises:
            FrameMismatch: a frame's columns are not the table's.
            RowsOutsidePartition: rows lie outside the slices.
            RepeatedKeys: two frames hold rows of one partition with the same key.
            TableMismatch: a stored column has another type than the contract says.
            WarehouseBusy: others kept writing for longer than `wait_seconds`.
        """
        wanted = wanted_columns(contract, extra_columns or {})
        if not contract.partition_columns():
            slices = WHOLE_TABLE
        rows = self._store.staged_rows(table_name(contract))
        published = False
        try:
            check = _Admission(contract, wanted, slices)
            for frame in in_fewer_frames(map(check.admit, frames)):
                rows.add(_by_day(frame, contract))
            self._publish(contract, wanted, slices, rows, check.has_shared_partitions)
            published = True
        finally:
            rows.close(published=published)
        return check.written

    def _publish(
        self,
        contract: type[TableContract],
        wanted: Columns,
        slices: Sequence[PartitionSlice],
        rows: StagedRows,
        has_shared_partitions: bool,
    ) -> None:
        table = table_name(contract)
        patience = Patience(self._wait_seconds, str(self))
        while True:
            try:
                with self._store.writing_alone(), self.connect() as connection, _transaction(connection):
                    create_or_grow(connection, contract, wanted)
                    condition = as_sql(slices, contract.partition_columns())
                    connection.execute(f"DELETE FROM {quoted(table)} WHERE {condition}")
                    rows.publish(connection, table)
                    if has_shared_partitions:
                        _refuse_repeated_keys(connection, contract, condition)
                return
            except duckdb.Error as error:
                if not self._store.is_conflict(error):
                    raise
                patience.wait("other writers, whose commits came first", _CONFLICT_ADVICE)

    def scan(
        self,
        contract: type[TableContract],
        *,
        days: tuple[date, date] | None = None,
        experiments: Sequence[str] | None = None,
        columns: Sequence[str] | None = None,
        slices: Sequence[PartitionSlice] | None = None,
        extra_columns: Mapping[str, pl.DataType | type[pl.DataType]] | None = None,
    ) -> pl.LazyFrame:
        """The rows of some days and experiments, in no particular order.

        They are read when the frame is collected, in batches and only the columns that are used; what has been
        published by then is what is read. A table that has not been built is empty.

        Args:
            contract: The table.
            days: First and last day, both included; all without.
            experiments: All without.
            columns: These only, in this order; a metric column that no partition has is null.
            slices: Instead of `days`: exact partitions, as `slices_of` gives them.
            extra_columns: Metric columns expected besides the stored ones, null where they are missing.
        """
        parts = slices if slices is not None else [PartitionSlice(*days) if days else PartitionSlice()]
        mine = [part for part in (part.of(experiments) for part in parts) if part is not None]
        return TableReader(self.connect, contract, mine).scan(columns, extra_columns or {})

    def count(
        self,
        contract: type[TableContract],
        *,
        days: tuple[date, date] | None = None,
        experiments: Sequence[str] | None = None,
        slices: Sequence[PartitionSlice] | None = None,
        by: Sequence[str] = (),
    ) -> pl.DataFrame:
        """Rows per combination of the columns in `by`, as `row_count`; one row with the total without."""
        rows = self.scan(contract, days=days, experiments=experiments, slices=slices, columns=list(by) or None)
        counted = rows.group_by(by).agg(row_count=pl.len()) if by else rows.select(row_count=pl.len())
        return counted.with_columns(pl.col("row_count").cast(pl.Int64)).sort(by).collect(engine="streaming")

    def repeated_keys(
        self, contract: type[TableContract], experiments: Sequence[str] | None = None, *, limit: int = 10
    ) -> pl.DataFrame:
        """The first keys that stand more than once in the table, over all partitions together.

        Grain out: one row per repeated key, with `row_count` and, where the table has days, `found_on_dates`.
        """
        condition = as_sql([PartitionSlice(experiments=tuple(experiments))] if experiments is not None else
                           WHOLE_TABLE, contract.partition_columns())  # fmt: skip
        reader = TableReader(self.connect, contract, [])
        return reader.select(_repeated_keys_sql(contract, contract.grain(), condition, limit), _repeated_keys_schema(contract))


class _Admission:
    """The checks that every frame passes, and the rows counted while they do."""

    def __init__(self, contract: type[TableContract], wanted: Columns, slices: Sequence[PartitionSlice]) -> None:
        self._contract = contract
        self._wanted = wanted
        self._inside = as_expression(slices, contract.partition_columns())
        self.written = Written()
        self.has_shared_partitions = False

    def admit(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The frame in the table's column order."""
        table, dimensions = table_name(self._contract), self._contract.partition_columns()
        frame = conformed(frame, self._wanted, table)
        if frame.height == 0:
            return frame
        outside = frame.filter(~self._inside) if dimensions else frame.clear()
        if outside.height:
            raise RowsOutsidePartition(
                f"{table}: found {outside.height} rows outside the partitions being written, expected none: the next "
                f"run would double them. The first:\n{shown(outside)}"
            )
        counts = frame.group_by(list(dimensions.values())).len().iter_rows(named=True) if dimensions else [
            {"len": frame.height}
        ]  # fmt: skip
        for count in counts:
            key = (count.get(dimensions.get("date", "")), count.get(dimensions.get("experiment", "")))
            before = self.written.by_partition.get(key, 0)
            self.has_shared_partitions |= before > 0
            self.written.by_partition[key] = before + count["len"]
        self.written.row_count += frame.height
        return frame


def shown(rows: pl.DataFrame) -> str:
    """The first rows as text, one per line; long cells are cut."""
    return "\n".join(
        ", ".join(f"{name}={_cut(value)}" for name, value in row.items())
        for row in rows.head(_ROWS_SHOWN).iter_rows(named=True)
    )


def _cut(value: object) -> str:
    text = str(value)
    return text if len(text) <= _LONGEST_CELL else f"{text[:_LONGEST_CELL]}… ({len(text)} characters)"


def _by_day(frame: pl.DataFrame, contract: type[TableContract]) -> pl.DataFrame:
    """Sorted by day, so that whoever reads a window of days skips the others by their minima and maxima."""
    day = contract.partition_columns().get("date")
    return frame if day is None or frame[day].is_sorted() else frame.sort(day, maintain_order=True)


@contextmanager
def _transaction(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    connection.execute("BEGIN TRANSACTION")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _refuse_repeated_keys(
    connection: duckdb.DuckDBPyConnection, contract: type[TableContract], condition: str
) -> None:
    if not contract.grain():
        return
    # Inside a partition only: over all partitions together a key may stand twice while one that moved is rewritten.
    key = tuple(dict.fromkeys((*contract.grain(), *contract.partition_columns().values())))
    repeated = connection.execute(_repeated_keys_sql(contract, key, condition, _ROWS_SHOWN)).pl()
    if repeated.height:
        raise RepeatedKeys(
            f"{table_name(contract)}: found keys that several frames hold, expected one row per {', '.join(key)}. "
            f"The first:\n{shown(repeated)}"
        )


def _repeated_keys_sql(contract: type[TableContract], grain: Sequence[str], condition: str, limit: int) -> str:
    """Keys that stand more than once. Hashes find the few suspects at an eighth of the memory of the keys."""
    table, key = quoted(table_name(contract)), ", ".join(quoted(column) for column in grain)
    day = contract.partition_columns().get("date")
    dates = f", list_sort(list(DISTINCT {quoted(day)})) AS found_on_dates" if day else ""
    return (
        f"WITH suspects AS (SELECT hash({key}) AS h FROM {table} WHERE {condition} GROUP BY h HAVING count(*) > 1) "
        f"SELECT {key}, count(*) AS row_count{dates} FROM {table} "
        f"WHERE ({condition}) AND hash({key}) IN (SELECT h FROM suspects) "
        f"GROUP BY {key} HAVING count(*) > 1 ORDER BY {key} LIMIT {limit}"
    )


def _repeated_keys_schema(contract: type[TableContract]) -> Columns:
    columns = wanted_columns(contract, {})
    schema = {name: columns[name] for name in contract.grain()} | {"row_count": pl.Int64()}
    return schema | ({"found_on_dates": pl.List(pl.Date())} if contract.partition_columns().get("date") else {})
