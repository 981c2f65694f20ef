"""Which sensors and schedules of this code location failed at their last tick.

What they do stands in the modules of each; who hears of their failures, in `alerts`.
"""

from collections.abc import Collection
from datetime import UTC, datetime

import dagster as dg
from dagster._core.scheduler.instigation import InstigatorState, InstigatorTick, InstigatorType, TickStatus
from dagster_shared.error import SerializableErrorInfo

from resources.alert_book import Condition

KIND = "tick"
_ENDED = [TickStatus.SUCCESS, TickStatus.SKIPPED, TickStatus.FAILURE]
# A catalog with problems, or a landing zone out of reach, is announced as what it is.
_TOLD_ELSEWHERE = frozenset({"CatalogError", "LandingError"})


def failing_ticks(
    instance: dg.DagsterInstance, names: Collection[str], location: str | None
) -> dict[str, Condition]:
    """The running sensors and schedules whose last tick failed, by the id of the condition.

    Args:
        instance: Dagster's storage.
        names: Those to look at.
        location: The code location they are of; null for any.
    """
    failing = {}
    for state in instance.all_instigator_state():
        if state.instigator_name not in names or not state.is_running:
            continue
        if location is not None and state.repository_selector.location_name != location:
            continue
        ticks = instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=1, statuses=_ENDED)
        if ticks and ticks[0].status == TickStatus.FAILURE and not _is_told_elsewhere(ticks[0].error):
            condition = _condition(state, ticks[0])
            failing[condition.id] = condition
    return failing


def _condition(state: InstigatorState, tick: InstigatorTick) -> Condition:
    is_schedule = state.instigator_type == InstigatorType.SCHEDULE
    kind = "schedule" if is_schedule else "sensor"
    repository = state.repository_selector
    place = f"{repository.repository_name}@{repository.location_name}"
    return Condition(
        id=f"{KIND}:{kind}:{state.instigator_name}",
        kind=KIND,
        group=f"{KIND}:{kind}:{state.instigator_name}",
        severity="failure",
        title=f"{kind} {state.instigator_name}",
        facts=(
            (kind, state.instigator_name),
            ("found", _first_line(tick.error)),
            ("expected", "a tick that succeeds"),
        ),
        since=datetime.fromtimestamp(tick.timestamp, UTC),
        page=f"/locations/{place}/{kind}s/{state.instigator_name}",
        advice=f"Open the {kind}: its last tick shows the whole error. It recovers with the next tick that succeeds.",
    )


def _chain(error: SerializableErrorInfo | None) -> list[SerializableErrorInfo]:
    found = []
    while error is not None:
        found.append(error)
        error = error.cause
    return found


def _is_told_elsewhere(error: SerializableErrorInfo | None) -> bool:
    return any(link.cls_name in _TOLD_ELSEWHERE for link in _chain(error))


def _first_line(error: SerializableErrorInfo | None) -> str:
    """The first line of what went wrong first, not of Dagster's report that something did."""
    chain = _chain(error)
    lines = chain[-1].message.splitlines() if chain else []
    return next((line.strip() for line in lines if line.strip()), "no message")
