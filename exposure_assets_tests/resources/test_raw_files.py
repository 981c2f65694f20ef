"""One raw file as typed rows: what survives untouched, what is null, and what makes a file unreadable."""

import gzip
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from exposure_assets_tests.resources.landing_files import event, jsonl
from resources.raw_files import (
    ASSIGNMENTS,
    EVENTS,
    UnreadableFile,
    convert_text,
    parsed_instant,
    scan_parquet,
)

HEADER = "event_id,event_name,unit_id,occurred_at,session_id,value,properties\n"
NASTY_IDS = ["007", "1e5", "NULL", "nan", "true", " a ", "é", "e\u0301", "\U0001f600", "a/b\\c", "x" * 10_000]


def converted(folder: Path, content: bytes | str, name: str) -> pl.DataFrame:
    source = folder / "delivered"
    source.write_bytes(content if isinstance(content, bytes) else content.encode())
    convert_text(source, name, EVENTS, (), folder / "converted.parquet")
    return pl.read_parquet(folder / "converted.parquet")


def refusal(folder: Path, content: bytes | str, name: str) -> str:
    with pytest.raises(UnreadableFile) as refused:
        converted(folder, content, name)
    assert not (folder / "converted.parquet").exists()
    return str(refused.value)


def parquet(folder: Path, **columns: Any) -> pl.DataFrame:
    rows = {
        "event_id": ["e"],
        "event_name": ["x"],
        "unit_id": ["u"],
        "occurred_at": [datetime(2026, 1, 1)],
    } | columns
    pl.DataFrame(rows).write_parquet(folder / "a.parquet")
    return scan_parquet(folder / "a.parquet", EVENTS).collect()


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a.csv", "a.csv.gz"])
def test_ids_survive_untouched_in_every_text_format(tmp_path: Path, name: str):
    if ".csv" in name:
        rows = "".join(f'"{one}",x,{one},2026-01-01,,,\n' for one in NASTY_IDS)
        content = (HEADER + rows).encode()
    else:
        content = jsonl(*(event(one, unit_id=one) for one in NASTY_IDS))
    found = converted(tmp_path, gzip.compress(content) if name.endswith(".gz") else content, name)
    assert found["event_id"].to_list() == found["unit_id"].to_list() == NASTY_IDS
    assert found.schema == EVENTS.columns


def test_an_empty_csv_field_is_null_a_quoted_one_is_empty_text_and_null_is_a_word(tmp_path: Path):
    found = converted(tmp_path, HEADER + 'a,x,"",2026-01-01,,,\nb,x,,2026-01-01,"",1,NULL', "a.csv")
    assert found.select("unit_id", "session_id", "properties").rows() == [
        ("", None, None),
        (None, "", "NULL"),
    ]


def test_the_last_empty_field_of_a_csv_is_null_without_a_final_newline_too(tmp_path: Path):
    assert converted(tmp_path, HEADER + "a,x,u,2026-01-01,,,", "a.csv")["properties"].to_list() == [None]


def test_csv_fields_may_hold_quotes_commas_and_newlines(tmp_path: Path):
    found = converted(tmp_path, HEADER + '"a,""b""\nc",x,u,2026-01-01,,,"{""k"": ""v""}"\n', "a.csv")
    assert found.select("event_id", "properties").rows() == [('a,"b"\nc', '{"k": "v"}')]


def test_a_csv_may_have_a_byte_order_mark_windows_line_ends_and_empty_lines(tmp_path: Path):
    text = "\ufeff" + (HEADER + "\na,x,u,2026-01-01,s,1.5,\n\n").replace("\n", "\r\n")
    assert converted(tmp_path, text, "a.csv").select("event_id", "session_id", "value").rows() == [
        ("a", "s", 1.5)
    ]


def test_a_csv_row_may_be_longer_than_a_megabyte(tmp_path: Path):
    long = "x" * 3_000_000
    assert converted(tmp_path, HEADER + f"a,x,u,2026-01-01,,,{long}\n", "a.csv")["properties"].item() == long


def test_csv_columns_come_in_any_order_and_others_are_left_out(tmp_path: Path):
    found = converted(
        tmp_path, "extra,unit_id,occurred_at,event_name,event_id\n1,u,2026-01-01,x,a\n", "a.csv"
    )
    assert found.select("event_id", "unit_id", "value").rows() == [("a", "u", None)]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (HEADER + "a,x,u\n", "Expected 7 columns, got 3"),
        (HEADER + "a,x,u,2026-01-01,,,,\n", "Expected 7 columns, got 8"),
        (HEADER + 'a,x,u,2026-01-01,,,"{', "never closed"),
        (HEADER.encode() + b"\xff,x,u,2026-01-01,,,\n", "UTF8"),
        (HEADER.encode().replace(b"value", b"v\xff"), "utf-8"),
        ("event_id,event_name,occurred_at\n", "required column missing: unit_id"),
        (HEADER.replace("value", "unit_id"), "occurs twice"),
        ("", "an empty file"),
    ],
    ids=[
        "too few",
        "too many",
        "cut",
        "not UTF-8",
        "header not UTF-8",
        "column missing",
        "column twice",
        "empty",
    ],
)
def test_a_csv_is_unreadable_as_a_whole_and_says_why(tmp_path: Path, content: bytes | str, why: str):
    assert why in refusal(tmp_path, content, "a.csv")


@pytest.mark.parametrize(
    "line", ["[1]", "null", "3", '"text"', "{", '{"event_id": "b"', "{'event_id': 1}", "x", "{} x"]
)
def test_a_line_that_is_no_json_object_makes_a_jsonl_file_unreadable(tmp_path: Path, line: str):
    assert refusal(tmp_path, jsonl(event("a")) + line.encode() + b"\n" + jsonl(event("c")), "a.jsonl")


def test_jsonl_that_is_not_utf8_is_unreadable(tmp_path: Path):
    assert "Utf8" in refusal(tmp_path, jsonl(event("a")).replace(b'"a"', b'"\xff"'), "a.jsonl")


def test_jsonl_without_a_required_column_is_unreadable(tmp_path: Path):
    rows = [{key: value for key, value in event("a").items() if key != "unit_id"}]
    assert "required column missing: unit_id" in refusal(tmp_path, jsonl(*rows), "a.jsonl")


def test_jsonl_may_have_empty_lines_and_no_final_newline(tmp_path: Path):
    found = converted(tmp_path, b"\n" + jsonl(event("a")) + b"\n" + jsonl(event("b")).rstrip(), "a.jsonl")
    assert found["event_id"].to_list() == ["a", "b"]


def test_an_empty_jsonl_file_has_no_rows(tmp_path: Path):
    assert converted(tmp_path, b"", "a.jsonl").schema == EVENTS.columns


def test_ids_that_are_json_numbers_or_booleans_are_their_text(tmp_path: Path):
    found = converted(
        tmp_path,
        jsonl(event("a", unit_id=12), event("b", unit_id=True), event("c", unit_id=10**30)),
        "a.jsonl",
    )
    assert found["unit_id"].to_list() == ["12", "true", str(10**30)]


def test_properties_are_an_object_or_its_json_text(tmp_path: Path):
    found = converted(
        tmp_path, jsonl(event("a", properties={"k": {"n": 1}}), event("b", properties='{"k":1}')), "a.jsonl"
    )
    decoded = found["properties"].str.json_path_match("$['k']").to_list()
    assert decoded == ['{"n":1}', "1"]


@pytest.mark.parametrize("cut", [1, 5, 12])
def test_a_gzip_that_is_cut_short_is_unreadable(tmp_path: Path, cut: int):
    content = gzip.compress(jsonl(*(event(str(number)) for number in range(100))))
    assert "gzip" in refusal(tmp_path, content[:-cut], "a.jsonl.gz")


def test_a_file_that_is_no_gzip_is_unreadable(tmp_path: Path):
    assert "gzip" in refusal(tmp_path, jsonl(event("a")), "a.jsonl.gz")


def test_a_gzip_of_several_members_is_read_whole(tmp_path: Path):
    content = gzip.compress(jsonl(event("a"))) + gzip.compress(jsonl(event("b")))
    assert converted(tmp_path, content, "a.jsonl.gz")["event_id"].to_list() == ["a", "b"]


INSTANTS = [
    ("2026-01-10", datetime(2026, 1, 10)),
    ("2026-01-10T09:00", datetime(2026, 1, 10, 9)),
    ("2026-01-10T09:00:00Z", datetime(2026, 1, 10, 9)),
    ("2026-01-10 09:00:00", datetime(2026, 1, 10, 9)),
    ("2026-01-10T09:00:00.5Z", datetime(2026, 1, 10, 9, 0, 0, 500_000)),
    ("2026-01-10T09:00:00.123456999Z", datetime(2026, 1, 10, 9, 0, 0, 123_456)),
    ("2026-01-10T00:30:00+01:00", datetime(2026, 1, 9, 23, 30)),
    ("2026-01-10T23:30:00-0130", datetime(2026, 1, 11, 1)),
    ("2026-03-29T02:30:00", datetime(2026, 3, 29, 2, 30)),
    ("2026-10-25T02:30:00Z", datetime(2026, 10, 25, 2, 30)),
    ("1969-12-31T23:59:59.9999999", datetime(1969, 12, 31, 23, 59, 59, 999_999)),
    ("2024-02-29", datetime(2024, 2, 29)),
]
UNREADABLE_INSTANTS = [
    "2026-02-29",
    "2026-13-01",
    "2026-01-10T24:00:00Z",
    "2026-01-10T09:60:00Z",
    "2026-12-31T23:59:60Z",
    "2026-01-10T09:00:00+99:99",
    "2026-01-10T09:00:00.٣Z",
    "٢٠٢٦-01-10",
    "2026-1-1",
    "20260110",
    "1767225600",
    "0000-01-01",
    "9999-12-31T23:59:59-05:00",
    "yesterday",
    "",
]


@pytest.mark.parametrize(("text", "instant"), INSTANTS)
def test_iso_text_is_an_instant_of_utc_in_whole_microseconds(text: str, instant: datetime):
    assert pl.select(parsed_instant(pl.lit(text))).item() == instant.replace(tzinfo=UTC)


@pytest.mark.parametrize("text", UNREADABLE_INSTANTS)
def test_text_that_is_no_instant_is_null(text: str):
    assert pl.select(parsed_instant(pl.lit(text))).item() is None


def test_one_unreadable_timestamp_costs_its_row_and_not_the_file(tmp_path: Path):
    rows = [event(str(number), occurred_at=text) for number, text in enumerate(UNREADABLE_INSTANTS)]
    found = converted(tmp_path, jsonl(event("good"), *rows), "a.jsonl")
    assert found["occurred_at"].null_count() == len(UNREADABLE_INSTANTS)
    assert found.filter(pl.col("occurred_at").is_not_null())["event_id"].to_list() == ["good"]


def test_nanoseconds_are_truncated_before_1970_too(tmp_path: Path):
    nanoseconds = pl.Series([-1, -1001, 1999, 0], dtype=pl.Int64).cast(pl.Datetime("ns"))
    found = parquet(
        tmp_path, event_id=list("abcd"), event_name=["x"] * 4, unit_id=["u"] * 4, occurred_at=nanoseconds
    )
    start = datetime(1970, 1, 1, tzinfo=UTC)
    assert [(at - start) // timedelta(microseconds=1) for at in found["occurred_at"]] == [-1, -2, 1, 0]


def test_parquet_instants_of_every_kind_are_utc(tmp_path: Path):
    two_hours_ahead = timezone(timedelta(hours=2))
    kinds = [
        pl.Series([datetime(2026, 1, 1)], dtype=pl.Datetime("ms")),
        pl.Series([date(2026, 1, 1)]),
        pl.Series([datetime(2026, 1, 1, 2, tzinfo=two_hours_ahead)]).dt.convert_time_zone("Europe/Helsinki"),
        pl.Series([datetime(2026, 1, 1)], dtype=pl.Datetime("ns")),
    ]
    for occurred_at in kinds:
        found = parquet(tmp_path, occurred_at=occurred_at)
        assert found["occurred_at"].to_list() == [datetime(2026, 1, 1, tzinfo=UTC)]
        assert found.schema == EVENTS.columns


def test_an_instant_that_no_calendar_has_is_null(tmp_path: Path):
    milliseconds_taken_for_seconds = pl.Series([1_767_225_600_000_000_000]).cast(pl.Datetime("us"))
    assert parquet(tmp_path, occurred_at=milliseconds_taken_for_seconds)["occurred_at"].to_list() == [None]


def test_parquet_text_may_be_categories_and_numbers_of_any_width(tmp_path: Path):
    found = parquet(
        tmp_path, unit_id=pl.Series(["u"], dtype=pl.Categorical), value=pl.Series([1], dtype=pl.Int32)
    )
    assert found.select("unit_id", "value").rows() == [("u", 1.0)]


@pytest.mark.parametrize(
    ("columns", "why"),
    [
        ({"unit_id": [1]}, "column unit_id has type Int64, expected text"),
        ({"occurred_at": ["2026-01-01"]}, "column occurred_at has type String, expected a timestamp"),
        ({"occurred_at": [1767225600]}, "expected a timestamp"),
        ({"value": ["1.5"]}, "column value has type String, expected a number"),
        ({"properties": [1]}, "expected JSON text or a struct"),
    ],
)
def test_a_parquet_column_of_another_type_is_named(tmp_path: Path, columns: dict[str, Any], why: str):
    with pytest.raises(UnreadableFile, match=why):
        parquet(tmp_path, **columns)


def test_a_parquet_file_without_a_required_column_names_it_and_those_it_has(tmp_path: Path):
    pl.DataFrame({"experiment_id": ["exp"], "unit_id": ["u"]}).write_parquet(tmp_path / "a.parquet")
    with pytest.raises(
        UnreadableFile, match="missing: variation_id, assigned_at; it has experiment_id, unit_id"
    ):
        scan_parquet(tmp_path / "a.parquet", ASSIGNMENTS)


@pytest.mark.parametrize("content", [b"", b"PAR1", b"not parquet at all", b"PAR1" + b"\x00" * 50 + b"PAR1"])
def test_a_file_that_is_no_parquet_is_unreadable(tmp_path: Path, content: bytes):
    (tmp_path / "a.parquet").write_bytes(content)
    with pytest.raises(UnreadableFile, match="no readable Parquet"):
        scan_parquet(tmp_path / "a.parquet", EVENTS)
