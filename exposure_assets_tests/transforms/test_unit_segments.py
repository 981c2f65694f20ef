"""Units in segments: bounds, numbers of events, the columns of outcomes; as a plain reading of all events says."""

import itertools
import random
from datetime import datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from exposure_assets.contracts import Assignments, SegmentEvents, UnitSegments, columns_of, segment_columns
from exposure_assets.transforms.unit_segments import cut_by_segments, unit_segments
from exposure_assets_tests.reference import windows as reference
from exposure_assets_tests.reference.reading import EventRow
from exposure_assets_tests.transforms.plain import plain_assignments, plain_experiment
from exposure_assets_tests.transforms.rows import (
    FEWER_EXAMPLES,
    at,
    canonical,
    experiment,
    january,
    obeying,
    same_rows,
    scattered,
    table,
)

ANN = ("ann", "control", "10 09:00")
RULE = '{"event":"search","filter":[]}'
Segment = dict[str, Any]


def searches(*rows: tuple[str, datetime]) -> pl.DataFrame:
    """Staged events of (unit, time) that the plain rule counts."""
    found = [
        {"rule": RULE, "event_id": str(n), "unit_id": unit_id, "occurred_at": when, "event_date": when.date()}
        for n, (unit_id, when) in enumerate(rows)
    ]
    return obeying(SegmentEvents, table(SegmentEvents, found))


def rules_of(*segments: Segment, **rules: Any):
    return experiment(segments=[{"id": "s", "event": "search", **segment} for segment in segments], **rules)


def segments_of(
    assignments: pl.DataFrame, events: pl.DataFrame, *segments: Segment, **rules: Any
) -> pl.DataFrame:
    by_experiment = {"exp": rules_of(*segments, **rules)}
    return obeying(UnitSegments, unit_segments(assignments.lazy(), events.lazy(), by_experiment))


def count(*times: str, **segment: Any) -> int:
    """How many of ann's events are in the window, assigned on the 10th at 9."""
    found = segments_of(canonical(ANN), searches(*(("ann", at(when)) for when in times)), segment)
    return found["event_count"].item()


@pytest.mark.parametrize(
    ("segment", "before", "first", "last", "after"),
    [
        ({}, "02 23:59:59.999999", "03 00:00", "10 08:59:59.999999", "10 09:00"),
        ({"start": -1, "end": -1}, "08 23:59:59.999999", "09 00:00", "09 23:59:59.999999", "10 00:00"),
        ({"start": 0}, "09 23:59:59.999999", "10 00:00", "10 08:59:59.999999", "10 09:00"),
        (
            {"start": "assignment", "end": 1},
            "10 08:59:59.999999",
            "10 09:00",
            "11 23:59:59.999999",
            "12 00:00",
        ),
        (
            {"start": 0, "end": "0.5 * observation"},
            "09 23:59:59.999999",
            "10 00:00",
            "17 11:59:59.999999",
            "17 12:00",
        ),
        (
            {"anchor": "experiment", "start": -1, "end": 0},
            "03 23:59:59.999999",
            "04 00:00",
            "05 23:59:59.999999",
            "06 00:00",
        ),
        ({"start": "enrollment_start"}, "04 23:59:59.999999", "05 00:00", "10 08:59:59.999999", "10 09:00"),
    ],
)
def test_a_window_holds_its_first_instant_and_not_its_last(
    segment: Segment, before: str, first: str, last: str, after: str
):
    assert count(before, after, **segment) == 0
    assert count(before, first, last, after, **segment) == 2


def test_a_unit_is_in_a_segment_with_as_many_events_as_it_asks_for():
    events = searches(("ann", at("09 09:00")), ("ann", at("09 09:00")), ("zoe", at("09 09:00")))
    found = segments_of(
        canonical(ANN, ("zoe", "treatment", "10 09:00"), ("max", "control", "10 09:00")),
        events,
        {},
        {"id": "twice", "at_least": 2},
    )
    assert sorted(found.select("unit_id", "segment_id", "event_count", "is_in_segment").iter_rows()) == [
        ("ann", "s", 2, True),
        ("ann", "twice", 2, True),
        ("max", "s", 0, False),
        ("max", "twice", 0, False),
        ("zoe", "s", 1, True),
        ("zoe", "twice", 1, False),
    ]


def test_every_column_of_a_row():
    found = segments_of(canonical(ANN), searches(("ann", at("10 08:00"))), {})
    assert found.rows(named=True) == [
        {
            "experiment_id": "exp",
            "unit_id": "ann",
            "variation_id": "control",
            "assignment_date": january(10),
            "segment_id": "s",
            "is_post_assignment": False,
            "window_start_at": at("03 00:00"),
            "window_end_at": at("10 09:00"),
            "event_count": 1,
            "is_in_segment": True,
        }
    ]


def test_a_window_that_is_over_before_it_begins_for_a_unit_holds_nothing():
    late = segments_of(
        canonical(("ann", "control", "12 09:00")),
        searches(("ann", at("08 09:00"))),
        {"start": 0, "end": "enrollment_end"},
        enrollment_days=3,
        start=at("05"),
    )
    row = late.row(0, named=True)
    assert row["window_start_at"] == row["window_end_at"] == at("12 00:00")
    assert (row["event_count"], row["is_in_segment"]) == (0, False)


def test_events_that_only_another_rule_counts_do_not_count():
    other = searches(("ann", at("09 09:00"))).with_columns(rule=pl.lit("another"))
    assert segments_of(canonical(ANN), other, {})["event_count"].to_list() == [0]


def test_experiments_count_the_same_events_in_their_own_windows():
    both = pl.concat([canonical(ANN), canonical(ANN).with_columns(experiment_id=pl.lit("other"))])
    rules = {
        "exp": rules_of({"start": -1}),
        "other": experiment("other", segments=[{"id": "s", "event": "search", "start": -2}]),
    }
    found = unit_segments(both.lazy(), searches(("ann", at("08 09:00"))).lazy(), rules).collect()
    assert dict(found.select("experiment_id", "event_count").iter_rows()) == {"exp": 0, "other": 1}


def test_no_assignments_or_no_segments_are_no_rows():
    events = searches(("ann", at("09 09:00")))
    for found in (segments_of(table(Assignments, []), events, {}), segments_of(canonical(ANN), events)):
        assert found.schema == columns_of(UnitSegments)
        assert found.is_empty()


def test_outcomes_get_a_column_per_segment_of_the_catalog_and_null_where_the_experiment_has_none():
    exp, other = rules_of({}, {"id": "twice", "at_least": 2}), experiment("other")
    unseen = experiment("unseen", segments=[{"id": "elsewhere", "event": "search"}])
    columns = segment_columns({one.id: one for one in (exp, other, unseen)})
    outcomes = pl.LazyFrame(
        {"experiment_id": ["other", "exp", "exp"], "unit_id": ["ann", "zoe", "ann"], "m": 3 * [1]}
    )
    assigned = canonical(ANN, ("zoe", "control", "10 09:00"))
    segments = unit_segments(assigned.lazy(), searches(("ann", at("09 09:00"))).lazy(), {"exp": exp})
    found = cut_by_segments(outcomes, segments, {"exp": exp, "other": other}, columns).collect()
    assert found.columns == ["experiment_id", "unit_id", "m", "is_in_elsewhere", "is_in_s", "is_in_twice"]
    assert found.drop("m").rows() == [
        ("other", "ann", None, None, None),
        ("exp", "zoe", None, False, False),
        ("exp", "ann", None, True, False),
    ]


def test_without_segments_outcomes_are_as_they_were():
    outcomes = pl.DataFrame({"experiment_id": ["exp"], "unit_id": ["ann"], "m": [1]})
    nothing = table(UnitSegments, []).lazy()
    assert cut_by_segments(outcomes.lazy(), nothing, {"exp": experiment()}, {}).collect().equals(outcomes)


ASSIGNED = [ANN, ("eve", "control", "05 00:00"), ("max", "treatment", "11 23:59:59.999999")]
ASSIGNMENTS = canonical(*ASSIGNED)
LIMITS = [
    -9,
    -1,
    0,
    2,
    "assignment",
    "enrollment_start",
    "enrollment_end",
    "0 * observation",
    "0.4 * observation",
]
CANDIDATES = [
    {"anchor": anchor, "start": start, "end": end, "at_least": at_least}
    for anchor, start, end, at_least in itertools.product(("unit", "experiment"), LIMITS, LIMITS, (1, 2))
]
EVENTS = st.lists(
    st.builds(
        lambda unit_id, day, hours, microseconds: (
            unit_id,
            at("05 00:00") + timedelta(days=day, hours=hours, microseconds=microseconds),
        ),
        st.sampled_from([unit_id for unit_id, _, _ in ASSIGNED]),
        st.integers(-12, 14),
        st.sampled_from([0, 9, 12]),
        st.sampled_from([-1, 0, 1]),
    ),
    max_size=20,
)


def accepted(segments: list[Segment]) -> list[Segment]:
    """Those that the catalog does not refuse, each with an id."""
    found = []
    for number, segment in enumerate(segments):
        try:
            rules_of(segment, enrollment_days=7)
        except ValidationError:
            continue
        found.append({"id": f"s{number}", "event": "search", **segment})
    return found


def test_many_of_the_segments_that_are_tried_are_valid():
    assert len(accepted(CANDIDATES)) > len(CANDIDATES) / 3


@given(EVENTS, st.lists(st.sampled_from(CANDIDATES), max_size=6).map(accepted))
def test_rows_are_those_of_a_plain_reading_of_all_events(
    events: list[tuple[str, datetime]], segments: list[Segment]
):
    plain = plain_experiment(rules_of(*segments, enrollment_days=7), segments=segments)
    rows = [
        EventRow(january(31), "f", str(n), "search", unit_id, when, None, None, None, None, None)
        for n, (unit_id, when) in enumerate(events)
    ]
    expected = [
        row
        for assignment in plain_assignments(ASSIGNED)
        for row in reference.unit_segments(
            assignment, {"search": [row for row in rows if row.unit_id == assignment.unit_id]}, plain
        )
    ]
    found = segments_of(ASSIGNMENTS, searches(*events), *segments, enrollment_days=7)

    def key(row: dict[str, Any]) -> tuple[str, str]:
        return row["unit_id"], row["segment_id"]

    assert sorted(found.rows(named=True), key=key) == sorted(expected, key=key)


@FEWER_EXAMPLES
@given(EVENTS, st.randoms(use_true_random=False))
def test_neither_the_order_of_rows_nor_their_chunks_change_a_row(
    events: list[tuple[str, datetime]], shuffle: random.Random
):
    segments = ({}, {"id": "after", "start": 0, "end": 3})
    whole = segments_of(ASSIGNMENTS, searches(*events), *segments)
    again = segments_of(scattered(ASSIGNMENTS, shuffle), scattered(searches(*events), shuffle), *segments)
    assert same_rows(whole, again, "unit_id", "segment_id")
