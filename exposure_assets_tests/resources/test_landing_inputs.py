"""The digest of a day changes with everything that the day's rows depend on, and with nothing else."""

import os
import random
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from exposure_assets_tests.resources.landing_files import Place, event, january, jsonl
from resources.landing_inputs import day_inputs

FIRST_DAY = january(1)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def inputs(place: Place, first_day: date = FIRST_DAY) -> dict[int, int]:
    """Per day of January its digest, as a new process finds it."""
    zone = place.zone
    found = day_inputs(zone, zone.refresh(), first_day)
    assert found.schema == {"day": pl.Date, "inputs": pl.UInt64}
    assert found["day"].to_list() == sorted(set(found["day"]))
    return {day.day: digest for day, digest in found.iter_rows()}


def changed(place: Place, before: dict[int, int]) -> list[int]:
    """The days whose digest is another than before, or that came or went."""
    now = inputs(place)
    return sorted(day for day in {*before, *now} if before.get(day) != now.get(day))


def assigned(unit_id: str, day: int, **columns: object) -> dict[str, object]:
    return {
        "experiment_id": "exp",
        "unit_id": unit_id,
        "variation_id": "control",
        "assigned_at": f"2026-01-{day:02}T12:00:00Z",
    } | columns


def test_a_landing_zone_without_files_has_no_days(place: Place):
    assert inputs(place) == {}


def test_the_days_are_those_on_which_rows_fall_or_arrive(place: Place):
    place.deliver(jsonl(event("a", 2), event("b", 4)), arrival="2026-01-05")
    place.deliver(jsonl(assigned("u", 7)), stream="assignments", arrival="2026-01-06")
    assert list(inputs(place)) == [2, 4, 5, 6, 7]


def test_a_late_file_changes_the_days_of_its_rows_and_its_arrival_day_alone(place: Place):
    for day in (1, 2, 3, 4):
        place.deliver(jsonl(event(f"{day}", day)), arrival=f"2026-01-0{day}")
    before = inputs(place)
    place.deliver(jsonl(event("late", 2)), "late.jsonl", arrival="2026-01-04")
    assert changed(place, before) == [2, 4]


def test_a_file_of_assignments_changes_its_days_too(place: Place):
    place.deliver(jsonl(event("a", 1)))
    before = inputs(place)
    place.deliver(jsonl(assigned("u", 1), assigned("v", 2)), stream="assignments")
    assert changed(place, before) == [1, 2]


def test_a_changed_or_removed_file_changes_its_days(place: Place):
    path = place.deliver(jsonl(event("a", 1), event("b", 2)))
    place.deliver(jsonl(event("c", 3)), arrival="2026-01-03")
    before = inputs(place)
    path.write_bytes(jsonl(event("a", 1), event("changed", 2)))
    assert changed(place, before) == [1, 2]
    path.unlink()
    assert changed(place, before) == [1, 2]


def test_a_file_that_was_only_touched_changes_nothing(place: Place):
    path = place.deliver(jsonl(event("a", 1)))
    before = inputs(place)
    os.utime(path, (1e9, 1e9))
    assert changed(place, before) == []


def test_a_quarantined_file_is_no_input(place: Place):
    place.deliver(jsonl(event("a", 1)))
    before = inputs(place)
    place.deliver(b"{", "corrupt.jsonl")
    assert changed(place, before) == []


def test_the_days_before_the_first_count_with_it(place: Place):
    place.deliver(jsonl(event("a", 1), event("b", 2), event("c", 5)), arrival="2026-01-05")
    before = inputs(place, january(3))
    assert list(before) == [3, 5]
    place.deliver(jsonl(event("d", 1)), "d.jsonl", arrival="2026-01-02")
    now = inputs(place, january(3))
    assert now[3] != before[3]
    assert now[5] == before[5]


def test_an_id_that_also_stands_on_an_earlier_day_ties_the_later_day_to_it_and_not_the_other_way(
    place: Place,
):
    place.deliver(jsonl(event("same", 4), event("x", 5)), arrival="2026-01-04")
    before = inputs(place)
    earlier = place.deliver(jsonl(event("same", 2)), arrival="2026-01-02")
    assert changed(place, before) == [2, 4]
    with_earlier = inputs(place)
    # The earlier row may be found malformed now, so that the later one counts: the same id, on the same days.
    earlier.write_bytes(jsonl(event("same", 2, properties={"experiment": "{{none}}"})))
    assert changed(place, with_earlier) == [2, 4]
    before = inputs(place)
    place.deliver(jsonl(event("same", 7)), arrival="2026-01-07")
    assert changed(place, before) == [7]


def test_an_id_of_an_assignment_ties_no_event_of_that_id(place: Place):
    place.deliver(jsonl(event("same", 4)), arrival="2026-01-04")
    before = inputs(place)
    place.deliver(
        jsonl(assigned("u", 2, event_id="same")), stream="assignments", arrival="2026-01-02", name="b.jsonl"
    )
    assert changed(place, before) == [2]
    before = inputs(place)
    place.deliver(
        jsonl(assigned("u", 5, event_id="same")), stream="assignments", arrival="2026-01-05", name="b.jsonl"
    )
    with_later = inputs(place)
    assert changed(place, before) == [5]
    (place.landing / "assignments" / "date=2026-01-02" / "b.jsonl").unlink()
    assert changed(place, with_later) == [2, 5]


@pytest.mark.parametrize("seed", range(3))
def test_the_order_in_which_files_came_changes_no_digest(tmp_path: Path, seed: int):
    shuffle = random.Random(seed)
    files = [
        (
            f"{number}.jsonl",
            jsonl(*(event(shuffle.choice("abcdef"), shuffle.randint(1, 6)) for _ in range(3))),
        )
        for number in range(6)
    ]
    found = []
    for name, order in (("one", files), ("another", shuffle.sample(files, len(files)))):
        place = Place(tmp_path / name)
        for file, content in order:
            place.deliver(content, file)
            if name == "another":
                inputs(place)
        found.append(inputs(place))
    assert found[0] == found[1]


def test_a_file_that_is_gone_again_leaves_the_digests_that_were_there_before_it_came(place: Place):
    place.deliver(jsonl(event("a", 3), event("b", 3)), arrival="2026-01-03")
    before = inputs(place)
    path = place.deliver(jsonl(event("a", 1), event("c", 3)), "gone.jsonl")
    assert changed(place, before) == [1, 3]
    path.unlink()
    assert changed(place, before) == []
