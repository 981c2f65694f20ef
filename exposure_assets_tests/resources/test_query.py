"""What `exposure-assets query` may read: every table, wherever it is stored, and nothing else.

How answers are written is tested in `test_query_output`.
"""

from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest

from exposure_assets.contracts import (
    STAGED_TABLES,
    WAREHOUSE_TABLES,
    DailyQuality,
    ExposureEvents,
    MetricEvents,
    Variations,
    columns_of,
)
from resources.query import QueryError, run_query
from resources.staging import Staging
from resources.warehouse import Warehouse, WarehouseMissing


@pytest.fixture
def warehouse(warehouse_url: str) -> Warehouse:
    filled = Warehouse(warehouse_url)
    rows = [("exp", "control", 0.5, True), ("exp", 'tre"at, ment', 0.5, False)]
    filled.replace(Variations, [pl.DataFrame(rows, schema=columns_of(Variations), orient="row")])
    return filled


def rows(warehouse: Warehouse, sql: str, staging: Path = Path("nowhere")) -> list[tuple[object, ...]]:
    return run_query(warehouse, staging, sql).frame().rows()


def exposure(day: date, event: str) -> pl.DataFrame:
    at = pl.lit(day).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    return pl.select(
        experiment_id=pl.lit("exp"),
        event_id=pl.lit(event),
        unit_id=pl.lit("NULL"),
        variation_id=pl.lit("control"),
        occurred_at=at,
        exposure_date=pl.lit(day),
        session_id=pl.lit(None, pl.String),
    )


def staged(folder: Path) -> Path:
    for number in range(3):
        day = date(2026, 1, 2) + timedelta(days=number)
        Staging(folder).write(ExposureEvents, day, exposure(day, f"00{number}"))
    return folder


def test_a_select_sees_tables_of_the_warehouse_and_staged_ones_by_their_bare_names(
    warehouse: Warehouse, tmp_path: Path
):
    sql = "SELECT unit_id, event_id, allocation FROM exposure_events JOIN variations USING (variation_id) ORDER BY 2"
    assert rows(warehouse, sql, staged(tmp_path)) == [("NULL", f"00{number}", 0.5) for number in range(3)]


def test_staged_rows_can_be_filtered_by_every_kind_of_column(warehouse: Warehouse, tmp_path: Path):
    staging = staged(tmp_path)
    for condition in (
        "event_id = '001'",
        "exposure_date = '2026-01-03'",
        "occurred_at >= '2026-01-03' AND occurred_at < '2026-01-04'",
        "session_id IS NULL AND event_id LIKE '%1'",
    ):
        found = rows(warehouse, f"SELECT event_id FROM exposure_events WHERE {condition}", staging)
        assert found == [("001",)], condition


def test_a_field_that_only_some_staged_days_have_is_null_on_the_others(warehouse: Warehouse, tmp_path: Path):
    for day, extra in ((date(2026, 1, 1), {}), (date(2026, 1, 2), {"value": 1.5})):
        at = pl.lit(day).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
        event = {"event_id": str(day), "event_name": "purchase", "unit_id": "ann"}
        Staging(tmp_path).write(
            MetricEvents, day, pl.DataFrame(event).with_columns(occurred_at=at, event_date=day, **extra)
        )
    found = rows(warehouse, "SELECT event_date, value FROM metric_events ORDER BY 1", tmp_path)
    assert found == [(date(2026, 1, 1), None), (date(2026, 1, 2), 1.5)]


def test_a_table_that_was_not_computed_yet_is_empty(warehouse: Warehouse, tmp_path: Path):
    with run_query(warehouse, tmp_path, "FROM daily_quality") as result:
        assert [column.name for column in result.columns] == list(columns_of(DailyQuality))
    for table in (WAREHOUSE_TABLES | STAGED_TABLES).keys() - {"variations"}:
        assert rows(warehouse, f"SELECT count(*) FROM {table}") == [(0,)]


@pytest.mark.parametrize(
    ("sql", "answer"),
    [
        ("SELECT count(*) FROM variations;", [(2,)]),
        ("-- how many\nWITH v AS (FROM variations) SELECT count(*) FROM v -- there are", [(2,)]),
        ("FROM variations SELECT sum(allocation) WHERE is_control", [(0.5,)]),
        ("VALUES (1), (2)", [(1,), (2,)]),
        ("SELECT count(*) FROM main.Variations", [(2,)]),
        ("SELECT unnest(['a', 'b'])", [("a",), ("b",)]),
        ("SELECT sum(x) FROM range(4) AS t(x)", [(6,)]),
        ("(SELECT 1 AS a) UNION ALL (SELECT 2) ORDER BY a DESC", [(2,), (1,)]),
        (
            "FROM variations PIVOT (count(*) FOR is_control IN (true, false) GROUP BY experiment_id)",
            [("exp", 1, 1)],
        ),
        ("SELECT 1 AS a, 2 AS a", [(1, 2)]),
        ("SELECT 'read_csv(''x'')' AS a", [("read_csv('x')",)]),
    ],
)
def test_one_select_in_any_of_its_forms_is_answered(
    warehouse: Warehouse, sql: str, answer: list[tuple[object, ...]]
):
    assert rows(warehouse, sql) == answer


def test_the_tables_and_their_columns_can_be_asked_for(warehouse: Warehouse):
    assert rows(warehouse, "SHOW TABLES") == [
        (table,) for table in sorted({*WAREHOUSE_TABLES, *STAGED_TABLES})
    ]
    assert [row[:2] for row in rows(warehouse, "DESCRIBE variations")] == [
        ("experiment_id", "VARCHAR"),
        ("variation_id", "VARCHAR"),
        ("allocation", "DOUBLE"),
        ("is_control", "BOOLEAN"),
    ]
    assert rows(warehouse, "SUMMARIZE variations")[0][0] == "experiment_id"
    described = "SELECT count(*) FROM information_schema.columns WHERE table_name = 'exposure_events'"
    assert rows(warehouse, described) == [(7,)]


@pytest.mark.parametrize(
    "sql",
    [
        "",
        ";",
        "-- nothing",
        "SELEC 1",
        "SELECT 1; SELECT 2",
        "SELECT 1; DROP TABLE variations",
        "DROP TABLE variations",
        "DELETE FROM variations RETURNING *",
        "UPDATE variations SET allocation = 1",
        "INSERT INTO variations SELECT * FROM variations",
        "CREATE TABLE t AS SELECT 1",
        "CREATE TEMP TABLE t AS SELECT 1",
        "CREATE MACRO m() AS 1",
        "COPY variations TO 'stolen.csv'",
        "EXPORT DATABASE 'stolen'",
        "ATTACH 'other.duckdb'",
        "DETACH warehouse",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET enable_external_access = true",
        "RESET enable_external_access",
        "USE memory",
        "PRAGMA database_list",
        "PRAGMA table_info('variations')",
        "CALL pragma_version()",
        "CHECKPOINT",
        "EXPLAIN ANALYZE SELECT 1",
        "PREPARE p AS SELECT 1",
        "SELECT $1",
        "SHOW DATABASES",
        "PIVOT variations ON is_control USING count(*)",
    ],
)
def test_anything_but_one_select_is_refused(warehouse: Warehouse, sql: str):
    with pytest.raises(QueryError):
        run_query(warehouse, "nowhere", sql)
    assert rows(warehouse, "SELECT count(*) FROM variations") == [(2,)]


@pytest.mark.parametrize(
    "source",
    [
        "read_csv('{}')",
        "read_text('{}')",
        "read_blob('{}')",
        "read_json('{}')",
        "read_parquet('{}')",
        "parquet_metadata('{}')",
        "sniff_csv('{}')",
        "'{}'",
        '"{}"',
        "glob('{}')",
        "read_csv('https://127.0.0.1/x')",
        "sqlite_scan('{}', 't')",
        "read_duckdb('{}')",
        "query('SELECT 1')",
        "query_table('variations')",
        "json_execute_serialized_sql(json_serialize_sql('SELECT 1'))",
        "duckdb_secrets()",
        "duckdb_settings()",
        "duckdb_databases",
        "pragma_database_size()",
        "which_secret('s3://x', 's3')",
        "postgres_scan('host=127.0.0.1', 'public', 't')",
    ],
)
def test_a_query_reads_no_file_no_network_and_no_settings(warehouse_of_file: Warehouse, source: str):
    with pytest.raises(QueryError, match=r"expected tables|there is no table"):
        run_query(warehouse_of_file, "nowhere", f"SELECT * FROM {source.format('secret.csv')}")


@pytest.mark.parametrize(
    "query",
    [
        "WITH x AS (FROM {}) SELECT * FROM x",
        "WITH RECURSIVE x AS (SELECT 1 UNION ALL SELECT 1 FROM {}) SELECT * FROM x",
        "SELECT 1 WHERE EXISTS (FROM {})",
        "SELECT (SELECT count(*) FROM {})",
        "SELECT [(SELECT 1 FROM {})]",
        "SELECT 1 UNION ALL SELECT 1 FROM {}",
        "SELECT * FROM variations, LATERAL (SELECT * FROM {}) AS l",
        "SELECT * FROM variations POSITIONAL JOIN {}",
        "SELECT 1 ORDER BY (SELECT count(*) FROM {})",
        "DESCRIBE SELECT * FROM {}",
        "DESCRIBE {}",
        "SUMMARIZE FROM {}",
        "FROM {} PIVOT (count(*) FOR a IN (1))",
    ],
)
def test_a_file_is_refused_wherever_in_the_query_it_stands(warehouse_of_file: Warehouse, query: str):
    with pytest.raises(QueryError, match=r"expected tables|there is no table"):
        run_query(warehouse_of_file, "nowhere", query.format("'secret.csv'"))


@pytest.fixture(scope="module")
def warehouse_of_file(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    filled = Warehouse(str(tmp_path_factory.mktemp("query") / "warehouse.duckdb"))
    filled.replace(Variations, [])
    return filled


def test_not_even_the_warehouse_s_own_files_can_be_read_around_its_tables(lake_url: str, tmp_path: Path):
    warehouse = Warehouse(lake_url)
    rows_of_old = pl.DataFrame([("exp", "old", 1.0, True)], schema=columns_of(Variations), orient="row")
    warehouse.replace(Variations, [rows_of_old])
    (file,) = (tmp_path / "lake.files").rglob("*.parquet")
    warehouse.replace(Variations, [])
    for source in (f"'{file}'", f"read_parquet('{file}')", f"glob('{file.parent}/*')"):
        with pytest.raises(QueryError):
            run_query(warehouse, "nowhere", f"SELECT * FROM {source}")


@pytest.mark.parametrize("call", ["nextval('s')", "getenv('HOME')", "write_log('x')", "sleep_ms(1)"])
def test_a_query_calls_no_function_that_does_more_than_compute(warehouse_of_file: Warehouse, call: str):
    with pytest.raises(QueryError, match="only compute"):
        run_query(warehouse_of_file, "nowhere", f"SELECT {call}")


def test_the_session_itself_has_no_way_out_even_if_the_parser_let_something_through(
    warehouse: Warehouse, tmp_path: Path
):
    from resources.warehouse import Mode

    (tmp_path / "secret.csv").write_text("secret\n1\n")
    with warehouse.connect(mode=Mode.QUERY) as connection:
        for sql in (
            f"SELECT * FROM read_csv('{tmp_path}/secret.csv')",
            f"SELECT * FROM '{tmp_path}/secret.csv'",
            f"COPY variations TO '{tmp_path}/stolen.csv'",
            f"ATTACH '{tmp_path}/other.duckdb'",
            "SET enable_external_access = true",
            "INSTALL httpfs",
            "DROP TABLE variations",
            "DELETE FROM variations",
        ):
            with pytest.raises(Exception, match=r"disabled|locked|read-only|not allowed|Cannot|permission"):
                connection.execute(sql)
    assert not (tmp_path / "stolen.csv").exists()


def test_a_query_sees_no_variable_of_the_program(warehouse: Warehouse):
    frame = pl.DataFrame({"a": [1]})
    assert frame.height == 1
    with pytest.raises(QueryError, match="there is no table 'frame'"):
        run_query(warehouse, "nowhere", "SELECT * FROM frame")


def test_without_a_warehouse_the_error_says_to_run_a_backfill(warehouse_url: str):
    with pytest.raises(WarehouseMissing, match="backfill"):
        run_query(Warehouse(warehouse_url), "nowhere", "SELECT 1")


def test_a_misspelt_table_is_answered_with_the_one_that_was_meant(warehouse: Warehouse):
    with pytest.raises(
        QueryError, match=r"no table 'asignments'\. Did you mean assignments\? The tables are assign"
    ):
        run_query(warehouse, "nowhere", "SELECT * FROM asignments")


def test_a_misspelt_column_is_named_with_the_candidates_in_one_line(warehouse: Warehouse):
    with pytest.raises(
        QueryError, match=r'"alocation" not found.*Candidate bindings: "allocation"'
    ) as caught:
        run_query(warehouse, "nowhere", "SELECT alocation FROM variations")
    assert "\n" not in str(caught.value)


def test_an_error_while_the_query_runs_is_a_sentence_too(warehouse: Warehouse):
    result = run_query(warehouse, "nowhere", "SELECT CAST(variation_id AS INTEGER) FROM variations")
    with pytest.raises(QueryError, match="Could not convert string") as caught:
        result.frame()
    assert "\n" not in str(caught.value)


def test_a_reader_that_is_done_lets_others_write(warehouse: Warehouse):
    rows(warehouse, "FROM variations")
    with pytest.raises(QueryError):
        run_query(warehouse, "nowhere", "SELECT nope FROM variations")
    warehouse.replace(Variations, [])
    assert rows(warehouse, "FROM variations") == []
