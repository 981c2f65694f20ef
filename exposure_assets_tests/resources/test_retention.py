"""What is deleted from the caches of the landing zone, and that all the rest can still be read."""

import os
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import fsspec
import polars as pl
import pytest

from exposure_assets_tests.resources.landing_files import Place, event, january, jsonl, noon
from resources.landing import LandingZone
from resources.landing_days import day_rows
from resources.repeated_ids import ids_on_several_days, segments_in_use
from resources.retention import Removed, sweep_landing_caches, sweep_leftovers


def after(**time: float) -> datetime:
    """So long from the call, which may come long after the tests were read: files are as old as their tests."""
    return datetime.now(UTC) + timedelta(**time)


def tomorrow() -> datetime:
    """A moment at which what is written by now has aged."""
    return after(days=1, minutes=5)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def sweep(place: Place, now: datetime | None = None) -> Removed:
    return sweep_landing_caches(place.zone, place.scan(), now or tomorrow())


def derived(place: Place) -> set[Path]:
    """Every file of the caches but the manifest."""
    files = {path for path in place.zone.folder.rglob("*") if path.is_file()}
    return {path for path in files if not path.name.startswith("manifest.")}


def days_since_1970(day: int) -> int:
    return (january(day) - date(1970, 1, 1)).days


def compare(place: Place) -> set[tuple[int, str]]:
    found = ids_on_several_days(place.zone, place.scan(), "events")
    return {(day, key) for day, key in found.select("day", "key").iter_rows()}


def test_what_was_derived_from_a_removed_file_goes_after_a_day_and_all_else_stays(place: Place):
    place.deliver(
        jsonl(event("kept", 1), event("kept late", 2), event("kept broken", unit_id=None)), "a.jsonl"
    )
    expected = place.event_ids()
    of_kept = derived(place)
    path = place.deliver(
        jsonl(event("gone", 3), event("gone late", 4), event("broken", unit_id=None)), "b.jsonl"
    )
    place.scan()
    of_gone = derived(place) - of_kept
    assert {file.relative_to(place.zone.folder).parts[0].split("-")[0] for file in of_gone} == {
        "index",
        "parts",
        "converted",
    }
    path.unlink()
    assert sweep(place, after(hours=23)) == Removed()
    size = sum(file.stat().st_size for file in of_gone)
    assert sweep(place) == Removed(len(of_gone), size)
    assert derived(place) == of_kept
    assert place.event_ids() == expected
    assert sweep(place) == Removed()


def test_a_copy_of_a_removed_file_keeps_what_was_derived_from_their_content(place: Place):
    path = place.deliver(jsonl(event("a", 1), event("late", 2)), "a.jsonl")
    place.deliver(path.read_bytes(), "copy.jsonl")
    expected = {1: ["a"], 2: ["late"]}
    place.scan()
    path.unlink()
    assert sweep(place) == Removed()
    assert place.event_ids() == expected


def test_what_was_compared_of_removed_files_is_forgotten(place: Place):
    place.deliver(jsonl(event("a", 1), event("b", 1)), "a.jsonl")
    place.deliver(jsonl(event("a", 2)), "b.jsonl")
    path = place.deliver(jsonl(event("b", 3)), "c.jsonl")
    assert len(compare(place)) == 3
    path.unlink()
    expected = compare(place)
    assert {day for day, _ in expected} == {days_since_1970(1), days_since_1970(2)}
    sweep(place)
    folder = next(place.zone.folder.glob("index-polars-*"))
    assert set(folder.glob("repeated-*/*")) == segments_in_use(place.zone.folder)
    kept = [pl.read_parquet(path) for path in sorted(segments_in_use(place.zone.folder))]
    assert sum(rows.height for rows in kept) == 3, "the ids of the two files that are there"
    assert compare(place) == expected


def test_indexes_of_other_versions_of_polars_go(place: Place):
    place.deliver(jsonl(event("a")))
    place.scan()
    other = place.zone.folder / "index-polars-0.20.0"
    other.mkdir()
    (other / "key.parquet").write_bytes(b"1234")
    assert sweep(place, after()) == Removed()
    assert sweep(place) == Removed(1, 4)
    assert not other.exists()
    assert place.event_ids() == {1: ["a"]}


def test_rows_derived_with_other_columns_of_the_catalog_go(place: Place):
    place.deliver(jsonl(event("a", 1, plan="pro"), event("late", 2, plan="free")))
    place.scan()
    with_plan = LandingZone(str(place.landing), place.staging, ["plan"])
    manifest = with_plan.refresh()
    before = derived(place)
    assert sweep_landing_caches(with_plan, manifest, tomorrow()).files == 2
    assert len(derived(place)) == len(before) - 2
    plans = [
        day_rows(with_plan, with_plan.refresh(), "events", january(day))["plan"].item() for day in (1, 2)
    ]
    assert plans == ["pro", "free"]


def test_copies_from_an_object_store_go_with_their_files(tmp_path: Path):
    store = fsspec.filesystem("memory")
    root = f"/{tmp_path.name}-retention"
    for name, day in (("a", 1), ("b", 2)):
        store.pipe(f"{root}/events/date=2026-01-01/{name}.jsonl", jsonl(event(name, day)))
    zone = LandingZone(f"memory:/{root}", tmp_path)
    zone.refresh()
    store.rm(f"{root}/events/date=2026-01-01/b.jsonl")
    manifest = zone.refresh()
    assert sweep_landing_caches(zone, manifest, tomorrow()).files == 3
    assert [path.name for path in (tmp_path / "landing" / "copies").iterdir()] == manifest.frame[
        "checksum"
    ].to_list()
    assert day_rows(zone, manifest, "events", january(1))["event_id"].to_list() == ["a"]


def test_nothing_is_deleted_while_files_are_unread(place: Place):
    for name in ("a.jsonl", "b.jsonl"):
        os.utime(place.deliver(jsonl(event(name)), name), (1e9, 1e9))
    with pytest.raises(ValueError, match=r"1 files are unread.*refresh without a limit"):
        sweep_landing_caches(place.zone, place.zone.refresh(0), tomorrow())


def test_landing_files_and_staged_days_are_never_deleted(place: Place):
    path = place.deliver(jsonl(event("a")))
    staged = place.staging / "exposure_events" / "date=2020-01-01" / "part-0.parquet"
    staged.parent.mkdir(parents=True)
    pl.DataFrame({"at": [noon(1)]}).write_parquet(staged)
    os.utime(staged, (1e9, 1e9))
    in_ten_years = after(days=3650)
    assert sweep(place, in_ten_years) == sweep_leftovers(place.staging, in_ten_years) == Removed()
    assert path.exists() and staged.exists()


def test_leftovers_of_killed_writers_go_after_an_hour(place: Place):
    place.deliver(jsonl(event("a", 1), event("late", 2)))
    expected = place.event_ids()
    before = derived(place)
    leftovers = [
        place.staging / "exposure_events" / "date=2026-01-01" / ".part-0.parquet.0123.partial",
        place.staging / "landing" / ".manifest.parquet.0123.partial",
        place.staging / "landing" / "parts" / ".key.0123.partial" / "__day__=2026-01-02" / "0.parquet",
        place.staging / "landing" / "converted" / "tmpa1b2c3" / "plain",
    ]
    for path in leftovers:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"half")
    assert sweep_leftovers(place.staging, after(minutes=50)) == Removed()
    assert sweep_leftovers(place.staging, after(minutes=70)) == Removed(4, 16)
    assert not any(path.exists() for path in leftovers)
    assert not (place.staging / "landing" / "converted" / "tmpa1b2c3").exists()
    assert derived(place) == before
    assert place.event_ids() == expected
