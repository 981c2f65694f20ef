"""The verdict on every assignment: bounds to the microsecond, ties, and nothing hidden by the deduplication."""

import random
from datetime import timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exposure_assets.contracts import (
    Assignments,
    DedupedExposures,
    ExposureValidation,
    columns_of,
)
from exposure_assets.transforms.deduped_exposures import dedupe_exposures
from exposure_assets.transforms.exposure_validation import validate_exposures
from exposure_assets_tests.reference import validating
from exposure_assets_tests.reference.classifying import Exposure
from exposure_assets_tests.transforms.plain import exposure_table, plain_assignments, plain_experiment
from exposure_assets_tests.transforms.rows import (
    FEWER_EXAMPLES,
    at,
    canonical,
    experiment,
    exposures,
    january,
    judged,
    same_rows,
    scattered,
    table,
    validated,
)

ANN = ("ann", "control", "10 09:00")


def verdict(*exposed: tuple[str, ...], **settings: Any) -> dict[str, Any]:
    """The verdict on ann, assigned to control on the 10th at 9, from (variation, time, event id)."""
    events = exposures(*(("ann", *row) for row in exposed))
    (row,) = validated(canonical(ANN), events, **settings).rows(named=True)
    return row


def status(*exposed: tuple[str, ...], **settings: Any) -> str:
    return verdict(*exposed, **settings)["validation_status"]


def test_a_unit_without_exposures_has_a_row_that_says_so():
    row = verdict()
    assert row["validation_status"] == "no_exposure"
    assert [name for name, value in row.items() if value is True] == []
    assert (row["exposure_count"], row["exposure_variation_count"], row["exposure_delay_seconds"]) == (
        0,
        0,
        None,
    )


def test_every_column_of_a_valid_exposure():
    assert verdict(("control", "10 09:00:01.5", "e")) == {
        "experiment_id": "exp",
        "unit_id": "ann",
        "variation_id": "control",
        "assigned_at": at("10 09:00"),
        "assignment_date": january(10),
        "first_exposure_any_at": at("10 09:00:01.5"),
        "first_exposure_any_variation_id": "control",
        "first_exposure_any_event_id": "e",
        "first_exposure_at": at("10 09:00:01.5"),
        "first_exposure_variation_id": "control",
        "first_exposure_event_id": "e",
        "exposure_count": 1,
        "exposure_variation_count": 1,
        "exposure_delay_seconds": 1,
        "has_any_exposure": True,
        "has_post_assignment_exposure": True,
        "has_valid_exposure": True,
        "is_pre_assignment_exposure": False,
        "is_exposure_outside_window": False,
        "is_variation_mismatch": False,
        "has_crossover": False,
        "validation_status": "valid",
        "observed_until_date": january(24),
    }


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        ("10 08:54:59.999999", "pre_assignment_exposure"),
        ("10 08:55:00", "valid"),
        ("10 08:55:00.000001", "valid"),
        ("17 08:59:59.999999", "valid"),
        ("17 09:00:00", "valid"),
        ("17 09:00:00.000001", "exposure_outside_window"),
    ],
)
def test_the_grace_and_the_window_end_exactly_at_their_bounds(when: str, expected: str):
    assert status(("control", when)) == expected


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        ("02 23:59:59.999999", "no_exposure"),
        ("03 00:00", "pre_assignment_exposure"),
        ("24 23:59:59.999999", "exposure_outside_window"),
        ("25 00:00", "no_exposure"),
    ],
)
def test_the_observed_days_are_whole_utc_days(when: str, expected: str):
    assert status(("control", when)) == expected


def test_without_grace_and_window_only_the_instant_of_the_assignment_is_valid():
    none = {"grace_minutes": 0, "max_days_after_assignment": 0, "observe_days": 0}
    assert status(("control", "10 09:00"), **none) == "valid"
    assert status(("control", "10 08:59:59.999999"), **none) == "pre_assignment_exposure"
    assert status(("control", "10 09:00:00.000001"), **none) == "exposure_outside_window"
    assert status(("control", "11 00:00"), **none) == "no_exposure"


def test_the_longest_grace_reaches_back_a_whole_week():
    week = {"grace_minutes": 7 * 24 * 60}
    assert status(("control", "03 09:00"), **week) == "valid"
    assert status(("control", "03 08:59:59.999999"), **week) == "pre_assignment_exposure"


@pytest.mark.parametrize(
    ("when", "seconds"),
    [("10 08:59:59.999999", -1), ("10 08:59:59", -1), ("10 09:00:00.999999", 0), ("10 08:55:00", -300)],
)
def test_a_delay_is_whole_seconds_rounded_down(when: str, seconds: int):
    assert verdict(("control", when))["exposure_delay_seconds"] == seconds


def test_an_exposure_after_the_assignment_is_not_hidden_by_an_earlier_one_of_the_same_day():
    row = verdict(
        ("control", "10 07:00", "early"), ("control", "10 10:00", "late"), ("control", "10 08:00", "mid")
    )
    assert (row["validation_status"], row["exposure_count"]) == ("valid", 3)
    assert (row["first_exposure_any_event_id"], row["first_exposure_event_id"]) == ("early", "late")
    assert row["is_pre_assignment_exposure"] is True


def test_a_hidden_exposure_at_the_grace_bound_counts_and_one_before_it_does_not():
    early = ("control", "10 07:00", "early")
    assert verdict(early, ("control", "10 08:55:00", "late"))["first_exposure_event_id"] == "late"
    row = verdict(early, ("control", "10 08:54:59.999999", "late"))
    assert (row["first_exposure_at"], row["validation_status"]) == (None, "pre_assignment_exposure")


def test_of_hidden_exposures_at_one_instant_the_smallest_event_id_counts():
    row = verdict(
        ("control", "10 07:00", "early"),
        ("control", "10 10:00", "é"),
        ("control", "10 10:00", "Z"),
        ("control", "10 10:00", "a"),
    )
    assert row["first_exposure_event_id"] == "Z"


def test_a_hidden_exposure_to_the_other_variation_is_found_first():
    row = verdict(
        ("treatment", "10 07:00"),
        ("treatment", "10 09:30", "t"),
        ("control", "10 09:31"),
        crossover_policy="first_seen",
    )
    assert (row["first_exposure_event_id"], row["validation_status"]) == ("t", "pre_assignment_exposure")
    assert row["is_variation_mismatch"] is True


def test_at_the_same_instant_the_smallest_event_id_decides_between_variations():
    policy = {"crossover_policy": "first_seen"}
    for own, other, expected in (
        ("a", "b", "valid"),
        ("b", "a", "variation_mismatch"),
        ("é", "Z", "variation_mismatch"),
    ):
        assert status(("control", "10 10:00", own), ("treatment", "10 10:00", other), **policy) == expected


@pytest.mark.parametrize(
    ("exposed", "expected", "of_first_seen"),
    [
        ([("control", "10 10:00"), ("treatment", "24 23:59")], "crossover", "valid"),
        ([("control", "10 10:00"), ("treatment", "25 00:00")], "valid", "valid"),
        ([("treatment", "03 00:00"), ("control", "10 10:00")], "crossover", "valid"),
        ([("treatment", "02 23:59"), ("control", "10 10:00")], "valid", "valid"),
        ([("treatment", "10 10:00")], "variation_mismatch", "variation_mismatch"),
        ([("treatment", "18 10:00")], "exposure_outside_window", "exposure_outside_window"),
        (
            [("control", "09 10:00"), ("control", "18 10:00")],
            "pre_assignment_exposure",
            "pre_assignment_exposure",
        ),
        ([("control", "09 10:00"), ("control", "11 10:00")], "valid", "valid"),
        ([("control", "09 10:00"), ("treatment", "11 10:00")], "crossover", "pre_assignment_exposure"),
    ],
)
def test_the_status_is_the_first_that_holds(
    exposed: list[tuple[str, str]], expected: str, of_first_seen: str
):
    assert status(*exposed) == expected
    assert status(*exposed, crossover_policy="first_seen") == of_first_seen


def test_exposures_of_others_and_of_other_experiments_do_not_count():
    events = pl.concat(
        [
            exposures(("zoe", "control", "10 10:00")),
            exposures(("ann", "control", "10 10:00"), experiment_id="other"),
        ]
    )
    assert validated(canonical(ANN), events)["validation_status"].to_list() == ["no_exposure"]


def test_each_experiment_has_its_own_rules():
    assignments = pl.concat([canonical(ANN), canonical(ANN).with_columns(experiment_id=pl.lit("strict"))])
    events = pl.concat(
        [exposures(("ann", "control", "10 08:56"), experiment_id=name) for name in ("exp", "strict")]
    )
    rules = {"exp": experiment().exposure, "strict": experiment(grace_minutes=3).exposure}
    found = validate_exposures(assignments.lazy(), dedupe_exposures(events.lazy()), rules).collect()
    assert dict(found.select("experiment_id", "validation_status").rows()) == {
        "exp": "valid",
        "strict": "pre_assignment_exposure",
    }


def test_no_assignments_are_no_verdicts_whatever_was_exposed():
    nothing = validated(table(Assignments, []), exposures(("ann", "control", "10 10:00")))
    assert nothing.schema == columns_of(ExposureValidation)
    assert nothing.is_empty()


def test_no_assignments_and_no_exposures_are_no_verdicts():
    empty = table(DedupedExposures, []).lazy()
    assert validate_exposures(table(Assignments, []).lazy(), empty, {}).collect().is_empty()


SETTINGS = st.sampled_from(
    [
        {},
        {"crossover_policy": "first_seen"},
        {"grace_minutes": 0, "max_days_after_assignment": 0, "observe_days": 0},
        {
            "grace_minutes": 1440,
            "max_days_after_assignment": 1,
            "observe_days": 1,
            "crossover_policy": "first_seen",
        },
    ]
)
BOUNDS = [
    timedelta(),
    timedelta(minutes=-5),
    timedelta(days=-1),
    timedelta(hours=-9),
    timedelta(hours=15),
    timedelta(days=1),
    timedelta(days=7),
    timedelta(days=-7, hours=-9),
    timedelta(days=15, hours=-9),
]
AROUND = st.builds(
    lambda bound, microseconds: at("10 09:00") + bound + timedelta(microseconds=microseconds),
    st.sampled_from(BOUNDS),
    st.sampled_from([-1, 0, 1, 999_999]),
)
EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["ann", "zoe"]),
        st.sampled_from(["control", "treatment"]),
        AROUND,
        st.sampled_from("aZé"),
    ),
    max_size=14,
).map(
    lambda rows: [Exposure("exp", f"{row[3]}{n}", row[0], row[1], row[2], None) for n, row in enumerate(rows)]
)
ASSIGNED = [
    ("ann", "control", "10 09:00"),
    ("zoe", "treatment", "10 09:00:00.5"),
    ("max", "control", "11 00:00"),
]
ASSIGNMENTS = canonical(*ASSIGNED)


@given(EVENTS, SETTINGS)
def test_verdicts_are_those_of_a_plain_reading_of_all_raw_events(
    events: list[Exposure], settings: dict[str, Any]
):
    plain = plain_experiment(experiment(**settings))
    expected = [
        validating.validate(
            assignment, [event for event in events if event.unit_id == assignment.unit_id], plain
        )
        for assignment in plain_assignments(ASSIGNED)
    ]
    found = judged(ASSIGNMENTS, exposure_table(events), **settings)
    assert found.sort("unit_id").rows(named=True) == expected


@FEWER_EXAMPLES
@given(EVENTS, st.randoms(use_true_random=False))
def test_neither_the_order_of_rows_nor_their_chunks_change_a_verdict(
    events: list[Exposure], shuffle: random.Random
):
    exposed = exposure_table(events)
    again = judged(scattered(ASSIGNMENTS, shuffle), scattered(exposed, shuffle))
    assert same_rows(judged(ASSIGNMENTS, exposed), again, "unit_id")


@FEWER_EXAMPLES
@given(EVENTS)
def test_verdicts_of_one_unit_after_the_other_are_those_of_all_at_once(events: list[Exposure]):
    exposed = exposure_table(events)
    alone = [judged(ASSIGNMENTS.filter(unit_id=unit_id), exposed) for unit_id, _, _ in ASSIGNED]
    assert same_rows(judged(ASSIGNMENTS, exposed), pl.concat(alone), "unit_id")
