"""What limits of windows mean: instants for every kind and anchor, and the days for which jetstream publishes figures.

How a wrong limit reads is tested with `resources.catalog_problems`; what is counted, with the transforms.
"""

from datetime import UTC, date, datetime, timedelta

import pytest

from exposure_assets.contracts import Experiment
from exposure_assets.contracts.catalog_windows import (
    DAY_MICROSECONDS,
    AnalysisWindow,
    Bound,
    Enrollment,
    ExposureWindow,
    Origin,
    bound_of,
    midnight,
)
from exposure_assets_tests.transforms.rows import experiment

PUBLISHED = Enrollment(date(2019, 1, 5), date(2019, 1, 6))
DAYS_2_TO_4 = AnalysisWindow("days_2_4", "list", 0, 2, 4)
# The instants of a unit assigned on 10 January, where assignments are accepted from the 5th to the 11th.
ENROLLMENT = Enrollment(date(2026, 1, 5), date(2026, 1, 11))
ASSIGNED_ON = date(2026, 1, 10)


@pytest.mark.parametrize(
    ("limit", "day"),
    [
        (0, 0),
        (11, 11),
        ("enrollment_start", 0),
        ("enrollment_end", 1),
        ("analysis_window_start", 3),
        ("analysis_window_end", 5),
    ],
)
def test_counted_from_the_experiment_a_limit_is_the_day_that_jetstream_gives_for_it(limit, day):
    bound = bound_of(limit, "experiment", False, PUBLISHED, 14, DAYS_2_TO_4)
    assert bound == Bound(midnight(date(2019, 1, 5)) + day * DAY_MICROSECONDS, Origin.CALENDAR)


@pytest.mark.parametrize(
    ("limit", "anchor", "start", "end"),
    [
        (0, "unit", "2026-01-10", "2026-01-11"),
        (3, "unit", "2026-01-13", "2026-01-14"),
        (-3, "unit", "2026-01-07", "2026-01-08"),
        (0, "experiment", "2026-01-05", "2026-01-06"),
        (3, "experiment", "2026-01-08", "2026-01-09"),
        ("enrollment_start", "unit", "2026-01-05", "2026-01-06"),
        ("enrollment_start", "experiment", "2026-01-05", "2026-01-06"),
        ("enrollment_end", "unit", "2026-01-11", "2026-01-12"),
        ("enrollment_end", "experiment", "2026-01-11", "2026-01-12"),
        ("analysis_window_start", "unit", "2026-01-12", "2026-01-13"),
        ("analysis_window_start", "experiment", "2026-01-13", "2026-01-14"),
        ("analysis_window_end", "unit", "2026-01-14", "2026-01-15"),
        ("analysis_window_end", "experiment", "2026-01-15", "2026-01-16"),
        # 15 observed days of the unit; 21 of the experiment, whose last unit is assigned 6 days after its first.
        ("0.5 * observation", "unit", "2026-01-17T12:00", "2026-01-17T12:00"),
        ("0.5 * observation", "experiment", "2026-01-15T12:00", "2026-01-15T12:00"),
        ("0 * observation", "unit", "2026-01-10", "2026-01-10"),
        ("1 * observation", "unit", "2026-01-25", "2026-01-25"),
        ("1.000 * observation", "experiment", "2026-01-26", "2026-01-26"),
    ],
)
def test_a_day_is_whole_whichever_end_of_a_window_it_is_and_a_share_is_one_instant(limit, anchor, start, end):
    def instant(is_end):
        bound = bound_of(limit, anchor, is_end, ENROLLMENT, 14, DAYS_2_TO_4)
        microseconds = timedelta(microseconds=bound.on(ASSIGNED_ON, is_end))
        return (datetime(1970, 1, 1, tzinfo=UTC) + microseconds).replace(tzinfo=None)

    assert (instant(False), instant(True)) == (datetime.fromisoformat(start), datetime.fromisoformat(end))


def test_a_share_is_exact_and_cut_to_whole_microseconds():
    third = bound_of("0.3333333333333333 * observation", "unit", True, ENROLLMENT, 2)
    assert third.microseconds == 3 * DAY_MICROSECONDS * 3333333333333333 // 10**16 == DAY_MICROSECONDS - 1
    assert bound_of("0.1 * observation", "unit", True, ENROLLMENT, 0).microseconds == 8_640_000_000


def test_limits_that_depend_on_something_that_is_not_there_are_errors_of_the_caller():
    running = Enrollment(date(2026, 1, 5), None)
    with pytest.raises(ValueError, match="enrollment without an end"):
        bound_of("enrollment_end", "unit", False, running, 14)
    with pytest.raises(ValueError, match="without an analysis window"):
        bound_of("analysis_window_end", "unit", False, ENROLLMENT, 14)


def windows_of(observe_days, written):
    window = ExposureWindow.model_validate({"id": "w", "analysis_windows": written})
    return [tuple(one) for one in window.sequences(observe_days)]


def test_weeks_are_whole_or_not_there():
    assert windows_of(14, "weekly") == [("week_0", "weekly", 0, 0, 6), ("week_1", "weekly", 1, 7, 13)]
    assert windows_of(12, "weekly") == [("week_0", "weekly", 0, 0, 6)]
    assert windows_of(6, "weekly") == [("week_0", "weekly", 0, 0, 6)]


def test_every_observed_day_is_a_daily_window_and_all_together_are_the_overall_one():
    assert windows_of(1, ["daily", "overall"]) == [
        ("day_0", "daily", 0, 0, 0),
        ("day_1", "daily", 1, 1, 1),
        ("overall", "overall", 0, 0, 1),
    ]


def test_pairs_of_a_list_are_one_sequence_in_the_order_of_their_days():
    assert windows_of(14, [[7, 9], "overall", [0, 6], [0, 3]]) == [
        ("overall", "overall", 0, 0, 14),
        ("days_0_3", "list", 0, 0, 3),
        ("days_0_6", "list", 1, 0, 6),
        ("days_7_9", "list", 2, 7, 9),
    ]


@pytest.mark.parametrize(
    ("window", "days"),
    [
        ({}, 14),
        ({"end": 20}, 14),
        ({"end": 20, "analysis_windows": [[0, 20]]}, 20),
        ({"end": 3}, 14),
        ({"anchor": "experiment", "end": "analysis_window_end"}, 20),
        ({"anchor": "experiment", "end": "analysis_window_end", "analysis_windows": [[3, 9]]}, 15),
    ],
)
def test_an_experiment_reaches_as_far_as_its_longest_window_and_at_least_over_its_observation(window, days):
    one = experiment(
        enrollment_days=6, start=datetime(2026, 1, 5, 9, tzinfo=UTC), windows=[{"id": "w", **window}]
    )
    assert one.exposure_reach_days == days


def test_segments_reach_back_from_the_last_unit_and_ahead_from_the_first():
    def reach(**segment):
        segments = [{"id": "s", "event": "search", **segment}]
        return experiment(enrollment_days=6, segments=segments).segment_reach_days

    assert reach() == (7, 0)
    assert reach(start=-28, end=-1) == (28, 0)
    assert reach(start=0, end="0.5 * observation") == (0, 7)
    assert reach(anchor="experiment", start=-3, end=-1) == (8, 0)
    assert reach(start="enrollment_start", end="enrollment_end") == (5, 5)
    assert experiment().segment_reach_days == (0, 0)


@pytest.mark.parametrize(
    ("segment", "is_post"),
    [
        ({}, False),
        ({"end": -1}, False),
        ({"end": 0}, True),
        ({"end": "0 * observation"}, False),
        ({"end": "0.01 * observation"}, True),
        ({"end": "enrollment_start"}, True),
        ({"anchor": "experiment", "end": -1}, False),
        ({"anchor": "experiment", "end": 0}, True),
    ],
)
def test_a_segment_is_post_assignment_when_any_unit_may_be_in_it_by_what_it_did_afterwards(segment, is_post):
    one: Experiment = experiment(segments=[{"id": "s", "event": "search", **segment}])
    assert one.segments[0].is_post_assignment(one.enrollment, one.exposure.observe_days) == is_post
