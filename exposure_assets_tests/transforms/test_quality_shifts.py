"""Tests of telling a shift from chance, against a slow reference and the exact probabilities, both plain Python.

Which shift is alarming is the catalog's business and tested with the checks.
"""

import math
from datetime import date, timedelta
from random import Random
from statistics import median
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exposure_assets.transforms.quality_shifts import missing_cohorts, rate_shifts, shortfall_z, volume_shifts

FIRST = date(2026, 1, 1)
LIMITS: dict[str, Any] = {
    "baseline_days": 7,
    "min_units": 100,
    "smallest_shift": 0.02,
    "volume_factor": 3.0,
    "shift_z": 4.0,
}
SCHEMA = {
    "experiment_id": pl.String,
    "assignment_date": pl.Date,
    "assigned_units": pl.Int64,
    "mismatch_units": pl.Int64,
}
Cohort = tuple[str, date, int, int]


def cohorts(*counts: tuple[int, int] | None, experiment: str = "exp") -> list[Cohort]:
    """Units and hits of consecutive days; null for a day without a cohort."""
    days = [FIRST + timedelta(days=n) for n in range(len(counts))]
    return [(experiment, day, *count) for day, count in zip(days, counts, strict=True) if count]


def limits(*experiments: str, **changes: Any) -> pl.LazyFrame:
    return pl.LazyFrame([{"experiment_id": e} | LIMITS | changes for e in experiments])


def frame(rows: list[Cohort]) -> pl.LazyFrame:
    return pl.LazyFrame(rows, schema=SCHEMA, orient="row")


def shifts(rows: list[Cohort], *, only_rises: bool = False, **changes: Any) -> list[dict[str, Any]]:
    found = rate_shifts(
        frame(rows), "mismatch_units", limits("exp", "other", **changes), only_rises=only_rises
    )
    return found.sort("experiment_id", "assignment_date").collect().rows(named=True)


def shifted_days(rows: list[Cohort], **changes: Any) -> list[int]:
    """Days, counted from 0, whose rate has shifted."""
    return [(row["assignment_date"] - FIRST).days for row in shifts(rows, **changes) if row["has_shifted"]]


def volumes(rows: list[Cohort], **changes: Any) -> list[dict[str, Any]]:
    found = volume_shifts(frame(rows), limits("exp", "other", **changes))
    return found.sort("experiment_id", "assignment_date").collect().rows(named=True)


def far_days(rows: list[Cohort], **changes: Any) -> list[int]:
    return [(row["assignment_date"] - FIRST).days for row in volumes(rows, **changes) if row["has_shifted"]]


def missing_days(rows: list[Cohort], enrolled: int, **changes: Any) -> list[int]:
    enrollment = pl.LazyFrame(
        {
            "experiment_id": ["exp"],
            "first_day": [FIRST],
            "last_day": [FIRST + timedelta(days=enrolled - 1)],
        }
    )
    found = missing_cohorts(frame(rows), enrollment, limits("exp", **changes)).collect()
    return sorted((day - FIRST).days for day in found.filter("is_missing")["assignment_date"])


STEADY = [(1000, 30)] * 10


def test_a_planted_rise_is_found_on_its_day_and_only_there():
    assert shifted_days(cohorts(*STEADY, (1000, 90), (1000, 30))) == [10]


def test_clean_data_are_left_alone():
    noisy = [(1000, hits) for hits in (30, 24, 37, 29, 41, 22, 33, 28, 30, 39, 21, 31)]
    assert shifted_days(cohorts(*noisy)) == []


def test_three_of_five_are_no_alarm_however_low_the_thresholds():
    assert shifted_days(cohorts(*[(5, 0)] * 10, (5, 3)), min_units=1, smallest_shift=0.0) == []


def test_a_difference_of_many_units_that_is_not_large_is_no_alarm():
    rows = cohorts(*[(1_000_000, 30_000)] * 8, (1_000_000, 40_000))
    assert shifted_days(rows) == []
    assert shifted_days(rows, smallest_shift=0.009) == [8]


def test_a_large_difference_that_chance_explains_is_no_alarm():
    rows = cohorts(*[(100, 3)] * 5, (100, 9))
    assert shifted_days(rows) == []
    assert shifted_days(rows, shift_z=2.0) == [5]


def test_a_fall_counts_unless_only_rises_do():
    rows = cohorts(*[(1000, 200)] * 5, (1000, 50))
    assert shifted_days(rows) == [5]
    assert shifted_days(rows, only_rises=True) == []


def test_a_cohort_or_a_past_of_few_units_is_not_judged():
    rows = cohorts(*STEADY, (99, 50))
    assert shifted_days(rows) == []
    assert shifted_days(rows, min_units=99) == [10]
    assert shifted_days(cohorts(*[(30, 0)] * 3, (1000, 300))) == []
    assert shifted_days(cohorts(*[(34, 0)] * 3, (1000, 300))) == [3]


def test_two_cohorts_are_no_past():
    assert shifted_days(cohorts((1000, 30), (1000, 30), (1000, 300))) == []
    assert shifted_days(cohorts((1000, 30), (1000, 30), (1000, 30), (1000, 300))) == [3]


def test_the_past_reaches_back_so_many_days_and_not_so_many_cohorts():
    rows = cohorts(*[(1000, 300)] * 3, *[None] * 4, *[(1000, 30)] * 4)
    assert shifted_days(rows, baseline_days=4, only_rises=False) == []
    assert shifted_days(rows, baseline_days=7) == [7]


def test_an_experiment_is_compared_with_its_own_past_only():
    loud, quiet = cohorts(*[(1000, 300)] * 6), cohorts(*STEADY, experiment="other")
    assert shifted_days(loud + quiet) == []


def test_one_bad_day_makes_no_good_day_after_it_look_strange():
    assert shifted_days(cohorts(*[(1000, 950)] * 5, (1000, 0), *[(1000, 950)] * 8)) == [5]


def test_a_new_level_is_usual_once_most_of_the_past_has_it():
    assert shifted_days(cohorts(*[(1000, 950)] * 8, *[(1000, 800)] * 8)) == [8, 9, 10, 11]


def test_no_cohorts_have_no_shifts():
    assert shifts([]) == []
    assert volumes([]) == []
    assert missing_days([], 10) == []


def plain_z(hits: float, units: float, past_hits: float, past_units: float) -> float:
    """The signed root of the likelihood ratio, written as the textbook does."""
    share = (hits + past_hits) / (units + past_units)
    difference = hits - units * share
    moved = math.copysign(max(abs(difference) - 0.5, 0.0), difference)
    found = [units * share + moved, units * (1 - share) - moved]
    found += [past_units * share - moved, past_units * (1 - share) + moved]
    expected = [units * share, units * (1 - share), past_units * share, past_units * (1 - share)]
    pairs = zip(found, expected, strict=True)
    ratio = sum(n * math.log(n / e) for n, e in pairs if n > 0 and e > 0)
    return math.copysign(math.sqrt(2 * max(ratio, 0.0)), moved) if moved else 0.0


def rate_of(rows: list[Cohort]) -> float:
    units = sum(row[2] for row in rows)
    return sum(row[3] for row in rows) / units if units else 0.0


def plain_shift(row: Cohort, past: list[Cohort]) -> tuple[float, float, float]:
    """The expected rate, the dispersion and z of a cohort after a past with units."""
    weekdays = [[r for r in past if r[1].weekday() == weekday] for weekday in range(7)]
    weekdays = [rows for rows in weekdays if rows]
    own = [r for r in past if r[1].weekday() == row[1].weekday()]
    rate, total = rate_of(past), sum(r[2] for r in past)
    one = rate * (1 - rate)
    days = [(r, rate_of(rows)) for rows in weekdays for r in rows if r[2]]
    within = sum(r[2] * (r[3] / r[2] - mean) ** 2 for r, mean in days) / one if one else 0.0
    between = sum(r[2] * (mean - rate) ** 2 for r, mean in days) / one if one else 0.0
    inner, lean = len(past) - len(weekdays), 0.0
    if inner >= 7 and len(own) > 1:
        alike = max(within / inner, 1.0) * (len(weekdays) - 1)
        lean = 1 - alike / between if between > alike else 0.0
    expected = lean * rate_of(own) + (1 - lean) * rate
    worth = 1 / ((lean**2 / sum(r[2] for r in own) if lean else 0.0) + (1 - lean**2) / total)
    freedom = len(past) - 1 - lean * (len(weekdays) - 1)
    dispersion = max(1.0, (within + (1 - lean) ** 2 * between + 1.5 * 5) / (freedom + 5))
    unseen = 0.0 if own else 0.1**2 * expected * (1 - expected) / (1 / row[2] + 1 / worth)
    z = plain_z(row[3], row[2], expected * worth, worth) / math.sqrt(dispersion + unseen)
    return expected, dispersion, z


def usual(past: list[Cohort], smallest_shift: float, shift_z: float) -> list[Cohort]:
    """The past without the days that are far from its median, and their weekday's, by more than is usual."""
    rates = [row[3] / row[2] for row in past if row[2]]
    scatter = 1.4826 * median(abs(rate - median(rates)) for rate in rates) if rates else 0.0
    kept = []
    for row in past:
        if row[2]:
            alike = [r for r in past if r[1].weekday() == row[1].weekday()]
            share = (median(rates) * row[2] + 1) / (row[2] + 2)
            allowed = shift_z * max(math.sqrt(share * (1 - share) / row[2]), scatter)
            rate = row[3] / row[2]
            near = len(alike) >= 3 and abs(rate - median(r[3] / r[2] for r in alike if r[2])) <= allowed
            if abs(rate - median(rates)) > max(smallest_shift, allowed) and not near:
                continue
        kept.append(row)
    return kept


counts = st.integers(0, 2_000).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n)))


@settings(deadline=None, max_examples=60)
@given(st.lists(st.none() | counts, max_size=36), st.integers(1, 28), st.integers(1, 50))
def test_rates_equal_a_reference_that_looks_at_one_cohort_at_a_time(
    days: list[tuple[int, int] | None], baseline_days: int, min_units: int
):
    rows = cohorts(*days)
    found = shifts(rows, baseline_days=baseline_days, min_units=min_units, smallest_shift=0.0, shift_z=3.0)
    assert len(found) == len(rows)
    for got, row in zip(found, rows, strict=True):
        past = usual([r for r in rows if 1 <= (row[1] - r[1]).days <= baseline_days], 0.0, 3.0)
        past_units = sum(r[2] for r in past)
        judged = row[2] >= min_units and past_units >= min_units and len(past) >= 3
        assert (got["assignment_date"], got["past_cohorts"]) == (row[1], len(past))
        assert (got["past_units"] or 0, got["is_judged"]) == (past_units, judged)
        if not judged:
            assert not got["has_shifted"]
            continue
        expected, dispersion, z = plain_shift(row, past)
        assert got["past_rate"] == pytest.approx(expected, abs=1e-9)
        assert got["dispersion"] == pytest.approx(dispersion)
        assert got["z"] == pytest.approx(z, abs=1e-4)
        if not 2.999 < abs(z) < 3.001:
            assert got["has_shifted"] == (abs(z) >= 3.0)


def plain_volumes(rows: list[Cohort], baseline_days: int) -> list[tuple[date, float | None, int, bool]]:
    """Per cohort what is expected, by how many others, and whether by its weekday."""
    units = {row[1]: row[2] for row in rows}
    levels = {}
    for day in units:
        before = [units[d] for n in range(1, 8) if (d := day - timedelta(days=n)) in units]
        if len(before) >= 5:
            levels[day] = median(before)
    expected = []
    for day in units:
        weeks = [d for n in (7, 14, 21, 28) if (d := day - timedelta(days=n)) in levels]
        recent = [units[d] for n in range(1, baseline_days + 1) if (d := day - timedelta(days=n)) in units]
        if len(weeks) >= 3 and day in levels:
            share = median(math.log(units[d] / levels[d]) for d in weeks)
            expected.append((day, levels[day] * math.exp(share), len(weeks), True))
        else:
            expected.append((day, median(recent) if recent else None, len(recent), False))
    return expected


@settings(deadline=None)
@given(st.lists(st.none() | counts, max_size=45), st.integers(1, 9))
def test_volumes_equal_a_reference_that_looks_at_one_cohort_at_a_time(
    days: list[tuple[int, int] | None], baseline_days: int
):
    rows = [row for row in cohorts(*days) if row[2]]
    found = volumes(rows, baseline_days=baseline_days)
    for got, (day, usual_units, number, by_weekday) in zip(
        found, plain_volumes(rows, baseline_days), strict=True
    ):
        assert (got["assignment_date"], got["past_cohorts"]) == (day, number)
        assert got["past_units"] == (None if usual_units is None else pytest.approx(usual_units))
        if usual_units is not None:
            assert got["is_same_weekday"] == by_weekday


def test_a_sharp_weekday_is_no_alarm_once_it_was_there_three_times():
    week = [(5000, 3500)] * 5 + [(5000, 3000)] * 2
    found = shifted_days(cohorts(*week * 6), baseline_days=28, smallest_shift=0.005)
    assert found
    assert max(found) < 21


def test_mismatches_of_two_in_a_hundred_of_5000_units_are_found_on_their_day():
    rows = cohorts(*[(5000, hits) for hits in (2, 5, 3, 4, 0, 6, 3, 2, 4, 5)], (5000, 103))
    assert shifted_days(rows, smallest_shift=0.005, only_rises=True) == [10]


def test_a_past_that_varies_more_than_by_chance_makes_the_same_rise_no_alarm():
    steady = [(5000, hits) for hits in (500, 490, 510, 505, 495) * 4]
    uneasy = [(5000, hits) for hits in (500, 420, 590, 440, 560) * 4]
    rise = (5000, 630)
    assert shifted_days(cohorts(*steady, rise), baseline_days=20, smallest_shift=0.005) == [20]
    assert shifted_days(cohorts(*uneasy, rise), baseline_days=20, smallest_shift=0.005) == []


def test_a_trend_of_the_volume_is_no_alarm_and_half_a_day_is_one():
    growing = [
        (round(5000 * 1.01**n * (0.6 if n % 7 > 4 else 1.0) * (1 + 0.01 * (-1) ** n)), 0) for n in range(50)
    ]
    assert [day for day in far_days(cohorts(*growing), volume_factor=1.1) if day >= 27] == []
    growing[45] = (growing[45][0] // 2, 0)
    assert [day for day in far_days(cohorts(*growing), volume_factor=1.1) if day >= 27] == [45]


def test_clean_experiments_of_every_size_stay_silent():
    random = Random(3)
    rows = []
    for number, units in enumerate([10, 40, 120, 400] * 5):
        days = [(units, sum(random.random() < 0.3 for _ in range(units))) for _ in range(40)]
        rows += cohorts(*days, experiment=f"{number}")
    rules = limits(*map(str, range(20)), baseline_days=28, smallest_shift=0.005)
    found = rate_shifts(frame(rows), "mismatch_units", rules).collect()
    assert found["is_judged"].sum() > 300
    assert found["has_shifted"].sum() == 0


def exact_tail(hits: int, units: int, past_hits: int, past_units: int) -> float:
    """The probability of so many hits or more among the units, if hits fall anywhere alike."""
    drawn = range(hits, min(units, hits + past_hits) + 1)
    ways = sum(math.comb(units, k) * math.comb(past_units, hits + past_hits - k) for k in drawn)
    return ways / math.comb(units + past_units, hits + past_hits)


@pytest.mark.parametrize("past_hits", [0, 3, 30, 200])
@pytest.mark.parametrize(("units", "past_units"), [(100, 300), (100, 5000), (1000, 700)])
def test_a_rise_of_z_4_is_about_as_rare_by_chance_as_it_says(past_hits: int, units: int, past_units: int):
    # One experiment per number of hits.
    past = [(past_units, past_hits)] * 8
    rows = [row for hits in range(units) for row in cohorts(*past, (units, hits), experiment=f"{hits}")]
    rules = limits(*map(str, range(units)), baseline_days=8)
    found = rate_shifts(frame(rows), "mismatch_units", rules).collect()
    rises = found.filter(pl.col("past_cohorts") == 8, pl.col("z") >= 4.0)
    hits = min(int(experiment) for experiment in rises["experiment_id"])
    # A normal distribution exceeds 4 with a probability of 3.2e-5.
    assert exact_tail(hits, units, 8 * past_hits, 8 * past_units) < 1.5e-4
    assert exact_tail(hits - 2, units, 8 * past_hits, 8 * past_units) > 3.2e-5


def test_a_day_of_far_fewer_or_far_more_units_is_found():
    assert far_days(cohorts(*[(900, 0)] * 6, (250, 0), (900, 0), (3000, 0), (900, 0))) == [6, 8]


def test_every_threshold_of_the_volume_has_an_effect():
    rows = cohorts(*[(90, 0)] * 6, (20, 0))
    assert far_days(rows) == []
    assert far_days(rows, min_units=90) == [6]
    assert far_days(rows, min_units=90, volume_factor=5.0) == []
    assert far_days(rows, min_units=90, shift_z=9.0) == []
    rows = cohorts(*[(900, 0)] * 3, *[(90, 0)] * 4)
    assert far_days(rows, baseline_days=3, min_units=1) == [3, 4]
    assert far_days(rows, baseline_days=7, min_units=1) == [3, 4, 5, 6]


def test_one_extraordinary_day_makes_no_later_day_look_small():
    assert far_days(cohorts(*[(900, 0)] * 5, (90_000, 0), *[(900, 0)] * 10)) == [5]


def test_a_quiet_weekday_is_compared_with_its_like_once_there_are_three():
    weeks = [(1000, 0)] * 6 + [(200, 0)]
    assert far_days(cohorts(*weeks * 5)) == [6, 13, 20]


def test_a_day_without_assignments_is_missing_when_later_days_have_some():
    rows = cohorts(*[(100, 0)] * 4, None, *[(100, 0)] * 3)
    assert missing_days(rows, 12) == [4]


def test_days_before_the_first_assignment_are_missing_too():
    assert missing_days(cohorts(None, *[(100, 0)] * 5), 6) == [0]


def test_a_day_that_chance_or_a_weekly_batch_leaves_empty_is_not_missing():
    assert missing_days(cohorts(*[(3, 0)] * 4, None, *[(3, 0)] * 3), 8) == []
    assert missing_days(cohorts(*([(700, 0), *[None] * 6] * 3)), 21) == []


def test_every_threshold_of_missing_days_has_an_effect():
    rows = cohorts((20, 0), (20, 0), None, (20, 0), (20, 0))
    assert missing_days(rows, 5) == [2]
    assert missing_days(rows, 5, shift_z=9.0) == []
    assert missing_days(rows, 5, baseline_days=1) == []
    assert missing_days(rows, 2) == []


def z_of(hits: int, units: int, threshold: float) -> float:
    return pl.select(shortfall_z(pl.lit(hits), pl.lit(units), pl.lit(threshold))).item()


def test_a_shortfall_counts_by_how_unlikely_it_is():
    assert z_of(90, 100, 0.9) == 0.0
    assert -1.0 < z_of(89, 100, 0.9) < 0.0 < z_of(93, 100, 0.9) < 1.5
    # 1000 draws at 0.9 have a standard deviation of 9.5.
    assert z_of(862, 1000, 0.9) == pytest.approx(-37.5 / 9.49, rel=0.05)


def test_any_shortfall_of_a_rate_of_1_is_impossible_and_one_of_0_does_not_exist():
    assert z_of(998, 1000, 1.0) == -math.inf
    assert z_of(0, 1000, 0.0) == 0.0
