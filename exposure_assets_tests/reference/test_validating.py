"""Verdicts on assignments, deduped exposures and daily quality, worked out by hand.
How rows come to be accepted is tested elsewhere.
"""

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from exposure_assets_tests.reference.quality import exposure_health, percentile
from exposure_assets_tests.reference.small_zone import Row, assigned, exposed, tables_of

ASSIGNED = [assigned("ann", "control", "10 09:00:00")]
BOTH_POLICIES = pytest.mark.parametrize("policy", ["exclude", "first_seen"])


def verdict(tmp_path: Path, exposures: list[Row], **rules: Any) -> Row:
    (row,) = tables_of(tmp_path, exposures, ASSIGNED, **rules)["exposure_validation"]
    return row


def statuses(tmp_path: Path, *exposures: tuple[str, str], **rules: Any) -> str:
    rows = [exposed("ann", variation_id, at) for variation_id, at in exposures]
    row = verdict(tmp_path, rows, **rules)
    assert (row["validation_status"] == "valid") == row["has_valid_exposure"]
    return row["validation_status"]


def test_a_unit_never_exposed_has_a_row_of_nothing(tmp_path: Path):
    row = verdict(tmp_path, [])
    assert row["validation_status"] == "no_exposure"
    assert (row["exposure_count"], row["exposure_variation_count"]) == (0, 0)
    assert [name for name, value in row.items() if value is True] == []
    assert [name for name, value in row.items() if value is None] == [
        "first_exposure_any_at",
        "first_exposure_any_variation_id",
        "first_exposure_any_event_id",
        "first_exposure_at",
        "first_exposure_variation_id",
        "first_exposure_event_id",
        "exposure_delay_seconds",
    ]
    assert row["observed_until_date"] == date(2026, 1, 24)


def test_an_exposure_at_the_grace_bound_is_valid_and_one_before_it_is_not(tmp_path: Path):
    assert statuses(tmp_path, ("control", "10 08:55:00.000000")) == "valid"
    assert statuses(tmp_path, ("control", "10 08:54:59.999999")) == "pre_assignment_exposure"


def test_an_exposure_at_the_end_of_the_window_is_valid_and_one_after_it_is_not(tmp_path: Path):
    assert statuses(tmp_path, ("control", "17 09:00:00.000000")) == "valid"
    assert statuses(tmp_path, ("control", "17 09:00:00.000001")) == "exposure_outside_window"


def test_a_window_of_no_days_holds_the_instant_of_the_assignment(tmp_path: Path):
    rules = {"grace_minutes": 0, "max_days_after_assignment": 0, "observe_days": 0}
    assert statuses(tmp_path, ("control", "10 09:00:00"), **rules) == "valid"
    assert statuses(tmp_path, ("control", "10 09:00:00.000001"), **rules) == "exposure_outside_window"
    assert statuses(tmp_path, ("control", "10 08:59:59.999999"), **rules) == "pre_assignment_exposure"
    assert statuses(tmp_path, ("control", "11 00:00:00"), **rules) == "no_exposure"


def test_whole_days_are_observed_from_a_week_before_to_the_last_observed_day(tmp_path: Path):
    assert statuses(tmp_path, ("control", "02 23:59:59.999999")) == "no_exposure"
    assert statuses(tmp_path, ("control", "03 00:00:00")) == "pre_assignment_exposure"
    assert statuses(tmp_path, ("control", "24 23:59:59.999999")) == "exposure_outside_window"
    assert statuses(tmp_path, ("control", "25 00:00:00")) == "no_exposure"


def test_an_exposure_before_does_not_hide_a_valid_one_of_the_same_day(tmp_path: Path):
    rows = [
        exposed("ann", "control", f"10 {clock}") for clock in ("07:00:00", "08:00:00", "10:30:00", "11:00:00")
    ]
    row = verdict(tmp_path, rows)
    assert row["validation_status"] == "valid"
    assert row["is_pre_assignment_exposure"] is True
    assert (row["first_exposure_any_at"].hour, row["first_exposure_at"].hour) == (7, 10)
    assert (row["exposure_delay_seconds"], row["exposure_count"]) == (5400, 4)


def test_an_exposure_before_decides_where_no_later_one_is_valid(tmp_path: Path):
    before = ("control", "10 07:00:00")
    assert statuses(tmp_path, before, ("control", "18 09:00:00")) == "pre_assignment_exposure"
    assert (
        statuses(tmp_path, before, ("treatment", "11 09:00:00"), crossover_policy="first_seen")
        == "pre_assignment_exposure"
    )


def test_a_crossover_excludes_a_unit_unless_the_first_seen_counts(tmp_path: Path):
    own, other = ("control", "10 10:00:00"), ("treatment", "24 10:00:00")
    assert statuses(tmp_path, own, other) == "crossover"
    assert statuses(tmp_path, own, other, crossover_policy="first_seen") == "valid"
    assert statuses(tmp_path, own, ("treatment", "25 00:00:00")) == "valid"
    assert statuses(tmp_path, ("treatment", "09 10:00:00"), own) == "crossover"


def test_under_first_seen_the_first_one_has_to_match(tmp_path: Path):
    exposures = [("treatment", "10 10:00:00"), ("control", "10 11:00:00")]
    assert statuses(tmp_path, *exposures, crossover_policy="first_seen") == "variation_mismatch"


def test_the_other_variation_alone_is_a_mismatch_and_late_it_is_outside_first(tmp_path: Path):
    assert statuses(tmp_path, ("treatment", "10 10:00:00")) == "variation_mismatch"
    assert statuses(tmp_path, ("treatment", "20 10:00:00")) == "exposure_outside_window"


def test_ties_go_to_the_smallest_event_id_by_bytes(tmp_path: Path):
    rows = [
        exposed("ann", variation_id, "10 10:00:00", event_id=event_id, session_id=event_id)
        for variation_id, event_id in (("treatment", "a"), ("control", "Z"), ("treatment", "é"))
    ]
    tables = tables_of(tmp_path, rows, ASSIGNED)
    row = tables["exposure_validation"][0]
    assert (row["first_exposure_event_id"], row["first_exposure_variation_id"]) == ("Z", "control")
    assert (row["first_exposure_any_event_id"], row["exposure_variation_count"]) == ("Z", 2)
    firsts = [
        (row["variation_id"], row["first_event_id"], row["first_session_id"])
        for row in tables["deduped_exposures"]
    ]
    assert firsts == [("control", "Z", "Z"), ("treatment", "a", "a")]


@pytest.mark.parametrize(
    ("at", "seconds"),
    [("10 08:59:59.5", -1), ("10 08:59:59", -1), ("10 09:00:00.999999", 0), ("10 08:58:58.999999", -62)],
)
def test_a_delay_is_whole_seconds_rounded_down(tmp_path: Path, at: str, seconds: int):
    assert verdict(tmp_path, [exposed("ann", "control", at)])["exposure_delay_seconds"] == seconds


def test_exposures_are_deduped_per_unit_variation_and_day(tmp_path: Path):
    rows = [
        exposed("ann", "control", at)
        for at in ("10 23:59:59.999999", "11 00:00:00", "10 05:00:00", "10 06:00:00")
    ]
    found = [
        (
            row["exposure_date"].day,
            row["first_exposed_at"].hour,
            row["last_exposed_at"].hour,
            row["exposure_count"],
        )
        for row in tables_of(tmp_path, rows)["deduped_exposures"]
    ]
    assert found == [(10, 5, 23, 3), (11, 0, 0, 1)]


def test_a_cohort_has_a_row_for_all_and_for_every_variation(tmp_path: Path):
    assignments = [assigned(f"u{number}", "control", "10 09:00:00") for number in range(4)]
    exposures = [
        exposed("u0", "control", "10 09:00:10"),
        exposed("u1", "control", "10 09:00:40"),
        exposed("u2", "treatment", "10 09:01:00"),
    ]
    everyone, control, treatment = tables_of(tmp_path, exposures, assignments)["daily_quality"]
    assert (everyone["variation_id"], control["variation_id"], treatment["variation_id"]) == (
        "*",
        "control",
        "treatment",
    )
    assert {**everyone, "variation_id": "", "unassigned_exposed_units": None} == {
        **control,
        "variation_id": "",
    }
    assert (everyone["assigned_units"], everyone["exposed_units"], everyone["valid_exposed_units"]) == (
        4,
        3,
        2,
    )
    assert (everyone["no_exposure_units"], everyone["mismatch_units"]) == (1, 1)
    assert (everyone["exposure_rate"], everyone["valid_exposure_rate"], everyone["mismatch_rate"]) == (
        0.75,
        0.5,
        0.25,
    )
    assert everyone["exposure_health"] == "warning"
    assert everyone["p50_exposure_delay_seconds"] == 40.0
    assert everyone["p95_exposure_delay_seconds"] == pytest.approx(58.0)
    assert everyone["avg_exposure_delay_seconds"] == pytest.approx(110 / 3)
    assert treatment["assigned_units"] == 0
    assert (treatment["exposure_rate"], treatment["exposure_health"]) == (None, None)


def test_an_exposed_unit_is_unassigned_until_the_seventh_day_after(tmp_path: Path):
    exposures = [exposed("ann", "control", "03 10:00:00"), exposed("ann", "control", "02 10:00:00")]
    exposures += [exposed("zoe", "control", "02 11:00:00"), exposed("zoe", "treatment", "02 12:00:00")]
    rows = tables_of(tmp_path, exposures, ASSIGNED)["daily_quality"]
    counts = {
        (row["assignment_date"].day, row["variation_id"]): row["unassigned_exposed_units"] for row in rows
    }
    assert counts == {
        (2, "*"): 2,
        (2, "control"): None,
        (2, "treatment"): None,
        (10, "*"): 0,
        (10, "control"): None,
        (10, "treatment"): None,
    }


def test_health_changes_exactly_at_its_bounds():
    rates = [None, 0.0, 0.6999999, 0.7, 0.8999999, 0.9, 1.0]
    assert [exposure_health(rate) for rate in rates] == [
        None,
        "critical",
        "critical",
        "warning",
        "warning",
        "ok",
        "ok",
    ]


def test_percentiles_lie_between_the_two_nearest_ranks():
    assert percentile([], 0.5) is None
    assert percentile([7], 0.95) == 7
    assert percentile([4, 1, 3, 2], 0.5) == 2.5
    assert percentile([10, 20, 30, 40, 50], 0.95) == pytest.approx(48.0)


@BOTH_POLICIES
def test_statuses_of_a_cohort_sum_to_its_units(tmp_path: Path, policy: str):
    assignments = [assigned(f"u{number}", "control", "10 09:00:00") for number in range(5)]
    exposures = [
        exposed("u1", "control", "10 09:00:00"),
        exposed("u2", "control", "09 09:00:00"),
        exposed("u3", "treatment", "10 10:00:00"),
        exposed("u4", "control", "10 10:00:00"),
        exposed("u4", "treatment", "10 11:00:00"),
    ]
    tables = tables_of(tmp_path, exposures, assignments, crossover_policy=policy)
    everyone = tables["daily_quality"][0]
    assert everyone["assigned_units"] == len(tables["exposure_validation"]) == 5
    assert everyone["crossover_units"] == 1
