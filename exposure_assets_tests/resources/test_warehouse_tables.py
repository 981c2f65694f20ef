"""Tables that change: metrics come, go and are defined anew, and what is stored stays readable.

What is written and read otherwise is tested in `test_warehouse`.
"""

from datetime import UTC, date, datetime

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from exposure_assets.contracts import (
    STAGED_TABLES,
    WAREHOUSE_TABLES,
    Assignments,
    TableContract,
    UnitOutcomes,
    columns_of,
    empty_frame,
    table_name,
)
from exposure_assets_tests.resources.warehouse_rows import assigned, part
from resources.warehouse import FrameMismatch, TableMismatch, UnsupportedType, Warehouse
from resources.warehouse_tables import as_instance, duckdb_type, polars_type


def outcome(day: int, **metrics: pl.Expr) -> pl.DataFrame:
    at = datetime(2026, 1, day, tzinfo=UTC)
    row = ("exp", "ann", "control", date(2026, 1, day), "assignment", at, at)
    return pl.DataFrame([row], schema=columns_of(UnitOutcomes), orient="row").with_columns(**metrics)


def metric_by_day(warehouse: Warehouse, *metrics: str) -> list[tuple[object, ...]]:
    rows = (
        warehouse.scan(UnitOutcomes, columns=["assignment_date", *metrics]).sort("assignment_date").collect()
    )
    return [row[1:] for row in rows.rows()]


def test_a_new_metric_adds_a_column_and_older_rows_read_null(warehouse_url: str):
    warehouse = Warehouse(warehouse_url)
    warehouse.replace(UnitOutcomes, [outcome(1)], [part(1, 1, "exp")])
    revenue = {"revenue": pl.Float64}
    warehouse.replace(UnitOutcomes, [outcome(2, revenue=pl.lit(1.5))], [part(2, 2, "exp")], revenue)
    assert metric_by_day(warehouse, "revenue") == [(None,), (1.5,)]
    assert warehouse.scan(UnitOutcomes).collect().schema["revenue"] == pl.Float64


def test_a_metric_that_is_gone_from_the_catalog_reads_null_in_new_rows(warehouse_url: str):
    warehouse = Warehouse(warehouse_url)
    visits = {"visits": pl.Int64}
    warehouse.replace(UnitOutcomes, [outcome(1, visits=pl.lit(3, pl.Int64))], [part(1, 1, "exp")], visits)
    warehouse.replace(UnitOutcomes, [outcome(2)], [part(2, 2, "exp")])
    assert metric_by_day(warehouse, "visits") == [(3,), (None,)]


def test_a_metric_of_another_type_starts_anew_instead_of_being_rounded(warehouse_url: str):
    warehouse = Warehouse(warehouse_url)
    whole = outcome(1, value=pl.lit(3, pl.Int64))
    warehouse.replace(UnitOutcomes, [whole], [part(1, 1, "exp")], {"value": pl.Int64})
    broken = outcome(2, value=pl.lit(2.75))
    warehouse.replace(UnitOutcomes, [broken], [part(2, 2, "exp")], {"value": pl.Float64})
    assert metric_by_day(warehouse, "value") == [(None,), (2.75,)]
    warehouse.replace(
        UnitOutcomes, [outcome(1, value=pl.lit(3.0))], [part(1, 1, "exp")], {"value": pl.Float64}
    )
    assert metric_by_day(warehouse, "value") == [(3.0,), (2.75,)]


def test_a_metric_without_a_single_value_keeps_its_type(warehouse_url: str):
    warehouse = Warehouse(warehouse_url)
    metrics = {"bought": pl.Boolean, "visits": pl.Int64, "revenue": pl.Float64}
    nothing = {name: pl.lit(None, dtype) for name, dtype in metrics.items()}
    written = outcome(1, **nothing)
    warehouse.replace(UnitOutcomes, [written], [part(1, 1, "exp")], metrics)
    assert_frame_equal(warehouse.scan(UnitOutcomes).collect(), written)


def test_metric_ids_may_look_like_anything_an_id_may(warehouse_url: str):
    warehouse = Warehouse(warehouse_url)
    metrics = dict.fromkeys(["7d-revenue", "select", "a_b-c", "count"], pl.Int64)
    written = outcome(1, **{name: pl.lit(1, pl.Int64) for name in metrics})
    warehouse.replace(UnitOutcomes, [written], [part(1, 1, "exp")], metrics)
    assert_frame_equal(warehouse.scan(UnitOutcomes).collect(), written)


def test_a_metric_named_like_a_column_of_the_table_is_refused(warehouse_url: str):
    with pytest.raises(FrameMismatch, match="anchor"):
        Warehouse(warehouse_url).replace(UnitOutcomes, [], extra_columns={"anchor": pl.Int64})


def test_only_the_outcomes_have_columns_beyond_their_contract(warehouse_url: str):
    with pytest.raises(FrameMismatch, match="expected only its own"):
        Warehouse(warehouse_url).replace(Assignments, [], extra_columns={"mood": pl.Int64})


def test_metrics_that_are_expected_and_not_stored_are_null_of_their_type(warehouse_url: str):
    warehouse = Warehouse(warehouse_url)
    warehouse.replace(UnitOutcomes, [outcome(1)], [part(1, 1, "exp")])
    rows = (
        warehouse.scan(UnitOutcomes, extra_columns={"revenue": pl.Float64})
        .select("unit_id", "revenue")
        .collect()
    )
    assert rows.rows() == [("ann", None)]
    assert rows.schema["revenue"] == pl.Float64
    assert warehouse.scan(UnitOutcomes, columns=["unit_id", "nobody_has_it"]).collect().rows() == [
        ("ann", None)
    ]


def test_a_failed_write_adds_no_column(warehouse_url: str):
    warehouse = Warehouse(warehouse_url)
    warehouse.replace(UnitOutcomes, [outcome(1)], [part(1, 1, "exp")])
    twice = [outcome(1, m=pl.lit(1, pl.Int64)), outcome(1, m=pl.lit(2, pl.Int64))]
    with pytest.raises(Exception, match="several frames"):
        warehouse.replace(UnitOutcomes, twice, [part(1, 1, "exp")], {"m": pl.Int64})
    assert warehouse.scan(UnitOutcomes).collect().columns == list(columns_of(UnitOutcomes))


def test_a_contract_column_of_another_type_is_an_error_that_names_it(warehouse_url: str):
    warehouse = Warehouse(warehouse_url)
    with warehouse.connect() as connection:
        connection.execute("CREATE TABLE assignments (experiment_id VARCHAR, assignment_count INTEGER)")
    with pytest.raises(TableMismatch, match=r"assignments\.assignment_count: found the type INTEGER.*BIGINT"):
        warehouse.replace(Assignments, [assigned(("a", "ann", 1))], [part(1, 1, "a")])


def test_a_table_that_lacks_a_column_of_its_contract_gets_it(warehouse_url: str):
    warehouse = Warehouse(warehouse_url)
    with warehouse.connect() as connection:
        connection.execute(
            "CREATE TABLE assignments (experiment_id VARCHAR, unit_id VARCHAR, assignment_date DATE)"
        )
        connection.execute("INSERT INTO assignments VALUES ('a', 'old', '2026-01-02')")
    assert warehouse.scan(Assignments).select("unit_id", "variation_id").collect().rows() == [("old", None)]
    warehouse.replace(Assignments, [assigned(("a", "new", 1))], [part(1, 1, "a")])
    rows = warehouse.scan(Assignments).select("unit_id", "variation_id").sort("unit_id").collect()
    assert rows.rows() == [("new", "control"), ("old", None)]


@pytest.mark.parametrize("contract", WAREHOUSE_TABLES.values(), ids=table_name)
def test_every_table_of_the_contract_can_be_made_and_read_empty(
    warehouse_url: str, contract: type[TableContract]
):
    warehouse = Warehouse(warehouse_url)
    warehouse.replace(contract, [empty_frame(contract)])
    with warehouse.connect(read_only=True) as connection:
        assert connection.execute("SHOW TABLES").fetchall() == [(table_name(contract),)]
    assert_frame_equal(warehouse.scan(contract).collect(), empty_frame(contract))


def test_every_type_of_a_contract_has_a_counterpart_that_leads_back_to_it():
    for contract in (WAREHOUSE_TABLES | STAGED_TABLES).values():
        for dtype in map(as_instance, columns_of(contract).values()):
            assert polars_type(duckdb_type(dtype)) == dtype


def test_a_type_that_nobody_has_decided_on_is_refused():
    with pytest.raises(UnsupportedType, match="Duration"):
        duckdb_type(pl.Duration("us"))
