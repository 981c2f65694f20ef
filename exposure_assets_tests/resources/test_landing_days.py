"""The raw rows of a day gathered from files of every format, and files whose damage shows only when read in full."""

from datetime import date
from pathlib import Path

import polars as pl
import pyarrow.parquet
import pytest

from exposure_assets.assets.staging import StagingReport, stage_days
from exposure_assets.contracts import AssignmentEvents, Catalog, ExposureEvents, Metric, MetricEvents
from exposure_assets_tests.resources.landing_files import Place, event, january, jsonl, noon
from exposure_assets_tests.transforms.rows import catalog
from resources.landing import LandingZone
from resources.landing_days import DamagedFile, day_rows, rows_of_ids_before, stray_rows
from resources.repeated_ids import ids_on_several_days
from resources.staged_ledger import StagedLedger
from resources.staging import Staging

EXPOSED = {"event_name": "experiment_exposed", "properties": {"experiment": "exp", "variation": "control"}}


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def staged(
    zone: LandingZone, staging: Staging, known: Catalog, days: tuple[date, date], calendar_starts: date
) -> StagingReport:
    return stage_days(zone, staging, StagedLedger(staging.folder), known, days, calendar_starts)


def deliver_parquet(place: Place, frame: pl.DataFrame, name: str = "b.parquet") -> Path:
    path = place.landing / "events" / "date=2026-01-01" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    frame.write_parquet(path, compression="zstd")
    return path


def exposures(count: int, day: int = 10) -> pl.DataFrame:
    numbers = pl.Series(range(count))
    return pl.DataFrame(
        {
            "event_id": "p" + numbers.cast(pl.String),
            "event_name": ["experiment_exposed"] * count,
            "unit_id": "u" + numbers.cast(pl.String),
            "occurred_at": [noon(day)] * count,
            "properties": '{"experiment": "exp", "variation": "control", "n": '
            + numbers.cast(pl.String)
            + "}",
        }
    )


def damage(path: Path, column: str) -> None:
    """Overwrite the start of a column's pages, as a broken disk would; the footer and all other columns stay."""
    group = pyarrow.parquet.read_metadata(path).row_group(0)
    chunk = next(
        group.column(n) for n in range(group.num_columns) if group.column(n).path_in_schema == column
    )
    content = bytearray(path.read_bytes())
    start = chunk.dictionary_page_offset or chunk.data_page_offset
    content[start : start + 64] = b"\x00" * 64
    path.write_bytes(bytes(content))


def test_structs_and_json_text_of_one_day_are_one_table_of_json_text(place: Place):
    struct = {"experiment": "exp", "variation": "control", "n": 1}
    base = exposures(1, day=1).drop("properties")
    deliver_parquet(place, base.with_columns(properties=pl.Series([struct])))
    deliver_parquet(
        place, base.with_columns(event_id=pl.lit("n"), properties=pl.Series([{"n": 1.5}])), "c.parquet"
    )
    deliver_parquet(place, base.with_columns(event_id=pl.lit("none")), "d.parquet")
    place.deliver(jsonl(event("t", properties={"n": 2})))
    rows = day_rows(place.zone, place.scan(), "events", january(1))
    found = dict(rows.select("event_id", pl.col("properties").str.replace_all(" ", "")).rows())
    assert found == {
        "p0": '{"experiment":"exp","variation":"control","n":1}',
        "n": '{"n":1.5}',
        "none": None,
        "t": '{"n":2}',
    }


def test_structs_and_json_text_of_one_day_are_judged_alike(place: Place, tmp_path: Path):
    struct = pl.Series([{"experiment": "exp", "variation": "control"}])
    deliver_parquet(place, exposures(1).with_columns(properties=struct))
    place.deliver(jsonl(event("t", 10, **EXPOSED)))
    staging = Staging(tmp_path / "staged")
    staged(place.zone, staging, catalog(), (january(10), january(10)), january(1))
    accepted = staging.scan(ExposureEvents).select("event_id", "experiment_id", "variation_id").collect()
    assert sorted(accepted.rows()) == [("p0", "exp", "control"), ("t", "exp", "control")]


def test_damage_in_a_column_that_the_index_does_not_read_shows_with_the_rows(place: Place):
    damage(deliver_parquet(place, exposures(5000)), "properties")
    manifest = place.scan()
    assert manifest.quarantined.is_empty(), "the index reads ids and times alone"
    with pytest.raises(DamagedFile, match=r"events/date=2026-01-01/b.parquet: corrupt content") as damaged:
        day_rows(place.zone, manifest, "events", january(10))
    assert damaged.value.file.path == "events/date=2026-01-01/b.parquet"


def test_a_damaged_file_counts_not_at_all_and_stays_quarantined(place: Place, tmp_path: Path):
    damage(deliver_parquet(place, exposures(5000)), "properties")
    place.deliver(jsonl(event("good", 10, **EXPOSED)))
    staging = Staging(tmp_path / "staged")
    for _ in range(2):
        report = staged(place.zone, staging, catalog(), (january(9), january(11)), january(1))
        quarantined = place.scan().quarantined
        assert quarantined["path"].to_list() == ["events/date=2026-01-01/b.parquet"]
        assert "corrupt content" in quarantined["reason"].item()
        assert staging.scan(ExposureEvents).collect()["event_id"].to_list() == ["good"]
        assert report.waterfall.rows() == [("exp", january(10), "accepted", 1)]


def test_damage_in_late_rows_is_found_while_they_are_split_off(place: Place):
    frame = pl.concat(
        [exposures(5000), exposures(4000, day=9).with_columns(event_id="late " + pl.col("event_id"))]
    )
    damage(deliver_parquet(place, frame), "properties")
    assert "corrupt content" in place.reason("b.parquet")


def test_rows_that_arrived_on_some_days_and_fall_outside_others_are_strays(place: Place):
    place.deliver(jsonl(event("a", 2), event("b", 3), event("c", 8)), arrival="2026-01-02")
    place.deliver(jsonl(event("d", 8)), arrival="2026-01-04")
    arrived, inside = (january(2), january(3)), (january(2), january(3))
    found = stray_rows(place.zone, place.scan(), "events", arrived, inside)
    assert [rows["event_id"].to_list() for rows in found] == [["c"]]


def test_earlier_rows_of_an_id_in_question_are_found_and_no_others(place: Place):
    place.deliver(jsonl(event("twice", 1), event("once", 1)), "a.jsonl")
    place.deliver(jsonl(event("twice", 5), event("other", 5)), "b.jsonl")
    zone, manifest = place.zone, place.scan()
    places = ids_on_several_days(zone, manifest, "events")
    earlier = list(rows_of_ids_before(zone, manifest, places, "events", january(5)))
    assert [rows["event_id"].to_list() for rows in earlier] == [["twice"]]
    assert list(rows_of_ids_before(zone, manifest, places, "events", january(1))) == []


def test_a_day_without_files_has_every_column_and_no_rows(place: Place):
    rows = day_rows(place.zone, place.scan(), "events", january(1))
    assert rows.is_empty()
    assert rows.columns[-3:] == ["file", "arrival_date", "is_broken"]


def test_a_day_staged_twice_is_the_same_and_a_day_left_empty_loses_its_rows(place: Place, tmp_path: Path):
    path = place.deliver(jsonl(event("a", 10, **EXPOSED)))
    staging = Staging(tmp_path / "staged")

    def ids() -> list[str]:
        staged(place.zone, staging, catalog(), (january(10), january(10)), january(1))
        return staging.scan(ExposureEvents).collect()["event_id"].to_list()

    assert ids() == ids() == ["a"]
    path.unlink()
    assert ids() == []
    assert staging.scan(MetricEvents).collect().is_empty()


def test_metric_events_and_assignments_go_with_their_files_on_days_without_exposures(
    place: Place, tmp_path: Path
):
    assigned = {
        "experiment_id": "exp",
        "unit_id": "u",
        "variation_id": "control",
        "assigned_at": "2026-01-10",
    }
    paths = [
        place.deliver(jsonl(event("b", 10, event_name="buy"))),
        place.deliver(jsonl(assigned), stream="assignments"),
    ]
    staging = Staging(tmp_path / "staged")
    known = catalog(metrics=[Metric(id="buys", event="buy", aggregation="count")])

    def counts() -> list[int]:
        staged(place.zone, staging, known, (january(9), january(11)), january(1))
        return [staging.scan(table).collect().height for table in (MetricEvents, AssignmentEvents)]

    assert counts() == [1, 1]
    for path in paths:
        path.unlink()
    assert counts() == [0, 0]
