"""How an answer is written: as a table for reading, as CSV, JSON and Parquet for programs.

What may be asked is tested in `test_query`.
"""

import csv
import io
import json
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from exposure_assets.contracts import Variations
from resources.query import QueryError, run_query
from resources.query_output import write_result
from resources.warehouse import Warehouse


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    filled = Warehouse(str(tmp_path / "warehouse.duckdb"))
    filled.replace(Variations, [])
    return filled


def written(warehouse: Warehouse, folder: Path, sql: str, format: str) -> str:
    write_result(run_query(warehouse, folder, sql), format, folder / "out")
    return (folder / "out").read_bytes().decode()


def test_csv_tells_null_from_an_empty_text_and_quotes_what_needs_it(warehouse: Warehouse, tmp_path: Path):
    sql = """SELECT NULL AS nothing, '' AS empty, 'NULL' AS word, 'a"b,c' AS quoted, '007' AS id, 'x' AS "a,b" """
    assert written(warehouse, tmp_path, sql, "csv") == (
        'nothing,empty,word,quoted,id,"a,b"\n,"",NULL,"a""b,c",007,x\n'
    )


def test_csv_comes_back_whole_from_another_reader(warehouse: Warehouse, tmp_path: Path):
    sql = "SELECT 'two' || chr(10) || 'lines' AS a, chr(13) AS b, 'naïve 😀' AS c, repeat('x', 10000) AS d"
    text = written(warehouse, tmp_path, sql, "csv")
    assert list(csv.reader(io.StringIO(text, newline=""))) == [
        ["a", "b", "c", "d"],
        ["two\nlines", "\r", "naïve 😀", "x" * 10_000],
    ]


def test_text_formats_write_instants_in_iso_8601_and_numbers_in_full(warehouse: Warehouse, tmp_path: Path):
    sql = (
        "SELECT TIMESTAMPTZ '2026-01-02 03:04:05.678901+00' AS at, TIMESTAMPTZ '1969-12-31 23:59:59+00' AS before, "
        "DATE '2026-01-02' AS day, 0.1 + 0.2 AS exact, 0.1::DOUBLE AS float, "
        "170141183460469231731687303715884105727::HUGEINT AS huge, true AS yes"
    )
    assert written(warehouse, tmp_path, sql, "csv").splitlines()[1] == (
        "2026-01-02T03:04:05.678901Z,1969-12-31T23:59:59Z,2026-01-02,0.3,0.1,"
        "170141183460469231731687303715884105727,true"
    )
    assert json.loads(written(warehouse, tmp_path, sql, "json"), parse_float=Decimal) == [
        {
            "at": "2026-01-02T03:04:05.678901Z",
            "before": "1969-12-31T23:59:59Z",
            "day": "2026-01-02",
            "exact": Decimal("0.3"),
            "float": Decimal("0.1"),
            "huge": 170141183460469231731687303715884105727,
            "yes": True,
        }
    ]


def test_json_is_valid_whatever_the_values_are(warehouse: Warehouse, tmp_path: Path):
    sql = (
        "SELECT 'nan'::DOUBLE AS nan, 'inf'::DOUBLE AS inf, NULL AS nothing, '' AS empty, "
        "'quote \" and line' || chr(10) || chr(27) AS nasty, [1.5, 'nan'::DOUBLE, NULL] AS list, "
        "{'at': TIMESTAMPTZ '2026-01-02 00:00:00+00', 'l': [DATE '2026-01-02']} AS struct, 1 AS a, 2 AS a"
    )
    assert json.loads(written(warehouse, tmp_path, sql, "json")) == [
        {
            "nan": None,
            "inf": None,
            "nothing": None,
            "empty": "",
            "nasty": 'quote " and line\n\x1b',
            "list": [1.5, None, None],
            "struct": {"at": "2026-01-02T00:00:00Z", "l": ["2026-01-02"]},
            "a": 1,
            "a_1": 2,
        }
    ]


@pytest.mark.parametrize(
    ("format", "text"), [("json", "[]\n"), ("csv", "a,b\n"), ("table", "a   b\n─────\n(0 rows)\n")]
)
def test_an_answer_without_rows_is_still_an_answer(
    warehouse: Warehouse, tmp_path: Path, format: str, text: str
):
    assert written(warehouse, tmp_path, "SELECT 1 AS a, 'x' AS b WHERE false", format) == text


def test_parquet_keeps_types_and_turns_those_it_lacks_into_text(warehouse: Warehouse, tmp_path: Path):
    sql = (
        "SELECT TIMESTAMPTZ '2026-01-02 03:04:05.678901+00' AS at, DATE '2026-01-02' AS day, ['a', NULL] AS list, "
        "sum(1) AS n, 1.50::DECIMAL(4,2) AS price, INTERVAL 1 DAY AS span, NULL::VARCHAR AS nothing, 1 AS n"
    )
    write_result(run_query(warehouse, tmp_path, sql), "parquet", tmp_path / "out")
    back = pl.read_parquet(tmp_path / "out")
    assert back.rows() == [
        (
            datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC),
            date(2026, 1, 2),
            ["a", None],
            1,
            Decimal("1.50"),
            "1 day",
            None,
            1,
        )
    ]
    assert back.schema["n"] == pl.Int64
    assert back.columns[-1] == "n_1"


def test_parquet_without_rows_has_its_columns(warehouse: Warehouse, tmp_path: Path):
    write_result(run_query(warehouse, tmp_path, "FROM variations"), "parquet", tmp_path / "out")
    assert pl.read_parquet(tmp_path / "out").schema == pl.Schema(
        {
            "experiment_id": pl.String,
            "variation_id": pl.String,
            "allocation": pl.Float64,
            "is_control": pl.Boolean,
        }
    )


def test_a_table_is_aligned_and_says_how_many_rows_there_are(warehouse: Warehouse, tmp_path: Path):
    sql = "SELECT * FROM (VALUES ('exp', 5), ('a longer name', 1234), (NULL, NULL)) AS t(name, units)"
    assert written(warehouse, tmp_path, sql, "table") == (
        "name            units\n"
        "─────────────────────\n"
        "exp                 5\n"
        "a longer name    1234\n"
        "null             null\n"
        "(3 rows)\n"
    )


def test_a_table_in_a_file_is_never_cut_and_no_id_can_move_the_cursor(warehouse: Warehouse, tmp_path: Path):
    text = written(warehouse, tmp_path, "SELECT repeat('x', 10000) AS id, chr(27) || '[2J' AS nasty", "table")
    assert "x" * 10_000 in text
    assert "\\x1b[2J" in text
    assert "\x1b" not in text


def test_a_long_table_shows_the_first_thousand_rows_and_says_so(warehouse: Warehouse, tmp_path: Path):
    text = written(warehouse, tmp_path, "SELECT range AS n FROM range(2500)", "table")
    assert text.splitlines()[-2:] == [
        "999",
        "(2,500 rows, the first 1,000 are shown; --format csv, json or parquet gives all)",
    ]
    assert written(warehouse, tmp_path, "SELECT range AS n FROM range(250000)", "csv").count("\n") == 250_001


def test_without_a_file_the_answer_goes_to_standard_output(
    warehouse: Warehouse, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
):
    count = write_result(run_query(warehouse, tmp_path, "SELECT 1 AS a"), "csv")
    assert (count, capfdbinary.readouterr().out) == (1, b"a\n1\n")


def test_a_query_that_fails_leaves_the_file_as_it_was(warehouse: Warehouse, tmp_path: Path):
    (tmp_path / "out").write_text("before")
    sql = "SELECT CASE WHEN range < 200000 THEN range ELSE error('too far') END AS a FROM range(300000)"
    for format in ("csv", "json", "parquet", "table"):
        with pytest.raises(QueryError, match="too far"):
            write_result(run_query(warehouse, tmp_path, sql), format, tmp_path / "out")
    assert (tmp_path / "out").read_text() == "before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "warehouse.duckdb"]


def test_a_file_that_cannot_be_written_is_an_error_in_a_sentence(warehouse: Warehouse, tmp_path: Path):
    (tmp_path / "file").write_text("a file, not a folder")
    with pytest.raises(QueryError, match=r"out\.csv: cannot be written"):
        write_result(run_query(warehouse, tmp_path, "SELECT 1 AS a"), "csv", tmp_path / "file" / "out.csv")


def test_an_unknown_format_is_refused(warehouse: Warehouse, tmp_path: Path):
    with pytest.raises(QueryError, match="expected one of table, csv, json, parquet"):
        write_result(run_query(warehouse, tmp_path, "SELECT 1 AS a"), "xml")


def test_the_answer_as_a_frame_has_unique_columns_and_types_polars_knows(
    warehouse: Warehouse, tmp_path: Path
):
    sql = "SELECT 1 AS a, 2 AS a, INTERVAL 1 DAY AS span, uuid() AS id"
    frame = run_query(warehouse, tmp_path, sql).frame()
    assert frame.columns == ["a", "a_1", "span", "id"]
    assert frame.row(0)[:3] == (1, 2, "1 day")
