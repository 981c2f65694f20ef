"""Dagster's home folder: made once, with a `dagster.yaml` that suits this graph.

How events are stored in it stands in `event_log`, who notices a dead run in `run_launcher`.
"""

import errno
from pathlib import Path
from tempfile import TemporaryDirectory

from dagster import DagsterInstance
from dagster._core.instance.ref import InstanceRef

# The pools of the assets: whoever writes staging is in the one, whoever writes the warehouse in the other.
STAGING_POOL, WAREHOUSE_POOL = "staging", "warehouse"
# As in DAGSTER_YAML; with it the databases of a new home are made.
_POOLS_YAML = "concurrency: {pools: {default_limit: 1}}\n"

# What each line is for, and what to change on a server, stands in docs/how_to/deployment.md.
DAGSTER_YAML = """\
# Written once, when this home was made; yours to change. docs/how_to/deployment.md explains every line.
telemetry:
  enabled: false
nux:
  enabled: false

event_log_storage:
  module: resources.event_log
  class: BatchedSqliteEventLogStorage
  config: {}

# A run waits in the queue until nobody else is in its pools: one writer of staging, one of the warehouse.
concurrency:
  runs:
    max_concurrent_runs: 4
  pools:
    granularity: run
    default_limit: 1

# A code server that died is started again; runs that are due meanwhile wait instead of failing.
run_queue:
  max_user_code_failure_retries: 5
  user_code_failure_retry_delay: 20

# The launcher tells run monitoring whether the process of a run still lives.
run_launcher:
  module: resources.run_launcher
  class: WatchedRunLauncher
  config: {}
run_monitoring:
  enabled: true
  poll_interval_seconds: 20
  start_timeout_seconds: 300
  cancel_timeout_seconds: 120
  max_runtime_seconds: 86400
  free_slots_after_run_end_seconds: 60

# In days. A sensor that looks every 15 seconds leaves 5,760 skipped ticks a day.
retention:
  sensor:
    purge_after_days:
      skipped: 1
      success: 30
      failure: 30
      started: 30
  schedule:
    purge_after_days: 90

# So that a slow tick, or a long backfill, keeps no other one waiting.
sensors:
  use_threads: true
  num_workers: 4
schedules:
  use_threads: true
  num_workers: 2
backfills:
  use_threads: true
  num_workers: 2
"""


class DagsterHomeError(Exception):
    """Dagster's home folder is unset, or is not a folder."""


def dagster_home(path: Path) -> Path:
    """Make `path` a home for Dagster: the folder, Dagster's databases and a `dagster.yaml`, when it has none.

    An existing `dagster.yaml` stays as it is: whoever wrote it chose another storage on purpose.

    Several processes may do this at once, and any may be killed: everything is built aside and renamed into
    place, the `dagster.yaml` last. Dagster alone fails when two processes create its databases together.

    Returns:
        The absolute path, which is what `DAGSTER_HOME` has to be.

    Raises:
        DagsterHomeError: something that is not a folder stands at `path`.
    """
    home = path.expanduser().resolve()
    if home.exists() and not home.is_dir():
        raise DagsterHomeError(
            f"DAGSTER_HOME is {home}, which is a file; expected a folder. Name a folder, or remove the file."
        )
    if not (home / "dagster.yaml").exists():
        home.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=".new-", dir=home) as new:
            # Dagster's stock storages, because their databases have to be made here and not below DAGSTER_HOME.
            Path(new, "dagster.yaml").write_text(_POOLS_YAML, encoding="utf-8")
            with DagsterInstance.from_ref(InstanceRef.from_dir(new)) as instance:
                # Left to itself, Dagster limits a pool only after it has launched the first runs that name it.
                for pool in (STAGING_POOL, WAREHOUSE_POOL):
                    instance.event_log_storage.initialize_concurrency_limit_to_default(pool)
            Path(new, "dagster.yaml").write_text(DAGSTER_YAML, encoding="utf-8")
            for name in ("history", "schedules"):
                _move_unless_there(Path(new, name), home / name)
            Path(new, "dagster.yaml").rename(home / "dagster.yaml")
    return home


def _move_unless_there(folder: Path, target: Path) -> None:
    try:
        folder.rename(target)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
