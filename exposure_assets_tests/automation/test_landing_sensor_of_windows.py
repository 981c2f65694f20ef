"""What the landing sensor requests of exposure windows and segments: the cohorts an event can change, and no others.

All other tables are tried in `test_landing_sensor`.
"""

import json
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from exposure_assets.simulation import SimulationPlan, simulate
from exposure_assets_tests.automation.ticking import (
    FIRST,
    SECOND,
    Ticking,
    arrive,
    cells,
    edit,
    events_of,
    staged,
)
from exposure_assets_tests.installation import Installation

# The experiment observes two days.
RULES = """
[[exposure.windows]]
id = "long"
end = 4
analysis_windows = ["daily", [0, 4]]

[[segments]]
id = "viewed_before"
event = "page_view"
start = -3
"""
COHORT_TABLES = {"exposure_validation", "exposure_windows", "unit_segments", "unit_outcomes", "daily_quality"}
COHORT_TABLES |= {"stage_counts", "exposure_delays", "cohort_diagnostics", "metric_moments"}


@pytest.fixture(scope="module")
def settled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[tuple[str, str, str]]]:
    """An installation in which everything is fresh, and what was requested until it was."""
    place = tmp_path_factory.mktemp("settled")
    simulate(SimulationPlan(days=6, units=150, experiments=2, seed=1), place / "zone")
    path = place / "zone" / "catalog" / "experiments" / f"{SECOND}.toml"
    path.write_text(path.read_text() + RULES)
    requested = Ticking(Installation(place / "zone", place / "place")).settle()
    return place, requested


@pytest.fixture
def ticking(settled: tuple[Path, object], tmp_path: Path) -> Iterator[Ticking]:
    shutil.copytree(settled[0], tmp_path / "copy")
    yield Ticking(Installation(tmp_path / "copy" / "zone", tmp_path / "copy" / "place"))


def days_of(requested: list[tuple[str, str, str]], table: str, experiment: str = SECOND) -> list[int]:
    """The days of January on which a table was requested."""
    return sorted(int(day[-2:]) for name, day, one in cells(requested) if (name, one) == (table, experiment))


def late_event(ticking: Ticking, name: str, day: int, properties: dict[str, str]) -> pl.DataFrame:
    """An event of the unit that was assigned first, around noon of a day."""
    assigned = ticking.installation.table("assignments").filter(experiment_id=SECOND).sort("assigned_at")
    _, rows = events_of(ticking, "2026-01-02")
    at = datetime(2026, 1, day, 12, tzinfo=UTC)
    return rows.head(1).with_columns(
        event_id=pl.lit("late-1"),
        event_name=pl.lit(name),
        unit_id=pl.lit(assigned["unit_id"][0]),
        occurred_at=pl.lit(at).cast(rows.schema["occurred_at"]),
        properties=pl.lit(json.dumps(properties)),
    )


def test_only_experiments_with_windows_and_segments_get_runs_of_their_tables(
    settled: tuple[Path, list[tuple[str, str, str]]],
):
    for table in ("exposure_windows", "unit_segments"):
        assert days_of(settled[1], table) == [1, 2, 3, 4, 5, 6]
        assert days_of(settled[1], table, FIRST) == []
    requested = cells(settled[1])
    assert len(requested) == len(set(requested))
    assert Installation(settled[0] / "zone", settled[0] / "place").differences() == {}


def test_a_late_exposure_changes_the_windows_that_reach_it_also_beyond_the_observed_days(ticking: Ticking):
    properties = {"experiment": SECOND, "variation": "control"}
    arrive(ticking, "events", late_event(ticking, "experiment_exposed", 6, properties), "late.parquet")
    requested = ticking.settle()
    assert days_of(requested, "exposure_validation") == [4, 5, 6]
    assert days_of(requested, "exposure_windows") == [2, 3, 4, 5, 6]
    assert days_of(requested, "unit_segments") == []
    assert ticking.installation.differences() == {}


def test_a_late_event_of_a_segment_changes_the_cohorts_that_look_back_to_it(ticking: Ticking):
    arrive(ticking, "events", late_event(ticking, "page_view", 2, {}), "late.parquet")
    requested = ticking.settle()
    assert days_of(requested, "unit_segments") == days_of(requested, "unit_outcomes") == [2, 3, 4, 5]
    assert days_of(requested, "exposure_windows") == days_of(requested, "exposure_validation") == []
    assert ticking.installation.differences() == {}


@pytest.mark.parametrize(
    ("old", "new"), [("end = 4", "end = 3"), ('event = "page_view"', 'event = "page_view"\nat_least = 2')]
)
def test_an_edited_window_or_segment_computes_its_experiment_anew_and_stages_nothing(
    ticking: Ticking, old: str, new: str
):
    edit(ticking, SECOND, old, new)
    requested = ticking.settle()
    assert staged(requested) == []
    assert {(table, one) for table, _, one in cells(requested)} == {
        (table, SECOND) for table in COHORT_TABLES
    }
    assert ticking.installation.differences() == {}


def test_a_segment_of_another_event_stages_the_days_that_hold_it(ticking: Ticking):
    edit(ticking, SECOND, 'event = "page_view"', 'event = "purchase"')
    requested = ticking.settle()
    assert staged(requested)
    assert {one for _, _, one in cells(requested)} == {SECOND}
    assert ticking.installation.differences() == {}


def test_windows_and_segments_that_leave_the_catalog_take_their_rows_with_them(ticking: Ticking):
    edit(ticking, SECOND, RULES, "")
    ticking.settle()
    assert ticking.installation.table("exposure_windows").is_empty()
    assert ticking.installation.table("unit_segments").is_empty()
    expected = ticking.installation.table("unit_outcomes")
    assert expected["is_in_viewed_before"].null_count() == expected.height
