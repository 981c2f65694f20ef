"""What `exposure-assets query` may read, and how it shows it.

How rows get into the warehouse is tested with the warehouse.
"""

import json
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from exposure_assets.contracts import DailyQuality, ExposureEvents, Variations
from resources.query import QueryError, run_query
from resources.query_output import write_result
from resources.staging import Staging
from resources.warehouse import Warehouse, WarehouseMissing


@pytest.fixture(params=["warehouse.duckdb", "ducklake:sqlite:{}/lake.sqlite"])
def warehouse(request: pytest.FixtureRequest, tmp_path: Path) -> Warehouse:
    place = request.param.format(tmp_path) if ":" in request.param else str(tmp_path / request.param)
    filled = Warehouse(place)
    rows = [("exp", "control", 0.5, True), ("exp", 'tre"at, ment', 0.5, False)]
    schema = {
        "experiment_id": pl.String,
        "variation_id": pl.String,
        "allocation": pl.Float64,
        "is_control": pl.Boolean,
    }
    filled.replace(Variations, [pl.DataFrame(rows, schema=schema, orient="row")])
    return filled


def staged(folder: Path) -> Path:
    day = date(2026, 1, 2)
    frame = pl.DataFrame(
        {"experiment_id": "exp", "event_id": "007", "unit_id": "NULL", "variation_id": "control"}
    ).with_columns(
        occurred_at=pl.lit(day).cast(pl.Datetime("us")).dt.replace_time_zone("UTC"),
        exposure_date=pl.lit(day),
        session_id=pl.lit(None, pl.String),
    )
    Staging(folder).write(ExposureEvents, day, frame)
    return folder


def test_a_select_sees_tables_of_the_warehouse_and_staged_ones_by_their_bare_names(warehouse, tmp_path: Path):
    rows = run_query(
        warehouse,
        staged(tmp_path / "staging"),
        "SELECT unit_id, event_id, allocation FROM exposure_events JOIN variations USING (variation_id)",
    )
    assert rows.rows() == [("NULL", "007", 0.5)]


def test_a_table_that_was_not_computed_yet_is_empty(warehouse, tmp_path: Path):
    assert run_query(warehouse, tmp_path, "FROM daily_quality").columns == list(
        DailyQuality.to_schema().columns
    )
    assert run_query(warehouse, tmp_path, "SELECT count(*) FROM rejected_events").item() == 0


@pytest.mark.parametrize(
    "sql",
    [
        "DROP TABLE variations",
        "DELETE FROM variations",
        "INSERT INTO variations SELECT * FROM variations",
        "CREATE TABLE t AS SELECT 1",
        "COPY variations TO 'stolen.csv'",
        "ATTACH 'other.duckdb'",
        "INSTALL httpfs",
        "SET enable_external_access = true",
        "SELECT 1; SELECT 2",
        "",
        "SELEC 1",
    ],
)
def test_anything_but_one_select_is_refused(warehouse, tmp_path: Path, sql: str):
    with pytest.raises(QueryError):
        run_query(warehouse, tmp_path, sql)


@pytest.mark.parametrize(
    "source",
    [
        "read_csv('{}')",
        "read_text('{}')",
        "read_blob('{}')",
        "'{}'",
        "glob('{}')",
        "read_parquet('https://127.0.0.1/x')",
    ],
)
def test_a_query_reads_no_file_and_no_network(warehouse, tmp_path: Path, source: str):
    secret = tmp_path / "secret.csv"
    secret.write_text("secret\n1\n")
    with pytest.raises(QueryError):
        run_query(warehouse, tmp_path / "staging", f"SELECT * FROM {source.format(secret)}")


def test_a_query_sees_no_variable_of_the_program(warehouse, tmp_path: Path):
    frame = pl.DataFrame({"a": [1]})
    assert frame.height == 1
    with pytest.raises(QueryError):
        run_query(warehouse, tmp_path, "SELECT * FROM frame")


def test_without_a_warehouse_the_error_says_to_run_a_backfill(tmp_path: Path):
    with pytest.raises(WarehouseMissing, match="backfill"):
        run_query(Warehouse(str(tmp_path / "none.duckdb")), tmp_path, "SELECT 1")


def test_an_unknown_column_is_named_in_one_line(warehouse, tmp_path: Path):
    with pytest.raises(QueryError, match="alocation") as caught:
        run_query(warehouse, tmp_path, "SELECT alocation FROM variations")
    assert "\n" not in str(caught.value)


def test_csv_quotes_what_needs_it_and_json_holds_plain_numbers(warehouse, tmp_path: Path):
    rows = run_query(
        warehouse,
        tmp_path,
        "SELECT variation_id, sum(1) AS n, NULL AS nothing, '' AS empty, 'nan'::DOUBLE AS nan, [1, 2] AS l "
        "FROM variations GROUP BY ALL ORDER BY variation_id DESC LIMIT 1",
    )
    write_result(rows, "csv", tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_text() == (
        'variation_id,n,nothing,empty,nan,l\n"tre""at, ment",1,,"",NaN,"[1, 2]"\n'
    )
    write_result(rows, "json", tmp_path / "out.json")
    assert json.loads((tmp_path / "out.json").read_text()) == [
        {"variation_id": 'tre"at, ment', "n": 1, "nothing": None, "empty": "", "nan": None, "l": [1, 2]}
    ]


def test_parquet_comes_back_as_it_was(warehouse, tmp_path: Path):
    rows = run_query(warehouse, tmp_path, "FROM variations ORDER BY ALL")
    write_result(rows, "parquet", tmp_path / "out.parquet")
    assert pl.read_parquet(tmp_path / "out.parquet").equals(rows)


def test_a_file_that_cannot_be_written_is_an_error_in_a_sentence(warehouse, tmp_path: Path):
    (tmp_path / "folder").write_text("a file")
    with pytest.raises(QueryError, match="cannot be written"):
        write_result(run_query(warehouse, tmp_path, "SELECT 1 AS a"), "csv", tmp_path / "folder" / "out.csv")
