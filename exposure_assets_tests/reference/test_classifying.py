"""The buckets of raw events and the reasons of rejected assignments, each by a row or two.
Verdicts and metrics are tested elsewhere.
"""

from pathlib import Path
from typing import Any

import pytest

from exposure_assets_tests.reference.catalog import read_catalog
from exposure_assets_tests.reference.classifying import classify
from exposure_assets_tests.reference.reading import read_events
from exposure_assets_tests.reference.small_zone import (
    Row,
    assigned,
    exposed,
    happened,
    tables_of,
    write_catalog,
    write_jsonl,
)
from exposure_assets_tests.reference.tables import compute_tables

EVENT = happened("u", "visit", "10 09:00:00", event_id="one")


def waterfall(tables: dict[str, list[Row]]) -> list[tuple[str | None, str, str, int]]:
    return [
        (row["experiment_id"], f"{row['exposure_date']:%d}", row["bucket"], row["row_count"])
        for row in tables["exposure_waterfall"]
    ]


def winners(tmp_path: Path, rows: list[Row]) -> list[tuple[Any, ...]]:
    """The events that count, without their file."""
    catalog = read_catalog(write_catalog(tmp_path), horizon_days=28)
    write_jsonl(tmp_path / "landing", "events", [{**EVENT, **row} for row in rows])
    return [
        (row.event_name, row.unit_id, row.ingested_at, row.session_id, row.value, row.properties_text)
        for row in classify(read_events(tmp_path / "landing"), catalog, {}).winners
    ]


def bucket_of(tmp_path: Path, row: Row, **rules: Any) -> list[tuple[str | None, str]]:
    return [(name, bucket) for name, _, bucket, _ in waterfall(tables_of(tmp_path, [row], **rules))]


@pytest.mark.parametrize(
    ("experiment_id", "variation_id", "expected"),
    [
        ("exp", "control", ("exp", "accepted")),
        ("nowhere", "control", (None, "unknown_experiment")),
        ("Exp", "control", (None, "unknown_experiment")),
        ("exp", "Control", ("exp", "unknown_variation")),
        ("{experiment}", "control", (None, "unresolved_template")),
        ("exp", "{experiment}", ("exp", "unresolved_template")),
        ("{experiment}+exp", "control", (None, "unresolved_template")),
        ("exp+nowhere", "control", (None, "ambiguous_attribution")),
        ("here+nowhere", "control", (None, "unknown_experiment")),
        ("exp+nowhere", "unheard-of", (None, "ambiguous_attribution")),
    ],
)
def test_what_a_row_names_decides_its_bucket(
    tmp_path: Path, experiment_id: str, variation_id: str, expected: tuple[str | None, str]
):
    row = exposed("ann", variation_id, "10 09:00:00", experiment_id)
    assert bucket_of(tmp_path, row) == [expected]


@pytest.mark.parametrize(
    ("occurred_at", "expected"),
    [
        ("2025-12-28T23:59:59.999999Z", "outside_experiment"),
        ("2025-12-29T00:00:00Z", "accepted"),
        ("2026-02-08T23:59:59.999999Z", "accepted"),
        ("2026-02-09T00:00:00Z", "outside_experiment"),
    ],
)
def test_exposures_count_from_a_week_before_the_start_to_the_last_observed_day(
    tmp_path: Path, occurred_at: str, expected: str
):
    assert bucket_of(tmp_path, exposed("ann", "control", occurred_at)) == [("exp", expected)]


def test_a_running_experiment_has_no_last_day(tmp_path: Path):
    assert bucket_of(tmp_path, exposed("ann", "control", "2031-01-01"), end=None) == [("exp", "accepted")]


@pytest.mark.parametrize(
    ("columns", "experiment_id"),
    [
        ({"event_id": None}, "exp"),
        ({"unit_id": None}, "exp"),
        ({"occurred_at": "soon"}, "exp"),
        ({"properties": None}, None),
        ({"properties": "[1]"}, None),
        ({"properties": {"experiment": "exp"}}, "exp"),
        ({"properties": {"variation": "control"}}, None),
        ({"unit_id": None, "properties": {"experiment": "nowhere", "variation": "a"}}, None),
    ],
)
def test_a_malformed_row_counts_on_its_arrival_day(tmp_path: Path, columns: Row, experiment_id: str | None):
    tables = tables_of(tmp_path, [exposed("ann", "control", "10 09:00:00", **columns)])
    assert waterfall(tables) == [(experiment_id, "30", "malformed", 1)]
    assert [row["reason"] for row in tables["rejected_events"]] == ["malformed"]


def test_a_row_without_event_name_matches_no_source_but_is_rejected(tmp_path: Path):
    tables = tables_of(tmp_path, [exposed("ann", "control", "10 09:00:00", event_name=None)])
    assert waterfall(tables) == []
    assert [row["reason"] for row in tables["rejected_events"]] == ["malformed"]


def test_the_earliest_copy_counts_and_the_others_are_duplicates_on_their_own_days(tmp_path: Path):
    tables = tables_of(
        tmp_path,
        [
            exposed("ann", "control", "12 09:00:00", event_id="one"),
            exposed("bob", "treatment", "10 09:00:00", event_id="one"),
            exposed("ann", "control", "11 09:00:00", "nowhere", event_id="one"),
        ],
    )
    assert [(row["unit_id"], row["occurred_at"].day) for row in tables["exposure_events"]] == [("bob", 10)]
    assert waterfall(tables) == [
        ("exp", "10", "accepted", 1),
        ("exp", "12", "duplicate", 1),
        (None, "11", "duplicate", 1),
    ]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"event_name": "Visit"}, {"event_name": "visit"}),
        ({"unit_id": "Z"}, {"unit_id": "a"}),
        ({"unit_id": "\uff61"}, {"unit_id": "😀"}),
        ({"ingested_at": "2026-01-01", "session_id": "z"}, {"ingested_at": "2026-01-02", "session_id": "a"}),
        ({"session_id": "s", "value": 2.0}, {"session_id": None, "value": 1.0}),
        ({"session_id": "", "value": 2.0}, {"session_id": "s", "value": 1.0}),
        ({"value": 9.0, "properties": "z"}, {"value": 10.0, "properties": "a"}),
        ({"value": 9.0}, {"value": None}),
        ({"properties": '{"a":1}'}, {"properties": '{"a":2}'}),
        ({"properties": '{"a":1}'}, {"properties": None}),
    ],
)
def test_copies_of_one_time_are_ranked_by_the_other_columns_nulls_last(
    tmp_path: Path, first: Row, second: Row
):
    for order in ([first, second], [second, first]):
        assert winners(tmp_path, order) == winners(tmp_path, [first])


def test_the_smallest_of_two_units_wins_by_bytes(tmp_path: Path):
    ids = ("😀", "a", "\uff61", "Z")
    rows = [exposed(unit_id, "control", "10 09:00:00", event_id="one") for unit_id in ids]
    assert [row["unit_id"] for row in tables_of(tmp_path, rows)["exposure_events"]] == ["Z"]
    rows = [exposed(unit_id, "control", "10 09:00:00", event_id="one") for unit_id in ("😀", "\uff61")]
    assert [row["unit_id"] for row in tables_of(tmp_path, rows)["exposure_events"]] == ["\uff61"]


def test_one_id_is_one_event_whatever_its_name(tmp_path: Path):
    tables = tables_of(
        tmp_path,
        [
            happened("ann", "purchase", "10 08:00:00", event_id="one"),
            exposed("ann", "control", "10 09:00:00", event_id="one"),
        ],
    )
    assert waterfall(tables) == [("exp", "10", "duplicate", 1)]


def test_a_malformed_copy_hides_nothing(tmp_path: Path):
    tables = tables_of(
        tmp_path,
        [
            exposed("ann", "control", "10 08:00:00", event_id="one", properties=None),
            exposed("ann", "control", "10 09:00:00", event_id="one"),
        ],
    )
    assert [bucket for _, _, bucket, _ in waterfall(tables)] == ["accepted", "malformed"]


def test_a_filter_decides_which_rows_are_the_sources(tmp_path: Path):
    def row(number: int, **properties: Any) -> Row:
        common = {"experiment": "exp", "variation": "control", **properties}
        return exposed("ann", "control", f"10 0{number}:00:00", properties=common)

    source = {
        "event": "experiment_exposed",
        "experiment": "properties.experiment",
        "variation": "properties.variation",
        "filter": [
            {"field": "properties.reason", "in": ["split", "7"]},
            {"field": "properties.bot", "not_in": ["true"]},
            {"field": "properties.off", "is_null": True},
            {"field": "properties.version", "equals": "2"},
            {"field": "unit_id", "not_null": True},
        ],
    }
    tables = tables_of(
        tmp_path,
        [
            row(1, reason="split", version=2),
            row(2, reason=7, version="2", bot=False),
            row(3, version=2),
            row(4, reason="split", version=2, bot=True),
            row(5, reason="split", version=2, off="yes"),
            row(6, reason="split", version=3),
            row(7, reason="split", version=2, variation=None),
        ],
        sources={"experiment_exposed": source},
    )
    assert [row["occurred_at"].hour for row in tables["exposure_events"]] == [1, 2]
    assert [bucket for _, _, bucket, _ in waterfall(tables)] == ["accepted", "malformed"]


def test_an_experiment_takes_exposures_from_its_own_source_only(tmp_path: Path):
    other = {
        "event": "seen",
        "experiment": "properties.experiment",
        "variation": "properties.variation",
    }
    rows = [exposed("ann", "control", "10 09:00:00", event_name="seen")]
    assert waterfall(tables_of(tmp_path, rows, sources={"other": other})) == [
        (None, "10", "unknown_experiment", 1)
    ]


def test_a_row_of_two_sources_is_accepted_where_it_can_be(tmp_path: Path):
    earlier_by_id = {
        "event": "experiment_exposed",
        "experiment": "properties.campaign",
        "variation": "properties.variation",
    }
    row = exposed(
        "ann",
        "control",
        "10 09:00:00",
        properties={"campaign": "nowhere", "experiment": "exp", "variation": "control"},
    )
    assert bucket_of(tmp_path, row, sources={"campaigns": earlier_by_id}) == [("exp", "accepted")]


def assignment_reasons(tmp_path: Path, rows: list[Row], **rules: Any) -> list[str]:
    return [row["reason"] for row in tables_of(tmp_path, [], rows, **rules)["rejected_events"]]


def test_an_assignment_counts_from_the_start_until_enrollment_ends(tmp_path: Path):
    rows = [
        assigned("early", "control", "2026-01-04T23:59:59.999999Z"),
        assigned("first", "control", "2026-01-05T00:00:00Z"),
        assigned("last", "control", "2026-01-07T23:59:59.999999Z"),
        assigned("late", "control", "2026-01-08T00:00:00Z"),
    ]
    tables = tables_of(tmp_path, [], rows, enrollment_days=3)
    assert [row["unit_id"] for row in tables["assignments"]] == ["first", "last"]
    assert [row["reason"] for row in tables["rejected_events"]] == ["after_enrollment", "before_start"]


def test_enrollment_ends_with_the_experiment_at_the_latest(tmp_path: Path):
    rows = [assigned("late", "control", "2026-01-25T00:00:00Z")]
    assert assignment_reasons(tmp_path, rows, enrollment_days=300) == ["after_enrollment"]


def test_unknown_and_unreadable_assignments_are_rejected_with_their_reason(tmp_path: Path):
    rows = [
        assigned("ann", "control", "10 09:00:00", "nowhere"),
        assigned("ann", "other", "10 09:00:00"),
        assigned("ann", "control", "soon"),
        assigned("ann", "control", "10 09:00:00", event_id="x", unit_id=None),
    ]
    assert assignment_reasons(tmp_path, rows) == [
        "malformed",
        "malformed",
        "unknown_experiment",
        "unknown_variation",
    ]


def test_the_earliest_assignment_is_canonical_and_conflicts_are_counted(tmp_path: Path):
    rows = [
        assigned("ann", "treatment", "12 09:00:00"),
        assigned("ann", "control", "10 09:00:00"),
        assigned("ann", "control", "11 09:00:00"),
        assigned("tie", "treatment", "10 09:00:00", event_id="0"),
        assigned("tie", "control", "10 09:00:00", event_id="1"),
    ]
    found = [
        (
            row["unit_id"],
            row["variation_id"],
            row["assigned_at"].day,
            row["assignment_count"],
            row["variation_count"],
        )
        for row in tables_of(tmp_path, [], rows)["assignments"]
    ]
    assert found == [("ann", "control", 10, 3, 2), ("tie", "control", 10, 2, 2)]


def test_a_redelivered_assignment_without_id_changes_no_count(tmp_path: Path):
    row = assigned("ann", "control", "10 09:00:00", event_id=None)
    tables = tables_of(tmp_path, [], [row, row, {**row, "ingested_at": "2026-01-11"}])
    assert [row["assignment_count"] for row in tables["assignments"]] == [2]
    assert [row["reason"] for row in tables["rejected_events"]] == ["duplicate"]


def test_the_earliest_copy_of_an_assignment_is_judged_even_if_it_is_rejected(tmp_path: Path):
    rows = [
        assigned("ann", "control", "10 09:00:00", event_id="one"),
        assigned("ann", "control", "04 09:00:00", event_id="one"),
    ]
    tables = tables_of(tmp_path, [], rows)
    assert tables["assignments"] == []
    assert [row["reason"] for row in tables["rejected_events"]] == ["before_start", "duplicate"]


def test_a_late_arrival_counts_on_the_day_it_happened(tmp_path: Path):
    tables_of(tmp_path, [exposed("ann", "control", "10 09:00:00")])
    write_jsonl(
        tmp_path / "landing", "events", [exposed("bob", "control", "08 09:00:00")], "2026-01-01", "early"
    )
    assert waterfall(compute_tables(tmp_path / "landing", tmp_path / "catalog")) == [
        ("exp", "08", "accepted", 1),
        ("exp", "10", "accepted", 1),
    ]
