"""The warehouse as one DuckDB file: who may open it when, in this process and beside others.

What is written into it stands in `warehouse`.
"""

import os
import re
import tempfile
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import duckdb

from resources.warehouse_errors import WarehouseMissing, WarehouseUnreadable
from resources.warehouse_sessions import Mode, Patience, lock_down, open_session
from resources.warehouse_staged_rows import SpooledRows
from resources.warehouse_url import FileLocation

_ADVICE = (
    "A DuckDB file admits one writing process at a time and no reader beside it: wait for the other to end, or use "
    "a DuckLake for several processes (EXPOSURES_WAREHOUSE=ducklake:sqlite:PATH)."
)


@dataclass
class _OpenFile:
    connection: duckdb.DuckDBPyConnection
    mode: Mode
    users: int = 0


# DuckDB's lock on a file belongs to the process and is lost as soon as the process closes any other handle of it,
# so all threads share one handle per file.
_OPEN_FILES: dict[Path, _OpenFile] = {}
_CHANGED = threading.Condition()
_WRITERS: dict[Path, threading.Lock] = {}


class FileStore:
    """Sessions on a DuckDB file."""

    def __init__(self, location: FileLocation, wait_seconds: float) -> None:
        self.location = location
        self._path = location.path
        self._wait_seconds = wait_seconds

    def exists(self) -> bool:
        """Whether the file is there."""
        return self._path.exists()

    @contextmanager
    def session(self, mode: Mode) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection, closed when the block ends.

        Raises:
            WarehouseMissing: there is nothing to read yet.
            WarehouseBusy: another process holds the file.
            WarehouseUnreadable: the file is no DuckDB file, or one of a newer DuckDB.
        """
        if mode is Mode.WRITE:
            self._path.parent.mkdir(parents=True, exist_ok=True)
        elif not self.exists():
            raise WarehouseMissing(
                f"{self._path}: found no warehouse, expected the DuckDB file that a backfill writes; run "
                "`exposure-assets backfill` first, or check EXPOSURES_WAREHOUSE."
            )
        opened = self._acquire(mode)
        try:
            connection = opened.connection.cursor()
            try:
                yield connection
            finally:
                connection.close()
        finally:
            self._release(opened)

    @contextmanager
    def writing_alone(self) -> Iterator[None]:
        """Hold back the other writing threads of this process; other processes cannot open the file anyway."""
        with _CHANGED:
            lock = _WRITERS.setdefault(self._path, threading.Lock())
        patience = Patience(self._wait_seconds, str(self._path))
        while not lock.acquire(timeout=0.5):
            patience.note("another thread of this process, which is writing", _ADVICE)
        try:
            yield
        finally:
            lock.release()

    @contextmanager
    def staged_rows(self, table: str) -> Iterator[SpooledRows]:
        """Where rows wait for their transaction: on the disk that has to hold them anyway.

        The file has no name, so that a killed process leaves nothing behind.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=self._path.parent) as file:
            yield SpooledRows(file)

    def is_conflict(self, error: duckdb.Error) -> bool:
        """Whether repeating the transaction can help: never, as there is one writer."""
        return False

    def _acquire(self, mode: Mode) -> _OpenFile:
        patience = Patience(self._wait_seconds, str(self._path))
        with _CHANGED:
            while True:
                opened = _OPEN_FILES.get(self._path)
                if opened is not None and (
                    mode is opened.mode or (mode is Mode.READ and opened.mode is Mode.WRITE)
                ):
                    opened.users += 1
                    return opened
                if opened is not None:
                    holder = f"another thread of this process, which has it open to {opened.mode}"
                    patience.note(holder, _ADVICE)
                    _CHANGED.wait(patience.pause_seconds)
                    continue
                try:
                    opened = _OpenFile(self._open(mode), mode, users=1)
                except duckdb.Error as error:
                    patience.note(self._holder(error), _ADVICE)
                    _CHANGED.wait(patience.pause_seconds)
                else:
                    _OPEN_FILES[self._path] = opened
                    return opened

    def _release(self, opened: _OpenFile) -> None:
        with _CHANGED:
            opened.users -= 1
            if opened.users == 0:
                del _OPEN_FILES[self._path]
                opened.connection.close()
                _CHANGED.notify_all()

    def _open(self, mode: Mode) -> duckdb.DuckDBPyConnection:
        if mode is Mode.WRITE and not self.exists():
            self._create()
        connection = open_session(mode, str(self._path))
        if mode is Mode.QUERY:
            lock_down(connection)
        return connection

    def _create(self) -> None:
        """Make an empty warehouse under another name and link it: a killed process leaves no half-made file."""
        partial = self._path.with_name(f".{self._path.name}.{uuid.uuid4().hex}.partial")
        try:
            duckdb.connect(str(partial)).close()
            with suppress(FileExistsError):
                os.link(partial, self._path)
        finally:
            partial.unlink(missing_ok=True)

    def _holder(self, error: duckdb.Error) -> str:
        """Who holds the file, as DuckDB's message says; any other reason not to open it is an error of its own."""
        text = str(error)
        if found := re.search(r"lock is held in (.+?)\. ", text):
            return f"{found[1]}, which has it open"
        if "Could not set lock" in text:
            return "another process, which has it open"
        if "with version number" in text or "newer version" in text:
            raise WarehouseUnreadable(
                f"{self._path}: found a file of another DuckDB version, expected one that DuckDB {duckdb.__version__} "
                f"can read ({_first_line(text)}). Open it with the DuckDB that wrote it, or build a new warehouse "
                "with a backfill."
            ) from error
        raise WarehouseUnreadable(
            f"{self._path}: cannot be opened as a DuckDB file ({_first_line(text)}). Check EXPOSURES_WAREHOUSE, or "
            "move the file away and run a backfill."
        ) from error


def _first_line(text: str) -> str:
    return text.strip().splitlines()[0].rstrip(".")
