"""Where the ledger of jobs lies: one transaction at a time, in PostgreSQL or in an SQLite file beside the warehouse.

What is written into it stands in `job_ledger`.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Protocol

import duckdb

from resources.warehouse_errors import ExtensionMissing
from resources.warehouse_sessions import Mode, load_extension, open_session
from resources.warehouse_slices import literal
from resources.warehouse_url import FileLocation, LakeLocation, parse_location, without_password

Rows = list[tuple[Any, ...]]
Execute = Callable[[str], Rows]

_WAIT_SECONDS = 10.0
_SCHEMA = "exposure_jobs"


class LedgerUnavailable(Exception):
    """The ledger of jobs cannot be read or written; whoever asked goes on without it."""


class JobDatabase(Protocol):
    """A database in which one transaction at a time is alone."""

    def alone(self) -> Any:
        """A context with a function that executes SQL; committed when it ends well, undone when it doesn't.

        Raises:
            LedgerUnavailable: the database cannot be reached or written.
        """


def job_database(warehouse: str, table: str) -> JobDatabase:
    """The database for a warehouse, in which a table stands once it is used.

    A PostgreSQL catalog holds it in a schema of its own. Beside a DuckDB file and beside the SQLite file of a DuckLake
    it is an SQLite file of its own: DuckDB brings another copy of the SQLite library, and two copies in one process
    that close the same file lose each other's locks.

    Args:
        warehouse: The setting.
        table: SQL that creates the table `jobs` where it is missing.
    """
    location = parse_location(warehouse)
    if isinstance(location, FileLocation):
        return SqliteJobs(_beside(location.path), table)
    if location.catalog_file is not None:
        return SqliteJobs(_beside(location.catalog_file), table)
    return PostgresJobs(location, table)


def _beside(path: Path) -> Path:
    return path.with_name(f"{path.name}.exposure_jobs.sqlite")


class SqliteJobs:
    """The ledger in an SQLite file, opened anew for every transaction: a process that forks shares no handle."""

    def __init__(self, path: Path, table: str) -> None:
        self.path = path
        self._table = table

    @contextmanager
    def alone(self) -> Iterator[Execute]:
        """See `JobDatabase`."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with closing(
                sqlite3.connect(self.path, timeout=_WAIT_SECONDS, isolation_level=None)
            ) as connection:
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("PRAGMA synchronous = NORMAL")
                connection.execute("BEGIN IMMEDIATE")
                try:
                    connection.execute(self._table)
                    yield lambda sql: connection.execute(sql).fetchall()
                except BaseException:
                    if connection.in_transaction:
                        connection.execute("ROLLBACK")
                    raise
                connection.execute("COMMIT")
        except (sqlite3.Error, OSError) as error:
            raise LedgerUnavailable(f"{self.path}: {error}") from error


class PostgresJobs:
    """The ledger in the database of a PostgreSQL catalog, reached through DuckDB as the catalog itself is."""

    def __init__(self, location: LakeLocation, table: str) -> None:
        self._location = location
        self._table = table

    @contextmanager
    def alone(self) -> Iterator[Execute]:
        """See `JobDatabase`."""
        target = self._location.catalog.removeprefix("postgres:")
        try:
            with open_session(Mode.READ) as connection:
                load_extension(connection, "postgres_scanner")
                # Otherwise a transaction would see what was there before it waited for its turn.
                options = "TYPE postgres, ISOLATION_LEVEL 'READ COMMITTED'"
                connection.execute(f"ATTACH {literal(target)} AS catalog ({options})")

                def execute(sql: str) -> Rows:
                    if sql.lstrip().upper().startswith("SELECT"):
                        return connection.execute(
                            f"SELECT * FROM postgres_query('catalog', {literal(sql)})"
                        ).fetchall()
                    connection.execute(f"CALL postgres_execute('catalog', {literal(sql)})")
                    return []

                connection.execute("BEGIN TRANSACTION")
                # Also held by whoever creates the schema: two creations at once would fail.
                execute("SELECT pg_advisory_xact_lock(7041776)::text AS locked")
                execute(f"CREATE SCHEMA IF NOT EXISTS {_SCHEMA}")
                execute(f"SET LOCAL search_path TO {_SCHEMA}")
                execute(self._table)
                yield execute
                connection.execute("COMMIT")
        except (duckdb.Error, ExtensionMissing) as error:
            said = without_password(" ".join(str(error).split()))
            raise LedgerUnavailable(f"{self._location}: {said}") from error
