"""Tests of what the `[guardrails]` section of an experiment may not say, by the exact line an analyst reads.

What its limits do is tested with the quality report.
"""

import pytest

from exposure_assets_tests.resources.catalog_files import EXPERIMENT, problems, write


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            "minimum_unit = 5",
            "minimum_unit: found an unknown key, expected one of minimum_units, conflicting_rate",
        ),
        (
            'crossover_rate = "5%"',
            'crossover_rate: found "5%", expected a number; write for example crossover_rate = 0.05',
        ),
        ("mismatch_rate = 2", "mismatch_rate: found 2, expected at most 1"),
        ('off = ["crossover"]', "off: found 'crossover', expected a guardrail; did you mean 'crossovers'?"),
        (
            'only_warn = ["mismatches", "mismatches"]',
            "only_warn: found 'mismatches' 2 times, expected every guardrail once; remove the repetition",
        ),
    ],
)
def test_a_mistake_is_named_with_its_key_and_what_to_write(tmp_path, line: str, expected: str):
    [problem] = problems(write(tmp_path, experiment=f"{EXPERIMENT}[guardrails]\n{line}\n"))
    assert problem.startswith(f"experiments/a.toml: guardrails.{expected}")


def test_a_misspelt_limit_names_the_nearest_one(tmp_path):
    [problem] = problems(write(tmp_path, experiment=f"{EXPERIMENT}[guardrails]\nminimum_unit = 5\n"))
    assert problem.endswith("did you mean 'minimum_units'?")
