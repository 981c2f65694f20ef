"""The warehouse as a DuckLake: a catalog in SQLite or PostgreSQL, rows in Parquet files in a folder or object store.

What is written into it stands in `warehouse`.
"""

import fcntl
import itertools
import os
import re
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

import duckdb
import fsspec
import polars as pl

from resources.warehouse_errors import ExtensionMissing, WarehouseMissing, WarehouseUnreadable
from resources.warehouse_sessions import Mode, Patience, load_extension, lock_down, open_session
from resources.warehouse_slices import literal
from resources.warehouse_url import LakeLocation, without_password

_EXTENSIONS = {"sqlite": "sqlite_scanner", "postgres": "postgres_scanner"}
# DuckLake wants DuckDB's own extension for these, although fsspec does the reading and writing: so the warehouse finds
# its credentials where the landing zone finds its own.
_EXTENSIONS_OF_STORES = {
    **dict.fromkeys(("s3", "s3a", "s3n", "gs", "gcs", "r2"), "httpfs"),
    **dict.fromkeys(("az", "azure", "abfs", "abfss"), "azure"),
}
_ADVICE = "Wait for the others to end and run it again; many writers at once want a PostgreSQL catalog."
# What DuckLake and its catalog say when two transactions met; the loser has changed nothing.
_CONFLICT = re.compile(
    r"database is locked|transaction conflict|write-write conflict|conflict on|unique constraint|duplicate key value"
    r"|could not serialize|deadlock detected",
    re.IGNORECASE,
)
_ALIASES = itertools.count(1)
# Loading the extensions takes a third of a second, attaching a catalog a few milliseconds: sessions are kept for the
# next to come. Each serves one at a time, because a session that attaches and reads on several threads at once now
# and then does not find the catalog it has just attached.
_IDLE: dict[str, list[duckdb.DuckDBPyConnection]] = {}
_IDLE_LOCK = threading.Lock()


class LakeStore:
    """Sessions on a DuckLake."""

    def __init__(self, location: LakeLocation, wait_seconds: float) -> None:
        self.location = location
        self._kind = location.catalog.partition(":")[0]
        self._wait_seconds = wait_seconds

    def exists(self) -> bool:
        """Whether there is a catalog to attach; a PostgreSQL server is only known once it is asked."""
        return self.location.catalog_file is None or self.location.catalog_file.exists()

    @contextmanager
    def session(self, mode: Mode) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection with the lake's main schema as its default, detached when the block ends.

        Raises:
            WarehouseMissing: there is nothing to read yet.
            WarehouseBusy: the catalog stayed locked.
            WarehouseUnreadable: the catalog cannot be reached or is none.
            ExtensionMissing: a package for this catalog or object store is not installed.
        """
        if mode is Mode.WRITE:
            self._make_folders()
        elif not self.exists():
            raise self._missing()
        alias = f"warehouse_{next(_ALIASES)}"
        with self._new_session() if mode is Mode.QUERY else self._kept_session() as connection:
            self._attach(connection, alias, mode)
            try:
                connection.execute(f"USE {alias}")
                if mode is Mode.QUERY:
                    lock_down(connection, allowed_directory=self.location.data_path)
                yield connection
            finally:
                if mode is not Mode.QUERY:
                    connection.execute("USE memory")
                    connection.execute(f"DETACH {alias}")

    @contextmanager
    def writing_alone(self) -> Iterator[None]:
        """On one machine writers take turns: SQLite refuses a commit that began before another one's ended."""
        if self.location.catalog_file is None:
            yield
            return
        self._make_folders()
        patience = Patience(self._wait_seconds, str(self.location))
        with open(f"{self.location.catalog_file}.lock", "a+", encoding="ascii") as lock:
            while not _locked(lock):
                lock.seek(0)
                patience.wait(f"process {lock.read().strip() or 'unknown'}, which is writing", _ADVICE)
            lock.truncate(0)
            lock.write(str(os.getpid()))
            lock.flush()
            yield

    @contextmanager
    def staged_rows(self, table: str) -> Iterator["LakeRows"]:
        """Where rows wait for their transaction: Parquet files where the table's own lie, still unknown to it."""
        rows = LakeRows(f"{self.location.data_path}main/{table}/")
        try:
            yield rows
        except BaseException:
            rows.remove()
            raise

    def is_conflict(self, error: duckdb.Error) -> bool:
        """Whether repeating the transaction can help."""
        return bool(_CONFLICT.search(str(error)))

    def _make_folders(self) -> None:
        if self.location.catalog_file is not None:
            self.location.catalog_file.parent.mkdir(parents=True, exist_ok=True)

    @contextmanager
    def _kept_session(self) -> Iterator[duckdb.DuckDBPyConnection]:
        kind = f"{self._kind} {self.location.data_protocol}"
        with _IDLE_LOCK:
            idle = _IDLE.setdefault(kind, [])
            session = idle.pop() if idle else None
        if session is None:
            session = self._loaded(open_session(Mode.READ))
        # What it hands out is closed at the end like any connection; the session itself waits for the next.
        with session.cursor() as connection:
            yield connection
        with _IDLE_LOCK:
            idle.append(session)

    @contextmanager
    def _new_session(self) -> Iterator[duckdb.DuckDBPyConnection]:
        with self._loaded(open_session(Mode.QUERY)) as session:
            yield session

    def _loaded(self, session: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
        for extension in (_EXTENSIONS[self._kind], "ducklake"):
            load_extension(session, extension)
        if (protocol := self.location.data_protocol) is not None:
            if protocol in _EXTENSIONS_OF_STORES:
                load_extension(session, _EXTENSIONS_OF_STORES[protocol])
            session.register_filesystem(_filesystem(protocol))
        return session

    def _attach(self, connection: duckdb.DuckDBPyConnection, alias: str, mode: Mode) -> None:
        # No inlining: small tables in the catalog would lie elsewhere than large ones.
        options = [f"DATA_PATH {literal(self.location.data_path)}", "DATA_INLINING_ROW_LIMIT 0"]
        if self.location.catalog_file is not None:
            options.append("META_BUSY_TIMEOUT 30000")
            if mode is Mode.WRITE and not self.exists():
                # Readers go on while somebody commits; the mode stays with the file.
                options.append("META_JOURNAL_MODE 'WAL'")
        if mode is not Mode.WRITE:
            options.append("READ_ONLY")
        target = literal(f"ducklake:{self.location.catalog}")
        patience = Patience(self._wait_seconds, str(self.location))
        while True:
            try:
                connection.execute(f"ATTACH {target} AS {alias} ({', '.join(options)})")
                return
            except duckdb.Error as error:
                if self.is_conflict(error) or (mode is Mode.WRITE and "already exists" in str(error)):
                    patience.wait("another process, which is writing", _ADVICE)
                    continue
                if (
                    mode is not Mode.WRITE
                    and "does not exist" in str(error)
                    and "ducklake" in str(error).lower()
                ):
                    raise self._missing() from error
                reason = without_password(" ".join(str(error).split()).rstrip("."))
                raise WarehouseUnreadable(
                    f"{self.location}: cannot be attached ({reason}). Check EXPOSURES_WAREHOUSE and that the catalog "
                    "and the data path can be reached."
                ) from error

    def _missing(self) -> WarehouseMissing:
        return WarehouseMissing(
            f"{self.location}: found no DuckLake, expected the one that a backfill writes; run "
            "`exposure-assets backfill` first, or check EXPOSURES_WAREHOUSE."
        )


class LakeRows:
    """Rows as Parquet files in the lake, which the transaction only has to register.

    So the transaction is short whatever the number of rows, and a repeated one writes nothing again. A killed
    process leaves files that no table knows; DuckLake's `ducklake_delete_orphaned_files` removes them.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._files: list[str] = []
        self._may_be_published = False

    def add(self, frame: pl.DataFrame) -> None:
        """Write a frame to a file of its own."""
        file = f"{self._folder}{uuid.uuid4()}.parquet"
        self._files.append(file)
        filesystem, path = fsspec.core.url_to_fs(file)
        filesystem.makedirs(self._folder, exist_ok=True)
        with filesystem.open(path, "wb") as target:
            frame.write_parquet(target, compression="zstd", compression_level=1)

    def publish(self, connection: duckdb.DuckDBPyConnection, table: str) -> None:
        """Add the files to the table; a column that a file does not have is null."""
        self._may_be_published = True
        (database,) = connection.execute("SELECT current_database()").fetchone() or ("",)
        for file in self._files:
            connection.execute(
                f"CALL ducklake_add_data_files({literal(database)}, {literal(table)}, {literal(file)}, "
                "allow_missing => true, hive_partitioning => false)"
            )

    def remove(self) -> None:
        """Remove the files, unless a transaction has met them: who knows whether a commit that failed did."""
        for file in [] if self._may_be_published else self._files:
            filesystem, path = fsspec.core.url_to_fs(file)
            if filesystem.exists(path):
                filesystem.rm(path)


def _locked(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _filesystem(protocol: str) -> fsspec.AbstractFileSystem:
    try:
        return fsspec.filesystem(protocol)
    except (ImportError, ValueError) as error:
        raise ExtensionMissing(
            f"data path {protocol}://…: {error}. Install the fsspec package of {protocol}."
        ) from error
