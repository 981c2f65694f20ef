"""Ids that stand on several days are found, all of their places, whatever order the files came in."""

import random
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exposure_assets_tests.resources.landing_files import Place, event, january, jsonl
from resources.repeated_ids import forget_files, ids_on_several_days, segments_in_use


def places(place: Place) -> set[tuple[str, date]]:
    """(id, day) of every id on several days; the hashes are those of the ids that the files hold."""
    zone, manifest = place.zone, place.scan()
    by_hash = {pl.Series([name]).hash().item(): name for name in "abcdefgh"}
    found = ids_on_several_days(zone, manifest, "events")
    return {
        (by_hash[row[0]], row[1]) for row in found.select("id_hash", pl.col("day").cast(pl.Date)).iter_rows()
    }


def test_an_id_on_one_day_is_not_named_however_often_it_stands_there(tmp_path: Path):
    place = Place(tmp_path)
    place.deliver(jsonl(event("a", 1), event("a", 1)), "a.jsonl")
    place.deliver(jsonl(event("a", 1), event("b", 2)), "b.jsonl")
    assert places(place) == set()


def test_every_place_of_an_id_on_several_days_is_named(tmp_path: Path):
    place = Place(tmp_path)
    place.deliver(jsonl(event("a", 1), event("a", 3), event("b", 1)), "a.jsonl")
    place.deliver(jsonl(event("a", 2), event("b", 1), event("c", 2)), "b.jsonl")
    assert places(place) == {("a", january(1)), ("a", january(2)), ("a", january(3))}


def test_a_file_that_comes_later_is_compared_with_those_known(tmp_path: Path):
    place = Place(tmp_path)
    place.deliver(jsonl(event("a", 1), event("b", 1)), "a.jsonl")
    assert places(place) == set()
    place.deliver(jsonl(event("a", 2)), "b.jsonl")
    assert places(place) == {("a", january(1)), ("a", january(2))}
    place.deliver(jsonl(event("b", 3), event("a", 5)), "c.jsonl")
    assert places(place) == {
        (name, january(day)) for name, day in (("a", 1), ("a", 2), ("a", 5), ("b", 1), ("b", 3))
    }


def test_a_file_that_is_gone_leaves_no_place(tmp_path: Path):
    place = Place(tmp_path)
    place.deliver(jsonl(event("a", 1)), "a.jsonl")
    path = place.deliver(jsonl(event("a", 2)), "b.jsonl")
    assert len(places(place)) == 2
    path.unlink()
    assert places(place) == set()


def test_a_file_that_comes_back_has_its_places_again(tmp_path: Path):
    place = Place(tmp_path)
    place.deliver(jsonl(event("a", 1)), "a.jsonl")
    path = place.deliver(jsonl(event("a", 2)), "b.jsonl")
    expected = places(place)
    for forget in (False, True):
        content = path.read_bytes()
        path.unlink()
        assert places(place) == set()
        if forget:
            forget_files(place.zone, place.scan())
        path.write_bytes(content)
        assert places(place) == expected


def test_forgotten_files_leave_the_others_as_they_were(tmp_path: Path):
    place = Place(tmp_path)
    paths = [place.deliver(jsonl(event("a", n), event("b", n + 1)), f"{n}.jsonl") for n in (1, 2, 3)]
    places(place)
    place.deliver(jsonl(event("c", 1)), "c.jsonl")
    places(place)
    paths[1].unlink()
    manifest = place.scan()
    forget_files(place.zone, manifest)
    segments = segments_in_use(place.zone.folder)
    numbers = pl.scan_parquet(sorted(segments)).select(pl.col("number").n_unique()).collect().item()
    assert numbers == 3, "the ids of the other three files"
    assert places(place) == {(name, january(day)) for name, day in (("a", 1), ("a", 3), ("b", 2), ("b", 4))}
    place.deliver(jsonl(event("c", 5)), "late.jsonl")
    assert ("c", january(1)) in places(place)


def test_many_small_files_one_by_one_are_gathered_in_few_segments(tmp_path: Path):
    place = Place(tmp_path)
    for number in range(24):
        place.deliver(jsonl(event("abc"[number % 3], number % 9 + 1)), f"{number}.jsonl")
        places(place)
    assert len(segments_in_use(place.zone.folder)) <= 4
    days = {name: {n % 9 + 1 for n in range(24) if "abc"[n % 3] == name} for name in "abc"}
    assert places(place) == {(name, january(day)) for name, on in days.items() for day in on}


def test_what_was_compared_is_a_cache_whether_it_is_lost_whole_or_in_part(tmp_path: Path):
    place = Place(tmp_path)
    place.deliver(jsonl(event("a", 1), event("b", 1)), "a.jsonl")
    place.deliver(jsonl(event("a", 2)), "b.jsonl")
    places(place)
    for segment in segments_in_use(place.zone.folder):
        segment.unlink()
    place.deliver(jsonl(event("b", 3)), "c.jsonl")
    expected = {("a", january(1)), ("a", january(2)), ("b", january(1)), ("b", january(3))}
    assert places(place) == expected
    for kept in place.zone.folder.glob("*/repeated-*.parquet"):
        kept.unlink()
    assert places(place) == expected


def test_broken_rows_and_rows_without_an_id_have_no_place(tmp_path: Path):
    place = Place(tmp_path)
    place.deliver(jsonl(event("a", 1), event("a", 2, unit_id=None), event("b", occurred_at="?")), "a.jsonl")
    assert places(place) == set()
    assigned = {"experiment_id": "exp", "unit_id": "u", "variation_id": "control"}
    rows = [{**assigned, "assigned_at": f"2026-01-0{day}"} for day in (1, 2)]
    place.deliver(jsonl(*rows), stream="assignments")
    assert ids_on_several_days(place.zone, place.scan(), "assignments").is_empty()


def test_no_files_have_no_places(tmp_path: Path):
    assert places(Place(tmp_path)) == set()


FILES = st.lists(
    st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(1, 4)), min_size=1, max_size=6),
    min_size=1,
    max_size=4,
)


@settings(max_examples=max(1, settings().max_examples // 10))
@given(FILES, st.randoms(use_true_random=False))
def test_the_order_in_which_files_come_changes_no_place(
    tmp_path_factory: pytest.TempPathFactory, files: list[list[tuple[str, int]]], shuffle: random.Random
):
    days: dict[str, set[int]] = {}
    for name, day in (row for file in files for row in file):
        days.setdefault(name, set()).add(day)
    expected = {(name, january(day)) for name, on in days.items() if len(on) > 1 for day in on}
    place = Place(tmp_path_factory.mktemp("zone"))
    numbers = list(range(len(files)))
    shuffle.shuffle(numbers)
    for number in numbers:
        place.deliver(jsonl(*(event(name, day) for name, day in files[number])), f"{number}.jsonl")
        places(place)
    assert places(place) == expected
