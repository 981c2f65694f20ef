"""The rows of a nasty landing zone while it is being made: events, assignments, and copies of them.
It gives rows ids, arrival days and properties; when what happens to which unit is decided elsewhere.
"""

import random
from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

from exposure_assets_tests.reference.catalog import Experiment
from exposure_assets_tests.reference.fields import json_text
from exposure_assets_tests.reference.nasty_ids import IdMaker

Row = dict[str, Any]

MICROSECOND = timedelta(microseconds=1)
SESSIONS = (None, None, "", "s1", "s2", "S1", "ß", "007", "null")
# Days between an event and its arrival: mostly none, some late, one early.
DELAYS = (0, 0, 0, 0, 0, 0, 1, 1, 2, 5, 14, -1)


class Zone:
    """Rows with their arrival days.

    Attributes:
        events: (arrival day, row) of `events`.
        assignments: (arrival day, row) of `assignments`.
        units: Unit ids that all experiments share.
    """

    def __init__(self, rng: random.Random, unit_count: int, arrives_on: date | None) -> None:
        self.rng = rng
        self.events: list[tuple[date, Row]] = []
        self.assignments: list[tuple[date, Row]] = []
        self._arrives_on = arrives_on
        self._event_ids = IdMaker(rng, "e")
        self._assignment_ids = IdMaker(rng, "a")
        names = IdMaker(rng, "u")
        self.units = ["", *(names.next() for _ in range(unit_count))]

    def arrival(self, at: datetime) -> date:
        """An arrival day for a row of this instant."""
        return self._arrives_on or at.date() + timedelta(days=self.rng.choice(DELAYS))

    def event(
        self,
        name: str | None,
        unit_id: str | None,
        at: datetime,
        properties: Any = None,
        value: Any = None,
        session_id: str | None = None,
        **changes: Any,
    ) -> Row:
        """Add an event with an id of its own; `changes` replace columns."""
        row = {
            "event_id": self._event_ids.next(),
            "event_name": name,
            "unit_id": unit_id,
            "occurred_at": at,
            "ingested_at": self._ingested_at(at),
            "session_id": session_id,
            "value": value,
            "properties": properties,
            **changes,
        }
        self.events.append((self.arrival(at), row))
        return row

    def copy_event(self, row: Row, **changes: Any) -> Row:
        """Add a copy of an event under the same id, with other columns as given."""
        if "properties" in changes:
            # These two may be ranked by the text of `properties`: it has to be the same in every format.
            row["properties"] = _as_text(row["properties"])
            changes["properties"] = _as_text(changes["properties"])
        copy = {**row, **changes}
        self.events.append((self.arrival(copy["occurred_at"]), copy))
        return copy

    def expose(self, experiment: Experiment, unit_id: str, variation_id: str, at: datetime) -> Row:
        """Add an exposure event as the experiment's source expects it."""
        name, session_id, properties = EXPOSURE_STYLES[experiment.source_id](
            self.rng, experiment.id, variation_id
        )
        if isinstance(properties, dict) and self.rng.random() < 0.15:
            properties = {
                **properties,
                "pläns": {"a.b": self.rng.choice(['"', "\n", [1, None], 2.5])},
                "": "empty",
            }
        return self.event(name, unit_id, at, properties, session_id=session_id)

    def assign(
        self,
        experiment_id: str | None,
        unit_id: str | None,
        variation_id: str | None,
        at: datetime,
        **changes: Any,
    ) -> Row:
        """Add an assignment with an event id of its own; `changes` replace columns."""
        row = {
            "event_id": self._assignment_ids.next(),
            "experiment_id": experiment_id,
            "unit_id": unit_id,
            "variation_id": variation_id,
            "assigned_at": at,
            "ingested_at": self._ingested_at(at),
            **changes,
        }
        self.assignments.append((self.arrival(at), row))
        return row

    def copy_assignment(self, row: Row, **changes: Any) -> Row:
        """Add a copy of an assignment, with other columns as given."""
        copy = {**row, **changes}
        self.assignments.append((self.arrival(copy["assigned_at"]), copy))
        return copy

    def redeliver(self) -> None:
        """Deliver some rows of both streams again, unchanged, on another day."""
        for _, row in self.rng.sample(self.events, k=len(self.events) // 20):
            if isinstance(row["occurred_at"], datetime):
                self.events.append((self.arrival(row["occurred_at"]), row))
        for _, row in self.rng.sample(self.assignments, k=len(self.assignments) // 10):
            if isinstance(row["assigned_at"], datetime):
                self.assignments.append((self.arrival(row["assigned_at"]), row))

    def _ingested_at(self, at: datetime) -> datetime | None:
        return at + timedelta(seconds=self.rng.randint(-2, 90)) if self.rng.random() < 0.3 else None


def _as_text(properties: Any) -> str | None:
    return properties if properties is None or isinstance(properties, str) else json_text(properties)


def _scalar(rng: random.Random, text: str) -> Any:
    """A property as the text, or as the JSON number or boolean of the same text."""
    if rng.random() < 0.5:
        return text
    if text in ("0", "1", "2"):
        return int(text)
    return {"true": True, "false": False}.get(text, text)


Style = tuple[str, str | None, Any]


def _plain(rng: random.Random, experiment_id: str, variation_id: str) -> Style:
    properties = {"experiment": experiment_id, "variation": _scalar(rng, variation_id)}
    return "experiment_exposed", rng.choice(SESSIONS), properties


def _twin(rng: random.Random, experiment_id: str, variation_id: str) -> Style:
    # One row, two sources: `experiment_exposed` reads it too, and mostly doesn't know the experiment.
    properties = {
        "experiment": rng.choice(("elsewhere", "elsewhere", "checkout-button")),
        "variation": rng.choice(("control", "treatment")),
        "twin_experiment": experiment_id,
        "twin_variation": variation_id,
    }
    return "experiment_exposed", rng.choice(SESSIONS), properties


def _posthog(rng: random.Random, experiment_id: str, variation_id: str) -> Style:
    properties = {
        "$feature_flag": experiment_id,
        "$feature_flag_response": _scalar(rng, variation_id),
        "api": _scalar(rng, "2"),
    }
    return "$feature_flag_called", rng.choice(("", "s1", "s2")), properties


def _otel(rng: random.Random, experiment_id: str, variation_id: str) -> Style:
    reason = rng.choice(("split", "targeting_match"))
    flat: dict[str, Any] = {
        "feature_flag.key": experiment_id,
        "feature_flag.result.variant": variation_id,
        "feature_flag.result.reason": reason,
    }
    nested: dict[str, Any] = {
        "feature_flag": {"key": experiment_id, "result": {"variant": variation_id, "reason": reason}}
    }
    # The flat key wins: the nested one may say anything.
    both = {**flat, "feature_flag": {"key": "elsewhere", "result": {"variant": "x", "reason": "default"}}}
    properties = rng.choice((flat, flat, nested, nested, both))
    if rng.random() < 0.3:
        properties = {**properties, "bot": rng.choice((False, "no", 0))}
    return "feature_flag.evaluation", rng.choice(SESSIONS), properties


def _columns(rng: random.Random, experiment_id: str, variation_id: str) -> Style:
    # Neither experiment nor variation is a property here: `properties` may be anything.
    return (
        "column_exposed",
        experiment_id,
        rng.choice((None, "not json", {}, [1], {"variation": variation_id})),
    )


def _slug(rng: random.Random, experiment_id: str, variation_id: str) -> Style:
    properties: dict[str, Any] = {"experiment": experiment_id}
    if rng.random() < 0.2:
        properties["branch"] = variation_id
    if rng.random() < 0.1:
        properties["part"] = rng.choice(("tip", "offer", "elsewhere"))
    return "message_displayed", rng.choice(SESSIONS), properties


def _part(rng: random.Random, experiment_id: str, variation_id: str) -> Style:
    own = {
        "parts-1": ("tip", "shared tip", "treated"),
        "parts-2": ("offer", "shared tip"),
        "rival": ("offer",),
    }
    return "message_displayed", rng.choice(SESSIONS), {"part": rng.choice(own[experiment_id])}


def _legacy(rng: random.Random, experiment_id: str, variation_id: str) -> Style:
    under = rng.choice(("a", "a", "a", "b", None))
    return "legacy_displayed", rng.choice(SESSIONS), {"part": "a", "under": under}


EXPOSURE_STYLES: dict[str, Callable[[random.Random, str, str], Style]] = {
    "experiment_exposed": _plain,
    "twin": _twin,
    "posthog": _posthog,
    "otel": _otel,
    "by_columns": _columns,
    "messages": _slug,
    "parts": _part,
    "rival-parts": _part,
    "legacy": _legacy,
}
