"""Reads what is new in Dagster's event log for the alerts: verdicts of checks, and runs that ended.

What follows from an event stands in `alerts_checks` and `alerts_runs`.
"""

from dataclasses import dataclass

import dagster as dg
from dagster._core.events.log import EventLogEntry

from resources.alert_book import LogPosition

# Ids are given before events are committed, so that one may show up behind later ones: so many are looked at again.
_LOOKED_AT_AGAIN = 1_000
# Of each type; more than are looked at again, so that every look gets on.
_EVENTS_PER_LOOK = 10_000
_TYPES = (
    dg.DagsterEventType.ASSET_CHECK_EVALUATION,
    dg.DagsterEventType.RUN_SUCCESS,
    dg.DagsterEventType.RUN_FAILURE,
)


@dataclass(frozen=True)
class News:
    """The events since a position, ascending, and the position after them.

    `is_everything` says that the log is another one than before, or was never looked at: what is wrong has to be
    read from its state, the events don't tell.
    """

    verdicts: list[EventLogEntry]
    ended_runs: list[EventLogEntry]
    position: LogPosition
    is_everything: bool = False


def read_news(instance: dg.DagsterInstance, position: LogPosition | None) -> News:
    """Read the log from a position on; what is too much for one look is left to the next."""
    log = instance.event_log_storage
    last = log.get_maximum_record_id() or 0
    if position is None or last < position.after:
        return News([], [], LogPosition(last), is_everything=True)
    found: dict[int, EventLogEntry] = {}
    reached = last
    start = max(position.after - _LOOKED_AT_AGAIN, -1)
    for event_type in _TYPES:
        events = log.get_logs_for_all_runs_by_log_id(start, event_type, _EVENTS_PER_LOOK)
        if len(events) == _EVENTS_PER_LOOK:
            reached = min(reached, max(events))
        found |= events
    within = {event_id: event for event_id, event in sorted(found.items()) if event_id <= reached}
    new = [event for event_id, event in within.items() if _mark(event_id, event) not in position.seen]
    recent = {i: event for i, event in within.items() if i > reached - _LOOKED_AT_AGAIN}
    return News(
        [event for event in new if event.dagster_event_type == _TYPES[0]],
        [event for event in new if event.dagster_event_type != _TYPES[0]],
        LogPosition(reached, frozenset(_mark(event_id, event) for event_id, event in recent.items())),
    )


def _mark(event_id: int, event: EventLogEntry) -> str:
    # SQLite gives the id of a deleted event to the next one.
    return f"{event_id}@{event.timestamp}"
