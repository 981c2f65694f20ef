"""Which cohorts have dropped: compared at the same age, with what is still on its way, and only beyond chance."""

from datetime import date, timedelta
from typing import Any

import polars as pl
import pytest

from exposure_assets.contracts import Experiment, StageCounts, columns_of
from exposure_assets.explaining.cohorts import age_of, arrived_shares, dropped, drops
from exposure_assets.explaining.explaining import choose_day
from exposure_assets.explaining.findings import Drop
from exposure_assets.explaining.raw_days import ARRIVALS
from exposure_assets_tests.transforms.rows import experiment, january

ALL_ARRIVED = [1.0] * 8
RULES: dict[str, Any] = {"max_days_after_assignment": 3, "observe_days": 6}


def counts(
    cohorts: dict[int, tuple[int, dict[int, int]]], valid: dict[int, int] | None = None
) -> pl.DataFrame:
    """Per day of January the assigned units and, by days after it, how many were exposed; all of them validly."""
    rows = []
    for day, (units, exposed) in cohorts.items():
        reached = [("assigned", 0, units), *(("exposed", age, n) for age, n in exposed.items())]
        total = sum(exposed.values())
        reached += [("valid_exposed", 0, (valid or {}).get(day, total))]
        for stage, age, n in reached:
            rows.append(
                {
                    "experiment_id": "exp",
                    "assignment_date": january(day),
                    "variation_id": "control",
                    "is_conflicting": False,
                    "stage": stage,
                    "reached_date": january(day) + timedelta(days=age),
                    "unit_count": n,
                }
            )
    return pl.DataFrame(rows, schema=columns_of(StageCounts))


def found(
    cohorts: dict[int, tuple[int, dict[int, int]]],
    until: int,
    arrived: list[float] = ALL_ARRIVED,
    valid: dict[int, int] | None = None,
    entry: Experiment | None = None,
) -> dict[date, Drop]:
    both = drops(counts(cohorts, valid), entry or experiment(**RULES), january(until), arrived)
    return {day: dropped(one) for day, one in both.items()}


def test_a_young_cohort_is_compared_with_the_others_as_they_were_at_its_age():
    steady = {day: (1_000, {0: 600, 1: 200, 4: 100}) for day in range(5, 16)}
    young = found(steady, until=16)
    assert not any(drop.has_dropped for drop in young.values())
    assert (young[january(15)].age_days, young[january(15)].found_units) == (0, 600)
    assert young[january(15)].expected_units == pytest.approx(600)
    assert (young[january(14)].age_days, young[january(14)].found_units) == (1, 800)
    assert (young[january(8)].age_days, young[january(8)].found_units) == (6, 900)


def test_a_drop_is_seen_on_the_day_after_it():
    cohorts = {day: (1_000, {0: 600, 1: 200}) for day in range(5, 15)} | {15: (1_000, {0: 400})}
    last = found(cohorts, until=16)[january(15)]
    assert last.has_dropped
    assert (last.target, last.baseline, last.past_cohorts) == ("exposed", "past_cohorts", 10)
    assert last.missing_units == pytest.approx(200)


def test_what_usually_comes_late_is_not_missing():
    cohorts = {day: (10_000, {0: 6_000}) for day in range(5, 15)} | {15: (10_000, {0: 5_400})}
    late = [0.9] + [1.0] * 7
    assert found(cohorts, until=16)[january(15)].has_dropped
    assert not found(cohorts, until=16, arrived=late)[january(15)].has_dropped


def test_few_units_and_chance_are_no_drop():
    few = {day: (20, {0: 18}) for day in range(5, 15)} | {15: (20, {0: 2})}
    assert not any(drop.has_dropped for drop in found(few, until=16).values())
    chance = {day: (1_000, {0: 900}) for day in range(5, 15)} | {15: (1_000, {0: 880})}
    assert not found(chance, until=16)[january(15)].has_dropped


def test_units_may_be_missing_among_the_validly_exposed_alone():
    cohorts = {day: (1_000, {0: 900}) for day in range(5, 16)}
    last = found(cohorts, until=16, valid={15: 700})[january(15)]
    assert (last.target, last.has_dropped) == ("valid_exposed", True)
    assert last.missing_units == pytest.approx(200)


def test_without_a_past_a_cohort_of_age_is_held_against_the_rate_that_warns():
    first = {5: (1_000, {0: 500})}
    of_age = found(first, until=15)[january(5)]
    assert (of_age.baseline, of_age.has_dropped, of_age.missing_units) == ("warning_exposure_rate", True, 400)
    young = found(first, until=7)[january(5)]
    assert (young.baseline, young.has_dropped, young.expected_units) == ("none", False, None)


def test_cohorts_that_are_all_critical_are_missing_units_too():
    last = found({day: (1_000, {0: 300}) for day in range(5, 12)}, until=20)[january(11)]
    assert (last.baseline, last.has_dropped, last.missing_units) == ("warning_exposure_rate", True, 600)


def test_no_counts_are_no_cohorts():
    assert drops(counts({}), experiment(**RULES), january(10), ALL_ARRIVED) == {}


def test_the_last_day_with_data_may_still_be_filling_and_does_not_count():
    entry = experiment(**RULES)
    assert [age_of(entry, january(15), january(until)) for until in (15, 16, 17, 30)] == [0, 0, 1, 6]


def test_which_share_of_a_day_is_there_after_how_many_days():
    rows = [(january(5), january(5), 90), (january(5), january(7), 10), (january(9), january(9), 50)]
    arrivals = pl.DataFrame(rows, schema=ARRIVALS, orient="row")
    assert arrived_shares(arrivals, january(5)) == [0.9, 0.9] + [1.0] * 6
    assert arrived_shares(arrivals.clear(), january(5)) == ALL_ARRIVED


def test_the_last_drop_is_chosen_or_else_the_last_day_that_was_judged():
    steady = {day: (1_000, {0: 900}) for day in range(5, 16)}
    assert choose_day(found(steady, until=16), january(16)) == january(15)
    assert choose_day(found(steady | {10: (1_000, {0: 500})}, until=16), january(16)) == january(10)
    assert choose_day(found({5: (10, {0: 9})}, until=5), january(5)) == january(5)
