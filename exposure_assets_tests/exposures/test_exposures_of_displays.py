"""Answers about displays of a coenrolling feature: credit hangs on assignments, which may arrive after the display.

How displays are credited is tested with the transform; here that no answer rests on a credit that no longer holds.
"""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exposure_assets.exposures import QuestionError
from exposure_assets_tests.exposures.asking import Asker, computed
from exposure_assets_tests.exposures.definitions import OTHER
from exposure_assets_tests.reference.small_zone import Row, assigned, instant, write_catalog, write_jsonl

SOURCES: dict[str, Row] = {
    "slug": {"event": "shown", "attribution": "slug", "experiment": "properties.slug"},
    "part_id": {
        "event": "shown",
        "attribution": "part_id",
        "part": "properties.part",
        "parts": {"shared": ["exp", "other"]},
    },
    "message_under_experiment": {
        "event": "shown",
        "attribution": "message_under_experiment",
        "part": "properties.part",
        "message_under_experiment": "properties.part",
    },
}


def display(unit_id: str, at: str, slug: str = "exp", /, **columns: object) -> Row:
    """A message that names its experiment and a part of two experiments, but no variation."""
    row: Row = {"event_id": f"{unit_id} {at} {slug}", "event_name": "shown", "unit_id": unit_id}
    return row | {"occurred_at": instant(at), "properties": {"slug": slug, "part": "shared"}} | columns


class DisplayAsker(Asker):
    """Two experiments, `exp` and `other`, whose displays say nothing of a variation."""

    attribution = "slug"

    def __post_init__(self) -> None:
        super().__post_init__()
        self.credit_by(self.attribution)

    def credit_by(self, attribution: str) -> None:
        """Let displays be credited by another rule."""
        catalog = write_catalog(self.folder, sources={"messages": SOURCES[attribution]}, source="messages")
        text = (catalog / "experiments" / "exp.toml").read_text()
        (catalog / "experiments" / "other.toml").write_text(text)

    def assign(self, *rows: Row, day: str = "2026-01-30") -> None:
        """A file with these assignments arrives."""
        self.delivered += 1
        write_jsonl(self.landing, "assignments", list(rows), day, f"file-{self.delivered:03}")


@pytest.fixture
def asker(tmp_path: Path) -> DisplayAsker:
    return DisplayAsker(tmp_path)


def units(asker: DisplayAsker, start: str = "05 00:00", end: str = "25 00:00") -> list[tuple[object, ...]]:
    return asker.is_right(start, end).rows.select("unit_id", "variation_id", "exposure_count").rows()


@pytest.mark.parametrize("attribution", SOURCES)
def test_a_display_counts_as_the_variation_that_the_unit_was_assigned_to(
    asker: DisplayAsker, attribution: str
):
    asker.credit_by(attribution)
    asker.assign(assigned("ann", "treatment", "09 00:00"), assigned("bob", "control", "09 00:00", "other"))
    asker.deliver(display("ann", "10 09:00"), display("bob", "10 09:00"), display("eve", "10 09:00"))
    assert units(asker) == [("ann", "treatment", 1)]


@pytest.mark.parametrize("attribution", SOURCES)
def test_a_late_assignment_credits_displays_that_were_answered_for_before(
    asker: DisplayAsker, attribution: str
):
    asker.credit_by(attribution)
    asker.assign(assigned("bob", "control", "09 00:00"))
    asker.deliver(*(display(unit, f"{day} 09:00") for unit in ("ann", "bob") for day in (10, 11, 12)))
    assert units(asker) == [("bob", "control", 3)]
    asker.assign(assigned("ann", "treatment", "09 12:00"), day="2026-01-31")
    assert units(asker) == [("ann", "treatment", 3), ("bob", "control", 3)]
    assert units(asker, "10 09:30", "12 09:00") == [("ann", "treatment", 1), ("bob", "control", 1)]


def test_an_earlier_assignment_that_arrives_late_changes_the_variation(asker: DisplayAsker):
    asker.assign(assigned("ann", "treatment", "09 12:00"))
    asker.deliver(display("ann", "10 09:00"))
    assert units(asker) == [("ann", "treatment", 1)]
    asker.assign(assigned("ann", "control", "09 11:59:59.999999"), day="2026-01-31")
    assert units(asker) == [("ann", "control", 1)]


def test_a_second_experiment_of_the_unit_makes_the_credit_of_a_shared_part_uncertain(asker: DisplayAsker):
    asker.credit_by("part_id")
    asker.assign(assigned("ann", "treatment", "09 00:00"))
    asker.deliver(display("ann", "10 09:00"))
    assert units(asker) == [("ann", "treatment", 1)]
    asker.assign(assigned("ann", "control", "09 00:00", "other"), day="2026-01-31")
    assert units(asker) == []


def test_another_rule_of_credit_is_another_answer(asker: DisplayAsker):
    asker.assign(assigned("ann", "treatment", "09 00:00"))
    asker.deliver(display("ann", "10 09:00", "other"))
    assert units(asker) == []
    asker.credit_by("part_id")
    assert units(asker) == [("ann", "treatment", 1)]


def test_raw_files_give_the_same_credit_while_another_process_is_staging(asker: DisplayAsker):
    asker.assign(assigned("ann", "treatment", "09 00:00"))
    asker.deliver(display("ann", "10 09:00"), display("bob", "10 10:00"))
    with asker.installation.workspace.staging.writing_alone():
        answer = asker.is_right()
        assert computed(answer) == ["2026-01-10 from raw files"]
        asker.assign(assigned("bob", "control", "09 00:00"), day="2026-01-31")
        assert units(asker) == [("ann", "treatment", 1), ("bob", "control", 1)]
    assert units(asker) == [("ann", "treatment", 1), ("bob", "control", 1)]


def test_credit_by_another_definition_of_displays_is_refused_in_a_sentence(asker: DisplayAsker):
    asker.deliver(display("ann", "10 09:00"))
    own = asker.own
    other = type(own)(own.experiment_id, own.source, ("control",))
    with pytest.raises(QuestionError, match=r"credited by slug, expected one whose events name their var"):
        asker.ask(definition=other)
    asker.is_right(definition=OTHER)


UNITS = st.sampled_from(["ann", "bob"])
INSTANTS = st.builds("{} {}".format, st.sampled_from(["09", "10", "11"]), st.sampled_from(["09:00", "10:00"]))
EXPERIMENTS = st.sampled_from(["exp", "other"])
DISPLAYS = st.builds(display, UNITS, INSTANTS, EXPERIMENTS)
ASSIGNMENTS = st.builds(assigned, UNITS, st.sampled_from(["control", "treatment"]), INSTANTS, EXPERIMENTS)


@settings(max_examples=settings().max_examples // 8)
@given(
    attribution=st.sampled_from(sorted(SOURCES)),
    arrivals=st.lists(
        st.one_of(st.tuples(st.just("shown"), DISPLAYS), st.tuples(st.just("assigned"), ASSIGNMENTS)),
        min_size=1,
        max_size=6,
    ),
)
def test_whatever_arrives_in_whatever_order_every_answer_is_that_of_plain_python(
    tmp_path_factory: pytest.TempPathFactory, attribution: str, arrivals: list[tuple[str, Row]]
):
    asker = DisplayAsker(tmp_path_factory.mktemp("displays"))
    asker.credit_by(attribution)
    for kind, row in arrivals:
        (asker.deliver if kind == "shown" else asker.assign)(row)
        asker.is_right("09 00:00", "12 00:00")
        asker.is_right("09 09:30", "11 10:00")
