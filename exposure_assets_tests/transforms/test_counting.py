"""Events inside windows, counted by one sort as by looking at each window alone."""

from datetime import timedelta

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from exposure_assets.transforms.counting import counts_in_windows
from exposure_assets_tests.transforms.rows import at

INSTANT = pl.Datetime("us", "UTC")
ZERO = at("10 00:00")
KEYS = st.sampled_from([0, 1, 7])
WINDOWS = st.lists(st.tuples(KEYS, st.integers(0, 8), st.integers(0, 8)))
EVENTS = st.lists(st.tuples(KEYS, st.integers(-1, 17), st.integers(1, 3)))


def counted(windows: list[tuple[int, int, int]], events: list[tuple[int, int, int]]) -> list[int]:
    """Windows of (key, start, length) and events of (key, instant, how many), in microseconds."""

    def instant(number: int):
        return ZERO + timedelta(microseconds=number)

    window_rows = [(key, instant(start), instant(start + length)) for key, start, length in windows]
    event_rows = [(key, instant(when), many) for key, when, many in events]
    return counts_in_windows(
        pl.DataFrame(
            window_rows,
            schema={"unit": pl.Int64, "window_start_at": INSTANT, "window_end_at": INSTANT},
            orient="row",
        ),
        pl.DataFrame(event_rows, schema={"unit": pl.Int64, "at": INSTANT, "events": pl.Int64}, orient="row"),
        "unit",
    ).to_list()


def test_a_window_holds_its_first_instant_and_not_its_last():
    assert counted([(0, 0, 2)], [(0, -1, 1), (0, 0, 2), (0, 1, 4), (0, 2, 8)]) == [6]


def test_a_window_of_no_length_holds_nothing_and_hides_nothing_from_those_around_it():
    assert counted([(0, 3, 0), (0, 0, 3), (0, 3, 1)], [(0, 3, 5)]) == [0, 0, 5]


def test_only_events_of_the_windows_own_key_count():
    assert counted([(0, 0, 9), (1, 0, 9)], [(1, 4, 3), (7, 4, 9)]) == [0, 3]


def test_no_windows_and_no_events_are_no_counts():
    assert counted([], []) == []
    assert counted([], [(0, 1, 1)]) == []
    assert counted([(0, 0, 9)], []) == [0]


@given(WINDOWS, EVENTS)
def test_every_window_has_the_events_that_lie_inside_it_in_the_order_of_the_windows(windows, events):
    expected = [
        sum(many for key, when, many in events if key == of_key and start <= when < start + length)
        for of_key, start, length in windows
    ]
    assert counted(windows, events) == expected
