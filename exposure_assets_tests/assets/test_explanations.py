"""What Dagster's page shows of the explanations: one line per experiment, and nothing of a client's text as markup.

How a cohort is explained is tested with `explaining`.
"""

from typing import Any

import dagster as dg
import polars as pl

from exposure_assets.assets.explanations import _most_likely
from exposure_assets.contracts import Explanations, columns_of
from exposure_assets_tests.contracts.good_rows import GOOD


def shown(**changes: Any) -> str:
    rows = pl.DataFrame(
        [{**GOOD["explanations"], "step_number": 1, **changes}], schema=columns_of(Explanations)
    )
    found = _most_likely(rows)["most likely causes"]
    assert isinstance(found, dg.MarkdownMetadataValue)
    return str(found.value).splitlines()[-1]


def test_the_most_likely_cause_stands_in_a_line_per_experiment():
    assert shown(likely_key="06:00 to 09:00") == (
        "| exp | 2026-01-10 | 2 | outage_of_hours | 06:00 to 09:00 | 100% |"
    )


def test_what_a_client_sent_is_shown_as_text():
    line = shown(likely_key='<img src=x onerror="alert(1)"> | `a`\n[b](javascript:1)')
    assert "<" not in line
    assert line.count(" | ") == 5
    assert "\\[b\\](javascript:1)" in line


def test_without_experiments_there_is_no_line():
    metadata = _most_likely(pl.DataFrame(schema=columns_of(Explanations)))
    assert metadata["experiments with a drop"] == 0
