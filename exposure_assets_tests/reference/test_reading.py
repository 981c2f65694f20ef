"""The readers of the reference: every format says the same, and a broken file says nothing.
What rows mean is tested elsewhere.
"""

import gzip
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from exposure_assets_tests.reference.fields import as_instant, as_number, as_object, look_up
from exposure_assets_tests.reference.reading import (
    quarantined_files,
    read_assignments,
    read_events,
)

HEADER = "event_id,event_name,unit_id,occurred_at"


def write(landing: Path, name: str, content: str | bytes, stream: str = "events") -> None:
    folder = landing / stream / "date=2026-01-02"
    folder.mkdir(parents=True, exist_ok=True)
    data = content.encode() if isinstance(content, str) else content
    (folder / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)


def write_parquet(landing: Path, name: str, **columns: pa.Array) -> None:
    (landing / "events" / "date=2026-01-02").mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), landing / "events" / "date=2026-01-02" / name)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-02", datetime(2026, 1, 2, tzinfo=UTC)),
        ("2026-01-02T03:04:05", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("2026-01-02 03:04:05Z", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("2026-01-02T03:04:05.1234567Z", datetime(2026, 1, 2, 3, 4, 5, 123456, tzinfo=UTC)),
        ("2026-01-02T03:04:05.999999999", datetime(2026, 1, 2, 3, 4, 5, 999999, tzinfo=UTC)),
        ("2026-01-02T03:04:05+14:00", datetime(2026, 1, 1, 13, 4, 5, tzinfo=UTC)),
        ("2026-01-02T03:04:05-0530", datetime(2026, 1, 2, 8, 34, 5, tzinfo=UTC)),
    ],
)
def test_a_time_is_utc_unless_it_says_otherwise_and_is_cut_to_microseconds(text: str, expected: datetime):
    assert as_instant(text) == expected


@pytest.mark.parametrize(
    "text", ["", "yesterday", "2026-02-30", "2026-01-02T25:00:00", "1767225600", "0001-01-01T00:00:00+14:00"]
)
def test_what_is_no_time_is_null(text: str):
    assert as_instant(text) is None


def test_numbers_and_numeric_text_are_values_and_nothing_else_is():
    assert [as_number(value) for value in (1, "12.5", "1e3", "-0.5")] == [1.0, 12.5, 1000.0, -0.5]
    assert [as_number(value) for value in (None, True, "nan", "inf", "1e999", " 1", "1_0", "", [1], "x")] == [
        None
    ] * 10


def test_a_path_goes_into_objects_and_a_flat_key_with_the_dots_wins():
    nested = {"a": {"b": {"c": "nested"}}}
    assert look_up(nested, "a.b.c") == "nested"
    assert look_up({**nested, "a.b.c": "flat"}, "a.b.c") == "flat"
    assert look_up({**nested, "a.b.c": None}, "a.b.c") == "nested"
    assert look_up({"a": "text"}, "a.b") is None


def test_only_the_text_of_an_object_is_an_object():
    assert as_object('{"a": 1e5}') == {"a": "1e5"}
    assert [as_object(text) for text in ("[1]", "null", '"{}"', "{", '{"a":NaN}', "")] == [None] * 6


def test_ids_survive_every_format(tmp_path: Path):
    ids = [
        "007",
        "1e5",
        "NULL",
        "nan",
        "true",
        'quo"te',
        "a,b",
        "line\nbreak",
        " space ",
        "ünï\u2028",
        "",
        "x" * 10_000,
    ]
    quoted = ['"' + text.replace('"', '""') + '"' for text in ids]
    lines = [f"{unit_id},e,{unit_id},2026-01-02" for unit_id in quoted]
    for name in ("a.csv", "b.csv.gz"):
        write(tmp_path, name, "\n".join([HEADER, *lines]))
    write(tmp_path, "c.csv", "\r\n".join([HEADER, *lines, ""]))
    write_parquet(
        tmp_path,
        "d.parquet",
        event_id=pa.array(ids),
        event_name=pa.array(["e"] * len(ids)),
        unit_id=pa.array(ids),
        occurred_at=pa.array([datetime(2026, 1, 2)] * len(ids), pa.timestamp("us")),
    )
    rows = read_events(tmp_path)
    assert [row.unit_id for row in rows] == ids * 4
    assert {row.occurred_at for row in rows} == {datetime(2026, 1, 2, tzinfo=UTC)}


def test_an_empty_csv_field_is_null_and_an_empty_quoted_one_is_an_id(tmp_path: Path):
    write(tmp_path, "a.csv", f'{HEADER},session_id\n"",e,u,2026-01-02,\n,e,u,2026-01-02,""\n')
    assert [(row.event_id, row.session_id) for row in read_events(tmp_path)] == [("", None), (None, "")]


def test_numbers_and_booleans_of_a_json_line_are_ids_by_their_text(tmp_path: Path):
    write(
        tmp_path,
        "a.jsonl",
        '{"event_id":1e5,"event_name":true,"unit_id":12345678901234567890,"session_id":[1]}',
    )
    row = read_events(tmp_path)[0]
    assert (row.event_id, row.event_name, row.unit_id, row.session_id) == (
        "1e5",
        "true",
        "12345678901234567890",
        None,
    )


def test_a_line_separator_inside_a_json_text_does_not_end_the_line(tmp_path: Path):
    write(tmp_path, "a.jsonl", '{"event_id":"a\u2028b"}\n\n{"event_id":"c\u0085d"}\r\n')
    assert [row.event_id for row in read_events(tmp_path)] == ["a\u2028b", "c\u0085d"]


def test_nanoseconds_are_cut_and_a_zone_does_not_move_the_instant(tmp_path: Path):
    for name, kind in (
        ("a.parquet", pa.timestamp("ns", "America/New_York")),
        ("b.parquet", pa.timestamp("ns")),
    ):
        write_parquet(
            tmp_path,
            name,
            event_id=pa.array(["e"]),
            event_name=pa.array(["e"]),
            unit_id=pa.array(["u"]),
            occurred_at=pa.array([1_767_312_000_123_456_999], pa.int64()).cast(kind),
        )
    expected = datetime(2026, 1, 2, 0, 0, 0, 123456, tzinfo=UTC)
    assert [row.occurred_at for row in read_events(tmp_path)] == [expected, expected]


def test_a_struct_and_its_json_text_hold_the_same_properties(tmp_path: Path):
    common = {
        "event_id": pa.array(["a", "b"]),
        "event_name": pa.array(["e", "e"]),
        "unit_id": pa.array(["u", "u"]),
        "occurred_at": pa.array([datetime(2026, 1, 2)] * 2, pa.timestamp("us")),
    }
    objects = [{"n": 1, "deep": {"x": True}}, None]
    write_parquet(tmp_path, "a.parquet", **common, properties=pa.array(objects))
    write_parquet(tmp_path, "b.parquet", **common, properties=pa.array(['{"n":1,"deep":{"x":true}}', None]))
    rows = read_events(tmp_path)
    assert [row.properties for row in rows] == [{"n": "1", "deep": {"x": True}}, None] * 2
    assert rows[0].properties_text == rows[2].properties_text


def test_broken_files_are_ignored_whole_and_named(tmp_path: Path):
    row = '{"event_id":"a","event_name":"e","unit_id":"u","occurred_at":"2026-01-02"}'
    write(tmp_path, "cut.jsonl", row + '\n{"event_id":')
    write(tmp_path, "list.jsonl", row + "\n[1]")
    write(tmp_path, "column.csv", "event_id,event_name,occurred_at\na,e,2026-01-02")
    write(tmp_path, "ragged.csv", f"{HEADER}\na,e,u,2026-01-02\nb,e")
    write(tmp_path, "quote.csv", f'{HEADER}\na,e,u,"2026-01-02')
    write(tmp_path, "magic.parquet", "not parquet")
    write(tmp_path, "bytes.jsonl", b'{"event_id":"\xff"}')
    times = pa.array([datetime(2026, 1, 2)], pa.timestamp("us"))
    text = pa.array(["a"])
    write_parquet(
        tmp_path, "number.parquet", event_id=text, event_name=text, unit_id=pa.array([1]), occurred_at=times
    )
    write_parquet(tmp_path, "time.parquet", event_id=text, event_name=text, unit_id=text, occurred_at=text)
    write(tmp_path, "good.jsonl", row)
    folder = tmp_path / "events" / "date=2026-01-02"
    (folder / "cut.csv.gz").write_bytes(gzip.compress(f"{HEADER}\na,e,u,2026-01-02".encode())[:-9])

    assert [row.file for row in read_events(tmp_path)] == ["events/date=2026-01-02/good.jsonl"]
    assert [Path(path).name for path, _ in quarantined_files(tmp_path)] == [
        "bytes.jsonl",
        "column.csv",
        "cut.csv.gz",
        "cut.jsonl",
        "list.jsonl",
        "magic.parquet",
        "number.parquet",
        "quote.csv",
        "ragged.csv",
        "time.parquet",
    ]


def test_an_unreadable_time_makes_one_row_malformed_and_no_file(tmp_path: Path):
    write(
        tmp_path,
        "a.csv",
        "experiment_id,unit_id,variation_id,assigned_at\ne,u,v,soon\ne,u,v,2026-01-02\n",
        stream="assignments",
    )
    assert [row.assigned_at for row in read_assignments(tmp_path)] == [None, datetime(2026, 1, 2, tzinfo=UTC)]
    assert quarantined_files(tmp_path) == []


def test_other_files_and_folders_are_not_read(tmp_path: Path):
    write(tmp_path, "_SUCCESS", "")
    write(tmp_path, "notes.txt", "x")
    (tmp_path / "events" / "date=today").mkdir()
    assert read_events(tmp_path) == []
    assert quarantined_files(tmp_path) == []
