"""At-least-once delivery made exactly once: of the copies of an event one counts, and always the same one."""

import random

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exposure_assets.transforms.exactly_once import copies, settled_by
from exposure_assets_tests.transforms.rows import FEWER_EXAMPLES, scattered

SCHEMA = {"event_id": pl.String, "at": pl.Int64, "unit_id": pl.String, "value": pl.Float64, "file": pl.String}
Event = tuple[str | None, int, str | None, float | None, str]


def frame(*rows: Event) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def copied(rows: pl.DataFrame, *settled: str | None) -> pl.Series:
    fields = [pl.col("unit_id"), pl.col("value")]
    return copies(rows, "at", fields, ["file"], pl.Series("event_id", settled, dtype=pl.String))


def counting(*rows: Event, settled: tuple[str | None, ...] = ()) -> list[Event]:
    events = frame(*rows)
    return events.filter(~copied(events, *settled)).rows()  # pyright: ignore[reportReturnType]


def test_different_ids_are_different_events_however_alike():
    rows: list[Event] = [
        ("a", 1, "u", 1.0, "f"),
        ("A", 1, "u", 1.0, "f"),
        ("a ", 1, "u", 1.0, "f"),
        ("", 1, "u", 1.0, "f"),
    ]
    assert counting(*rows) == rows


@pytest.mark.parametrize(
    ("counts", "copy"),
    [
        (("e", 1, "z", 9.0, "z"), ("e", 2, "a", 1.0, "a")),
        (("e", 1, "Z", 9.0, "z"), ("e", 1, "a", 1.0, "a")),
        (("e", 1, "z", 9.0, "z"), ("e", 1, "é", 1.0, "a")),
        (("e", 1, "u", 9.0, "z"), ("e", 1, None, 1.0, "a")),
        (("e", 1, "u", 1.0, "z"), ("e", 1, "u", 2.0, "a")),
        (("e", 1, "u", 1.0, "z"), ("e", 1, "u", None, "a")),
        (("e", 1, "u", 1.0, "a"), ("e", 1, "u", 1.0, "z")),
    ],
    ids=["earliest", "bytes", "more bytes", "null text last", "smallest number", "null number last", "file"],
)
def test_of_two_copies_the_smaller_counts_whichever_comes_first(counts: Event, copy: Event):
    assert counting(counts, copy) == [counts]
    assert counting(copy, counts) == [counts]


def test_of_copies_that_are_alike_in_everything_one_counts():
    assert counting(*[("e", 1, "u", 1.0, "f")] * 3) == [("e", 1, "u", 1.0, "f")]


def test_rows_without_an_id_are_copies_only_of_rows_equal_in_every_field():
    row: Event = (None, 1, "u", None, "f")
    others: list[Event] = [(None, 2, "u", None, "f"), (None, 1, "v", None, "f"), (None, 1, "u", 0.0, "f")]
    assert counting(row, *others, row) == [row, *others]


def test_every_row_of_an_id_that_is_settled_is_a_copy_and_rows_without_an_id_are_not():
    rows: list[Event] = [
        ("e", 1, "u", 1.0, "f"),
        ("e", 2, "u", 1.0, "f"),
        ("f", 1, "u", 1.0, "f"),
        (None, 1, "u", 1.0, "f"),
    ]
    assert counting(*rows, settled=("e", None)) == rows[2:]


def test_no_rows_have_no_copies():
    assert copied(frame()).to_list() == []
    assert copied(frame(), "e").to_list() == []


def test_a_day_settles_the_ids_that_stand_on_other_days_too():
    rows = frame(
        ("e", 1, "u", 1.0, "f"), ("e", 2, "u", 1.0, "f"), ("f", 1, "u", 1.0, "f"), (None, 1, "u", 1.0, "f")
    )
    elsewhere = pl.Series(["e", "g"]).hash()
    assert settled_by(rows, elsewhere).to_list() == ["e"]
    assert settled_by(rows, pl.Series(dtype=pl.UInt64)).to_list() == []


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["e", "f", "é", "", None]),
        st.integers(0, 1),
        st.sampled_from(["a", "Z", "é", None]),
        st.sampled_from([-1.0, 0.0, 1e300, None]),
        st.sampled_from(["a", "b"]),
    ),
    max_size=25,
)


def size(event: Event) -> tuple[object, ...]:
    _, at, unit_id, value, file = event
    return (at, unit_id is None, (unit_id or "").encode(), value is None, value or 0.0, file)


def by_text(event: Event) -> str:
    return repr(event)


@given(EVENTS, st.randoms(use_true_random=False))
def test_what_counts_is_what_a_plain_reading_keeps_in_any_order_and_any_chunks(
    events: list[Event], shuffle: random.Random
):
    kept: dict[object, Event] = {}
    for event in events:
        key = event[0] if event[0] is not None else (event[1], event[2], event[3])
        kept[key] = min(kept.get(key, event), event, key=size)
    mixed = scattered(frame(*events), shuffle)
    found = mixed.filter(~copied(mixed)).rows()
    assert sorted(found, key=by_text) == sorted(kept.values(), key=by_text)


@FEWER_EXAMPLES
@given(EVENTS)
def test_a_redelivered_event_changes_nothing(events: list[Event]):
    assert sorted(counting(*events, *events), key=by_text) == sorted(counting(*events), key=by_text)
