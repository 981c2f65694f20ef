"""Rows of `events` about messages with what is known of each: its source, whom it names, and its bucket.

When and to whom messages are displayed is drawn in `displays`; here rows are only made, moved and joined.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from exposure_assets.simulation.clock import DAY_US
from exposure_assets.simulation.identity import NO_EVENT, scramble
from exposure_assets.simulation.plan import SimulationPlan
from exposure_assets.simulation.rows import Choice, EventRows, join_events

NO_SOURCE = -1


@dataclass
class DisplayRows:
    """Rows of `events`; the arrays run in parallel.

    Attributes:
        rows: As they are written, with their buckets.
        source: Number of the source in `design.SOURCES`; `NO_SOURCE` for a row that no source matches.
        experiment: Number of the experiment with messages that the row credits or names; -1 for none.
        variation: Number of the variation that it credits; -1 for none.
    """

    rows: EventRows
    source: NDArray[np.int8]
    experiment: NDArray[np.int32]
    variation: NDArray[np.int8]

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, choice: Choice) -> "DisplayRows":
        """The chosen rows, in the order of the choice, as arrays of their own."""
        return DisplayRows(
            self.rows.take(choice),
            np.array(self.source[choice]),
            np.array(self.experiment[choice]),
            np.array(self.variation[choice]),
        )


def join_displays(parts: Sequence[DisplayRows]) -> DisplayRows:
    """All rows of the parts, one part after the other."""
    return DisplayRows(
        join_events([part.rows for part in parts]),
        np.concatenate([part.source for part in parts]),
        np.concatenate([part.experiment for part in parts]),
        np.concatenate([part.variation for part in parts]),
    )


def new_rows(
    plan: SimulationPlan,
    *,
    unit: NDArray[np.int64],
    template: NDArray[np.int32],
    occurred_at: NDArray[np.int64],
    sent_at: NDArray[np.int64],
    bucket: NDArray[np.int8],
    rng: np.random.Generator,
    value: NDArray[np.float64] | None = None,
) -> EventRows:
    """Rows without numbers that are received right after they were sent, on the same day.

    `unit` is the number of the unit among all units; `sent_at` differs from `occurred_at` where a clock is wrong.
    """
    day = (sent_at - plan.start_us) // DAY_US
    delay = 20_000 + (rng.standard_exponential(len(unit)) * 1.5e6).astype(np.int64)
    received = np.minimum(sent_at + delay, plan.start_us + (day + 1) * DAY_US - 1)
    session = scramble((unit.astype(np.uint64) << np.uint64(24)) ^ day.astype(np.uint64)) | np.uint64(1)
    return EventRows(
        number=np.full(len(unit), NO_EVENT),
        template=template.astype(np.int32),
        unit=unit.astype(np.int32),
        occurred_at=occurred_at.copy(),
        ingested_at=received.copy(),
        arrived_at=received.copy(),
        session=session,
        value=np.full(len(unit), np.nan) if value is None else value,
        bucket=bucket.astype(np.int8),
    )
