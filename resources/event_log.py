"""Where Dagster keeps what happened: an event log that takes many partitions at once.

What happened to the tables themselves (rows, verdicts, rejected events) is data and lives in the warehouse.
"""

import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

from dagster import Field, StringSource
from dagster._config.config_schema import UserConfigSchema
from dagster._core.events.log import EventLogEntry
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._core.storage.event_log.sqlite.sqlite_event_log import INDEX_SHARD_NAME
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from dagster._serdes import ConfigurableClassData
from sqlalchemy import create_engine
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.pool import NullPool

from resources.dagster_home import DagsterHomeError

BATCH_SIZE_VARIABLE = "DAGSTER_EVENT_BATCH_SIZE"
EVENTS_PER_BATCH = 500


class BatchedSqliteEventLogStorage(SqliteEventLogStorage):
    """Dagster's own SQLite event log, storing a batch of events in one transaction per file.

    Same files, tables and rows: the stock storage reads what this one wrote and the other way round, and
    both may work on the same folder at once. What differs is the cost of a run over many partitions, where
    the stock storage opens four connections and compiles its statements anew for each of them.

    Dagster hands events over in batches only when `DAGSTER_EVENT_BATCH_SIZE` is set, so this class sets it
    for its own process and that process's children, unless somebody has already.

    A batch holds the planned events of a run that starts, or the materialisations of one asset whose rows
    the I/O manager has already published. A process killed before its batch is stored therefore leaves
    partitions that are written and not shown as materialised, never the opposite; the next run shows them.

    Connections are closed after every transaction, as in the stock storage: closing the last one moves the
    WAL into the `.db` file, and that is what the watchers behind the live page of a run wait for.
    """

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None):
        self._held: dict[str, Connection] = {}
        self._known: set[str] = set()
        super().__init__(base_dir=base_dir, inst_data=inst_data)
        # Re-entrant, because a batch holds two files at once.
        self._db_lock = threading.RLock()
        os.environ.setdefault(BATCH_SIZE_VARIABLE, str(EVENTS_PER_BATCH))

    @classmethod
    def config_type(cls) -> UserConfigSchema:
        """`base_dir`; by default the stock storage's, so that a home can be moved, or switched back."""
        return {"base_dir": Field(StringSource, is_required=False)}

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> "BatchedSqliteEventLogStorage":
        """Build the storage from the `config` block of `dagster.yaml`.

        Raises:
            DagsterHomeError: neither `base_dir` nor `DAGSTER_HOME` says where.
        """
        return cls(base_dir=config_value.get("base_dir") or _default_base_dir(), inst_data=inst_data)

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        """Store the events in their order, all of them or none."""
        with ExitStack() as files:
            # Entered first, committed last: no asset is materialised by a run whose own log doesn't say so.
            files.enter_context(self._hold(INDEX_SHARD_NAME))
            for run_id in dict.fromkeys(event.run_id for event in events):
                files.enter_context(self._hold(run_id))
            for event in events:
                self.store_event(event)

    def has_table(self, table_name: str) -> bool:
        """Tell whether the index has the table; one once seen isn't looked for again: none is dropped."""
        if table_name not in self._known and super().has_table(table_name):
            self._known.add(table_name)
        return table_name in self._known

    def _has_asset_key_col_on_connection(self, conn: Connection, column_name: str) -> bool:
        key = f"asset_keys.{column_name}"
        if key not in self._known and super()._has_asset_key_col_on_connection(conn, column_name):
            self._known.add(key)
        return key in self._known

    @contextmanager
    def _hold(self, shard: str) -> Iterator[None]:
        with self._connect(shard) as connection:
            self._held[shard] = connection
            try:
                yield
            finally:
                del self._held[shard]

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        with self._db_lock:
            if shard in self._held:
                yield self._held[shard]
                return
            engine = _engine(self.conn_string_for_shard(shard))
            # The log of a run of long ago may have been deleted since this process last looked.
            if shard not in self._initialized_dbs or not os.path.exists(self.path_for_shard(shard)):
                self._initdb(engine)
                self._initialized_dbs.add(shard)
            with engine.connect() as connection, connection.begin():
                yield connection


@lru_cache(maxsize=64)
def _engine(url: str) -> Engine:
    """Give the engine of one file: it keeps compiled statements but no connection, so a fork is safe."""
    return create_engine(url, poolclass=NullPool, connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS})


def _default_base_dir() -> str:
    home = os.environ.get("DAGSTER_HOME")
    if not home:
        raise DagsterHomeError(
            "The event log of dagster.yaml has no base_dir, and DAGSTER_HOME is unset; "
            "expected one of them. Set DAGSTER_HOME to the folder that holds dagster.yaml."
        )
    return str(Path(home).expanduser() / "history" / "runs")
