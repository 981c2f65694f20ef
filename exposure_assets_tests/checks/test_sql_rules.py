"""Tests of every rule between tables: the rows that break it are found in their partition, and in no other.

What is stored about them is tested with the results per partition.
"""

from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from exposure_assets.checks import (
    daily_quality,
    deduped_exposures,
    exposure_validation,
    exposure_windows,
    metric_moments,
    stage_counts,
    unit_covariates,
    unit_outcomes,
    unit_segments,
)
from exposure_assets.checks.run_scope import RunScope
from exposure_assets.contracts import WAREHOUSE_TABLES, UnitOutcomes, columns_of
from exposure_assets_tests.checks.check_runs import day
from resources.warehouse import PartitionSlice, Warehouse

RULES = {
    rule.name: rule
    for stem in (
        daily_quality,
        deduped_exposures,
        exposure_validation,
        exposure_windows,
        metric_moments,
        stage_counts,
        unit_covariates,
        unit_outcomes,
        unit_segments,
    )
    for rule in stem.RULES
}
# The columns that a catalog adds to a table.
FURTHER_COLUMNS: dict[str, dict[str, type[pl.DataType]]] = {
    "unit_outcomes": {"orders": pl.Int64, "is_in_seen": pl.Boolean, "is_in_2-visits": pl.Boolean}
}
EXPERIMENT = {
    "experiment_id": "exp",
    "grace_minutes": 5,
    "max_days_after_assignment": 3,
    "observe_days": 14,
    "outcome_window_days": 7,
}


def at(number: int, **later: int) -> datetime:
    return datetime.combine(day(number), time(9), UTC) + timedelta(**later)


def verdict(number: int, **changes: Any) -> tuple[str, dict[str, Any]]:
    """A valid verdict on an exposure at the assignment itself."""
    row = {
        "unit_id": f"unit of {number}",
        "variation_id": "a",
        "assigned_at": at(number),
        "assignment_date": day(number),
        "first_exposure_at": at(number),
        "first_exposure_variation_id": "a",
        "has_post_assignment_exposure": True,
        "has_valid_exposure": True,
        "observed_until_date": day(number + 14),
    }
    return "exposure_validation", row | changes


def outcome(number: int, **changes: Any) -> tuple[str, dict[str, Any]]:
    row = {"assignment_date": day(number), "anchor_at": at(number), "window_end_at": at(number, days=7)}
    return "unit_outcomes", row | changes


def exposures(number: int, counted: int, accepted: int) -> list[tuple[str, dict[str, Any]]]:
    waterfall = {"exposure_date": day(number), "bucket": "accepted", "row_count": accepted}
    return [
        ("deduped_exposures", {"exposure_date": day(number), "exposure_count": counted}),
        ("exposure_waterfall", waterfall),
    ]


def quality(number: int, total: int, of_variations: int) -> list[tuple[str, dict[str, Any]]]:
    return [
        ("daily_quality", {"assignment_date": day(number), "variation_id": name, "assigned_units": units})
        for name, units in (("*", total), ("a", of_variations))
    ]


def assignment(number: int) -> tuple[str, dict[str, Any]]:
    row = {"assignment_date": day(number), "unit_id": f"unit of {number}", "assigned_at": at(number)}
    row |= {"variation_id": "a", "is_conflicting": False}
    return "assignments", row


def at_stages(number: int, **units: int) -> list[tuple[str, dict[str, Any]]]:
    """So many units at each stage, all of them reached on the cohort day."""
    row = {
        "assignment_date": day(number),
        "variation_id": "a",
        "is_conflicting": False,
        "reached_date": day(number),
    }
    return [("stage_counts", row | {"stage": stage, "unit_count": count}) for stage, count in units.items()]


def window(number: int, analysis_window_id: str = "overall", **changes: Any) -> tuple[str, dict[str, Any]]:
    """An empty row of ann's window `w`, over the first day after its assignment."""
    row = {
        "unit_id": f"unit of {number}",
        "assignment_date": day(number),
        "exposure_window_id": "w",
        "analysis_window_id": analysis_window_id,
        "analysis_window_index": 0,
        "window_start_at": at(number, minutes=-5),
        "window_end_at": at(number, days=1),
        "exposure_count": 0,
        "is_exposed_in_window": False,
        "is_exposed_to_date": False,
    }
    return "exposure_windows", row | changes


def days_exposed(number: int, in_window: str, to_date: str) -> list[tuple[str, dict[str, Any]]]:
    """One row per day, `x` where the unit was exposed; and a week in which it was."""
    days = [
        window(
            number,
            f"day_{index}",
            analysis_window_index=index,
            is_exposed_in_window=one == "x",
            is_exposed_to_date=other == "x",
        )
        for index, (one, other) in enumerate(zip(in_window, to_date, strict=True))
        if (one, other) != (" ", " ")
    ]
    return [*days, window(number, "week_0", is_exposed_in_window=True, is_exposed_to_date=True)]


def segment(number: int, segment_id: str = "seen", **changes: Any) -> tuple[str, dict[str, Any]]:
    """A row of a look-back segment that the unit is in."""
    row = {
        "unit_id": f"unit of {number}",
        "assignment_date": day(number),
        "segment_id": segment_id,
        "is_post_assignment": False,
        "window_start_at": at(number, days=-7),
        "window_end_at": at(number),
        "is_in_segment": True,
    }
    return "unit_segments", row | changes


def covariate(number: int, metric_id: str = "orders", **changes: Any) -> tuple[str, dict[str, Any]]:
    """What the unit did before its assignment."""
    row = {"unit_id": f"unit of {number}", "assignment_date": day(number), "metric_id": metric_id}
    return "unit_covariates", row | {"window_end_at": at(number)} | changes


def moment(number: int, **units: int) -> list[tuple[str, dict[str, Any]]]:
    """So many units of each basis, of which one has no value."""
    row = {
        "assignment_date": day(number),
        "variation_id": "a",
        "is_conflicting": False,
        "metric_id": "orders",
    }
    row |= {"missing_unit_count": 1}
    return [
        ("metric_moments", row | {"analysis_basis": basis, "unit_count": count - 1})
        for basis, count in units.items()
    ]


def cut(number: int, **flags: bool | None) -> tuple[str, dict[str, Any]]:
    """A row of outcomes with its flags."""
    row = {"unit_id": f"unit of {number}", "assignment_date": day(number), "orders": 3, "is_in_seen": True}
    return "unit_outcomes", row | flags


# Per rule: rows of a day that break it, and rows of a day that just keep it.
CASES = [
    (
        "no_first_exposure_before_the_grace",
        lambda n: [verdict(n, first_exposure_at=at(n, minutes=-5, microseconds=-1))],
        lambda n: [verdict(n, first_exposure_at=at(n, minutes=-5))],
    ),
    (
        "valid_exposures_lie_in_the_window",
        lambda n: [verdict(n, first_exposure_at=at(n, days=3, microseconds=1))],
        lambda n: [verdict(n, first_exposure_at=at(n, days=3))],
    ),
    (
        "valid_exposures_lie_in_the_window",
        lambda n: [verdict(n, first_exposure_variation_id="b")],
        lambda n: [verdict(n, first_exposure_variation_id="b", has_valid_exposure=False)],
    ),
    (
        "observed_for_the_experiments_days",
        lambda n: [verdict(n, observed_until_date=day(n + 13))],
        lambda n: [verdict(n)],
    ),
    (
        "every_assignment_has_a_verdict",
        lambda n: [assignment(n), assignment(n), verdict(n)],
        lambda n: [assignment(n), verdict(n)],
    ),
    ("every_assignment_has_outcomes", lambda n: [outcome(n)], lambda n: [verdict(n), outcome(n)]),
    (
        "windows_have_the_experiments_length",
        lambda n: [outcome(n, window_end_at=at(n, days=6))],
        lambda n: [outcome(n)],
    ),
    (
        "outcomes_are_cut_by_the_segments",
        lambda n: [segment(n), cut(n, is_in_seen=False)],
        lambda n: [segment(n), cut(n), segment(n + 1), segment(n + 1, "2-visits", is_in_segment=False)],
    ),
    (
        "outcomes_are_cut_by_the_segments",
        lambda n: [segment(n), segment(n, "2-visits"), cut(n)],
        lambda n: [segment(n), segment(n, "2-visits"), cut(n, **{"is_in_2-visits": True})],
    ),
    (
        "every_assignment_has_every_window",
        lambda n: [assignment(n), window(n), window(n)],
        lambda n: [assignment(n), window(n), window(n, "day_0")],
    ),
    ("every_assignment_has_every_window", lambda n: [window(n)], lambda n: [assignment(n)]),
    (
        "no_window_opens_before_the_grace",
        lambda n: [assignment(n), window(n, window_start_at=at(n, minutes=-5, microseconds=-1))],
        lambda n: [assignment(n), window(n)],
    ),
    (
        "exposed_to_date_from_the_first_exposed_window_on",
        lambda n: days_exposed(n, "-x--", "-x-x"),
        lambda n: [*days_exposed(n, "-x-x", "-xxx"), window(n)],
    ),
    (
        "exposed_to_date_from_the_first_exposed_window_on",
        lambda n: days_exposed(n, "--", "-x"),
        lambda n: days_exposed(n, "--", "--"),
    ),
    (
        "exposed_to_date_from_the_first_exposed_window_on",
        lambda n: days_exposed(n, "-x", "--"),
        lambda n: days_exposed(n, "x", "x"),
    ),
    (
        "exposed_to_date_from_the_first_exposed_window_on",
        lambda n: days_exposed(n, "- x", "- x"),
        lambda n: days_exposed(n, "--x", "--x"),
    ),
    (
        "a_window_holds_what_the_windows_inside_it_hold",
        lambda n: [window(n, exposure_count=1), window(n, "day_0", exposure_count=2)],
        lambda n: [window(n, exposure_count=2), window(n, "day_0", exposure_count=2)],
    ),
    (
        "a_window_holds_what_the_windows_inside_it_hold",
        lambda n: [window(n), window(n, "days_0_1", exposure_count=1)],
        lambda n: [
            window(n),
            window(n, "days_0_9", exposure_count=1, window_end_at=at(n, days=1, microseconds=1)),
            window(n, exposure_window_id="other", exposure_count=1),
        ],
    ),
    (
        "every_assignment_has_every_segment",
        lambda n: [assignment(n), assignment(n), segment(n)],
        lambda n: [assignment(n), segment(n), segment(n, "2-visits")],
    ),
    (
        "look_back_segments_end_with_the_assignment",
        lambda n: [assignment(n), segment(n, window_end_at=at(n, microseconds=1))],
        lambda n: [
            assignment(n),
            segment(n),
            segment(n, "2-visits", window_end_at=at(n, days=1), is_post_assignment=True),
        ],
    ),
    ("every_accepted_exposure_is_counted_once", lambda n: exposures(n, 3, 2), lambda n: exposures(n, 3, 3)),
    (
        "every_assignment_has_every_covariate",
        lambda n: [assignment(n), assignment(n), covariate(n)],
        lambda n: [assignment(n), covariate(n), covariate(n, "revenue")],
    ),
    (
        "covariates_end_with_the_assignment",
        lambda n: [assignment(n), covariate(n, window_end_at=at(n, microseconds=1))],
        lambda n: [assignment(n), covariate(n)],
    ),
    (
        "every_unit_is_in_its_bases_once",
        lambda n: [assignment(n), verdict(n), *moment(n, assigned=1, exposed=2)],
        lambda n: [assignment(n), verdict(n), *moment(n, assigned=1, exposed=1, valid_exposed=1)],
    ),
    (
        "every_unit_is_in_its_bases_once",
        lambda n: [assignment(n), verdict(n), *moment(n, not_exposed=1)],
        lambda n: [assignment(n), verdict(n), *moment(n, valid_exposed=1)],
    ),
    (
        "statuses_sum_to_assigned_units",
        lambda n: [verdict(n), *quality(n, 2, 2)],
        lambda n: [verdict(n), *quality(n, 1, 1)],
    ),
    (
        "every_assignment_is_counted_once",
        lambda n: [assignment(n), *at_stages(n, assigned=2)],
        lambda n: [assignment(n), assignment(n + 1), *at_stages(n, assigned=1, exposed=1)],
    ),
    (
        "every_assignment_is_counted_once",
        lambda n: [
            assignment(n),
            ("assignments", assignment(n)[1] | {"variation_id": "b"}),
            *at_stages(n, assigned=1),
        ],
        lambda n: [assignment(n)],
    ),
    (
        "stages_are_the_verdicts",
        lambda n: [verdict(n), *at_stages(n, assigned=1, exposed=1)],
        lambda n: [verdict(n), *at_stages(n, assigned=1, exposed=1, valid_exposed=1, completed=1)],
    ),
    (
        "stages_are_the_verdicts",
        lambda n: at_stages(n, assigned=1, exposed=1),
        lambda n: [verdict(n, has_valid_exposure=False), *at_stages(n, assigned=1, exposed=1)],
    ),
    (
        "statuses_sum_to_assigned_units",
        lambda n: [verdict(n), *quality(n, 1, 0)],
        lambda n: quality(n, 0, 0),
    ),
]


def test_every_rule_has_a_case():
    assert {name for name, _, _ in CASES} == set(RULES)


@pytest.mark.parametrize(("name", "broken", "kept"), CASES, ids=[case[0] for case in CASES])
def test_a_rule_finds_the_rows_that_break_it_in_the_partitions_of_the_run(
    tmp_path: Path, name: str, broken: Any, kept: Any
):
    warehouse = Warehouse(str(tmp_path / "w.duckdb"))
    rows: dict[str, list[dict[str, Any]]] = {table: [] for table in WAREHOUSE_TABLES}
    rows["experiments"].append(EXPERIMENT)
    for table, row in [*broken(1), *kept(2), *broken(9)]:
        rows[table].append({"experiment_id": "exp"} | row)
    for table, contract in WAREHOUSE_TABLES.items():
        further = FURTHER_COLUMNS.get(table, {})
        columns = {**columns_of(contract), **further}
        frame = pl.DataFrame([dict.fromkeys(columns) | row for row in rows[table]], schema=columns)
        warehouse.replace(contract, [frame], extra_columns=further)
    of_run = RunScope((PartitionSlice(day(0), day(3), ("exp", "other")),))
    with warehouse.connect(read_only=True) as connection:
        found = RULES[name].findings(connection, of_run)
        elsewhere = RULES[name].findings(connection, RunScope((PartitionSlice(day(0), day(3), ("other",)),)))
        anywhere = RULES[name].findings(connection, RunScope((PartitionSlice(),)))
    assert found.failing.select("day", "experiment_id", "found").rows() == [(day(1), "exp", 1)]
    assert found.rows["day"].to_list() == [day(1)]
    assert elsewhere.failing.is_empty()
    assert anywhere.failing["day"].to_list() == [day(1), day(9)]


def test_outcomes_of_a_catalog_without_segments_break_no_rule(tmp_path: Path):
    warehouse = Warehouse(str(tmp_path / "w.duckdb"))
    row = dict.fromkeys(columns_of(UnitOutcomes)) | {"assignment_date": day(1), "experiment_id": "exp"}
    warehouse.replace(UnitOutcomes, [pl.DataFrame([row], schema=columns_of(UnitOutcomes))])
    with warehouse.connect(read_only=True) as connection:
        found = RULES["outcomes_are_cut_by_the_segments"].findings(connection, RunScope((PartitionSlice(),)))
    assert found.failing.is_empty()
