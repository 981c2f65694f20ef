"""Landing zones of a few rows: files as they are delivered, in every format.

What a scan should find in them stands in the tests.
"""

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from resources.landing import LandingZone, Manifest
from resources.landing_days import day_rows

Row = dict[str, Any]


def january(day: int) -> date:
    return date(2026, 1, day)


def noon(day: int) -> datetime:
    return datetime(2026, 1, day, 12, tzinfo=UTC)


def event(event_id: str, day: int = 1, **columns: Any) -> Row:
    return {
        "event_id": event_id,
        "event_name": "x",
        "unit_id": "u",
        "occurred_at": f"2026-01-{day:02}T12:00:00Z",
    } | columns


def jsonl(*rows: Row) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


class Place:
    """A landing zone and a staging folder side by side."""

    def __init__(self, folder: Path) -> None:
        self.landing = folder / "landing"
        self.staging = folder / "staging"
        (self.landing / "events").mkdir(parents=True)

    def deliver(
        self, content: bytes, name: str = "a.jsonl", arrival: str = "2026-01-01", stream: str = "events"
    ) -> Path:
        path = self.landing / stream / f"date={arrival}" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    @property
    def zone(self) -> LandingZone:
        return LandingZone(str(self.landing), self.staging)

    def scan(self) -> Manifest:
        return self.zone.refresh()

    def ids(self, day: int, stream: str = "events") -> list[tuple[str | None, str, bool]]:
        """(event id, file, is broken) of the rows of a day, as a new process finds them."""
        zone = self.zone
        rows = day_rows(zone, zone.refresh(), stream, january(day))
        return sorted(rows.select("event_id", "file", "is_broken").rows(), key=str)

    def event_ids(self, days: Sequence[int] = range(1, 10)) -> dict[int, list[str | None]]:
        """The event ids of every day that has any."""
        found = {day: [row[0] for row in self.ids(day)] for day in days}
        return {day: ids for day, ids in found.items() if ids}

    def reason(self, name: str = "a.jsonl") -> str:
        """Why the file of that name is quarantined; empty: it is not."""
        reasons = {path.rsplit("/", 1)[-1]: why for _, path, why in self.scan().quarantined.iter_rows()}
        return reasons.get(name, "")
