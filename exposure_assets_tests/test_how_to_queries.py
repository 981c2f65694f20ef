"""The queries of the how-tos answer what the text around them says, and the example catalog has what they ask for.

How queries are run is tested with `resources.query`.
"""

import re
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from exposure_assets.contracts import (
    ExposureWindows,
    TableContract,
    UnitOutcomes,
    UnitSegments,
    columns_of,
    segment_columns,
)
from exposure_assets_tests.installation import ROOT
from exposure_assets_tests.transforms.rows import january
from resources.catalog import load_catalog
from resources.query import run_query
from resources.warehouse import Warehouse

FURTHER = {"purchased": pl.Boolean, "revenue_usd": pl.Float64, "is_in_purchased_before": pl.Boolean}
# Per unit: variation, exposures in each of two weeks, whether it bought, for how much, whether it had bought before.
UNITS = {
    "ann": ("control", (0, 2), True, 10.0, True),
    "eve": ("control", (0, 0), False, 0.0, True),
    "max": ("control", (1, 1), False, 0.0, False),
    "zoe": ("treatment", (3, 0), True, 30.0, False),
}


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    filled = Warehouse(str(tmp_path_factory.mktemp("queries") / "w.duckdb"))
    windows, segments, outcomes = [], [], []
    for unit_id, (variation_id, exposures, purchased, revenue, is_before) in UNITS.items():
        key = {
            "experiment_id": "checkout-button",
            "unit_id": unit_id,
            "variation_id": variation_id,
            "assignment_date": january(2),
        }
        for name, index, count in (
            ("overall", 0, sum(exposures)),
            ("week_0", 0, exposures[0]),
            ("week_1", 1, exposures[1]),
        ):
            to_date = sum(exposures[: index + 1]) if name != "overall" else count
            windows.append(
                {
                    **key,
                    "exposure_window_id": "first_90_percent",
                    "analysis_window_id": name,
                    "analysis_window_index": index,
                    "exposure_count": count,
                    "is_exposed_in_window": count > 0,
                    "is_exposed_to_date": to_date > 0,
                }
            )
        segment = {"segment_id": "purchased_before", "is_post_assignment": False, "is_in_segment": is_before}
        segments.append({**key, **segment})
        outcomes.append(
            {**key, "purchased": purchased, "revenue_usd": revenue, "is_in_purchased_before": is_before}
        )
    write(filled, ExposureWindows, windows)
    write(filled, UnitSegments, segments)
    write(filled, UnitOutcomes, outcomes, **FURTHER)
    return filled


def write(
    warehouse: Warehouse, contract: type[TableContract], rows: list[dict[str, Any]], **further: Any
) -> None:
    columns = {**columns_of(contract), **further}
    frame = pl.DataFrame([dict.fromkeys(columns) | row for row in rows], schema=columns)
    warehouse.replace(contract, [frame], extra_columns=further)


def answers(warehouse: Warehouse, page: str) -> list[list[tuple[Any, ...]]]:
    """The rows of every query of a page, in their order."""
    text = (ROOT / "docs" / "how_to" / page).read_text("utf-8")
    queries = re.findall(r"^```sql\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    return [run_query(warehouse, Path("nowhere"), query).frame().rows() for query in queries]


def test_the_queries_of_windows_tell_exposed_units_from_others_and_count_up_to_each_week(
    warehouse: Warehouse,
):
    by_exposure, by_week = answers(warehouse, "exposure_windows.md")
    assert by_exposure == [
        ("control", False, 1, 0.0, 0.0),
        ("control", True, 2, 0.5, 5.0),
        ("treatment", True, 1, 1.0, 30.0),
    ]
    assert by_week == [
        ("control", 0, pytest.approx(1 / 3), 1),
        ("control", 1, pytest.approx(2 / 3), 3),
        ("treatment", 0, 1.0, 3),
        ("treatment", 1, 1.0, 0),
    ]


def test_the_queries_of_segments_cut_outcomes_shares_and_exposed_units(warehouse: Warehouse):
    by_segment, shares, by_both = answers(warehouse, "segments.md")
    assert by_segment == [
        (False, "control", 1, 0.0, 0.0),
        (False, "treatment", 1, 1.0, 30.0),
        (True, "control", 2, 0.5, 5.0),
    ]
    assert shares == [
        ("purchased_before", "control", 3, pytest.approx(2 / 3)),
        ("purchased_before", "treatment", 1, 0.0),
    ]
    assert by_both == [
        (False, True, "control", 1, 0.0),
        (False, True, "treatment", 1, 30.0),
        (True, False, "control", 1, 0.0),
        (True, True, "control", 1, 10.0),
    ]


def test_the_example_catalog_has_the_window_the_segment_and_the_metrics_of_the_queries():
    catalog = load_catalog(ROOT / "catalog")
    example = catalog.experiments["checkout-button"]
    [window] = example.exposure.windows
    assert {part.id for part in window.sequences(example.exposure.observe_days)} == {
        "overall",
        "week_0",
        "week_1",
    }
    assert window.id == "first_90_percent"
    assert {*segment_columns(catalog.experiments), *example.outcomes.metrics} >= set(FURTHER)
