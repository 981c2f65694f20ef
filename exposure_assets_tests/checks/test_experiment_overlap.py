"""The checks of `experiment_overlap` in real runs, over tables that a test has written.

What dependence is, and from where on it matters, is tested with the transform.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest

from exposure_assets.contracts import Assignments, ExperimentOverlap, columns_of
from exposure_assets_tests.checks.check_runs import CheckRuns, check_runs, day

COUNTED, INDEPENDENT = "every_shared_unit_is_counted_once", "splits_are_independent"


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[CheckRuns]:
    with check_runs(tmp_path, "one", "two") as runs:
        yield runs


def assign(runs: CheckRuns, both_treated: int, both_control: int, mixed: int = 0) -> None:
    """Units in both experiments: of the same variation in both, or of different ones."""
    kinds = [("treatment", "treatment")] * both_treated + [("control", "control")] * both_control
    kinds += [("control", "treatment")] * mixed + [("treatment", "control")] * mixed
    rows: list[dict[str, Any]] = [
        {
            "experiment_id": experiment,
            "unit_id": f"{n}",
            "variation_id": variation,
            "assigned_at": None,
            "assignment_date": day(0),
            "assignment_count": 1,
            "variation_count": 1,
            "is_conflicting": False,
        }
        for n, kind in enumerate(kinds)
        for experiment, variation in zip(("one", "two"), kind, strict=True)
    ]
    runs.write(Assignments, rows)


def judge(runs: CheckRuns, *, compute: bool = True) -> None:
    """Compute the table from the assignments, and judge it; or judge it as it is."""
    runs.judge_whole("experiment_overlap", compute=compute)


def latest(runs: CheckRuns, check: str) -> dg.AssetCheckEvaluation:
    evaluation = runs.latest(check, table="experiment_overlap")
    assert evaluation is not None
    return evaluation


def test_splits_by_the_same_random_number_are_a_warning_with_its_numbers(runs: CheckRuns):
    assign(runs, both_treated=40, both_control=60)
    judge(runs)
    found = latest(runs, INDEPENDENT)
    assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert found.description == (
        "1 pairs of experiments have splits that depend on one another, most of all one and two: Cramér's V 1 over "
        "100 units, p 1.5e-23."
    )
    assert {name: found.metadata[name].value for name in ("found", "expected", "pairs", "judged_pairs")} == {
        "found": 1,
        "expected": 0,
        "pairs": 1,
        "judged_pairs": 1,
    }
    assert "| one | two |" in str(found.metadata["numbers"].value)
    assert latest(runs, COUNTED).passed


def test_independent_splits_pass_and_show_their_numbers_too(runs: CheckRuns):
    assign(runs, both_treated=25, both_control=25, mixed=25)
    judge(runs)
    found = latest(runs, INDEPENDENT)
    assert found.passed
    assert "| one | two |" in str(found.metadata["numbers"].value)
    assert latest(runs, COUNTED).metadata["expected"].value == 100


def test_no_shared_units_pass(runs: CheckRuns):
    assign(runs, both_treated=0, both_control=0)
    judge(runs)
    assert latest(runs, INDEPENDENT).passed
    assert latest(runs, COUNTED).passed


def test_a_unit_that_is_missing_in_the_table_is_an_error(runs: CheckRuns):
    assign(runs, both_treated=10, both_control=10)
    judge(runs)
    warehouse = runs.workspace.warehouse
    rows = warehouse.scan(ExperimentOverlap).collect()
    version = warehouse.versions([ExperimentOverlap])["experiment_overlap"]
    fewer = rows.with_columns(pl.col("unit_count") - 1).select(columns_of(ExperimentOverlap).keys())
    warehouse.replace(ExperimentOverlap, [fewer], versions=version)
    judge(runs, compute=False)
    found = latest(runs, COUNTED)
    assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert (found.metadata["found"].value, found.metadata["expected"].value) == (16, 20)


def test_a_table_older_than_the_assignments_is_not_judged(runs: CheckRuns):
    assign(runs, both_treated=10, both_control=10)
    judge(runs)
    runs.quality()
    for id_ in ("one", "two"):
        path = runs.place / "catalog" / "experiments" / f"{id_}.toml"
        path.write_text(path.read_text().replace('id = "treatment"', 'id = "renamed"'))
    judge(runs, compute=False)
    assert latest(runs, COUNTED).passed
    assert "Not judged" in str(latest(runs, COUNTED).description)
