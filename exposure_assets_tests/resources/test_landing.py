"""Scans of a landing zone: what is new, changed or gone, what is quarantined, and that caches are only caches."""

import gzip
import os
import shutil
from pathlib import Path

import fsspec
import polars as pl
import pytest

from exposure_assets_tests.resources.landing_files import Place, event, january, jsonl, noon
from resources.landing import LandingError, LandingZone
from resources.landing_days import day_rows


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_late_and_early_rows_are_found_on_their_own_day(place: Place):
    place.deliver(
        jsonl(event("a", 3), event("b", 3), event("late", 1), event("early", 5)), arrival="2026-01-03"
    )
    assert place.event_ids() == {1: ["late"], 3: ["a", "b"], 5: ["early"]}
    assert place.scan().days("events") == [january(1), january(3), january(5)]


def test_rows_without_a_day_are_found_on_the_day_they_arrived(place: Place):
    place.deliver(
        jsonl(event("a", 1), event("b", 1, unit_id=None), event("c", occurred_at="soon")),
        arrival="2026-01-04",
    )
    assert place.ids(4) == [
        ("b", "events/date=2026-01-04/a.jsonl", True),
        ("c", "events/date=2026-01-04/a.jsonl", True),
    ]
    assert place.ids(1) == [("a", "events/date=2026-01-04/a.jsonl", False)]


def test_a_file_of_broken_rows_only_is_read_and_has_no_day_but_its_arrival(place: Place):
    place.deliver(jsonl(event("a", unit_id=None), event("b", occurred_at=None)), arrival="2026-01-04")
    assert [row[0] for row in place.ids(4)] == ["a", "b"]
    assert place.scan().days("events") == [january(4)]
    assert place.reason() == ""


def test_a_file_delivered_again_under_another_name_is_read_again(place: Place):
    place.deliver(jsonl(event("a", 1), event("late", 2)))
    place.deliver(jsonl(event("a", 1), event("late", 2)), name="again.jsonl", arrival="2026-01-02")
    assert [row[:2] for row in place.ids(1)] == [
        ("a", "events/date=2026-01-01/a.jsonl"),
        ("a", "events/date=2026-01-02/again.jsonl"),
    ]
    assert len(place.ids(2)) == 2


def test_a_changed_file_replaces_what_was_read_before(place: Place):
    path = place.deliver(jsonl(event("a", 1), event("b", 2)))
    assert place.event_ids() == {1: ["a"], 2: ["b"]}
    path.write_bytes(jsonl(event("c", 3)))
    assert place.event_ids() == {3: ["c"]}


def test_a_file_changed_in_place_within_the_resolution_of_its_time_stamp_is_noticed(place: Place):
    path = place.deliver(jsonl(event("a")))
    before = path.stat()
    assert place.event_ids() == {1: ["a"]}
    path.write_bytes(jsonl(event("b")))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert place.event_ids() == {1: ["b"]}


def test_a_removed_file_is_forgotten_and_a_copy_of_it_stays(place: Place):
    path = place.deliver(jsonl(event("a"), event("late", 2)))
    place.deliver(jsonl(event("a"), event("late", 2)), name="copy.jsonl")
    place.scan()
    path.unlink()
    assert place.ids(1) == [("a", "events/date=2026-01-01/copy.jsonl", False)]
    assert len(place.ids(2)) == 1


def test_a_file_mended_after_its_quarantine_is_read(place: Place):
    path = place.deliver(b"{")
    assert place.reason() != ""
    path.write_bytes(jsonl(event("a")))
    assert place.reason() == ""
    assert place.event_ids() == {1: ["a"]}


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("a.parquet", b"", "no readable Parquet"),
        ("a.parquet", b"PAR1 and no more", "no readable Parquet"),
        ("a.jsonl", b"[]\n" + jsonl(event("a")), "unreadable line"),
        ("a.jsonl.gz", gzip.compress(jsonl(event("a")), mtime=0)[:-4], "truncated or corrupt gzip"),
        ("a.csv", b"event_id,event_name\n", "required column missing: unit_id, occurred_at"),
        ("a.csv", b"", "an empty file"),
        ("a.csv.gz", b"event_id", "truncated or corrupt gzip"),
    ],
)
def test_an_unreadable_file_is_quarantined_with_its_reason_and_hinders_no_other(
    place: Place, name: str, content: bytes, why: str
):
    place.deliver(content, name)
    place.deliver(jsonl(event("good")), "good.jsonl")
    assert why in place.reason(name)
    assert place.event_ids() == {1: ["good"]}
    (row,) = place.scan().frame.filter(status="quarantined").rows(named=True)
    assert (row["row_count"], row["path"]) == (0, f"events/date=2026-01-01/{name}")


def test_a_folder_without_a_day_quarantines_its_files_and_no_copy_of_them(place: Place):
    for arrival in ("1-bad", "2026-01-01", "later"):
        place.deliver(jsonl(event("a")), arrival=arrival)
    quarantined = place.scan().quarantined
    assert quarantined["path"].to_list() == ["events/date=1-bad/a.jsonl", "events/date=later/a.jsonl"]
    assert quarantined["reason"].str.contains("names no arrival day").all()
    place.deliver(jsonl(event("a")), arrival="2026-01-02")
    assert len(place.ids(1)) == 2


def test_a_file_whose_name_is_no_text_is_quarantined_and_hinders_no_other(place: Place):
    os.utime(place.deliver(jsonl(event("good")), 'gö"od.jsonl'), (1e9, 1e9))
    folder = os.fsencode(place.landing / "events" / "date=2026-01-01")
    for name in (b"\xe9.jsonl", b"\xe8.jsonl"):
        with open(folder + b"/" + name, "wb") as file:
            file.write(jsonl(event("bad")))
    assert place.event_ids() == {1: ["good"]}
    quarantined = place.scan().quarantined
    assert quarantined["path"].to_list() == [f"events/date=2026-01-01/\\xe{n}.jsonl" for n in "89"]
    assert quarantined["reason"].str.contains("not UTF-8").all()
    written = (place.staging / "landing" / "manifest.parquet").stat().st_mtime_ns
    place.scan()
    assert (place.staging / "landing" / "manifest.parquet").stat().st_mtime_ns == written


def test_hidden_files_and_other_formats_are_no_deliveries(place: Place):
    for name in (".a.jsonl", "_a.jsonl", "a.txt", "a.jsonl.partial", "a.json"):
        place.deliver(jsonl(event("a")), name)
    place.deliver(jsonl(event("a")), arrival="2026-01-01", stream="others")
    assert place.scan().frame.is_empty()


def test_both_streams_are_found_and_kept_apart(place: Place):
    assigned = {
        "experiment_id": "exp",
        "unit_id": "u",
        "variation_id": "control",
        "assigned_at": "2026-01-02",
    }
    place.deliver(jsonl(event("a")))
    place.deliver(jsonl(assigned), stream="assignments")
    assert place.ids(2, "assignments") == [(None, "assignments/date=2026-01-01/a.jsonl", False)]
    assert place.scan().days("assignments") == [january(1), january(2)]
    assert place.ids(2) == []


def test_the_manifest_says_what_a_file_holds(place: Place):
    place.deliver(jsonl(event("a", 3), event("b", 1), event("c", occurred_at="?")), arrival="2026-01-05")
    (row,) = place.scan().frame.rows(named=True)
    assert (row["row_count"], row["broken_count"], row["status"]) == (3, 1, "ready")
    assert (row["first_occurred_at"], row["last_occurred_at"]) == (noon(1), noon(3))
    assert row["arrival_date"] == january(5)


def test_a_landing_zone_that_is_not_there_is_an_error_that_names_it(tmp_path: Path):
    with pytest.raises(LandingError, match=r"nowhere.*expected events/date=YYYY-MM-DD/"):
        LandingZone(str(tmp_path / "nowhere"), tmp_path).refresh()


def test_an_empty_landing_zone_holds_nothing(place: Place):
    assert place.scan().days("events") == []
    assert place.ids(1) == []
    assert day_rows(place.zone, place.scan(), "assignments", january(1)).is_empty()


def test_without_its_caches_a_zone_reads_the_same(place: Place):
    place.deliver(jsonl(event("a", 1), event("late", 2), event("broken", unit_id=None)))
    frame = pl.DataFrame({"event_id": ["p"], "event_name": ["x"], "unit_id": ["u"], "occurred_at": [noon(4)]})
    frame.write_parquet(place.landing / "events" / "date=2026-01-01" / "b.parquet")
    expected = place.event_ids()
    assert expected == {1: ["a", "broken"], 2: ["late"], 4: ["p"]}
    caches = sorted(path.name for path in (place.staging / "landing").iterdir())
    assert "manifest.parquet" in caches and len(caches) >= 4
    for name in caches:
        cache = place.staging / "landing" / name
        shutil.rmtree(cache) if cache.is_dir() else cache.unlink()
        assert place.event_ids() == expected, name
    shutil.rmtree(place.staging)
    assert place.event_ids() == expected


def test_what_a_killed_scan_left_behind_is_not_read(place: Place):
    place.deliver(jsonl(event("a", 1), event("late", 2)))
    expected = place.event_ids()
    manifest = place.staging / "landing" / "manifest.parquet"
    for folder in {path.parent for path in (place.staging / "landing").rglob("*")}:
        (folder / f".{manifest.name}.0123.partial").write_bytes(b"half a file")
    half = place.staging / "landing" / "parts" / ".key.0123.partial" / "__day__=2026-01-02"
    half.mkdir(parents=True)
    (half / "0.parquet").write_bytes(b"half a file")
    manifest.unlink()
    assert place.event_ids() == expected


def test_a_scan_killed_after_some_files_goes_on_with_the_others(place: Place):
    place.deliver(jsonl(event("a", 1), event("late", 2)), "a.jsonl")
    place.scan()
    derived = [
        path for path in (place.staging / "landing").rglob("*.parquet") if path.name != "manifest.parquet"
    ]
    (place.staging / "landing" / "manifest.parquet").unlink()
    derived[0].unlink()
    place.deliver(jsonl(event("b", 3)), "b.jsonl")
    assert place.event_ids() == {1: ["a"], 2: ["late"], 3: ["b"]}


def test_a_manifest_of_another_version_is_no_cache(place: Place):
    place.deliver(jsonl(event("a")))
    place.scan()
    pl.DataFrame({"path": ["events/date=2026-01-01/a.jsonl"]}).write_parquet(
        place.staging / "landing" / "manifest.parquet"
    )
    assert place.event_ids() == {1: ["a"]}


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv", "a.parquet"])
def test_a_column_that_the_catalog_names_later_is_read_from_files_known_before(place: Place, name: str):
    columns = ["event_id", "event_name", "unit_id", "occurred_at", "plan"]
    rows = pl.DataFrame(
        [("a", "x", "u", noon(1), "pro"), ("late", "x", "u", noon(2), "free")], columns, orient="row"
    )
    path = place.deliver(b"", name)
    {"jsonl": rows.write_ndjson, "csv": rows.write_csv, "parquet": rows.write_parquet}[name.split(".")[1]](
        path
    )
    assert place.event_ids() == {1: ["a"], 2: ["late"]}

    def plans(*further_columns: str) -> list[list[str]]:
        zone = LandingZone(str(place.landing), place.staging, further_columns)
        found = [day_rows(zone, zone.refresh(), "events", january(day)) for day in (1, 2)]
        return [day["plan"].to_list() if "plan" in day.columns else [] for day in found]

    assert plans("plan") == [["pro"], ["free"]]
    assert plans("plan", "none") == [["pro"], ["free"]]
    assert plans() == [[], []]


def test_an_unmounted_landing_zone_is_not_taken_for_an_emptied_one(place: Place):
    place.deliver(jsonl(event("a")))
    place.scan()
    shutil.rmtree(place.landing / "events")
    with pytest.raises(LandingError, match=r"1 files of it are known.*Mount it"):
        place.scan()
    (place.landing / "events").mkdir()
    assert place.scan().frame.is_empty()


def test_a_landing_zone_may_be_a_file_url(place: Place):
    place.deliver(jsonl(event("a", 1), event("late", 2)))
    zone = LandingZone(f"file://{place.landing}", place.staging)
    assert day_rows(zone, zone.refresh(), "events", january(2))["event_id"].to_list() == ["late"]


def test_a_landing_zone_may_be_an_object_store(tmp_path: Path):
    store = fsspec.filesystem("memory")
    root = f"/{tmp_path.name}-store"
    frame = pl.DataFrame(
        {"event_id": ["p", "q"], "event_name": "x", "unit_id": "u", "occurred_at": [noon(1), noon(2)]}
    )
    store.pipe(f"{root}/events/date=2026-01-01/a.jsonl", jsonl(event("a", 1), event("late", 2)))
    with store.open(f"{root}/events/date=2026-01-01/b.parquet", "wb") as file:
        frame.write_parquet(file)
    zone = LandingZone(f"memory:/{root}", tmp_path)

    def ids(day: int) -> list[str]:
        return sorted(day_rows(zone, zone.refresh(), "events", january(day))["event_id"])

    assert (ids(1), ids(2), zone.arrival_days()) == (["a", "p"], ["late", "q"], [january(1)])
    store.pipe(f"{root}/events/date=2026-01-01/a.jsonl", jsonl(event("changed", 2)))
    store.rm(f"{root}/events/date=2026-01-01/b.parquet")
    assert (ids(1), ids(2)) == ([], ["changed"])
