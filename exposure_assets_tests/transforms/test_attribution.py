"""Displays of coenrolling features: each credits exactly one experiment and its variation, or nobody with a reason."""

import json
import random
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exposure_assets.contracts import Catalog, CreditLedger, ExposureSource
from exposure_assets.transforms.attribution import NOBODY_ASSIGNED, attributing_assignments
from exposure_assets.transforms.credit_ledger import credit_ledger
from exposure_assets.transforms.staged_events import StagedEvents, stage_events
from exposure_assets_tests.transforms.rows import (
    FEWER_EXAMPLES,
    SOURCE,
    assignment_events,
    at,
    catalog,
    experiment,
    january,
    obeying,
    raw_events,
    same_rows,
    scattered,
)

NO_IDS, NO_HASHES = pl.Series("event_id", [], dtype=pl.String), pl.Series(dtype=pl.UInt64)
SLUGS = ExposureSource(
    id="slugs",
    event="displayed",
    attribution="slug",
    experiment="properties.experiment",
    variation="properties.branch",
)


def parts_source(source_id: str, parts: dict[str, Any]) -> ExposureSource:
    return ExposureSource.model_validate(
        {
            "id": source_id,
            "event": "displayed",
            "attribution": "part_id",
            "part": "properties.part",
            "parts": parts,
            "filter": [{"field": "properties.part", "not_null": True}],
        }
    )


PARTS = parts_source(
    "parts",
    {
        "tip": "part-a",
        "welcome": ["part-a", "part-b"],
        "treated": {"experiment": "part-a", "variation": "treatment"},
    },
)
LEGACY = ExposureSource(
    id="legacy",
    event="legacy",
    attribution="message_under_experiment",
    part="properties.part",
    message_under_experiment="properties.under",
)
KNOWN = catalog(
    experiment("tips", source="slugs"),
    experiment("offers", source="slugs", start=at("08"), end=at("09"), observe_days=7),
    experiment("part-a", source="parts", grace_minutes=60),
    experiment("part-b", source="parts", grace_minutes=0),
    experiment("old-a", source="legacy", end=at("12"), observe_days=0, max_days_after_assignment=0),
    experiment("old-b", source="legacy"),
    experiment("plain"),
    sources=[SLUGS, PARTS, LEGACY, SOURCE],
)
# The same, where the source of slugs reads only displays that have one.
WITH_SLUG = ExposureSource.model_validate(
    {
        **SLUGS.model_dump(exclude_none=True, exclude={"filter"}),
        "filter": [{"field": "properties.experiment", "not_null": True}],
    }
)
SEPARATE = catalog(*KNOWN.experiments.values(), sources=[WITH_SLUG, PARTS, LEGACY, SOURCE])
Assigned = tuple[str, str, str, str]


def assigned(*rows: Assigned) -> pl.DataFrame:
    """What decides about displays, from (experiment, unit, variation, time)."""
    events = [
        assignment_events((unit, variation, when)).with_columns(experiment_id=pl.lit(experiment_id))
        for experiment_id, unit, variation, when in rows
    ]
    if not events:
        return NOBODY_ASSIGNED
    return attributing_assignments(pl.concat(events).lazy(), KNOWN, january(31))


def staged(
    *displays: dict[str, Any], to: tuple[Assigned, ...] = (), day: int = 10, known: Catalog = KNOWN
) -> StagedEvents:
    """Displays of ann on a day at noon; `properties` are given as keywords of the row beside the columns."""
    columns = {"event_id", "event_name", "unit_id", "occurred_at"}
    rows = [
        {
            "event_id": f"e{number}",
            "event_name": "displayed",
            **{name: value for name, value in display.items() if name in columns},
            "properties": json.dumps({name: v for name, v in display.items() if name not in columns}),
        }
        for number, display in enumerate(displays)
    ]
    raw = raw_events(*rows, day=day)
    return stage_events(raw, january(day), known, NO_IDS, NO_HASHES, assigned(*to))


def credit(display: dict[str, Any], *to: Assigned, day: int = 10) -> tuple[str | None, ...]:
    """What becomes of one display: (bucket, experiment, variation credited)."""
    result = staged(display, to=to, day=day)
    [(experiment_id, _, bucket, rows)] = result.exposure_waterfall.rows()
    assert rows == 1
    assert result.matched_rows == result.judged_rows == 1
    credited = result.exposure_events["variation_id"].to_list()
    return bucket, experiment_id, credited[0] if credited else None


ANN_IN_TIPS = ("tips", "ann", "treatment", "10 09:00")


def test_a_slug_alone_credits_the_variation_that_the_unit_was_assigned_to():
    assert credit({"experiment": "tips"}, ANN_IN_TIPS) == ("accepted", "tips", "treatment")


def test_a_slug_with_a_variation_credits_that_variation_whatever_was_assigned():
    assert credit({"experiment": "tips", "branch": "control"}, ANN_IN_TIPS) == ("accepted", "tips", "control")
    assert credit({"experiment": "tips", "branch": "control"}) == ("accepted", "tips", "control")
    assert credit({"experiment": "tips", "branch": "blue"})[:2] == ("unknown_variation", "tips")


def test_a_unit_that_is_not_assigned_credits_nobody_and_the_experiment_is_named():
    assert credit({"experiment": "tips"}) == ("unassigned_unit", "tips", None)
    assert credit({"experiment": "tips"}, ("offers", "ann", "control", "10 09:00"))[0] == "unassigned_unit"
    assert credit({"experiment": "tips"}, ("tips", "bob", "control", "10 09:00"))[0] == "unassigned_unit"


@pytest.mark.parametrize(
    ("when", "bucket"), [("17 23:59:59.999999", "accepted"), ("18 00:00", "unassigned_unit")]
)
def test_an_assignment_counts_until_the_seventh_day_after_the_display(when: str, bucket: str):
    assert credit({"experiment": "tips"}, ("tips", "ann", "control", when))[0] == bucket


def test_the_canonical_assignment_decides_not_a_later_one():
    later = ("tips", "ann", "control", "10 09:00:00.000001")
    assert credit({"experiment": "tips"}, later, ANN_IN_TIPS)[2] == "treatment"


@pytest.mark.parametrize(
    ("display", "bucket", "named"),
    [
        ({"experiment": "{experiment}"}, "unresolved_template", None),
        ({"experiment": "tips-{experiment}"}, "unresolved_template", None),
        ({"experiment": "tips", "branch": "{experiment}"}, "unresolved_template", "tips"),
        ({"experiment": "tips+offers"}, "ambiguous_attribution", None),
        ({"experiment": "gone+tips"}, "ambiguous_attribution", None),
        ({"experiment": "gone+away"}, "unknown_experiment", None),
        ({"experiment": "gone"}, "unknown_experiment", None),
        ({"experiment": "plain"}, "unknown_experiment", None),
        ({}, "malformed", None),
        ({"experiment": None}, "malformed", None),
    ],
    ids=str,
)
def test_a_slug_that_names_no_single_experiment_of_ours_says_why(
    display: dict[str, Any], bucket: str, named: str | None
):
    assert credit(display, ANN_IN_TIPS)[:2] == (bucket, named)


def test_a_display_outside_the_days_of_its_experiment_is_outside_it():
    to = ("offers", "ann", "control", "08 09:00")
    assert credit({"experiment": "offers"}, to, day=16)[0] == "accepted"
    assert credit({"experiment": "offers"}, to, day=17)[:2] == ("outside_experiment", "offers")


def test_a_part_of_one_experiment_credits_it_and_a_part_of_nobody_nobody():
    in_a = ("part-a", "ann", "control", "10 09:00")

    def of(part: str, *to: Assigned) -> list[tuple[Any, ...]]:
        found = staged({"part": part}, to=to, known=SEPARATE)
        return found.exposure_waterfall.select("bucket", "experiment_id").rows()

    assert of("tip", in_a) == [("accepted", "part-a")]
    assert of("tip") == [("unassigned_unit", "part-a")]
    assert of("treated") == [("accepted", "part-a")]
    assert of("bundled with the app", in_a) == [("unknown_experiment", None)]
    assert of("{experiment}", in_a) == [("unresolved_template", None)]


@pytest.mark.parametrize(
    ("to", "bucket", "credited"),
    [
        ([("part-a", "10 09:00")], "accepted", "part-a"),
        ([("part-b", "10 09:00")], "accepted", "part-b"),
        ([("part-a", "10 09:00"), ("part-b", "10 09:00")], "ambiguous_attribution", None),
        ([], "unassigned_unit", None),
        # Assigned after the display: in part-a within its grace of an hour, in part-b never.
        ([("part-a", "10 13:00"), ("part-b", "10 12:00:00.000001")], "accepted", "part-a"),
        ([("part-a", "10 13:00:00.000001")], "unassigned_unit", None),
        ([("part-b", "10 12:00")], "accepted", "part-b"),
    ],
)
def test_a_part_of_several_experiments_credits_the_one_that_the_unit_was_in(
    to: list[tuple[str, str]], bucket: str, credited: str | None
):
    rows = tuple((name, "ann", "control", when) for name, when in to)
    result = staged({"part": "welcome"}, to=rows, known=SEPARATE)
    assert result.exposure_waterfall.select("bucket", "experiment_id").rows() == [(bucket, credited)]


def test_the_message_under_experiment_credits_the_experiment_that_the_unit_was_in():
    display = {"event_name": "legacy", "part": "m", "under": "m"}
    in_a, in_b = ("old-a", "ann", "control", "06 09:00"), ("old-b", "ann", "treatment", "07 09:00")
    assert credit(display, in_a) == ("accepted", "old-a", "control")
    assert credit(display, in_a, in_b)[0] == "ambiguous_attribution"
    assert credit(display)[0] == "unassigned_unit"
    # old-a observes nothing after the 12th: then only old-b can have shown it.
    assert credit(display, in_a, in_b, day=13) == ("accepted", "old-b", "treatment")
    assert credit({**display, "under": "other"}, in_a)[0] == "unknown_experiment"
    assert credit({**display, "under": None}, in_a)[0] == "unknown_experiment"
    assert credit({"event_name": "legacy", "under": "m"}, in_a)[0] == "malformed"


def test_a_display_that_two_rules_could_credit_credits_by_the_more_certain_one():
    to = (ANN_IN_TIPS, ("part-a", "ann", "control", "10 09:00"))
    result = staged({"experiment": "tips", "part": "tip"}, to=to, known=SEPARATE)
    assert result.exposure_events.select("experiment_id", "variation_id").rows() == [("tips", "treatment")]
    assert result.exposure_waterfall["row_count"].sum() == 1


def test_a_display_that_two_sources_of_one_rule_credit_differently_is_ambiguous():
    rival = parts_source("rival", {"tip": "rivals"})
    known = catalog(
        *KNOWN.experiments.values(),
        experiment("rivals", source="rival"),
        sources=[WITH_SLUG, PARTS, rival, LEGACY, SOURCE],
    )
    rows = [("part-a", "ann", "control", "10 09:00"), ("rivals", "ann", "control", "10 09:00")]
    events = pl.concat(
        assignment_events((unit, variation, when)).with_columns(experiment_id=pl.lit(name))
        for name, unit, variation, when in rows
    )
    raw = raw_events({"event_name": "displayed", "properties": '{"part": "tip"}'})
    decisive = attributing_assignments(events.lazy(), known, january(10))
    found = stage_events(raw, january(10), known, NO_IDS, NO_HASHES, decisive)
    assert found.exposure_events.is_empty()
    assert found.exposure_waterfall.select("bucket", "row_count").rows() == [("ambiguous_attribution", 1)]


def test_copies_of_a_display_credit_once():
    display = {"event_id": "one", "experiment": "tips"}
    result = staged(display, display, display, to=(ANN_IN_TIPS,))
    assert result.exposure_events.height == 1
    [row] = ledger(result).rows(named=True)
    assert (row["display_count"], row["credited_count"], row["duplicate_count"]) == (1, 1, 2)


def ledger(result: StagedEvents) -> pl.DataFrame:
    return obeying(CreditLedger, credit_ledger([result.displays]))


def test_the_ledger_says_by_which_rule_displays_were_credited_and_why_others_were_not():
    to = (ANN_IN_TIPS, ("part-a", "ann", "control", "10 09:00"))
    shown = [
        {"experiment": "tips"},
        {"experiment": "tips", "unit_id": "bob"},
        {"part": "tip"},
        {"experiment": "a+tips"},
    ]
    rows = {
        row["experiment_id"]: row for row in ledger(staged(*shown, to=to, known=SEPARATE)).rows(named=True)
    }
    assert rows["tips"]["credited_by_slug_count"] == rows["tips"]["unassigned_unit_count"] == 1
    assert rows["tips"]["unattributable_share"] == 0.5
    assert rows["part-a"]["credited_by_part_id_count"] == rows["part-a"]["display_count"] == 1
    assert rows[None]["ambiguous_attribution_count"] == rows[None]["unattributable_count"] == 1


def test_events_that_name_their_variation_themselves_are_in_no_ledger():
    known = catalog(experiment())
    result = stage_events(raw_events({}), january(10), known, NO_IDS, NO_HASHES, NOBODY_ASSIGNED)
    assert result.exposure_events.height == 1
    assert result.attributed == []
    assert credit_ledger([result.displays]).is_empty()


def test_no_displays_are_no_ledger():
    assert obeying(CreditLedger, credit_ledger([])).is_empty()


def test_a_day_names_the_experiments_whose_assignments_decide_about_it():
    shown = [{"experiment": "tips"}, {"experiment": "offers", "branch": "control"}, {"part": "welcome"}]
    assert staged(*shown, known=SEPARATE).attributed == ["part-a", "part-b", "tips"]


UNITS, EXPERIMENTS = ("ann", "bob"), ("tips", "offers", "part-a", "part-b", "old-a", "old-b")
DISPLAYS = st.one_of(
    st.fixed_dictionaries(
        {"experiment": st.sampled_from(["tips", "offers", "tips+offers", "gone", "{experiment}"])}
    ),
    st.fixed_dictionaries({"part": st.sampled_from(["tip", "welcome", "treated", "bundled"])}),
    st.fixed_dictionaries(
        {"event_name": st.just("legacy"), "part": st.just("m"), "under": st.sampled_from(["m", "n", None])}
    ),
    st.fixed_dictionaries({"experiment": st.just("tips"), "part": st.sampled_from(["tip", "welcome"])}),
)
ASSIGNMENTS = st.lists(
    st.tuples(
        st.sampled_from(EXPERIMENTS),
        st.sampled_from(UNITS),
        st.sampled_from(["control", "treatment"]),
        st.sampled_from(["08 09:00", "10 12:00", "10 12:00:00.000001", "10 13:00", "17 23:00", "18 00:00"]),
    ),
    max_size=8,
)


@FEWER_EXAMPLES
@given(st.lists(st.tuples(DISPLAYS, st.sampled_from(UNITS)), max_size=12), ASSIGNMENTS, st.randoms())
def test_every_display_is_in_one_bucket_credits_one_experiment_and_no_order_changes_it(
    shown: list[tuple[dict[str, Any], str]], to: list[Assigned], shuffle: random.Random
):
    displays = [{**display, "unit_id": unit} for display, unit in shown]
    result = staged(*displays, to=tuple(to), known=SEPARATE)
    assert result.exposure_waterfall["row_count"].sum() == len(displays) == result.judged_rows
    assert not result.exposure_events["event_id"].is_duplicated().any()
    counts = ledger(result)
    assert counts["display_count"].sum() == len(displays)
    assert counts["credited_count"].sum() == result.exposure_events.height

    again = staged(*displays, to=tuple(shuffle.sample(to, k=len(to))), known=SEPARATE)
    assert same_rows(result.exposure_events, scattered(again.exposure_events, shuffle), "event_id")
    assert same_rows(counts, ledger(again), "experiment_id")


def test_a_credited_exposure_never_mismatches_its_assignment():
    to = (ANN_IN_TIPS, ("tips", "bob", "control", "09 09:00"))
    result = staged({"experiment": "tips"}, {"experiment": "tips", "unit_id": "bob"}, to=to)
    credited = dict(result.exposure_events.select("unit_id", "variation_id").iter_rows())
    assert credited == {"ann": "treatment", "bob": "control"}
