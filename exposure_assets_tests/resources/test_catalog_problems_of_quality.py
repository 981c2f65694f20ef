"""Tests of what the `[quality]` section of an experiment may not say, by the exact line an analyst reads.

What its thresholds do is tested with the checks.
"""

import pytest

from exposure_assets_tests.resources.catalog_files import EXPERIMENT, problems, write


def problems_of_quality(root, *lines: str) -> list[str]:
    return problems(write(root, experiment=EXPERIMENT + "\n".join(["[quality]", *lines, ""])))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            "judge_after_days = 29",
            "judge_after_days: found 29 days, expected at most the graph's horizon of 28",
        ),
        ("judge_after_days = -1", "judge_after_days: found -1, expected at least 0"),
        ("min_units = 0", "min_units: found 0, expected at least 1"),
        ("min_units = 50.0", "min_units: found 50.0, expected a whole number"),
        ("baseline_days = 0", "baseline_days: found 0, expected at least 1"),
        ("exposure_rate_shift = 10", "exposure_rate_shift: found 10, expected at most 1"),
        ('unassigned_share = "5%"', 'unassigned_share: found "5%", expected a number'),
        ("volume_factor = 0.5", "volume_factor: found 0.5, expected at least 1"),
        ("shift_z = inf", "shift_z: found inf, expected a finite number"),
    ],
)
def test_a_value_out_of_bounds_is_named_with_its_key(tmp_path, line, expected):
    [problem] = problems_of_quality(tmp_path, line)
    assert problem.startswith(f"experiments/a.toml: quality.{expected}")


def test_a_rate_is_worth_a_warning_before_it_is_critical(tmp_path):
    [problem] = problems_of_quality(tmp_path, "critical_exposure_rate = 0.8", "warning_exposure_rate = 0.75")
    assert problem == (
        "experiments/a.toml: quality.warning_exposure_rate: found 0.75, expected at least "
        "critical_exposure_rate, which is 0.8; raise it, or lower critical_exposure_rate"
    )


def test_an_unknown_key_names_the_nearest_one(tmp_path):
    [problem] = problems_of_quality(tmp_path, "minimum_units = 3")
    assert problem.endswith("did you mean 'min_units'?")
    assert "quality.minimum_units: found an unknown key" in problem


def test_a_threshold_outside_its_section_is_told_where_it_belongs(tmp_path):
    [problem] = problems(write(tmp_path, experiment="min_units = 3\n" + EXPERIMENT))
    assert problem.endswith("move it into [quality]")
