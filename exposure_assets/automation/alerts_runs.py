"""Which runs failed without that anything has done their work since.

What a run was to do stands in `alerts_targets`; who hears of a failed one, in `alerts`.
"""

import hashlib
import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import dagster as dg
from dagster._core.events import JobFailureData
from dagster._core.events.log import EventLogEntry

from exposure_assets.automation.alerts_log import News
from exposure_assets.automation.alerts_targets import RunWork, of_experiments, remaining, work_of
from resources.alert_book import Condition

KIND = "run"
_ADVICE = (
    "Open the run: the first failed step says why. What is still wanted is requested again; it recovers when later "
    "runs have done its work, or when the run is deleted."
)
_FIRST_LOOK = timedelta(days=7)
_RUNS_OF_FIRST_LOOK = 1_000
_NAMES_SHOWN = 5


def failed_runs(
    instance: dg.DagsterInstance,
    before: Iterable[Condition],
    news: News,
    now: datetime,
    experiments: Collection[str] | None,
) -> dict[str, Condition]:
    """The failed runs whose work is not done, by the id of the condition.

    A run that fails at nothing but what an earlier one failed at adds none.

    Args:
        instance: Dagster's storage.
        before: Those of the last look.
        news: What was logged since.
        now: The instant of this look.
        experiments: Those of the catalog: nobody will do the work of others. Null where that is not known.
    """
    failing = {condition.id: condition for condition in before}
    for run_id, event in _ended_since(instance, news, now):
        if not failing and event is not None and event.dagster_event_type == dg.DagsterEventType.RUN_SUCCESS:
            continue
        record = instance.get_run_record_by_id(run_id)
        if record is None:
            continue
        work = work_of(instance, record.dagster_run)
        failing = _advanced(failing, work)
        if record.dagster_run.status == dg.DagsterRunStatus.FAILURE:
            failing = _with_failure(failing, record, work, event or _failure_event(instance, run_id))
    if experiments is not None:
        failing = {
            i: replace(c, targets=left)
            for i, c in failing.items()
            if (left := of_experiments(c.targets, experiments))
        }
    return _still_there(instance, failing)


def _advanced(failing: dict[str, Condition], work: RunWork) -> dict[str, Condition]:
    """The conditions without the targets that a run has dealt with; one without targets is over."""
    return {
        i: replace(c, targets=left) for i, c in failing.items() if (left := remaining(c.targets, work.done))
    }


def _with_failure(
    failing: dict[str, Condition], record: dg.RunRecord, work: RunWork, event: EventLogEntry | None
) -> dict[str, Condition]:
    undone = tuple(sorted(work.undone))
    known = [target for condition in failing.values() for target in condition.targets]
    identity = hashlib.sha256(json.dumps([record.dagster_run.job_name, undone]).encode()).hexdigest()[:24]
    condition_id = f"{KIND}:{identity}"
    if condition_id not in failing and undone and not remaining(undone, known):
        return failing
    run = record.dagster_run
    reason = _reason(event)
    facts = {
        "job": run.job_name,
        "assets": _listed(work.assets),
        "experiment": _listed(work.experiments),
        "day": " to ".join(dict.fromkeys(work.days)) if work.days else "",
        "found": reason,
        "expected": "a run that succeeds",
        "run": run.run_id,
        "backfill": run.tags.get("dagster/backfill", ""),
    }
    ended_at = datetime.fromtimestamp(record.end_time or record.update_timestamp.timestamp(), UTC)
    since = failing[condition_id].since if condition_id in failing else ended_at
    condition = Condition(
        id=condition_id,
        kind=KIND,
        group=f"{KIND}:{run.job_name}:{reason}",
        severity="failure",
        title=f"run of {run.job_name}",
        facts=tuple((name, value) for name, value in facts.items() if value),
        since=since,
        page=f"/runs/{run.run_id}",
        advice=_ADVICE,
        run_id=run.run_id,
        targets=undone,
    )
    return {**failing, condition_id: condition}


def _ended_since(
    instance: dg.DagsterInstance, news: News, now: datetime
) -> list[tuple[str, EventLogEntry | None]]:
    """The runs that ended since the last look, in the order of their ends, with the event where it is known."""
    if not news.is_everything:
        return [(event.run_id, event) for event in news.ended_runs]
    recent = dg.RunsFilter(
        statuses=[dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE], updated_after=now - _FIRST_LOOK
    )
    records = instance.get_run_records(recent, limit=_RUNS_OF_FIRST_LOOK)
    ordered = sorted(records, key=lambda record: record.end_time or record.update_timestamp.timestamp())
    return [(record.dagster_run.run_id, None) for record in ordered]


def _failure_event(instance: dg.DagsterInstance, run_id: str) -> EventLogEntry | None:
    records = instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.RUN_FAILURE).records
    return records[-1].event_log_entry if records else None


def _still_there(instance: dg.DagsterInstance, failing: dict[str, Condition]) -> dict[str, Condition]:
    """Those whose run was not deleted."""
    run_ids = sorted({condition.run_id for condition in failing.values()})
    if not run_ids:
        return {}
    there = {run.run_id for run in instance.get_runs(dg.RunsFilter(run_ids=run_ids))}
    return {i: condition for i, condition in failing.items() if condition.run_id in there}


def _reason(event: EventLogEntry | None) -> str:
    """The first line of why a run failed, in the words of what failed first."""
    if event is None or event.dagster_event is None:
        return "it failed without a message"
    data = event.dagster_event.event_specific_data
    step = data.first_step_failure_event if isinstance(data, JobFailureData) else None
    if step is not None:
        failure = step.step_failure_data
        described = failure.user_failure_data.description if failure.user_failure_data else None
        error = failure.error.cause if failure.error and failure.error.cause else failure.error
        return f"{step.step_key}: {_first_line(described or (error.message if error else 'no error'))}"
    if isinstance(data, JobFailureData) and data.error:
        return _first_line(data.error.message)
    return _first_line(event.dagster_event.message or event.user_message)


def _first_line(text: str) -> str:
    return next((line.strip() for line in text.splitlines() if line.strip()), "no message")


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
    return ", ".join(names[:_NAMES_SHOWN]) + more
