"""The staging area: a day's file is whole or absent, and old files stay readable when columns are added."""

from pathlib import Path

import polars as pl
import pytest

from exposure_assets.contracts import ExposureEvents, MetricEvents, RejectedEvents, columns_of
from exposure_assets_tests.transforms.rows import exposures, january, metric_rows, table
from resources.staging import Staging


@pytest.fixture
def staging(tmp_path: Path) -> Staging:
    return Staging(tmp_path)


def test_what_is_written_for_a_day_is_read_back_bit_for_bit(staging: Staging):
    rows = exposures(("ann", "control", "10 23:59:59.999999", "é", "s"), ("zoe", "treatment", "10 00:00", ""))
    staging.write(ExposureEvents, january(10), rows)
    assert staging.scan(ExposureEvents).collect().equals(rows)


def test_a_day_lies_where_others_look_for_it(staging: Staging):
    staging.write(ExposureEvents, january(10), exposures(("ann", "control", "10 09:00")))
    assert [str(path.relative_to(staging.folder)) for path in staging.folder.rglob("*.parquet")] == [
        "exposure_events/date=2026-01-10/part-0.parquet"
    ]


def test_a_day_written_again_is_replaced_and_others_stay(staging: Staging):
    for day, unit in ((10, "ann"), (11, "zoe"), (10, "max")):
        staging.write(ExposureEvents, january(day), exposures((unit, "control", f"{day} 09:00")))
    assert sorted(staging.scan(ExposureEvents).collect()["unit_id"]) == ["max", "zoe"]


def test_a_day_without_rows_has_no_file(staging: Staging):
    staging.write(ExposureEvents, january(10), exposures(("ann", "control", "10 09:00")))
    staging.write(ExposureEvents, january(10), table(ExposureEvents, []))
    staging.write(ExposureEvents, january(11), table(ExposureEvents, []))
    assert staging.scan(ExposureEvents).collect().is_empty()
    assert list(staging.folder.rglob("*.parquet")) == []


def test_the_first_and_the_last_day_asked_for_are_included(staging: Staging):
    for day in (9, 10, 11, 12):
        staging.write(ExposureEvents, january(day), exposures(("ann", "control", f"{day:02} 09:00")))
    found = staging.scan(ExposureEvents, (january(10), january(11))).collect()
    assert sorted(found["exposure_date"]) == [january(10), january(11)]
    assert staging.days(ExposureEvents, (january(10), january(30))) == [january(10), january(11), january(12)]
    assert list(staging.sizes(ExposureEvents, (january(12), january(30)))) == [january(12)]
    assert staging.sizes(ExposureEvents, (january(9), january(9)))[january(9)] > 0


def test_the_parts_of_a_day_are_read_together(staging: Staging):
    rejected = {"arrival_date": january(10), "file": "a", "reason": "duplicate", "row": "{}"}
    for stream in ("events", "assignments"):
        staging.write(
            RejectedEvents, january(10), table(RejectedEvents, [{**rejected, "stream": stream}]), part=stream
        )
    assert sorted(staging.scan(RejectedEvents).collect()["stream"]) == ["assignments", "events"]


def test_a_column_that_was_added_later_is_null_in_old_files_and_one_removed_is_left_out(staging: Staging):
    staging.write(MetricEvents, january(10), metric_rows(("ann", "buy", "10 10:00", 1.5)))
    newer = metric_rows(("zoe", "buy", "11 10:00", 2.5)).rename({"value": "properties.price"})
    staging.write(MetricEvents, january(11), newer)
    found = staging.scan(MetricEvents, further_columns={"properties.price": pl.Float64()}).collect()
    assert found.columns == [*columns_of(MetricEvents), "properties.price"]
    assert sorted(found.select("unit_id", "properties.price").rows()) == [("ann", None), ("zoe", 2.5)]


def test_nothing_staged_has_every_column(staging: Staging):
    found = staging.scan(MetricEvents, further_columns={"value": pl.Float64()}).collect()
    assert found.schema == {**columns_of(MetricEvents), "value": pl.Float64}
    assert staging.days(MetricEvents) == []


def test_what_a_killed_write_left_behind_is_not_read(staging: Staging):
    staging.write(ExposureEvents, january(10), exposures(("ann", "control", "10 09:00")))
    (path,) = staging.folder.rglob("part-0.parquet")
    path.with_name(f".{path.name}.0123.partial").write_bytes(path.read_bytes()[:100])
    path.with_name(".part-1.parquet").write_bytes(b"half a file")
    assert staging.scan(ExposureEvents).collect()["unit_id"].to_list() == ["ann"]


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(staging: Staging):
    staging.write(ExposureEvents, january(10), exposures(("ann", "control", "10 09:00")))
    unwritable = exposures(("zoe", "control", "10 09:00")).with_columns(
        session_id=pl.Series([object()], dtype=pl.Object)
    )
    with pytest.raises(pl.exceptions.PolarsError):
        staging.write(ExposureEvents, january(10), unwritable)
    assert staging.scan(ExposureEvents).collect()["unit_id"].to_list() == ["ann"]
    assert [path.name for path in staging.folder.rglob("*") if path.is_file()] == ["part-0.parquet"]
