"""Answers about exposures: exact to the microsecond, from what is kept and what is new, and never stale."""

import shutil
from pathlib import Path

import polars as pl
import pytest

from exposure_assets.contracts import UnitExposures
from exposure_assets.exposures import (
    ExposureDefinition,
    Exposures,
    IntervalError,
    QuestionError,
    ensure_preaggregated,
    exposures,
)
from exposure_assets_tests.exposures.asking import Asker, at, computed, saw, used
from exposure_assets_tests.exposures.definitions import OTHER, SEEN, VARIATIONS
from exposure_assets_tests.installation import COMPARED
from exposure_assets_tests.reference.small_zone import exposed


@pytest.fixture
def asker(tmp_path: Path) -> Asker:
    return Asker(tmp_path)


def units(answer: Exposures) -> list[tuple[object, ...]]:
    return answer.rows.select("unit_id", "variation_id", "exposure_count").rows()


def test_an_answer_has_one_row_per_unit_with_its_first_and_last_exposure(asker: Asker):
    asker.deliver(
        exposed("ann", "control", "10 09:00", session_id="s2"),
        exposed("ann", "control", "12 09:00"),
        exposed("bob", "treatment", "11 09:00"),
    )
    answer = asker.is_right()
    UnitExposures.validate(answer.rows)
    assert answer.rows.rows() == [
        ("ann", "control", at("10 09:00"), at("12 09:00"), 2, "exp ann control 10 09:00", "s2"),
        ("bob", "treatment", at("11 09:00"), at("11 09:00"), 1, "exp bob treatment 11 09:00", None),
    ]


def test_without_events_nobody_was_exposed(asker: Asker):
    assert asker.is_right().rows.height == 0
    assert asker.ask(definition=OTHER).rows.height == 0


def test_a_unit_exposed_before_and_after_a_start_in_the_middle_of_a_day_is_kept(asker: Asker):
    asker.deliver(
        exposed("ann", "control", "10 09:56:59.999999", session_id="before"),
        exposed("ann", "control", "10 09:57:00", session_id="at"),
        exposed("ann", "control", "10 18:00"),
        exposed("bob", "control", "10 09:00"),
    )
    answer = asker.is_right("10 09:57", "12 00:00")
    assert answer.rows["first_session_id"].to_list() == ["at"]
    assert units(answer) == [("ann", "control", 2)]


@pytest.mark.parametrize("definition", [None, OTHER], ids=["own", "other"])
def test_the_end_is_not_included_to_the_microsecond(asker: Asker, definition: ExposureDefinition | None):
    event = exposed if definition is None else saw
    asker.deliver(*(event(unit, "control", f"1{n} 00:00") for n in range(4) for unit in ("ann", "bob")))
    asker.deliver(event("ann", "control", "11 12:00:00.000001"), event("eve", "control", "11 12:00"))
    for end in ("11 12:00:00.000001", "11 12:00:00.000002", "12 00:00", "12 00:00:00.000001"):
        asker.is_right("10 00:00:00.000001", end, definition)
        asker.is_right("11 12:00", end, definition)


@pytest.mark.parametrize(("policy", "expected"), [("exclude", ["bob"]), ("first_seen", ["ann", "bob"])])
def test_a_policy_decides_about_units_of_several_variations(asker: Asker, policy: str, expected: list[str]):
    asker.deliver(
        exposed("ann", "treatment", "10 09:00"),
        exposed("ann", "control", "12 09:00"),
        exposed("bob", "control", "12 09:00"),
    )
    answer = asker.is_right(policy=policy)
    assert answer.rows["unit_id"].to_list() == expected
    assert answer.plan.crossover_units == 1
    assert units(asker.is_right("11 00:00", "13 00:00")) == [("ann", "control", 1), ("bob", "control", 1)]


def test_exposures_at_one_instant_are_ordered_by_event_id(asker: Asker):
    asker.deliver(
        exposed("ann", "treatment", "10 09:00", event_id="b"),
        exposed("ann", "control", "10 09:00", event_id="a", session_id="z"),
        exposed("ann", "control", "10 09:00", event_id="Z"),
    )
    answer = asker.is_right(policy="first_seen")
    assert answer.rows["first_event_id"].to_list() == ["Z"]


def test_the_same_question_again_is_answered_from_what_is_stored(asker: Asker):
    asker.deliver(exposed("ann", "control", "10 09:00"), exposed("ann", "control", "11 09:00"))
    first, second = asker.is_right(), asker.is_right()
    assert (first.plan.answered_from, second.plan.answered_from) == ("days", "stored answer")
    assert second.plan.units == 1


def test_another_interval_uses_the_days_that_are_ready_and_reads_the_edges(asker: Asker):
    asker.deliver(*(exposed("ann", "control", f"{day} 09:00") for day in (10, 11, 12, 13)))
    asker.is_right("11 00:00", "13 00:00")
    answer = asker.is_right("10 12:00", "13 12:00")
    assert used(answer) == ["2026-01-11 to 2026-01-12"]
    assert computed(answer) == ["2026-01-10, 2026-01-13 from staged events"]


@pytest.mark.parametrize("definition", [None, OTHER], ids=["own", "other"])
def test_a_new_day_costs_one_day(asker: Asker, definition: ExposureDefinition | None):
    event = exposed if definition is None else saw
    asker.deliver(*(event("ann", "control", f"{day} 09:00") for day in (10, 11, 12)))
    asker.is_right(definition=definition)
    asker.deliver(event("ann", "control", "13 09:00"))
    answer = asker.is_right(definition=definition)
    assert used(answer) == ["2026-01-10 to 2026-01-12"]
    assert [one["days"] for one in answer.plan.computed] == ["2026-01-13"]


@pytest.mark.parametrize("definition", [None, OTHER], ids=["own", "other"])
def test_late_rows_invalidate_the_days_they_touch_and_no_others(
    asker: Asker, definition: ExposureDefinition | None
):
    event = exposed if definition is None else saw
    asker.deliver(*(event("ann", "control", f"{day} 09:00") for day in (10, 11, 12)))
    asker.is_right(definition=definition)
    asker.deliver(event("ann", "control", "11 03:00"), event("bob", "control", "11 04:00"), day="2026-01-12")
    answer = asker.is_right(definition=definition)
    assert ", ".join(used(answer)) in ("2026-01-10, 2026-01-12", "2026-01-10", "2026-01-12")
    assert [one["days"] for one in answer.plan.computed] == ["2026-01-11"]
    assert [one["days"] for one in answer.plan.rejected] == ["2026-01-11"]


def test_a_file_delivered_again_invalidates_no_partition(asker: Asker):
    path = asker.deliver(exposed("ann", "control", "10 09:00"))
    asker.is_right()
    shutil.copy(path, path.with_name("again.jsonl"))
    assert computed(asker.is_right()) == []


def test_a_removed_file_takes_its_exposures_with_it(asker: Asker):
    asker.deliver(exposed("ann", "control", "10 09:00"))
    path = asker.deliver(exposed("bob", "control", "10 10:00"), saw("bob", "control", "10 11:00"))
    assert len(units(asker.is_right())) == 2
    assert len(units(asker.is_right(definition=OTHER))) == 1
    path.unlink()
    assert len(units(asker.is_right())) == 1
    assert len(units(asker.is_right(definition=OTHER))) == 0


def test_a_copy_that_comes_earlier_moves_the_exposure_to_its_day(asker: Asker):
    asker.deliver(
        exposed("ann", "control", "12 09:00", event_id="e"), saw("ann", "control", "12 09:00", event_id="s")
    )
    asker.is_right()
    asker.is_right(definition=OTHER)
    asker.deliver(
        exposed("ann", "control", "10 09:00", event_id="e"), saw("ann", "control", "10 09:00", event_id="s")
    )
    for definition in (None, OTHER):
        answer = asker.is_right(definition=definition)
        assert answer.rows["first_exposed_at"].to_list() == [at("10 09:00")]
        assert asker.is_right("11 00:00", "14 00:00", definition).rows.height == 0


def test_a_definition_of_its_own_counts_its_own_events(asker: Asker):
    asker.deliver(
        exposed("ann", "control", "10 09:00"),
        saw("bob", "control", "10 09:00"),
        saw("eve", "treatment", "11 09:00", place="bottom"),
        saw("kim", "other", "11 09:00"),
    )
    assert units(asker.is_right(definition=OTHER)) == [("bob", "control", 1)]
    one = ExposureDefinition("exp", SEEN, ("other",))
    assert units(asker.is_right(definition=one)) == [("kim", "other", 1)]
    assert units(asker.is_right()) == [("ann", "control", 1)]


def test_a_definition_that_says_what_the_catalog_says_is_the_experiments_own(asker: Asker):
    asker.deliver(exposed("ann", "control", "10 09:00"))
    asker.is_right()
    same = ExposureDefinition("exp", asker.own.source.model_copy(update={"id": "x"}), VARIATIONS[::-1])
    answer = asker.is_right(definition=same)
    assert answer.plan.is_own_definition and answer.plan.answered_from == "stored answer"


def test_an_edited_experiment_is_answered_by_its_new_definition(asker: Asker):
    asker.deliver(exposed("ann", "control", "10 09:00"), exposed("bob", "third", "10 09:00"))
    assert units(asker.is_right()) == [("ann", "control", 1)]
    asker.edit('id = "treatment"', 'id = "third"')
    assert units(asker.is_right()) == [("ann", "control", 1), ("bob", "third", 1)]
    asker.edit('id = "third"', 'id = "treatment"')
    assert units(asker.is_right()) == [("ann", "control", 1)]


def test_days_that_the_experiment_does_not_accept_count_for_no_definition(asker: Asker):
    asker.deliver(saw("ann", "control", "10 09:00"), exposed("bob", "control", "10 09:00"))
    assert asker.is_right("01 00:00", "30 00:00", OTHER).rows.height == 1
    asker.edit("2026-01-05T00:00:00Z", "2026-01-24T00:00:00Z")
    assert asker.is_right("01 00:00", "30 00:00", OTHER).rows.height == 0
    assert asker.is_right("01 00:00", "30 00:00").rows.height == 0


def test_an_answer_makes_partitions_that_the_graph_finds_fresh(asker: Asker):
    asker.deliver(*(exposed("ann", "control", f"{day} 09:00") for day in (10, 11)))
    asker.is_right()
    before = asker.installation.table("deduped_exposures")
    assert before.height == 2
    asker.installation.backfill()
    assert asker.installation.table("deduped_exposures").sort(pl.all()).equals(before.sort(pl.all()))
    assert asker.installation.differences() == {}


def test_partitions_that_the_graph_made_are_ready(asker: Asker):
    asker.deliver(*(exposed("ann", "control", f"{day} 09:00") for day in (10, 11)))
    asker.installation.backfill()
    answer = asker.is_right()
    assert (used(answer), computed(answer)) == (["2026-01-10 to 2026-01-11"], [])


def test_the_calendars_first_day_is_answered_and_published_too(asker: Asker):
    asker.edit("2026-01-05T00:00:00Z", "2026-01-08T00:00:00Z")
    asker.deliver(exposed("ann", "control", "01 09:00"), exposed("bob", "control", "02 09:00"))
    asker.deliver(exposed("old", "control", "2025-12-01T00:00:00Z"))
    assert asker.is_right("01 00:00", "09 00:00").rows.height == 2
    asker.installation.backfill()
    assert asker.installation.differences() == {}
    assert set(COMPARED) >= {"exposure_waterfall"}


def test_windows_are_ensured_once_and_their_jobs_named(asker: Asker):
    asker.deliver(*(saw("ann", "control", f"{day} 09:00") for day in (10, 11, 14)))
    place = asker.installation.workspace
    first = ensure_preaggregated(OTHER, at("10 12:00"), at("14 12:00"), workspace=place)
    assert first.ready and len(first.job_ids) == 2
    assert ensure_preaggregated(OTHER, at("10 00:00"), at("15 00:00"), workspace=place) == first
    answer = asker.is_right("10 00:00", "15 00:00", OTHER)
    assert sorted(one["job"] for one in answer.plan.used) == sorted(first.job_ids)


def test_partitions_are_ensured_too(asker: Asker):
    asker.deliver(*(exposed("ann", "control", f"{day} 09:00") for day in (10, 11)))
    ensured = ensure_preaggregated(
        asker.own, at("10 12:00"), at("12 00:00"), workspace=asker.installation.workspace
    )
    assert ensured.ready
    assert asker.installation.table("deduped_exposures").height == 2


def test_what_does_not_exist_is_refused_with_what_does(asker: Asker):
    place = asker.installation.workspace
    with pytest.raises(QuestionError, match="did you mean exp"):
        exposures("expp", workspace=place)
    with pytest.raises(QuestionError, match="expected one of exclude, first_seen"):
        asker.ask(crossover_policy="last_seen")
    with pytest.raises(IntervalError, match="an end after the start"):
        asker.ask("11 00:00", "10 00:00")
    with pytest.raises(QuestionError, match="definition for other"):
        asker.ask(definition=ExposureDefinition("other", SEEN, VARIATIONS))
