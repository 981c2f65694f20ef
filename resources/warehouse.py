"""The warehouse: whole partitions replaced in one transaction, tables read as Polars frames.

Where the data lies stands in `warehouse_file` and `warehouse_lake`; what a table holds, in its contract.
"""

import errno
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import date

import duckdb
import polars as pl

from exposure_assets.contracts import TableContract, table_name
from exposure_assets.transforms.partition_versions import VERSION_SCHEMA
from resources.atomic import DiskFull
from resources.warehouse_admission import Admission, Written, refuse_repeated_keys, repeated_keys_sql
from resources.warehouse_errors import (
    ExtensionMissing,
    FrameMismatch,
    RepeatedKeys,
    RowsOutsidePartition,
    TableMismatch,
    UnsupportedType,
    WarehouseBusy,
    WarehouseError,
    WarehouseFull,
    WarehouseMissing,
    WarehouseUnreadable,
    WarehouseUrlError,
)
from resources.warehouse_file import FileStore
from resources.warehouse_lake import LakeStore
from resources.warehouse_reader import TableReader
from resources.warehouse_sessions import Mode, Patience
from resources.warehouse_slices import WHOLE_TABLE, PartitionSlice, as_sql, literal, quoted, slices_of
from resources.warehouse_staged_rows import StagedRows, in_fewer_frames
from resources.warehouse_tables import Columns, Types, contract_columns, create_or_grow, wanted_columns
from resources.warehouse_url import FileLocation, parse_location
from resources.warehouse_versions import read_versions, replace_versions

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
    "WarehouseFull",
    "WarehouseMissing",
    "WarehouseUnreadable",
    "WarehouseUrlError",
    "Written",
    "slices_of",
]

_CONFLICT_ADVICE = "Wait for the other writers to end and run it again."


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

    @property
    def admits_many_writers(self) -> bool:
        """Whether several processes may write at once: a DuckLake's may, a DuckDB file has one writer."""
        return isinstance(self._store, LakeStore)

    def exists(self) -> bool:
        """Whether there is something to read; true for a PostgreSQL catalog, which answers only when asked."""
        return self._store.exists()

    @contextmanager
    def connect(
        self, *, read_only: bool = False, mode: Mode | None = None
    ) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection in UTC whose default schema holds the tables; closed when the block ends.

        Args:
            read_only: Do not write. While it lasts no other process can write a DuckDB file; any can a DuckLake.
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
        extra_columns: Types | None = None,
        versions: pl.DataFrame | None = None,
    ) -> Written:
        """Put the frames in the place of the slices' rows, in one transaction: readers see all of it or nothing.

        Frames are taken one by one and laid aside before the transaction starts, so memory stays bounded and
        nobody waits while they are computed. Whatever fails, also in the iterator, leaves the old rows.

        Args:
            contract: The table; it is created, and grown by new columns, as needed.
            frames: Rows with the contract's columns and the extra ones, in any order of columns.
            slices: The partitions being written; ignored for a table without partition columns.
            extra_columns: Metric columns of `unit_outcomes`.
            versions: What the partitions were computed from, as `warehouse_versions` records it; without, the
                partitions count as out of date.

        Raises:
            FrameMismatch: a frame's columns are not the table's.
            RowsOutsidePartition: rows lie outside the slices.
            RepeatedKeys: two frames hold rows of one partition with the same key.
            TableMismatch: a stored column has another type than the contract says.
            WarehouseBusy: others kept writing for longer than `wait_seconds`.
            WarehouseFull: the disk has no space left.
        """
        wanted = wanted_columns(contract, extra_columns or {})
        if not contract.partition_columns():
            slices = WHOLE_TABLE
        admission = Admission(contract, wanted, slices)
        table = table_name(contract)
        with self._in_the_space_left(table), self._store.staged_rows(table) as rows:
            for frame in in_fewer_frames(map(admission.admit, frames)):
                rows.add(_by_day(frame, contract))
            self._publish(contract, wanted, slices, rows, versions, admission.has_shared_partitions)
        return admission.written

    @contextmanager
    def _in_the_space_left(self, table: str) -> Iterator[None]:
        try:
            yield
        except (OSError, duckdb.Error, pl.exceptions.PolarsError) as error:
            # DuckDB and Polars say so in words alone.
            if isinstance(error, DiskFull) or os.strerror(errno.ENOSPC) not in str(error):
                raise
            raise WarehouseFull(
                f"{self}: found no space left on its disk, expected room for the new rows of {table}; the old ones are "
                "still in place. Free some space, or move the warehouse, and run it again."
            ) from error

    def _publish(
        self,
        contract: type[TableContract],
        wanted: Columns,
        slices: Sequence[PartitionSlice],
        rows: StagedRows,
        versions: pl.DataFrame | None,
        may_repeat_keys: bool,
    ) -> None:
        table = table_name(contract)
        condition = as_sql(slices, contract.partition_columns())
        patience = Patience(self._wait_seconds, str(self))
        while True:
            try:
                with self._store.writing_alone(), self.connect() as connection, _transaction(connection):
                    create_or_grow(connection, contract, wanted)
                    connection.execute(f"DELETE FROM {quoted(table)} WHERE {condition}")
                    rows.publish(connection, table)
                    replace_versions(connection, contract, slices, versions)
                    if may_repeat_keys:
                        refuse_repeated_keys(connection, contract, condition)
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
        extra_columns: Types | None = None,
    ) -> pl.LazyFrame:
        """The rows of some days and experiments, in no particular order.

        They are read when the frame is collected, in batches and only the columns that are used; what is
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

    def versions(self, contracts: Iterable[type[TableContract]]) -> dict[str, pl.DataFrame]:
        """Per table what its partitions were computed as; empty for tables that were never written.

        Raises:
            WarehouseBusy: another process holds the warehouse.
        """
        if not self.exists():
            return {table_name(contract): pl.DataFrame(schema=VERSION_SCHEMA) for contract in contracts}
        with self.connect(read_only=True) as connection:
            return {table_name(contract): read_versions(connection, contract) for contract in contracts}

    def fresh_rows(
        self, contract: type[TableContract], wanted: pl.DataFrame, columns: Sequence[str]
    ) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Of some partitions the recorded versions, and the rows of those that are recorded as wanted.

        Both are read in one transaction, so the rows are those that the versions speak of.

        Args:
            contract: A table that is partitioned by day and experiment.
            wanted: (`day`, `experiment_id`, `version`), of one experiment.
            columns: Of the rows.

        Raises:
            WarehouseBusy: another process holds the warehouse.
        """
        schema = pl.Schema({name: contract_columns(contract)[name] for name in columns})
        if not self.exists():
            return pl.DataFrame(schema=VERSION_SCHEMA), pl.DataFrame(schema=schema)
        with self.connect(read_only=True) as connection, _transaction(connection):
            recorded = read_versions(connection, contract).join(
                wanted, on=["day", "experiment_id"], how="semi"
            )
            fresh = recorded.join(wanted, on=wanted.columns, how="semi")
            if fresh.is_empty():
                return recorded, pl.DataFrame(schema=schema)
            dimensions = contract.partition_columns()
            days = ", ".join(f"DATE '{day}'" for day in fresh["day"].sort())
            sql = (
                f"SELECT {', '.join(map(quoted, columns))} FROM {quoted(table_name(contract))} "
                f"WHERE {quoted(dimensions['experiment'])} = {literal(fresh['experiment_id'][0])} "
                f"AND {quoted(dimensions['date'])} IN ({days})"
            )
            return recorded, connection.execute(sql).pl().cast(schema)

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
        rows = self.scan(contract, days=days, experiments=experiments, slices=slices, columns=by or None)
        row_count = pl.len().cast(pl.Int64).alias("row_count")
        counted = rows.group_by(by).agg(row_count).sort(by) if by else rows.select(row_count)
        return counted.collect(engine="streaming")

    def repeated_keys(
        self, contract: type[TableContract], experiments: Sequence[str] | None = None, *, limit: int = 10
    ) -> pl.DataFrame:
        """The first keys that stand more than once in the table, over all partitions together.

        Grain out: one row per repeated key, with `row_count` and, where the table has days, `found_on_dates`.
        """
        part = PartitionSlice(experiments=None if experiments is None else tuple(experiments))
        condition = as_sql([part], contract.partition_columns())
        columns = contract_columns(contract)
        schema: Columns = {name: columns[name] for name in contract.grain()} | {"row_count": pl.Int64()}
        if "date" in contract.partition_columns():
            schema["found_on_dates"] = pl.List(pl.Date())
        sql = repeated_keys_sql(contract, contract.grain(), condition, limit)
        return TableReader(self.connect, contract, []).select(sql, schema)


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
        with suppress(duckdb.Error):
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
