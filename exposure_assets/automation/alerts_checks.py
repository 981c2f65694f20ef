"""Which asset checks fail now, each partition by itself, as Dagster's storage tells.

What is judged and how stands in the checks; who hears of it, in `alerts`.
"""

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import quote

import dagster as dg
from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluation
from dagster._core.event_api import PartitionKeyFilter
from dagster._core.events.log import EventLogEntry
from dagster._core.storage.asset_check_execution_record import (
    COMPLETED_ASSET_CHECK_EXECUTION_RECORD_STATUSES,
    AssetCheckExecutionRecordStatus,
)

from exposure_assets.automation.alerts_log import News
from resources.alert_book import SAYS, Condition

KIND = "check"
_ADVICE = (
    "Open the check: its metadata shows the numbers and the first rows. It recovers when it passes again."
)


def failing_checks(
    instance: dg.DagsterInstance,
    defined: Collection[dg.AssetCheckKey],
    before: Iterable[Condition],
    news: News,
) -> dict[str, Condition]:
    """The checks that fail now, by the id of the condition.

    Args:
        instance: Dagster's storage.
        defined: The checks there are; one that is gone fails no more.
        before: Those that failed at the last look.
        news: What was logged since.
    """
    ids = {(key.asset_key.to_user_string(), key.name) for key in defined}
    failing = {condition.id: condition for condition in before if _asset_and_check(condition) in ids}
    if news.is_everything:
        latest = _latest_verdicts(instance, defined)
        failing = {condition.id: condition for condition in failing.values() if condition.id in latest}
        events: Iterable[EventLogEntry] = latest.values()
    else:
        events = news.verdicts
    for event in events:
        verdict = _verdict(event)
        if (verdict.asset_key.to_user_string(), verdict.check_name) not in ids:
            continue
        condition = condition_of(verdict, event.timestamp, event.run_id)
        known = failing.pop(condition.id, condition)
        if not verdict.passed:
            failing[condition.id] = replace(condition, since=known.since)
    return failing


def _latest_verdicts(
    instance: dg.DagsterInstance, defined: Collection[dg.AssetCheckKey]
) -> dict[str, EventLogEntry]:
    """The last verdict of every check and partition that does not simply pass."""
    log = instance.event_log_storage
    latest = {}
    for info in log.get_asset_check_partition_info(list(defined)):
        if info.latest_execution_status == AssetCheckExecutionRecordStatus.SUCCEEDED:
            continue
        for record in log.get_asset_check_execution_history(
            info.check_key,
            limit=1,
            status=COMPLETED_ASSET_CHECK_EXECUTION_RECORD_STATUSES,
            partition_filter=PartitionKeyFilter(key=info.partition_key),
        ):
            if record.event is not None:
                latest[_condition_id(_verdict(record.event))] = record.event
    return latest


def _verdict(event: EventLogEntry) -> AssetCheckEvaluation:
    data = event.dagster_event.event_specific_data if event.dagster_event else None
    assert isinstance(data, AssetCheckEvaluation)
    return data


def _condition_id(verdict: AssetCheckEvaluation) -> str:
    parts = [verdict.asset_key.to_user_string(), verdict.check_name, verdict.partition]
    return f"{KIND}:{json.dumps(parts)}"


def _asset_and_check(condition: Condition) -> tuple[str, str]:
    asset, check, _ = json.loads(condition.id.removeprefix(f"{KIND}:"))
    return asset, check


def condition_of(verdict: AssetCheckEvaluation, timestamp: float, run_id: str) -> Condition:
    """The condition of a verdict that fails, given at a time (seconds since 1970), by a run or, with "", by none."""
    asset, check = verdict.asset_key.to_user_string(), verdict.check_name
    is_warning = verdict.severity == dg.AssetCheckSeverity.WARN
    day, _, experiment = (verdict.partition or "").partition("|")
    said = _first_line(verdict.description or "")
    found = _told(verdict.metadata, "found")
    facts = {
        "asset": asset,
        "check": check,
        "experiment": experiment,
        "day": day,
        "found": found or said,
        "expected": _told(verdict.metadata, "expected"),
        SAYS: said if found else "",
    }
    return Condition(
        id=_condition_id(verdict),
        kind=KIND,
        group=f"{KIND}:{json.dumps([asset, check])}:{verdict.severity.value}",
        severity="warning" if is_warning else "failure",
        title=f"check {check} of {asset}",
        facts=tuple((name, value) for name, value in facts.items() if value),
        since=datetime.fromtimestamp(timestamp, UTC),
        page=f"/assets/{_path(verdict.asset_key)}?view=checks&checkDetail={quote(check, safe='')}",
        advice=_ADVICE,
        experiment=experiment,
        run_id=run_id,
    )


def _told(metadata: Mapping[str, dg.MetadataValue], name: str) -> str:
    value = metadata[name].value if name in metadata else ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _first_line(text: str) -> str:
    return next((line.strip() for line in text.splitlines() if line.strip()), "")


def _path(asset: dg.AssetKey) -> str:
    return "/".join(quote(part, safe="") for part in asset.path)
