"""What Dagster's pages say of a table before it was computed.

What is said when rows are written is tested with the I/O manager.
"""

from datetime import date

import dagster as dg
import polars as pl
import pytest

from exposure_assets.assets.table_metadata import quality_numbers, table_metadata, table_tags
from exposure_assets.contracts import (
    STAGED_TABLES,
    WAREHOUSE_TABLES,
    Catalog,
    DailyQuality,
    Metric,
    TableContract,
    UnitOutcomes,
    columns_of,
)

TABLES = {**WAREHOUSE_TABLES, **STAGED_TABLES}


@pytest.mark.parametrize("name", TABLES)
def test_a_table_says_its_name_its_columns_in_order_and_what_each_means(name: str):
    contract: type[TableContract] = TABLES[name]
    metadata = table_metadata(contract)
    columns = metadata["dagster/column_schema"].columns
    assert metadata["dagster/table_name"] == name
    assert [column.name for column in columns] == list(columns_of(contract))
    assert all(column.description for column in columns)


def test_a_column_says_its_type_whether_it_may_be_null_and_its_bounds():
    columns = {c.name: c for c in table_metadata(DailyQuality)["dagster/column_schema"].columns}
    rate, assigned = columns["exposure_rate"], columns["assigned_units"]
    assert (rate.type, rate.constraints.nullable) == ("DOUBLE", True)
    assert rate.constraints.other == ["greater_than_or_equal_to(0.0)", "less_than_or_equal_to(1.0)"]
    assert (assigned.type, assigned.constraints.nullable) == ("BIGINT", False)


def test_the_grain_of_a_table_is_the_first_of_its_rules():
    metadata = table_metadata(DailyQuality)
    rules = metadata["dagster/column_schema"].constraints.other
    assert metadata["grain"] == "experiment_id, assignment_date, variation_id"
    assert rules[0] == "one row per experiment_id, assignment_date, variation_id"
    assert "no count of units exceeds assigned_units" in rules


def test_the_metrics_of_the_catalog_are_columns_of_the_outcomes():
    metric = Metric(id="revenue_usd", event="purchase", aggregation="sum", field="value")
    catalog = Catalog(experiments={}, metrics={"revenue_usd": metric}, exposure_sources={})
    assert table_metadata(UnitOutcomes, catalog)["dagster/column_schema"].columns[-1] == dg.TableColumn(
        "revenue_usd", "DOUBLE", "A metric of the catalog."
    )


@pytest.mark.parametrize(
    ("name", "stored_in", "partitioned_by"),
    [
        ("experiments", "warehouse", "none"),
        ("exposure_events", "staging", "date"),
        ("exposure_waterfall", "warehouse", "date"),
        ("daily_quality", "warehouse", "date-experiment"),
    ],
)
def test_tables_can_be_filtered_by_place_and_partition(name: str, stored_in: str, partitioned_by: str):
    assert table_tags(TABLES[name]) == {"stored_in": stored_in, "partitioned_by": partitioned_by}


def test_the_plotted_numbers_of_a_partition_are_those_of_all_variations_without_rates_over_nothing():
    rows = pl.DataFrame(
        [
            {"experiment_id": "search", "assignment_date": date(2026, 1, 2), "variation_id": "*"}
            | {"assigned_units": 4, "exposure_rate": 0.75, "crossover_rate": 0.25},
            {"experiment_id": "search", "assignment_date": date(2026, 1, 2), "variation_id": "control"}
            | {"assigned_units": 2, "exposure_rate": 0.5},
            {"experiment_id": "search", "assignment_date": date(2026, 1, 3), "variation_id": "*"}
            | {"assigned_units": 0},
        ],
        schema=columns_of(DailyQuality),
    )
    assert quality_numbers(rows) == {
        "2026-01-02|search": {"assigned_units": 4, "exposure_rate": 0.75, "crossover_rate": 0.25},
        "2026-01-03|search": {"assigned_units": 0},
    }
