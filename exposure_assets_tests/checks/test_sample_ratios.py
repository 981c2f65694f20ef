"""The check of the sample ratios in real runs, over counts that a test has written.

What a mismatch is, is tested with the transform.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from exposure_assets.contracts import SampleRatioIntervals, SampleRatios, StageCounts
from exposure_assets_tests.checks.check_runs import CheckRuns, check_runs, day

HALVES = ('id = "control"\nallocation = 1.0', 'id = "control"\nallocation = 0.5')
ALLOCATIONS = (HALVES, ('id = "treatment"\nallocation = 0.0', 'id = "treatment"\nallocation = 0.5'))


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[CheckRuns]:
    with check_runs(tmp_path, "one", "two") as runs:
        for path in (runs.place / "catalog" / "experiments").iterdir():
            text = path.read_text()
            for old, new in ALLOCATIONS:
                text = text.replace(old, new)
            path.write_text(text)
        runs.data_until(5)
        yield runs


def units(experiment: str, stage: str, control: int, treatment: int, **changes: Any) -> list[dict[str, Any]]:
    row = {"experiment_id": experiment, "assignment_date": day(0), "is_conflicting": False}
    row |= {"stage": stage, "reached_date": day(0)} | changes
    counts = {"control": control, "treatment": treatment}
    return [{"variation_id": name, "unit_count": count} | row for name, count in counts.items() if count]


def judge(runs: CheckRuns, *rows: list[dict[str, Any]]) -> dg.AssetCheckEvaluation:
    """Compute the tables from the counts, and judge them."""
    runs.write(StageCounts, [row for group in rows for row in group])
    runs.judge_whole("sample_ratios", "sample_ratio_intervals")
    found = runs.latest("sample_ratio_is_as_declared", table="sample_ratios")
    assert found is not None
    return found


def test_a_broken_split_is_a_warning_with_its_numbers_and_where_to_look(runs: CheckRuns):
    found = judge(
        runs,
        units("one", "assigned", 1000, 1000),
        units("one", "exposed", 990, 800),
        units("one", "valid_exposed", 990, 800),
        units("two", "assigned", 500, 500),
    )
    assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert found.description == (
        "1 experiment has other shares than declared. one, exposed until 2026-01-06: control has 990 of 1790 units, "
        "expected 895.0 (deviation 0.053, sequential p 0.00061). Assignments are as declared: look for what keeps "
        "units of one variation from being exposed, or their exposures from being logged."
    )
    numbers = {name: found.metadata[name].value for name in ("found", "expected", "experiments")}
    assert numbers == {"found": 1, "expected": 0, "experiments": 2}
    assert "| one | 2026-01-06 | exposed |" in str(found.metadata["numbers"].value)


def test_right_splits_pass(runs: CheckRuns):
    found = judge(runs, units("one", "assigned", 1000, 1001), units("two", "assigned", 500, 510))
    assert found.passed
    assert runs.workspace.warehouse.scan(SampleRatios).collect().height == 2 * (6 * 2 + 2)
    assert runs.workspace.warehouse.scan(SampleRatioIntervals).collect().height == 2 * 6 * 2 * 2


def test_units_of_a_variation_without_allocation_are_counted_in_the_warning(runs: CheckRuns):
    found = judge(
        runs, [*units("two", "assigned", 500, 500), *units("two", "assigned", 3, 0, variation_id="x")]
    )
    assert not found.passed
    assert "two, assigned until" in str(found.description)
    assert "units are in variations whose allocation is 0." in str(found.description)


def test_a_split_that_only_fails_without_conflicting_units_says_so(runs: CheckRuns):
    found = judge(
        runs,
        units("one", "assigned", 700, 500),
        units("one", "assigned", 0, 200, is_conflicting=True),
    )
    assert "assigned until 2026-01-06, without conflicting units: control has 700 of 1200" in str(
        found.description
    )


def test_the_least_probable_experiment_is_named_and_all_are_counted(runs: CheckRuns):
    found = judge(runs, units("one", "assigned", 700, 500), units("two", "assigned", 900, 500))
    assert str(found.description).startswith("2 experiments have other shares than declared. two, ")


def test_no_counts_pass(runs: CheckRuns):
    assert judge(runs).passed
