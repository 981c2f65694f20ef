"""Simulated rows before they are spelled out: parallel arrays of numbers, a few dozen bytes per row.

What the numbers stand for is said by `vocabulary`, `identity` and `clock`; here they are only kept and moved.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

Choice = NDArray[np.int64] | NDArray[np.bool_] | slice


@dataclass
class EventRows:
    """Rows of the `events` stream.

    Attributes:
        number: Number of the event, of which its id is made; `NO_EVENT` without an id.
        template: Number of its name and properties in the vocabulary.
        unit: Number of the unit; -1 without one.
        occurred_at: Microseconds since the epoch; `UNKNOWN_TIME` without one.
        ingested_at: When it was first received; a copy keeps that of the original.
        arrived_at: When this row arrived: its day is the folder it lies in.
        session: Number of the session; 0 without one.
        value: Value of a purchase; NaN without one.
        bucket: Number of the row's waterfall bucket, or `UNRELATED`.
    """

    number: NDArray[np.uint64]
    template: NDArray[np.int32]
    unit: NDArray[np.int32]
    occurred_at: NDArray[np.int64]
    ingested_at: NDArray[np.int64]
    arrived_at: NDArray[np.int64]
    session: NDArray[np.uint64]
    value: NDArray[np.float64]
    bucket: NDArray[np.int8]

    def __len__(self) -> int:
        return len(self.number)

    def take(self, choice: Choice) -> "EventRows":
        """The chosen rows, in the order of the choice, as arrays of their own."""
        return EventRows(*(np.array(getattr(self, entry.name)[choice]) for entry in fields(self)))


@dataclass
class AssignmentRows:
    """Rows of the `assignments` stream.

    Attributes:
        number: Number of the row, of which its event id is made; `NO_EVENT` without an id.
        experiment: Number of the name in the experiment names; -1 for null.
        unit: Number of the unit; -1 for null.
        variation: Number of the name in the variation names; -1 for null.
        assigned_at: Microseconds since the epoch; `UNKNOWN_TIME` for null.
        ingested_at: When it was first received; a copy keeps that of the original.
        arrived_at: When this row arrived: its day is the folder it lies in.
    """

    number: NDArray[np.uint64]
    experiment: NDArray[np.int32]
    unit: NDArray[np.int32]
    variation: NDArray[np.int32]
    assigned_at: NDArray[np.int64]
    ingested_at: NDArray[np.int64]
    arrived_at: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.number)

    def take(self, choice: Choice) -> "AssignmentRows":
        """The chosen rows, in the order of the choice, as arrays of their own."""
        return AssignmentRows(*(np.array(getattr(self, entry.name)[choice]) for entry in fields(self)))


def join_events(parts: Sequence[EventRows]) -> EventRows:
    """All rows of the parts, one part after the other."""
    return EventRows(*_joined(parts, EventRows))


def join_assignments(parts: Sequence[AssignmentRows]) -> AssignmentRows:
    """All rows of the parts, one part after the other."""
    return AssignmentRows(*_joined(parts, AssignmentRows))


def _joined(
    parts: Sequence[EventRows] | Sequence[AssignmentRows], kind: type[EventRows] | type[AssignmentRows]
) -> Iterable[NDArray]:
    for entry in fields(kind):
        yield np.concatenate([getattr(part, entry.name) for part in parts])
