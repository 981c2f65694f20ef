"""The sensor that keeps the graph fresh: whatever changed in landing zone or catalog ends in the runs that it needs.

What is out of date, and which runs that makes, stands in `outdated` and `pending`.
"""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from exposure_assets.assets.calendar import calendar_for
from exposure_assets.automation.catalog_entries import announce_entries
from exposure_assets.automation.in_flight import InFlight
from exposure_assets.automation.outdated import GraphState
from exposure_assets.automation.pending import Pending, pending
from exposure_assets.automation.requests import Request
from partitions.calendar import EXPERIMENTS, Calendar
from resources.catalog import CatalogError
from resources.landing import LandingError
from resources.settings import Settings
from resources.warehouse import WarehouseBusy
from resources.workspace import Workspace

REQUEST_TAG = "exposures/request"
INTERVAL_SECONDS = 15
# A tick has a minute. New files are read for a third of it; the next tick goes on where this one ended.
_SECONDS_TO_READ = 20.0
# A writer who holds the warehouse for longer is waited for by the next tick.
_SECONDS_TO_WAIT = 5.0
_PATIENCE = timedelta(minutes=10)
_REQUESTS_PER_TICK = 25
_FIRST_RETRY, _LAST_RETRY = timedelta(minutes=1), timedelta(hours=1)


def landing_sensor(jobs: Sequence[UnresolvedAssetJobDefinition], calendar: Calendar) -> dg.SensorDefinition:
    """The sensor, for the jobs that it asks for and the calendar that the code location was loaded with."""

    @dg.sensor(
        name="landing_zone",
        jobs=list(jobs),
        minimum_interval_seconds=INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        required_resource_keys={"workspace"},
        description="Requests exactly the days, cohorts and experiments that new, changed and removed files and "
        "catalog entries have put out of date.",
    )
    def landing_zone(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        try:
            return evaluate(context.resources.workspace.settings, context.instance, calendar, context.cursor)
        except (CatalogError, LandingError, WarehouseBusy) as problem:
            # What a person has to mend, or what passes by itself; announced by the alerts, and looked at again.
            return dg.SensorResult(skip_reason=dg.SkipReason(str(problem)), cursor=context.cursor)

    return landing_zone


def evaluate(
    settings: Settings,
    instance: dg.DagsterInstance,
    loaded: Calendar,
    cursor: str | None,
    now: datetime | None = None,
) -> dg.SensorResult:
    """One look at everything; the cursor holds nothing but since when partitions wait.

    Args:
        settings: Where the places are.
        instance: Dagster's.
        loaded: The calendar of the code location; days that it lacks need a reload.
        cursor: Of the last tick.
        now: The clock, by default.

    Raises:
        CatalogError, LandingError, WarehouseBusy: a place cannot be read now.
    """
    now = now or datetime.now(UTC)
    workspace = Workspace(settings, wait_seconds=_SECONDS_TO_WAIT)
    catalog = workspace.catalog()
    manifest = workspace.landing(catalog).refresh(seconds=_SECONDS_TO_READ)
    state = GraphState.read(workspace, calendar_for(workspace).first_day, manifest)
    known = dict.fromkeys(instance.get_dynamic_partitions(EXPERIMENTS.name or ""))
    new = [experiment for experiment in catalog.experiments if experiment not in known]
    order = [*known, *new]
    announce_entries(instance, settings.staging, catalog)
    held_since = _held_since(cursor)
    is_patient = held_since is None or now - held_since < _PATIENCE
    in_flight = InFlight.of(instance, order)
    due = pending(state, in_flight, loaded, order, is_patient)
    requested = [run for request in due.requests if (run := _run_request(instance, request, now)) is not None]
    held_since = (held_since or now) if due.held_back and is_patient else None
    return dg.SensorResult(
        run_requests=requested[:_REQUESTS_PER_TICK],
        dynamic_partitions_requests=[EXPERIMENTS.build_add_request(new)] if new else [],
        skip_reason=None if requested else dg.SkipReason(_explained(state, in_flight, due, loaded)),
        cursor=json.dumps({"held_since": held_since.isoformat() if held_since else None}),
    )


def _run_request(instance: dg.DagsterInstance, request: Request, now: datetime) -> dg.RunRequest | None:
    """The run, unless the same one is on its way or has failed a moment ago.

    The same partitions with the same inputs are requested again only where a run of theirs did not do it: a minute
    later, then two, four, up to an hour. A run that a person cancelled stays cancelled until the inputs change.
    """
    digest = f"{request.digest:016x}"
    earlier = instance.get_run_records(dg.RunsFilter(tags={REQUEST_TAG: digest}))
    if earlier:
        latest = max(earlier, key=lambda record: record.create_timestamp)
        if not latest.dagster_run.is_finished or latest.dagster_run.status is dg.DagsterRunStatus.CANCELED:
            return None
        pause = min(_FIRST_RETRY * 2 ** min(len(earlier) - 1, 10), _LAST_RETRY)
        ended = latest.end_time or latest.update_timestamp.timestamp()
        if now.timestamp() - ended < pause.total_seconds():
            return None
    return dg.RunRequest(
        run_key=f"{digest}-{len(earlier)}",
        job_name=request.job,
        asset_selection=request.asset_keys,
        tags={**request.tags, REQUEST_TAG: digest},
    )


def _held_since(cursor: str | None) -> datetime | None:
    """Since when partitions wait; a cursor that was lost or cannot be read only makes them wait anew."""
    try:
        return datetime.fromisoformat(json.loads(cursor or "{}")["held_since"])
    except (ValueError, KeyError, TypeError):
        return None


def _explained(state: GraphState, in_flight: InFlight, due: Pending, loaded: Calendar) -> str:
    """Why nothing is requested, in a sentence or two."""
    said = []
    if not state.manifest.is_complete:
        said.append(f"{state.manifest.unread} new files are still to be read.")
    if early := [day for day in state.days if day < loaded.first_day]:
        said.append(
            f"{len(early)} days from {early[0]} on have no partition yet: the catalog now begins earlier. "
            "Reload the code location (Deployment, Reload)."
        )
    if late := [day for day in state.days if day > loaded.last]:
        said.append(f"Rows of {len(late)} days from {late[0]} on wait until these days have come.")
    if in_flight.run_count:
        said.append(f"{in_flight.run_count} runs are at work or in the queue.")
    if due.requests:
        said.append(
            f"{len(due.requests)} runs were tried a moment ago, or were cancelled, and are not repeated yet."
        )
    if due.held_back:
        said.append(f"{due.held_back} partitions wait for what they rest on.")
    return (
        " ".join(said)
        or f"Everything is fresh: {state.manifest.frame.height} files, {len(state.catalog.experiments)} experiments."
    )
