"""The daily job that keeps house: derived files, logs of old runs, states of the warehouse that nobody asks for.

What may be deleted is decided in `resources.retention` and the modules `retention_…` beside it.
"""

from datetime import UTC, datetime, timedelta

import dagster as dg
from pydantic import Field

from resources.dagster_home import WAREHOUSE_POOL
from resources.exposure_store import ExposureStore
from resources.job_database import LedgerUnavailable
from resources.job_ledger import JobLedger
from resources.retention import Removed, sweep_landing_caches, sweep_leftovers
from resources.retention_exposures import sweep_exposures
from resources.retention_runs import sweep_run_logs
from resources.retention_warehouse import sweep_warehouse
from resources.workspace import Workspace


class RunLogsKept(dg.Config):
    """How long logs of runs are kept."""

    days: int = Field(
        30, ge=1, description="Days after its end that the log and the output of a run are kept."
    )


class SnapshotsKept(dg.Config):
    """How long states of a DuckLake are kept."""

    days: int = Field(
        30, ge=1, description="Days that the states of a DuckLake's tables can be looked back at."
    )


@dg.op(required_resource_keys={"workspace"})
def sweep_staging_caches(context: dg.OpExecutionContext) -> None:
    """Delete what was derived from landing files that are gone, and leftovers of killed writers."""
    workspace: Workspace = context.resources.workspace
    zone = workspace.landing(workspace.catalog())
    manifest = zone.refresh()
    now = datetime.now(UTC)
    caches = sweep_landing_caches(zone, manifest, now)
    leftovers = sweep_leftovers(workspace.settings.staging, now)
    _report(context, caches + leftovers, leftover_files=leftovers.files)


@dg.op(required_resource_keys={"workspace"})
def sweep_preaggregated_exposures(context: dg.OpExecutionContext) -> None:
    """Delete preaggregated exposures that have expired, and answers that nobody asks for any more."""
    workspace: Workspace = context.resources.workspace
    ledger = JobLedger(workspace.settings.warehouse)
    try:
        removed = sweep_exposures(ledger, ExposureStore(workspace.settings.staging), datetime.now(UTC))
    except LedgerUnavailable as error:
        _report(context, Removed(), f"Nothing was deleted: {error}")
    else:
        _report(context, removed)


@dg.op
def sweep_logs_of_old_runs(context: dg.OpExecutionContext, config: RunLogsKept) -> None:
    """Delete the event logs and outputs of runs that ended long ago; partitions, checks and the run list stay."""
    swept = sweep_run_logs(context.instance, datetime.now(UTC) - timedelta(days=config.days))
    _report(context, swept.removed, swept.note, runs=swept.runs)


@dg.op(required_resource_keys={"workspace"}, pool=WAREHOUSE_POOL)
def tidy_warehouse(context: dg.OpExecutionContext, config: SnapshotsKept) -> None:
    """Forget old states of the warehouse's tables, gather small files, delete files that no state names."""
    workspace: Workspace = context.resources.workspace
    swept = sweep_warehouse(workspace.warehouse, datetime.now(UTC), timedelta(days=config.days))
    _report(
        context,
        swept.removed,
        swept.note,
        forgotten_snapshots=swept.snapshots,
        gathered_files=swept.gathered_files,
    )


def _report(context: dg.OpExecutionContext, removed: Removed, note: str | None = None, **counts: int) -> None:
    found = {"deleted_files": removed.files, "deleted_bytes": removed.bytes, **counts}
    context.add_output_metadata({**found, **({"note": note} if note else {})})
    said = ", ".join(f"{name.replace('_', ' ')}: {count:,}" for name, count in found.items())
    context.log.info(f"{said}. {note}" if note else said)


@dg.job(description="Deletes what no table is computed from and nobody needs any more; says what it deleted.")
def keep_house() -> None:
    """Steps that know nothing of each other: what hinders one hinders no other."""
    sweep_staging_caches()
    sweep_preaggregated_exposures()
    sweep_logs_of_old_runs()
    tidy_warehouse()


keep_house_daily = dg.ScheduleDefinition(
    name="keep_house_daily",
    job=keep_house,
    cron_schedule="30 3 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="At night, when few write.",
)
