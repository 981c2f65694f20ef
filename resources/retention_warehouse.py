"""The upkeep of a warehouse: what its tables no longer consist of goes, what they consist of is gathered.

No row is deleted here: which rows there are is decided by who writes the tables.
"""

import re
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import fsspec

from resources.retention import Removed
from resources.warehouse import Warehouse, WarehouseBusy
from resources.warehouse_slices import literal

# A reader plans with the files of a snapshot and then takes its time.
_READ_BY_NOW = timedelta(days=1)
_ATTEMPTS = 5
# Only what this warehouse names so can be a leftover of its writers: who knows what else lies under the data path.
_NAMES = re.compile(
    r"(main|versions)/[^/]+/(ducklake-)?[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}(-delete)?\.parquet"
)


@dataclass(frozen=True)
class SweptWarehouse:
    """What was done: files deleted, snapshots forgotten, files gathered into others, and why something was not."""

    removed: Removed
    snapshots: int = 0
    gathered_files: int = 0
    note: str | None = None


def sweep_warehouse(warehouse: Warehouse, now: datetime, keep_snapshots: timedelta) -> SweptWarehouse:
    """Forget old states of the tables, gather their small files, and delete the files that are left over.

    A DuckDB file is only checkpointed, which frees the room of rows that were replaced for others. In a DuckLake no
    file is deleted before the snapshots that name it were forgotten a day ago, so that whoever reads goes on reading.

    Args:
        warehouse: The warehouse.
        now: The present.
        keep_snapshots: How far back the states of a DuckLake can be looked at.

    Raises:
        duckdb.Error: others kept writing, or the catalog is damaged.
    """
    if not warehouse.exists():
        return SweptWarehouse(Removed(), note="there is no warehouse yet")
    try:
        with warehouse.connect() as connection:
            query = "SELECT database_name, type, path FROM duckdb_databases() WHERE database_name = current_database()"
            name, kind, path = connection.execute(query).fetchone() or ("", "", "")
            if kind != "ducklake":
                return _checkpoint(connection, Path(path))
            return _Lake(connection, name).sweep(now, keep_snapshots)
    except (WarehouseBusy, duckdb.TransactionException) as busy:
        return SweptWarehouse(Removed(), note=f"nothing done this time: {busy}")


def _checkpoint(connection: duckdb.DuckDBPyConnection, path: Path) -> SweptWarehouse:
    before = _size(path)
    connection.execute("CHECKPOINT")
    return SweptWarehouse(Removed(0, max(0, before - _size(path))))


def _size(path: Path) -> int:
    return sum(file.stat().st_size for file in (path, path.with_name(f"{path.name}.wal")) if file.exists())


class _Lake:
    def __init__(self, connection: duckdb.DuckDBPyConnection, name: str) -> None:
        self._connection = connection
        self._name = literal(name)

    def sweep(self, now: datetime, keep_snapshots: timedelta) -> SweptWarehouse:
        forgotten = self._call("expire_snapshots", older_than=now - keep_snapshots)
        # Rows that were replaced are marked in their file until it is written anew without them.
        gathered = [
            *self._call("rewrite_data_files", delete_threshold=0.5),
            *self._call("merge_adjacent_files"),
        ]
        unread = now - _READ_BY_NOW
        sizes = self._sizes(
            [path for (path,) in self._call("cleanup_old_files", older_than=unread, dry_run=True)]
        )
        deleted = [path for (path,) in self._call("cleanup_old_files", older_than=unread)]
        removed = Removed(len(deleted), sum(sizes.get(path, 0) for path in deleted))
        return SweptWarehouse(
            removed + self._sweep_leftovers(unread), len(forgotten), sum(files for _, _, files, _ in gathered)
        )

    def _sweep_leftovers(self, older_than: datetime) -> Removed:
        """Delete files of killed writers: DuckLake itself would delete any Parquet file under the data path."""
        (data_path,) = self._connection.execute(
            f"SELECT data_path FROM ducklake_settings({self._name})"
        ).fetchone() or ("",)
        unknown = self._call("delete_orphaned_files", older_than=older_than, dry_run=True)
        ours = [path for (path,) in unknown if _NAMES.fullmatch(path.removeprefix(data_path))]
        sizes = self._sizes(ours)
        for path in sizes:
            filesystem, place = fsspec.core.url_to_fs(path)
            filesystem.rm(place)
        return Removed(len(sizes), sum(sizes.values()))

    def _call(self, function: str, **arguments: datetime | float) -> list[tuple]:
        given = "".join(f", {name} => ${name}" for name in arguments)
        for attempt in range(_ATTEMPTS):
            try:
                return self._connection.execute(
                    f"CALL ducklake_{function}({self._name}{given})", arguments
                ).fetchall()
            except duckdb.Error:
                # Writers that commit meanwhile make it start again; each call is a transaction of its own.
                if attempt == _ATTEMPTS - 1:
                    raise
                time.sleep(2**attempt)
        return []

    @staticmethod
    def _sizes(paths: list[str]) -> dict[str, int]:
        sizes = {}
        for path in paths:
            filesystem, place = fsspec.core.url_to_fs(path)
            if filesystem.exists(place):
                sizes[path] = int(filesystem.size(place) or 0)
        return sizes
