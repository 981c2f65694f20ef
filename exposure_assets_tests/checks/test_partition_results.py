"""Tests of what checks store per partition: who fails, who recovers, and that no run looks beyond its partitions.

Which rows break a rule is tested with the rules.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from exposure_assets.checks.partition_results import MOST_PARTITIONS_REPORTED
from exposure_assets.contracts import Assignments, DailyQuality, ExposureValidation, columns_of
from exposure_assets_tests.checks.check_runs import CheckRuns, check_runs, cohort, cohorts, day
from exposure_assets_tests.installation import Installation

VERDICTS, GRAIN = "every_assignment_has_a_verdict", "one_row_per_grain_over_all_partitions"


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[CheckRuns]:
    with check_runs(tmp_path, "exp", "other") as runs:
        yield runs


def assigned(number: int, *units: str, experiment: str = "exp") -> list[dict[str, Any]]:
    at = datetime(2026, 1, 1, 9, tzinfo=UTC) + (day(number) - date(2026, 1, 1))
    key = {
        "experiment_id": experiment,
        "assignment_date": day(number),
        "assigned_at": at,
        "variation_id": "a",
    }
    nothing = dict.fromkeys(columns_of(Assignments))
    return [nothing | key | {"unit_id": unit} for unit in units]


def judged(*rows: dict[str, Any]) -> list[dict[str, Any]]:
    """A verdict for every assignment."""
    nothing = dict.fromkeys(columns_of(ExposureValidation))
    return [nothing | {name: row[name] for name in row if name in nothing} for row in rows]


def key_of(number: int, experiment: str = "exp") -> str:
    return f"{day(number)}|{experiment}"


def write(runs: CheckRuns, assignments: list[dict[str, Any]], verdicts: list[dict[str, Any]]) -> None:
    runs.write(Assignments, assignments)
    runs.write(ExposureValidation, verdicts)


def test_each_failing_partition_has_its_own_result_and_the_others_have_none(runs: CheckRuns):
    rows = [*assigned(0, "u"), *assigned(1, "v", "w"), *assigned(1, "x", experiment="other")]
    write(runs, rows, judged(rows[0], rows[1], rows[3]))
    runs.run(ExposureValidation, [VERDICTS], (0, 1))
    assert runs.failing(VERDICTS, "exposure_validation") == [key_of(1)]
    told = runs.latest(VERDICTS, key_of(1), "exposure_validation")
    assert told is not None
    assert (told.metadata["found"].value, told.metadata["expected"].value) == (1, 0)
    assert "| exp | 2026-01-02 | 2 | 1 |" in str(told.metadata["first_rows"].value)
    assert runs.latest(VERDICTS, key_of(0), "exposure_validation") is None
    # The run has no result of its own that the next run, over other partitions, would take back.
    assert runs.latest(VERDICTS, None, "exposure_validation") is None


def test_a_partition_that_failed_and_holds_again_passes_in_what_is_stored(runs: CheckRuns):
    rows = [*assigned(0, "u", "v"), *assigned(1, "w", "x")]
    write(runs, rows, judged(rows[0], rows[2]))
    runs.run(ExposureValidation, [VERDICTS], (0, 1))
    assert runs.failing(VERDICTS, "exposure_validation") == [key_of(0), key_of(1)]
    write(runs, rows, judged(*rows))
    runs.run(ExposureValidation, [VERDICTS], (1, 1))
    assert runs.failing(VERDICTS, "exposure_validation") == [key_of(0)]
    told = runs.latest(VERDICTS, key_of(1), "exposure_validation")
    assert told is not None
    assert told.passed
    of_run = runs.latest(VERDICTS, None, "exposure_validation")
    assert of_run is not None
    assert (of_run.passed, of_run.metadata["recovered_partitions"].value) == (True, 1)
    runs.run(ExposureValidation, [VERDICTS], None)
    assert runs.failing(VERDICTS, "exposure_validation") == []


def test_only_the_partitions_of_the_run_are_judged(runs: CheckRuns):
    rows = [row for number in range(4) for row in assigned(number, f"u{number}", f"v{number}")]
    write(runs, rows, judged(*(row for row in rows if row["unit_id"].startswith("u"))))
    runs.run(ExposureValidation, [VERDICTS], (1, 2))
    assert runs.failing(VERDICTS, "exposure_validation") == [key_of(1), key_of(2)]


def test_a_unit_that_stands_in_two_partitions_fails_those_of_the_run(runs: CheckRuns):
    rows = [*assigned(0, "u", "v"), *assigned(5, "u", "w"), *assigned(5, "u", experiment="other")]
    runs.write(Assignments, rows)
    runs.run(Assignments, [GRAIN], (5, 5))
    assert runs.failing(GRAIN, "assignments") == [key_of(5)]
    told = runs.latest(GRAIN, key_of(5), "assignments")
    assert told is not None
    assert "| u | 2 | 2026-01-01, 2026-01-06 |" in str(told.metadata["first_rows"].value)


def test_a_unit_that_another_partitions_run_put_right_is_right_here_too(runs: CheckRuns):
    runs.write(Assignments, [*assigned(0, "u"), *assigned(5, "u")])
    runs.run(Assignments, [GRAIN], (5, 5))
    assert runs.failing(GRAIN, "assignments") == [key_of(5)]
    runs.write(Assignments, assigned(5, "u"))
    runs.run(Assignments, [GRAIN], (0, 0))
    assert runs.failing(GRAIN, "assignments") == []


def test_more_failing_partitions_than_can_be_told_one_by_one_fail_the_run(runs: CheckRuns):
    runs.data_until(200)
    count = MOST_PARTITIONS_REPORTED + 5
    runs.write(DailyQuality, [*cohorts(range(count), exposed_units=500), *cohort(count, exposed_units=100)])
    runs.run(DailyQuality, ["exposure_health"], (0, count))
    reported = runs.failing("exposure_health")
    assert len(reported) == MOST_PARTITIONS_REPORTED
    assert key_of(count) in reported
    told = runs.latest("exposure_health")
    assert told is not None
    assert (told.passed, told.metadata["found"].value) == (False, count + 1)


def test_results_are_kept_by_a_real_home_and_the_worst_partition_is_the_state_of_the_check(tmp_path: Path):
    with Installation(tmp_path, tmp_path).instance() as instance:
        runs = CheckRuns(tmp_path, instance)
        runs.data_until(30)
        worst = [*cohort(6, exposed_units=100), *cohort(7, exposed_units=500)]
        runs.write(DailyQuality, [*cohorts(range(6)), *worst, *cohorts(range(8, 20))])
        runs.run(DailyQuality, ["exposure_health"], (0, 19))
        assert runs.failing("exposure_health") == [key_of(6), key_of(7)]
        check = dg.AssetCheckKey(dg.AssetKey("daily_quality"), "exposure_health")
        latest = instance.event_log_storage.get_latest_asset_check_execution_by_key([check])
        assert [record.partition for record in latest.values()] == [key_of(6)]
