"""DuckDB sessions: how every connection of ours is configured, how extensions are loaded, how waiting is announced.

Where the data lies stands in `warehouse_file` and `warehouse_lake`.
"""

import importlib.resources
import logging
import os
import tempfile
import time
from contextlib import suppress
from enum import StrEnum

import duckdb

from resources.warehouse_errors import ExtensionMissing, WarehouseBusy

_LOG = logging.getLogger(__name__)
_SAY_SO_AFTER_SECONDS = 2.0
_LONGEST_PAUSE_SECONDS = 0.5
# Nothing is downloaded at run time, and no name in a query reaches a Python variable.
_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "python_enable_replacements": False,
}


class Mode(StrEnum):
    """What a session may do. A `query` session reads SQL that a stranger wrote, so nothing else may share it."""

    READ = "read"
    WRITE = "write"
    QUERY = "query"


def open_session(mode: Mode, database: str = ":memory:") -> duckdb.DuckDBPyConnection:
    """A session in UTC, whatever the host's time zone is, with columns of strings of any size."""
    config = _CONFIG | {"temp_directory": f"{tempfile.gettempdir()}/exposure-assets-duckdb-{os.getpid()}"}
    if mode is not Mode.QUERY:
        # Our own reading and writing keeps no order and needs little; it shares the machine with Polars.
        config |= {"preserve_insertion_order": False, "memory_limit": "1GB"}
    is_read_only = mode is not Mode.WRITE and database != ":memory:"
    connection = duckdb.connect(database, read_only=is_read_only, config=config)
    connection.execute("SET GLOBAL TimeZone = 'UTC'")
    connection.execute("SET GLOBAL arrow_large_buffer_size = true")
    return connection


def lock_down(connection: duckdb.DuckDBPyConnection, *, allowed_directory: str | None = None) -> None:
    """Take from a session, for good, the files and the network beyond what is attached."""
    if allowed_directory is not None:
        connection.execute("SET GLOBAL allowed_directories = ?", [[allowed_directory]])
    connection.execute("SET GLOBAL enable_external_access = false")
    connection.execute("SET GLOBAL lock_configuration = true")


def load_extension(connection: duckdb.DuckDBPyConnection, name: str) -> None:
    """Load an extension from its Python package, straight from where it is installed.

    Raises:
        ExtensionMissing: the package is missing or made for another DuckDB.
    """
    package = f"duckdb_extension_{name}"
    pinned = f"{package.replace('_', '-')}=={duckdb.__version__}"
    with suppress(ModuleNotFoundError):
        file = (
            importlib.resources.files(package)
            / "extensions"
            / f"v{duckdb.__version__}"
            / f"{name}.duckdb_extension"
        )
        if file.is_file():
            with importlib.resources.as_file(file) as path:
                connection.load_extension(str(path))
            return
    raise ExtensionMissing(f"found no DuckDB extension {name!r}, expected the package {pinned}; install it.")


class Patience:
    """Waiting with an end: says after two seconds what it waits for, gives up after `seconds`."""

    def __init__(self, seconds: float, place: str) -> None:
        self._seconds = seconds
        self._place = place
        self._started = time.monotonic()
        self._pause = 0.02
        self._has_spoken = False

    @property
    def pause_seconds(self) -> float:
        """How long to wait before the next attempt."""
        return self._pause

    def wait(self, holder: str, advice: str) -> None:
        """Sleep before the next attempt.

        Raises:
            WarehouseBusy: the time is up; names who holds the warehouse.
        """
        self.note(holder, advice)
        time.sleep(self._pause)

    def note(self, holder: str, advice: str) -> None:
        """Count an attempt that failed; the caller does the waiting itself."""
        waited = time.monotonic() - self._started
        if waited >= self._seconds:
            raise WarehouseBusy(f"{self._place} is busy: waited {waited:.0f} s for {holder}. {advice}")
        if waited >= _SAY_SO_AFTER_SECONDS and not self._has_spoken:
            self._has_spoken = True
            _LOG.warning("%s is busy: waiting up to %.0f s for %s", self._place, self._seconds, holder)
        self._pause = min(self._pause * 1.5, _LONGEST_PAUSE_SECONDS, max(self._seconds - waited, 0.001))
