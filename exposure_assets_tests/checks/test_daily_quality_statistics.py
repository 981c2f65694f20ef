"""Tests of the statistical checks in real runs: what they find, what they leave alone, and what each threshold does.

How a shift is told from chance is tested with `transforms.quality_shifts`.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest

from exposure_assets.checks.daily_quality_statistics import STATISTICS
from exposure_assets.contracts import DailyQuality, DedupedExposures, columns_of
from exposure_assets_tests.checks.check_runs import CheckRuns, check_runs, cohort, cohorts, day

NAMES = [statistic.name for statistic in STATISTICS]


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[CheckRuns]:
    with check_runs(tmp_path) as runs:
        runs.data_until(20)
        yield runs


def judge(runs: CheckRuns, days: tuple[int, int] | None) -> None:
    runs.run(DailyQuality, NAMES, days)


def exposed_on(number: int, units: int) -> list[dict[str, Any]]:
    nothing = dict.fromkeys(columns_of(DedupedExposures))
    key = {
        "experiment_id": "exp",
        "variation_id": "control",
        "exposure_date": day(number),
        "exposure_count": 1,
    }
    return [nothing | key | {"unit_id": f"{unit}"} for unit in range(units)]


def failing(runs: CheckRuns) -> dict[str, list[int]]:
    """The days, counted from 0, of failing partitions by check."""
    numbers = {str(day(number)): number for number in range(-30, 60)}
    found = {name: [numbers[key.split("|")[0]] for key in runs.failing(name)] for name in NAMES}
    return {name: days for name, days in found.items() if days}


STEADY = cohorts(range(20))
PLANTED = [
    ("exposure_health", cohorts(range(20), exposed_units=850), ["warning_exposure_rate = 0.85"]),
    ("exposure_health", cohorts(range(20), exposed_units=850), ["shift_z = 6"]),
    ("exposure_health", cohorts(range(20), 90, exposed_units=40), ["min_units = 91"]),
    (
        "exposure_health",
        cohorts(range(20), exposed_units=650),
        ["critical_exposure_rate = 0.6", "warning_exposure_rate = 0.6"],
    ),
    (
        "exposure_rate_is_steady",
        [*cohorts(range(15), exposed_units=960), *cohort(15, exposed_units=850), *cohorts(range(16, 20))],
        ["exposure_rate_shift = 0.12"],
    ),
    (
        "mismatch_rate_is_steady",
        [*cohorts(range(15), mismatch_units=10), *cohort(15, mismatch_units=70), *cohorts(range(16, 20))],
        ["mismatch_rate_shift = 0.07"],
    ),
    (
        "crossover_rate_is_steady",
        [*cohorts(range(15), crossover_units=10), *cohort(15, crossover_units=70), *cohorts(range(16, 20))],
        ["crossover_rate_shift = 0.07"],
    ),
    (
        "pre_assignment_rate_is_steady",
        [*cohorts(range(15)), *cohort(15, pre_assignment_units=70), *cohorts(range(16, 20))],
        ["pre_assignment_rate_shift = 0.08"],
    ),
    (
        "pre_assignment_rate_is_steady",
        [*cohorts(range(15)), *cohort(15, pre_assignment_units=70), *cohorts(range(16, 20))],
        ["shift_z = 30"],
    ),
    (
        "pre_assignment_rate_is_steady",
        [*cohorts(range(15)), *cohort(15, pre_assignment_units=70), *cohorts(range(16, 20))],
        ["baseline_days = 2"],
    ),
    (
        "pre_assignment_rate_is_steady",
        [*cohorts(range(15)), *cohort(15, pre_assignment_units=70), *cohorts(range(16, 20))],
        ["judge_after_days = 5"],
    ),
    (
        "assignment_volume_is_steady",
        [*cohorts(range(15)), *cohort(15, 300), *cohorts(range(16, 20))],
        ["volume_factor = 3.5"],
    ),
    (
        "assignment_volume_is_steady",
        [*cohorts(range(15)), *cohort(15, 300), *cohorts(range(16, 20))],
        ["min_units = 1001"],
    ),
    ("no_cohort_is_missing", [*cohorts(range(15), 30), *cohorts(range(16, 20), 30)], ["shift_z = 9"]),
]


@pytest.mark.parametrize(("check", "rows", "silencing"), PLANTED)
def test_a_planted_fault_is_found_and_a_threshold_of_the_catalog_silences_it(
    runs: CheckRuns, check: str, rows: list[dict[str, Any]], silencing: list[str]
):
    runs.quality("min_units = 90")
    runs.write(DailyQuality, rows)
    judge(runs, (14, 16))
    assert 15 in failing(runs)[check]
    runs.quality(*(["min_units = 90"] if not silencing[0].startswith("min_units") else []), *silencing)
    judge(runs, (14, 16))
    assert check not in failing(runs)


def test_units_exposed_without_an_assignment_are_found_and_their_threshold_silences_it(runs: CheckRuns):
    rows = [*cohorts(range(10)), *cohort(10, unassigned_exposed_units=60), *cohorts(range(11, 20))]
    runs.write(DailyQuality, rows)
    runs.write(DedupedExposures, exposed_on(10, 600))
    judge(runs, (10, 10))
    assert failing(runs) == {"exposed_units_are_assigned": [10]}
    told = runs.latest("exposed_units_are_assigned", f"{day(10)}|exp")
    assert told is not None
    assert (told.metadata["found"].value, told.metadata["units"].value) == (0.1, 600)
    runs.quality("unassigned_share = 0.1")
    judge(runs, (10, 10))
    assert failing(runs) == {}


def test_a_share_without_assignment_that_chance_explains_is_no_alarm(runs: CheckRuns):
    rows = [*cohorts(range(10)), *cohort(10, unassigned_exposed_units=3), *cohorts(range(11, 20))]
    runs.write(DailyQuality, rows)
    runs.write(DedupedExposures, exposed_on(10, 120))
    judge(runs, (10, 10))
    assert failing(runs) == {}
    runs.quality("shift_z = 1")
    judge(runs, (10, 10))
    assert failing(runs) == {"exposed_units_are_assigned": [10]}


def test_units_that_may_still_be_assigned_are_not_judged(runs: CheckRuns):
    runs.write(DailyQuality, cohorts(range(20), unassigned_exposed_units=500))
    runs.write(DedupedExposures, [row for number in range(20) for row in exposed_on(number, 600)])
    judge(runs, (0, 19))
    assert failing(runs)["exposed_units_are_assigned"] == list(range(0, 13))


def test_clean_cohorts_pass_every_check_and_show_their_numbers(runs: CheckRuns):
    runs.write(DailyQuality, STEADY)
    runs.write(DedupedExposures, [])
    judge(runs, (0, 19))
    assert failing(runs) == {}
    for name in NAMES:
        told = runs.latest(name)
        assert told is not None
        assert told.passed
        assert (told.metadata["found"].value, told.metadata["expected"].value) == (0, 0)
    health = runs.latest("exposure_health")
    assert health is not None
    assert health.metadata["judged_partitions"].value == 17
    assert "| exp | 2026-01-01 | 1.0 | at least 0.9, critical below 0.7 | 1000 |" in str(
        health.metadata["numbers"].value
    )


def test_a_failure_says_what_was_found_and_expected_and_shows_the_rows(runs: CheckRuns):
    rows = [*cohorts(range(10)), *cohort(10, exposed_units=600), *cohorts(range(11, 20))]
    runs.write(DailyQuality, rows)
    judge(runs, (9, 11))
    told = runs.latest("exposure_health", f"{day(10)}|exp")
    assert told is not None
    assert not told.passed
    assert told.severity == dg.AssetCheckSeverity.WARN
    assert told.metadata["found"].value == 0.6
    assert told.metadata["expected"].value == "at least 0.9, critical below 0.7"
    assert (told.metadata["units"].value, told.metadata["health"].value) == (1000, "critical")
    assert "| control | 1000 | 600 | 0.6 |" in str(told.metadata["first_rows"].value)
    assert told.description is not None
    assert told.description.startswith("2026-01-11, exp: found 0.6, expected at least 0.9")


def test_numbers_are_rounded_and_an_infinite_one_is_text(runs: CheckRuns):
    runs.quality("warning_exposure_rate = 1.0")
    runs.write(DailyQuality, cohorts(range(20), 1001, exposed_units=1000))
    judge(runs, (10, 10))
    told = runs.latest("exposure_health", f"{day(10)}|exp")
    assert told is not None
    assert (told.metadata["found"].value, told.metadata["z"].value) == (0.999, "-inf")


def test_cohorts_that_had_no_time_for_exposure_yet_are_not_judged(runs: CheckRuns):
    runs.write(DailyQuality, cohorts(range(20), exposed_units=100))
    judge(runs, (0, 19))
    # The data reach day 20, which may still be filling: day 16 has had its 3 days, day 17 has not.
    assert failing(runs) == {"exposure_health": list(range(0, 17))}


def test_a_cohort_that_comes_of_age_without_a_run_of_its_own_is_judged_by_the_next_run(runs: CheckRuns):
    runs.write(DailyQuality, [*cohorts(range(17)), *cohort(17, exposed_units=0), *cohorts(range(18, 19))])
    judge(runs, (19, 19))
    assert failing(runs) == {}
    runs.data_until(21)
    judge(runs, (20, 20))
    assert set(failing(runs)) == {"exposure_health", "exposure_rate_is_steady"}
    assert failing(runs)["exposure_health"] == [17]


def test_partitions_outside_the_run_are_left_alone_unless_the_check_is_executed_by_itself(runs: CheckRuns):
    runs.write(DailyQuality, [*cohort(0, exposed_units=100), *cohorts(range(1, 20))])
    runs.write(DedupedExposures, [])
    judge(runs, (12, 19))
    assert failing(runs) == {}
    judge(runs, None)
    assert failing(runs)["exposure_health"] == [0]


def test_nothing_is_judged_without_data_and_without_cohorts(tmp_path: Path):
    with check_runs(tmp_path) as runs:
        runs.write(DailyQuality, [])
        judge(runs, (0, 3))
        assert failing(runs) == {}
        runs.data_until(5)
        judge(runs, (0, 3))
        assert failing(runs) == {}
        told = runs.latest("exposure_health")
        assert told is not None
        assert told.metadata["judged_partitions"].value == 0


def test_a_day_without_assignments_is_reported_although_no_run_computed_it(runs: CheckRuns):
    runs.write(DailyQuality, [*cohorts(range(15)), *cohorts(range(16, 20))])
    judge(runs, (19, 19))
    assert failing(runs) == {"no_cohort_is_missing": [15]}
    runs.write(DailyQuality, STEADY)
    judge(runs, (15, 15))
    assert failing(runs) == {}


def test_the_first_day_of_enrollment_that_is_no_whole_day_is_not_compared(runs: CheckRuns):
    rows = [*cohort(0, 100), *cohorts(range(1, 20))]
    runs.write(DailyQuality, rows)
    path = runs.place / "catalog" / "experiments" / "exp.toml"
    path.write_text(path.read_text().replace("2026-01-01T00:00", "2026-01-01T22:00"))
    judge(runs, (0, 3))
    assert failing(runs) == {}
    assert pl.DataFrame(rows).height == 40
