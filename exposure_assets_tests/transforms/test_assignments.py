"""The canonical assignment of a unit, and which assignment rows are accepted at all."""

import random
from datetime import timedelta
from typing import Any

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from exposure_assets.contracts import AssignmentEvents, Assignments, RejectedEvents, columns_of
from exposure_assets.transforms.assignment_events import StagedAssignments, stage_assignments
from exposure_assets.transforms.assignments import canonical_assignments
from exposure_assets_tests.transforms.rows import (
    assignment_events,
    at,
    canonical,
    catalog,
    experiment,
    january,
    obeying,
    same_rows,
    scattered,
    table,
)

INSTANT = timedelta(microseconds=1)
RAW = {
    "event_id": pl.String,
    "experiment_id": pl.String,
    "unit_id": pl.String,
    "variation_id": pl.String,
    "assigned_at": pl.Datetime("us", "UTC"),
    "ingested_at": pl.Datetime("us", "UTC"),
    "file": pl.String,
    "arrival_date": pl.Date,
    "is_broken": pl.Boolean,
}


def staged(
    *rows: dict[str, Any], day: int = 10, settled_ids: tuple[str | None, ...] = (), **settings: Any
) -> StagedAssignments:
    defaults = {
        "event_id": None,
        "experiment_id": "exp",
        "unit_id": "ann",
        "variation_id": "control",
        "assigned_at": at(f"{day:02} 09:00"),
        "file": "assignments/a.jsonl",
        "arrival_date": january(day),
        "is_broken": False,
    }
    filled = [{name: {**defaults, **row}.get(name) for name in RAW} for row in rows]
    raw = pl.DataFrame(filled, schema=RAW, orient="row")
    settled = pl.Series("event_id", settled_ids, dtype=pl.String)
    no_suspects = pl.Series(dtype=pl.UInt64)
    result = stage_assignments(raw, january(day), catalog(experiment(**settings)), settled, no_suspects)
    obeying(AssignmentEvents, result.assignment_events)
    obeying(RejectedEvents, result.rejected_events)
    assert result.assignment_events.height + result.rejected_events.height == len(rows)
    return result


def reasons(*rows: dict[str, Any], **settings: Any) -> list[str]:
    return staged(*rows, **settings).rejected_events["reason"].to_list()


def test_the_earliest_assignment_counts_and_later_ones_are_counted():
    found = canonical(
        ("ann", "treatment", "11 08:00"), ("ann", "control", "10 09:00"), ("ann", "control", "12 01:00")
    )
    assert found.rows(named=True) == [
        {
            "experiment_id": "exp",
            "unit_id": "ann",
            "variation_id": "control",
            "assigned_at": at("10 09:00"),
            "assignment_date": january(10),
            "assignment_count": 3,
            "variation_count": 2,
            "is_conflicting": True,
        }
    ]


def test_a_repeated_assignment_to_the_same_variation_is_no_conflict():
    found = canonical(("ann", "control", "10 09:00"), ("ann", "control", "11 09:00"))
    columns = ("assigned_at", "assignment_count", "variation_count", "is_conflicting")
    assert found.select(columns).rows() == [(at("10 09:00"), 2, 1, False)]


def test_at_the_same_instant_the_smallest_variation_by_bytes_counts():
    for variations, smallest in ((("b", "a"), "a"), (("a", "Z"), "Z"), (("é", "z"), "z"), (("a", ""), "")):
        found = canonical(*(("ann", variation, "10 09:00") for variation in variations))
        assert found["variation_id"].to_list() == [smallest]


def test_one_microsecond_decides_before_the_variation_does():
    found = canonical(("ann", "a", "10 09:00:00.000001"), ("ann", "b", "10 09:00:00"))
    assert found["variation_id"].to_list() == ["b"]


def test_the_day_is_that_of_utc():
    found = canonical(("ann", "control", "10 23:59:59.999999"), ("zoe", "control", "11 00:00"))
    assert dict(found.select("unit_id", "assignment_date").rows()) == {"ann": january(10), "zoe": january(11)}


def test_no_assignment_events_are_no_assignments():
    nothing = obeying(Assignments, canonical_assignments(table(AssignmentEvents, []).lazy()))
    assert nothing.schema == columns_of(Assignments)
    assert nothing.is_empty()


def test_no_raw_rows_are_no_assignment_events():
    result = staged()
    assert result.assignment_events.is_empty() and result.rejected_events.is_empty()


CLOCKS = st.sampled_from(["10 09:00", "10 09:00:00.000001", "11 00:00", "10 23:59:59.999999"])
ASSIGNED = st.lists(
    st.tuples(
        st.sampled_from(["ann", "zoe", "é", ""]),
        st.sampled_from(["control", "treatment"]),
        CLOCKS,
        st.sampled_from(["a", "b", None]),
    ),
    max_size=25,
)


@given(ASSIGNED, st.randoms(use_true_random=False))
def test_canonical_assignments_are_those_of_a_plain_reading_whatever_the_order_of_rows(
    rows: list[tuple[str, str, str, str | None]], shuffle: random.Random
):
    expected = {}
    for unit_id in {row[0] for row in rows}:
        own = sorted((at(row[2]), row[1]) for row in rows if row[0] == unit_id)
        expected[unit_id] = (own[0][1], own[0][0], len(own), len({variation for _, variation in own}))
    events = assignment_events(*rows)
    found = canonical_assignments(events.lazy()).collect()
    columns = ("variation_id", "assigned_at", "assignment_count", "variation_count")
    assert {row[0]: row[1:] for row in found.select("unit_id", *columns).iter_rows()} == expected
    again = canonical_assignments(scattered(events, shuffle).lazy()).collect()
    assert same_rows(found, again, "unit_id")


def test_enrollment_starts_at_the_start_and_ends_before_its_end():
    start, end = at("10 09:57"), at("10 14:30")
    outcome = staged(
        *({"event_id": str(n), "assigned_at": when} for n, when in enumerate([start - INSTANT, start])),
        *({"event_id": str(n + 2), "assigned_at": when} for n, when in enumerate([end - INSTANT, end])),
        start=start,
        end=end,
    )
    assert sorted(outcome.assignment_events["event_id"]) == ["1", "2"]
    assert dict(outcome.rejected_events.select("event_id", "reason").rows()) == {
        "0": "before_start",
        "3": "after_enrollment",
    }


def test_enrollment_ends_with_the_earlier_of_its_days_and_the_end():
    one_day = {"start": at("09 09:00"), "enrollment_days": 1}
    assert reasons({"assigned_at": at("10 09:00") - INSTANT}, end=at("25"), **one_day) == []
    assert reasons({"assigned_at": at("10 09:00")}, end=at("25"), **one_day) == ["after_enrollment"]
    assert reasons({"assigned_at": at("10 08:00")}, end=at("10 08:00"), **one_day) == ["after_enrollment"]
    assert reasons({"assigned_at": at("10 09:00")}, end=None, **one_day) == ["after_enrollment"]
    assert reasons({"assigned_at": at("10 09:00")}, end=None, start=at("09")) == []


def test_a_row_is_rejected_for_the_first_reason_that_holds():
    late = {"assigned_at": at("10 23:00")}
    settings = {"start": at("10 12:00"), "end": at("10 20:00")}
    twice = {"experiment_id": "other", "event_id": "twice", **late}
    assert sorted(reasons(twice, twice, **settings)) == ["duplicate", "unknown_experiment"]
    assert reasons({"experiment_id": "other", "variation_id": "blue", **late}, **settings) == [
        "unknown_experiment"
    ]
    assert reasons({"variation_id": "blue", **late}, **settings) == ["unknown_variation"]
    assert reasons({"unit_id": None, "is_broken": True, "experiment_id": "other"}, **settings) == [
        "malformed"
    ]


def test_a_row_without_an_event_id_is_identified_by_all_its_fields():
    assert reasons({}, {}, {}) == ["duplicate", "duplicate"]
    for other in ({"unit_id": "zoe"}, {"variation_id": "treatment"}, {"ingested_at": at("10 10:00")}):
        assert reasons({}, other) == []
    assert reasons({}, {"assigned_at": at("10 09:00:00.000001")}) == []


def test_of_copies_with_an_event_id_the_earliest_counts_and_then_the_smallest_fields():
    def counting(*rows: dict[str, Any]) -> list[tuple[Any, ...]]:
        found = staged(*({"event_id": "e", **row} for row in rows)).assignment_events
        return found.select("unit_id", "variation_id", "assigned_at").rows()

    later = {"assigned_at": at("10 10:00"), "unit_id": "ann"}
    assert counting(later, {"unit_id": "zoe"}) == [("zoe", "control", at("10 09:00"))]
    assert counting({"unit_id": "ann"}, {"unit_id": "Zoe"}) == [("Zoe", "control", at("10 09:00"))]
    assert counting({"variation_id": "treatment"}, {"unit_id": "b"})[0][:2] == ("ann", "treatment")
    assert counting({"variation_id": "treatment"}, {})[0][:2] == ("ann", "control")


def test_an_id_that_counts_on_an_earlier_day_does_not_count_again():
    outcome = staged({"event_id": "e"}, {"event_id": "f"}, {"unit_id": "zoe"}, settled_ids=("e", None))
    assert outcome.rejected_events.select("event_id", "reason").rows() == [("e", "duplicate")]


def test_a_rejected_row_names_its_file_and_every_field():
    rejected = staged({"variation_id": "blue", "event_id": 'q"é'}).rejected_events.rows(named=True)[0]
    assert (rejected["stream"], rejected["file"]) == ("assignments", "assignments/a.jsonl")
    assert (rejected["variation_id"], rejected["occurred_at"]) == ("blue", at("10 09:00"))
    assert '"variation_id":"blue"' in rejected["row"] and 'q\\"é' in rejected["row"]
