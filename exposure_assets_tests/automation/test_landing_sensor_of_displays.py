"""What the landing sensor requests of displays that are credited by assignments: the days whose credit changes.

How displays are credited is tested with the transform; all other requests in `test_landing_sensor`.
"""

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from exposure_assets_tests.automation.ticking import Ticking, staged
from exposure_assets_tests.installation import Installation
from exposure_assets_tests.reference.small_zone import Row, assigned, instant, write_catalog, write_jsonl

SOURCE: Row = {"event": "shown", "attribution": "slug", "experiment": "properties.slug"}


def display(unit_id: str, at: str) -> Row:
    row: Row = {"event_id": f"{unit_id} {at}", "event_name": "shown", "unit_id": unit_id}
    return row | {"occurred_at": instant(at), "properties": {"slug": "exp"}}


@pytest.fixture
def ticking(tmp_path: Path) -> Iterator[Ticking]:
    """Everything is fresh: ann was assigned and saw a display each day, bob saw one each third day."""
    write_catalog(tmp_path, sources={"messages": SOURCE}, source="messages", observe_days=7)
    shown = [display("ann", f"{day:02} 09:00") for day in range(6, 16)]
    shown += [display("bob", f"{day:02} 09:00") for day in (7, 10, 13)]
    write_jsonl(tmp_path / "landing", "events", shown)
    write_jsonl(tmp_path / "landing", "assignments", [assigned("ann", "control", "06 00:00")])
    fresh = Ticking(Installation(tmp_path, tmp_path / "place"))
    fresh.settle()
    assert fresh.installation.differences() == {}
    yield fresh


def days_staged(requested: list[tuple[str, str, str]]) -> set[int]:
    """The days of January that were staged, but for the one on which the file arrived."""
    spans = [
        (date.fromisoformat(first).day, date.fromisoformat(last).day) for first, last in staged(requested)
    ]
    return {day for first, last in spans for day in range(first, last + 1)} - {31}


def days_of(requested: list[tuple[str, str, str]], table: str) -> set[int]:
    """The days of January on which a table was requested."""
    days: set[int] = set()
    for assets, first, last in requested:
        if table in assets.split(","):
            bounds = [date.fromisoformat(key.split("|")[0]).day for key in (first, last)]
            days |= set(range(bounds[0], bounds[1] + 1))
    return days


def credited(ticking: Ticking) -> list[tuple[object, ...]]:
    deduped = ticking.installation.table("deduped_exposures").filter(unit_id="bob").sort("exposure_date")
    return deduped.select("variation_id", "exposure_count").rows()


def arrive(ticking: Ticking, unit_id: str, at: str) -> Path:
    landing = ticking.installation.zone / "landing"
    write_jsonl(landing, "assignments", [assigned(unit_id, "treatment", at)], day="2026-01-31")
    return landing / "assignments" / "date=2026-01-31" / "a.jsonl"


def test_a_late_assignment_folds_the_days_whose_displays_it_credits_and_no_others(ticking: Ticking):
    assert credited(ticking) == []
    arrive(ticking, "bob", "08 00:00")
    requested = ticking.settle()
    # Displays of every day from a week before an assignment on are judged again: whose they are is not known before.
    assert days_staged(requested) == set(range(6, 16))
    assert days_of(requested, "deduped_exposures") == {7, 10, 13}
    assert credited(ticking) == [("treatment", 1)] * 3
    assert ticking.installation.differences() == {}


def test_days_more_than_a_week_before_a_late_assignment_are_left_alone(ticking: Ticking):
    arrive(ticking, "bob", "19 00:00")
    requested = ticking.settle()
    assert days_staged(requested) == {12, 13, 14, 15, 19}
    assert days_of(requested, "deduped_exposures") == {13}
    assert ticking.installation.differences() == {}


def test_an_assignment_of_a_unit_without_displays_changes_no_exposures(ticking: Ticking):
    arrive(ticking, "eve", "08 00:00")
    requested = ticking.settle()
    assert days_of(requested, "deduped_exposures") == set()
    assert days_of(requested, "exposure_validation") == {8}
    assert ticking.installation.differences() == {}


def test_a_removed_assignment_takes_its_credit_back(ticking: Ticking):
    file = arrive(ticking, "bob", "08 00:00")
    ticking.settle()
    file.unlink()
    requested = ticking.settle()
    assert days_of(requested, "deduped_exposures") == {7, 10, 13}
    assert credited(ticking) == []
    assert ticking.installation.differences() == {}


def test_another_rule_of_credit_judges_the_days_with_displays_anew(ticking: Ticking):
    source = ticking.installation.zone / "catalog" / "exposure_sources" / "messages.toml"
    source.write_text(
        'event = "shown"\nattribution = "message_under_experiment"\n'
        'part = "properties.slug"\nmessage_under_experiment = "properties.slug"\n'
    )
    requested = ticking.settle()
    assert days_staged(requested) >= set(range(6, 16))
    assert ticking.installation.differences() == {}
