"""A small installation to ask about exposures, and the answers that plain Python gives.

What is asked stands in the tests.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from exposure_assets.exposures import ExposureDefinition, Exposures, exposures
from exposure_assets.transforms.exposure_definitions import own_definition
from exposure_assets_tests.installation import Installation
from exposure_assets_tests.reference.catalog import Source
from exposure_assets_tests.reference.exposing import (
    Units,
    exposed_units,
    exposures_by_definition,
    exposures_of_zone,
)
from exposure_assets_tests.reference.small_zone import Row, exposed, instant, write_catalog, write_jsonl


def at(text: str) -> datetime:
    """`10 09:00` is 9 o'clock on 10 January 2026."""
    return datetime.fromisoformat(instant(text).removesuffix("Z")).replace(tzinfo=UTC)


def saw(unit_id: str, variation_id: str, when: str, /, place: str = "top", **columns: Any) -> Row:
    """An event that the other definition counts."""
    properties = {"test": "exp", "arm": variation_id, "place": place}
    row = exposed(unit_id, variation_id, when)
    return (
        row
        | {"event_id": f"seen {row['event_id']}", "event_name": "banner_seen", "properties": properties}
        | columns
    )


@dataclass
class Asker:
    """One installation with the experiment `exp` of 5 to 25 January; nothing is staged until somebody asks."""

    folder: Path
    warehouse: str | None = None
    delivered: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        write_catalog(self.folder)
        self.landing.joinpath("events").mkdir(parents=True)

    @property
    def landing(self) -> Path:
        return self.folder / "landing"

    @property
    def installation(self) -> Installation:
        return Installation(self.folder, self.folder / "place", self.warehouse)

    def deliver(self, *rows: Row, day: str = "2026-01-30") -> Path:
        """A file with these rows arrives."""
        self.delivered += 1
        write_jsonl(self.landing, "events", list(rows), day, f"file-{self.delivered:03}")
        return self.landing / "events" / f"date={day}" / f"file-{self.delivered:03}.jsonl"

    def ask(self, start: str | None = None, end: str | None = None, **more: Any) -> Exposures:
        """The system's answer; instants as `at` takes them."""
        return exposures(
            "exp",
            at(start) if start else None,
            at(end) if end else None,
            workspace=self.installation.workspace,
            **more,
        )

    def expected(
        self,
        start: str = "05 00:00",
        end: str = "25 00:00",
        definition: ExposureDefinition | None = None,
        policy: str = "exclude",
    ) -> Units:
        """The answer of plain Python, which looks at every raw row."""
        if definition is None:
            events = exposures_of_zone(self.folder)
        else:
            source = definition.source
            conditions = tuple(
                condition.model_dump(by_alias=True, exclude_none=True) for condition in source.filter
            )
            fields = {"experiment": str(source.experiment), "variation": str(source.variation)}
            plain = Source(source.id, source.event, source.attribution, fields, {}, conditions)
            events = exposures_by_definition(self.folder, "exp", plain, definition.variations)
        return exposed_units(events, "exp", at(start), at(end), policy)

    def is_right(
        self,
        start: str = "05 00:00",
        end: str = "25 00:00",
        definition: ExposureDefinition | None = None,
        policy: str = "exclude",
    ) -> Exposures:
        """Ask, compare with plain Python, and give the answer."""
        answer = self.ask(start, end, definition=definition, crossover_policy=policy)
        expected = self.expected(start, end, definition, policy)
        assert answer.rows.rows(named=True) == expected, "\n".join(answer.plan.lines())
        return answer

    @property
    def own(self) -> ExposureDefinition:
        catalog = self.installation.workspace.catalog()
        return own_definition(catalog, catalog.experiments["exp"])

    def edit(self, old: str, new: str) -> None:
        """An analyst edits the experiment."""
        path = self.folder / "catalog" / "experiments" / "exp.toml"
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))


def computed(answer: Exposures) -> list[str]:
    """The days that were computed for an answer, and from what."""
    return [f"{one['days']} from {one['from']}" for one in answer.plan.computed]


def used(answer: Exposures) -> list[str]:
    """The days that were found ready."""
    return [one["days"] for one in answer.plan.used]


@contextmanager
def dagster_home(asker: Asker) -> Iterator[Any]:
    """The installation's Dagster, as DAGSTER_HOME names it."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("DAGSTER_HOME", str(asker.folder / "place" / "dagster_home"))
        with asker.installation.instance() as instance:
            yield instance
