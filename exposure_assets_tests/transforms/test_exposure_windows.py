"""Exposures per window: bounds to the microsecond, every event once, every unit; as a plain reading of events says."""

import itertools
import random
from datetime import timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from exposure_assets.contracts import Assignments, DedupedExposures, ExposureWindows, columns_of
from exposure_assets.transforms import exposure_windows as transform
from exposure_assets.transforms.exposure_windows import exposure_windows
from exposure_assets_tests.reference import windows as reference
from exposure_assets_tests.reference.classifying import Exposure
from exposure_assets_tests.transforms.plain import exposure_table, plain_assignments, plain_experiment
from exposure_assets_tests.transforms.rows import (
    FEWER_EXAMPLES,
    at,
    canonical,
    deduped,
    experiment,
    exposures,
    january,
    judged,
    obeying,
    same_rows,
    scattered,
    table,
)

ANN = ("ann", "control", "10 09:00")
GRAIN = ("unit_id", "exposure_window_id", "analysis_window_id")
Window = dict[str, Any]


def windows_of(
    assignments: pl.DataFrame, events: pl.DataFrame, *windows: Window, **rules: Any
) -> pl.DataFrame:
    """The table of one experiment; a window without an id is `w`."""
    one = experiment(windows=[{"id": "w", **window} for window in windows], **rules)
    return obeying(
        ExposureWindows, exposure_windows(assignments.lazy(), deduped(events).lazy(), {"exp": one})
    )


def of_ann(
    *exposed: tuple[str, ...], window: Window | None = None, assigned: str = "10 09:00", **rules: Any
) -> pl.DataFrame:
    """The rows of ann, by default assigned on the 10th at 9, from (variation, time, event id)."""
    events = exposures(*(("ann", *row) for row in exposed))
    return windows_of(canonical(("ann", "control", assigned)), events, window or {}, **rules)


def counts(
    *times: str, window: Window | None = None, assigned: str = "10 09:00", **rules: Any
) -> dict[str, int]:
    """How many of ann's exposures are in each analysis window."""
    found = of_ann(*(("control", when) for when in times), window=window, assigned=assigned, **rules)
    return dict(found.select("analysis_window_id", "exposure_count").iter_rows())


WEEK = {"enrollment_days": 7}


@pytest.mark.parametrize(
    ("window", "rules", "before", "first", "last", "after"),
    [
        ({}, {}, "10 08:54:59.999999", "10 08:55:00", "24 23:59:59.999999", "25 00:00"),
        ({}, {"grace_minutes": 0}, "10 08:59:59.999999", "10 09:00", "24 23:59:59.999999", "25 00:00"),
        ({"end": 0}, {}, "10 08:54:59.999999", "10 08:55:00", "10 23:59:59.999999", "11 00:00"),
        ({"start": 1, "end": 2}, {}, "10 23:59:59.999999", "11 00:00", "12 23:59:59.999999", "13 00:00"),
        (
            {"start": "0.1 * observation", "end": "0.5 * observation"},
            {},
            "11 11:59:59.999999",
            "11 12:00",
            "17 11:59:59.999999",
            "17 12:00",
        ),
        (
            {"start": "enrollment_end"},
            WEEK,
            "10 23:59:59.999999",
            "11 00:00",
            "24 23:59:59.999999",
            "25 00:00",
        ),
        (
            {"start": "enrollment_start", "end": "enrollment_end"},
            WEEK,
            "10 08:54:59.999999",
            "10 08:55:00",
            "11 23:59:59.999999",
            "12 00:00",
        ),
        (
            {"anchor": "experiment", "start": 6, "end": 7},
            {},
            "10 23:59:59.999999",
            "11 00:00",
            "12 23:59:59.999999",
            "13 00:00",
        ),
        (
            {"anchor": "experiment", "start": "0.3 * observation", "end": "0.5 * observation"},
            WEEK,
            "11 07:11:59.999999",
            "11 07:12",
            "15 11:59:59.999999",
            "15 12:00",
        ),
        (
            {"start": "analysis_window_end", "analysis_windows": [[2, 4]]},
            {},
            "13 23:59:59.999999",
            "14 00:00",
            "14 23:59:59.999999",
            "15 00:00",
        ),
        (
            {"end": 20, "analysis_windows": [[1, 28]]},
            {},
            "10 23:59:59.999999",
            "11 00:00",
            "30 23:59:59.999999",
            "31 00:00",
        ),
    ],
)
def test_a_window_holds_its_first_instant_and_not_its_last(
    window: Window, rules: dict[str, Any], before: str, first: str, last: str, after: str
):
    assert list(counts(before, after, window=window, **rules).values()) == [0]
    assert list(counts(before, first, last, after, window=window, **rules).values()) == [2]


def test_windows_of_the_experiments_calendar_are_not_cut_to_the_days_of_the_unit():
    window = {"anchor": "experiment", "end": "analysis_window_end", "analysis_windows": [[0, 1], [2, 4]]}
    found = of_ann(window=window, enrollment_days=7).sort("analysis_window_index")
    # The last day of enrollment is the 11th: the windows end a day, and four days, after it.
    assert found["window_start_at"].to_list() == [at("10 08:55")] * 2
    assert found["window_end_at"].to_list() == [at("13 00:00"), at("16 00:00")]
    assert counts("12 10:00", "15 10:00", window=window, enrollment_days=7) == {"days_0_1": 1, "days_2_4": 2}


def test_the_grace_reaches_over_midnight_into_the_day_before():
    window = {"analysis_windows": ["daily", "overall"]}
    found = counts("09 23:56:59.999999", "09 23:57", window=window, assigned="10 00:02", observe_days=7)
    assert (found["day_0"], found["overall"], sum(found.values())) == (1, 1, 2)
    assert counts("09 23:57", window={"start": 1}, assigned="10 00:02") == {"overall": 0}
    assert counts("09 23:57", window={"anchor": "experiment", "start": 5}, assigned="10 00:02") == {
        "overall": 0
    }


def test_every_event_counts_also_those_of_one_instant_and_those_of_several_variations():
    exposed = [
        ("control", "10 07:00", "early"),
        ("control", "10 10:00", "a"),
        ("control", "10 10:00", "b"),
        ("control", "10 12:00", "c"),
        ("treatment", "10 10:00", "d"),
        ("treatment", "10 11:00", "e"),
    ]
    assert of_ann(*exposed)["exposure_count"].to_list() == [5]


def test_events_of_one_instant_are_told_apart_by_a_bound_inside_the_day():
    # 0.5 of one observed day: noon. The first instant of a day, and later ones, stand in different columns.
    window = {"end": "0.5 * observation"}
    rules: dict[str, Any] = {"observe_days": 0, "max_days_after_assignment": 0}
    exposed = [("control", "10 11:59:59.999999", "a"), ("control", "10 11:59:59.999999", "b")]
    exposed += [("control", "10 12:00", "c"), ("control", "10 12:00", "d"), ("control", "10 10:00", "e")]
    assert of_ann(*exposed, window=window, **rules)["exposure_count"].to_list() == [3]


def test_a_unit_is_exposed_to_date_from_its_first_exposed_window_on():
    window = {"end": 3, "analysis_windows": ["daily", [0, 0], [3, 3], "overall"]}
    rules: dict[str, Any] = {"observe_days": 4, "max_days_after_assignment": 4}
    found = of_ann(("control", "11 10:00"), ("control", "13 10:00"), window=window, **rules)
    by_window = {row["analysis_window_id"]: row for row in found.rows(named=True)}
    daily = [by_window[f"day_{n}"] for n in range(5)]
    assert [row["is_exposed_in_window"] for row in daily] == [False, True, False, True, False]
    assert [row["is_exposed_to_date"] for row in daily] == [False, True, True, True, True]
    assert [by_window[name]["is_exposed_to_date"] for name in ("days_0_0", "days_3_3")] == [False, True]
    assert by_window["overall"]["exposure_count"] == 2


def test_a_window_in_which_nothing_can_count_ends_where_it_starts():
    found = of_ann(("control", "11 00:00"), window={"end": 0, "analysis_windows": [[0, 0], [2, 3]]})
    empty = found.filter(analysis_window_id="days_2_3").row(0, named=True)
    assert empty["window_start_at"] == empty["window_end_at"] == at("12 00:00")
    assert (empty["exposure_count"], empty["is_exposed_in_window"]) == (0, False)


def test_every_column_of_a_row():
    assert of_ann(("treatment", "10 09:30"), window={"id": "first_day", "end": 0}).rows(named=True) == [
        {
            "experiment_id": "exp",
            "unit_id": "ann",
            "variation_id": "control",
            "assignment_date": january(10),
            "exposure_window_id": "first_day",
            "analysis_window_id": "overall",
            "analysis_window_index": 0,
            "window_start_at": at("10 08:55"),
            "window_end_at": at("11 00:00"),
            "exposure_count": 1,
            "is_exposed_in_window": True,
            "is_exposed_to_date": True,
        }
    ]


def test_units_never_exposed_have_every_row_and_units_never_assigned_have_none():
    window = {"analysis_windows": ["weekly", "overall"]}
    found = windows_of(
        canonical(ANN, ("zoe", "treatment", "11 09:00")), exposures(("max", "control", "11")), window
    )
    assert sorted(found.select("unit_id", "analysis_window_id").iter_rows()) == [
        (unit_id, name) for unit_id in ("ann", "zoe") for name in ("overall", "week_0", "week_1")
    ]
    assert found.select(pl.col("exposure_count").sum(), pl.col("is_exposed_to_date").any()).row(0) == (
        0,
        False,
    )


def test_an_experiment_without_windows_has_no_rows_beside_one_that_has_some():
    both = pl.concat([canonical(ANN), canonical(ANN).with_columns(experiment_id=pl.lit("bare"))])
    events = pl.concat(
        [exposures(("ann", "control", "10 10:00"), experiment_id=name) for name in ("exp", "bare")]
    )
    rules = {"exp": experiment(windows=[{"id": "w"}]), "bare": experiment("bare")}
    found = exposure_windows(both.lazy(), deduped(events).lazy(), rules).collect()
    assert found.select("experiment_id", "exposure_count").rows() == [("exp", 1)]


def test_many_units_are_counted_some_at_a_time_and_come_out_the_same(monkeypatch: pytest.MonkeyPatch):
    exposed = exposures(
        *((unit_id, "control", f"{day} 12:00") for unit_id, _, _ in ASSIGNED for day in (11, 12))
    )
    window = {"analysis_windows": ["daily", "overall"]}
    at_once = windows_of(ASSIGNMENTS, exposed, window)
    for most in (1, 40):
        monkeypatch.setattr(transform, "WINDOWS_AT_ONCE", most)
        assert windows_of(ASSIGNMENTS, exposed, window).equals(at_once)


def test_no_assignments_are_no_rows_whatever_was_exposed():
    for events in (exposures(("ann", "control", "10 10:00")), exposures()):
        found = windows_of(table(Assignments, []), events, {})
        assert found.schema == columns_of(ExposureWindows)
        assert found.is_empty()
    empty = table(DedupedExposures, []).lazy()
    assert exposure_windows(table(Assignments, []).lazy(), empty, {}).collect().is_empty()


ASSIGNED = [
    ANN,
    ("eve", "control", "05 00:00"),
    ("max", "treatment", "11 23:59:59.999999"),
    ("zoe", "treatment", "10 00:00:00.000001"),
]
ASSIGNMENTS = canonical(*ASSIGNED)
RULES = st.sampled_from(
    [
        {},
        {"grace_minutes": 0},
        {"grace_minutes": 7 * 1440, "observe_days": 7},
        {"observe_days": 0, "max_days_after_assignment": 0},
    ]
)
LIMITS = [0, 1, 9, "enrollment_start", "enrollment_end", "analysis_window_start", "analysis_window_end"]
LIMITS += ["0 * observation", "0.333 * observation", "1 * observation"]
LISTS = ["overall", ["daily", "overall"], [[0, 3], [2, 9]], [[1, 1]]]
CANDIDATES = [
    {"anchor": anchor, "start": start, "end": end, "analysis_windows": listed}
    for anchor, start, end, listed in itertools.product(("unit", "experiment"), LIMITS, LIMITS, LISTS)
]
EVENTS = st.lists(
    st.builds(
        lambda unit_id, variation_id, day, clock, microseconds, number: Exposure(
            "exp",
            f"e{number}",
            unit_id,
            variation_id,
            at("05 00:00") + timedelta(days=day, hours=clock, microseconds=microseconds),
            None,
        ),
        st.sampled_from([unit_id for unit_id, _, _ in ASSIGNED]),
        st.sampled_from(["control", "treatment"]),
        st.integers(-2, 24),
        st.sampled_from([0, 9, 12]),
        st.sampled_from([-1, 0, 1]),
        st.integers(0, 10**9),
    ),
    max_size=20,
    unique_by=lambda event: event.event_id,
)


def accepted(windows: list[Window], rules: dict[str, Any]) -> list[Window]:
    """Those that the catalog does not refuse, each with an id."""
    found = []
    for number, window in enumerate(windows):
        try:
            experiment(windows=[{"id": "w", **window}], enrollment_days=7, **rules)
        except ValidationError:
            continue
        found.append({"id": f"w{number}", **window})
    return found


def test_most_of_the_windows_that_are_tried_are_valid():
    assert len(accepted(CANDIDATES, {})) > len(CANDIDATES) / 2


@given(EVENTS, st.lists(st.sampled_from(CANDIDATES), max_size=6), RULES)
def test_rows_are_those_of_a_plain_reading_of_all_raw_events(
    events: list[Exposure], candidates: list[Window], rules: dict[str, Any]
):
    windows = accepted(candidates, rules)
    one = experiment(windows=windows, enrollment_days=7, **rules)
    plain = plain_experiment(one, windows)
    expected = [
        row
        for assignment in plain_assignments(ASSIGNED)
        for row in reference.exposure_windows(
            assignment, [event for event in events if event.unit_id == assignment.unit_id], plain
        )
    ]
    found = windows_of(ASSIGNMENTS, exposure_table(events), *windows, enrollment_days=7, **rules)

    def key(row: dict[str, Any]) -> tuple[str, ...]:
        return tuple(row[name] for name in GRAIN)

    assert sorted(found.rows(named=True), key=key) == sorted(expected, key=key)


@FEWER_EXAMPLES
@given(EVENTS, RULES)
def test_the_default_window_holds_exactly_the_units_that_the_verdict_calls_exposed_after_their_assignment(
    events: list[Exposure], rules: dict[str, Any]
):
    exposed = exposure_table(events)
    verdicts = judged(ASSIGNMENTS, exposed, **rules).select("unit_id", "has_post_assignment_exposure")
    found = windows_of(ASSIGNMENTS, exposed, {}, **rules).select("unit_id", "is_exposed_in_window")
    assert sorted(found.iter_rows()) == sorted(verdicts.iter_rows())


@FEWER_EXAMPLES
@given(EVENTS, st.sampled_from(accepted([c for c in CANDIDATES if c["start"] not in LIMITS[5:7]], {})))
def test_the_days_of_a_window_whose_limits_do_not_move_hold_together_what_the_whole_holds(
    events: list[Exposure], window: Window
):
    if window["end"] in ("analysis_window_start", "analysis_window_end"):
        window = {**window, "end": 9}
    window = {**window, "analysis_windows": ["daily", "overall"]}
    found = windows_of(ASSIGNMENTS, exposure_table(events), window, enrollment_days=7)
    is_whole = pl.col("analysis_window_id") == "overall"
    sums = found.group_by("unit_id").agg(
        days=pl.col("exposure_count").filter(~is_whole).sum(),
        whole=pl.col("exposure_count").filter(is_whole).sum(),
    )
    assert sums["days"].to_list() == sums["whole"].to_list()


@FEWER_EXAMPLES
@given(EVENTS, st.randoms(use_true_random=False))
def test_neither_the_order_of_rows_nor_their_chunks_nor_the_batch_change_a_row(
    events: list[Exposure], shuffle: random.Random
):
    exposed, windows = (
        exposure_table(events),
        [{"analysis_windows": ["daily", "overall"]}, {"id": "v", "end": 3}],
    )
    whole = windows_of(ASSIGNMENTS, exposed, *windows)
    again = windows_of(scattered(ASSIGNMENTS, shuffle), scattered(exposed, shuffle), *windows)
    alone = [windows_of(ASSIGNMENTS.filter(unit_id=unit_id), exposed, *windows) for unit_id, _, _ in ASSIGNED]
    assert same_rows(whole, again, *GRAIN)
    assert same_rows(whole, pl.concat(alone), *GRAIN)
