"""Metrics of units in their outcome windows, worked out by hand.
Where the window is anchored follows from verdicts, which are tested elsewhere.
"""

from pathlib import Path
from typing import Any

import pytest

from exposure_assets_tests.reference.catalog import WindowTooLong
from exposure_assets_tests.reference.small_zone import (
    Row,
    assigned,
    exposed,
    happened,
    tables_of,
    write_catalog,
)
from exposure_assets_tests.reference.tables import compute_tables

ASSIGNED = [assigned("ann", "control", "10 09:00:00")]
COUNT = {"event": "purchase", "aggregation": "count"}


def outcome(tmp_path: Path, metric: Row, events: list[Row], **rules: Any) -> Any:
    (row,) = tables_of(tmp_path, events, ASSIGNED, metrics={"m": metric}, **rules)["unit_outcomes"]
    return row["m"]


def purchases(*rows: tuple[str, Any], **columns: Any) -> list[Row]:
    return [happened("ann", "purchase", at, value=value, **columns) for at, value in rows]


def over(aggregation: str, field: str = "value", **more: Any) -> Row:
    return {"event": "purchase", "aggregation": aggregation, "field": field, **more}


def test_the_window_holds_its_first_instant_and_not_its_last(tmp_path: Path):
    for at, count in (
        ("10 08:59:59.999999", 0),
        ("10 09:00:00.000000", 1),
        ("17 08:59:59.999999", 1),
        ("17 09:00:00.000000", 0),
    ):
        assert outcome(tmp_path, COUNT, purchases((at, None))) == count


def test_the_first_exposure_anchors_the_window_and_the_anchor_is_recorded(tmp_path: Path):
    events = [
        exposed("ann", "control", "11 12:00:00"),
        *purchases(("11 11:59:59", None), ("11 12:00:00", None), ("18 11:59:59", None)),
    ]
    (row,) = tables_of(tmp_path, events, ASSIGNED, metrics={"m": COUNT})["unit_outcomes"]
    assert (row["anchor"], row["anchor_at"].day, row["window_end_at"].day, row["m"]) == (
        "first_exposure",
        11,
        18,
        2,
    )
    (row,) = tables_of(tmp_path, events, ASSIGNED, metrics={"m": COUNT}, anchor="assignment")["unit_outcomes"]
    assert (row["anchor"], row["anchor_at"].day, row["window_end_at"].day, row["m"]) == (
        "assignment",
        10,
        17,
        2,
    )


def test_an_exposure_before_the_assignment_anchors_nothing(tmp_path: Path):
    events = [exposed("ann", "control", "09 12:00:00")]
    (row,) = tables_of(tmp_path, events, ASSIGNED)["unit_outcomes"]
    assert (row["anchor"], row["anchor_at"].day) == ("assignment", 10)


def test_every_aggregation_over_the_same_events(tmp_path: Path):
    events = purchases(("10 10:00:00", 4.0), ("10 11:00:00", 1.5), ("11 11:00:00", None))
    found = [outcome(tmp_path, over(name), events) for name in ("sum", "mean", "min", "max")]
    assert found == [5.5, 2.75, 1.5, 4.0]
    counted = [
        outcome(tmp_path, {"event": "purchase", "aggregation": name}, events)
        for name in ("count", "converted", "count_distinct_days")
    ]
    assert counted == [3, True, 2]
    assert [type(value) for value in counted] == [int, bool, int]


def test_a_unit_without_events_has_zero_false_or_null(tmp_path: Path):
    found = [
        outcome(tmp_path, over(name), [])
        for name in ("sum", "mean", "min", "max", "count", "converted", "count_distinct_days")
    ]
    assert found == [0.0, None, None, None, 0, False, 0]
    assert [type(found[place]) for place in (0, 4, 5)] == [float, int, bool]


def test_events_without_a_readable_value_add_nothing_but_are_events(tmp_path: Path):
    events = purchases(("10 10:00:00", None), ("10 11:00:00", "abc"))
    found = [outcome(tmp_path, over(name), events) for name in ("sum", "mean", "min", "max", "count")]
    assert found == [0.0, None, None, None, 2]


def test_a_cap_bounds_the_value_of_the_unit(tmp_path: Path):
    events = purchases(("10 10:00:00", 80.0), ("10 11:00:00", 70.0))
    assert outcome(tmp_path, over("sum", cap=100.0), events) == 100.0
    assert outcome(tmp_path, over("mean", cap=100.0), events) == 75.0
    assert outcome(tmp_path, {**COUNT, "cap": 1.0}, events) == 1
    assert outcome(tmp_path, over("min", cap=1.0), []) is None


def test_properties_are_values_as_numbers_or_numeric_text(tmp_path: Path):
    events = [
        happened("ann", "purchase", f"10 1{number}:00:00", properties=properties)
        for number, properties in enumerate(
            (
                {"cart": {"amount": 1.5}},
                {"cart.amount": "2.5"},
                {"cart": {"amount": True}},
                {"cart": {"amount": "nan"}},
                {"cart": {"amount": [9]}},
                None,
                "not json",
                '{"cart": {"amount": 1e1}}',
            )
        )
    ]
    assert outcome(tmp_path, over("sum", "properties.cart.amount"), events) == 14.0


def test_a_repeated_event_counts_once_by_its_earliest_copy(tmp_path: Path):
    events = [
        *purchases(("12 10:00:00", 9.0), event_id="one"),
        *purchases(("11 10:00:00", 3.0), event_id="one"),
        *purchases(("11 10:00:00", 2.0), event_id="one"),
    ]
    assert outcome(tmp_path, over("sum"), events) == 2.0


def test_a_metric_that_the_experiment_does_not_list_is_null(tmp_path: Path):
    catalog = write_catalog(tmp_path, metrics={"m": COUNT})
    (catalog / "metrics" / "unlisted.toml").write_text('event = "purchase"\naggregation = "count"\n', "utf-8")
    tables_of(tmp_path, [], ASSIGNED, metrics={"m": COUNT})
    (row,) = compute_tables(tmp_path / "landing", catalog)["unit_outcomes"]
    assert (row["m"], row["unlisted"]) == (0, None)


def test_a_window_longer_than_the_horizon_is_refused(tmp_path: Path):
    with pytest.raises(WindowTooLong, match="window_days is 29"):
        tables_of(tmp_path, [], [], window_days=29)
