"""Diagnostics of cohorts and delays of exposures: what is counted, where bounds lie, and that no order shows."""

import random
from collections.abc import Sequence
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exposure_assets.contracts import (
    DELAY_STARTS,
    Assignments,
    CohortDiagnostics,
    DedupedExposures,
    ExposureDelays,
    ExposureValidation,
    Metric,
    MetricEvents,
    UnitOutcomes,
    empty_frame,
)
from exposure_assets.transforms.cohort_diagnostics import cohort_diagnostics
from exposure_assets.transforms.exposure_delays import exposure_delays
from exposure_assets.transforms.unit_outcomes import unit_outcomes
from exposure_assets_tests.transforms.rows import (
    canonical,
    deduped,
    experiment,
    exposures,
    judged,
    metric_rows,
    obeying,
    same_rows,
    scattered,
)

METRICS = {"orders": Metric(id="orders", event="purchase", aggregation="count")}
COUNTS = ("assigned_units", "assignment_count", "early_outcome_units", "exposed_on_day_units")
Texts = Sequence[tuple[str, ...]]


def frames(assigned: Texts, exposed: Texts, purchases: Texts, **rules: Any) -> tuple[pl.DataFrame, ...]:
    """Assignments, outcomes, exposures and metric events of (unit, [event,] time)."""
    assignments, events = canonical(*assigned), exposures(*exposed)  # pyright: ignore[reportArgumentType]
    metric_events = metric_rows(*((unit, "purchase", when, 1.0) for unit, when in purchases))
    known = {"exp": experiment(metrics=("orders",), **rules)}
    outcomes = unit_outcomes(judged(assignments, events).lazy(), metric_events.lazy(), known, METRICS)
    return assignments, outcomes.collect(), deduped(events), metric_events


def diagnosed(*tables: pl.DataFrame) -> pl.DataFrame:
    known = {"exp": experiment(metrics=("orders",))}
    assignments, outcomes, seen, events = (one.lazy() for one in tables)
    return obeying(CohortDiagnostics, cohort_diagnostics(assignments, outcomes, seen, events, known, METRICS))


def counts(
    assigned: Texts, exposed: Texts, purchases: Texts = (), **rules: Any
) -> dict[int, tuple[int, ...]]:
    """Per day of January the counts, in the order of the columns."""
    rows = diagnosed(*frames(assigned, exposed, purchases, **rules)).rows(named=True)
    return {row["assignment_date"].day: tuple(row[name] for name in COUNTS) for row in rows}


ANN, BOB = ("ann", "control", "10 09:00"), ("bob", "treatment", "10 09:00")
SEEN = ("ann", "control", "10 12:00")


def test_every_assignment_row_counts_and_every_unit_once():
    assert counts([ANN, ("ann", "control", "11 09:00"), BOB], []) == {10: (2, 3, 0, 0)}


def test_a_day_on_which_somebody_is_exposed_has_a_row_whether_assigned_or_not():
    assert counts([ANN], [SEEN, ("eve", "control", "12 09:00"), ("eve", "treatment", "12 10:00")]) == {
        10: (1, 1, 0, 1),
        12: (0, 0, 0, 1),
    }


@pytest.mark.parametrize(
    ("when", "is_early"),
    [
        ("10 08:59:59.999999", False),
        ("10 09:00", True),
        ("10 11:59:59.999999", True),
        ("10 12:00", False),
    ],
)
def test_an_outcome_is_early_from_the_assignment_on_until_the_anchor(when: str, is_early: bool):
    assert counts([ANN, BOB], [SEEN], [("ann", when), ("bob", when)])[10][2] == int(is_early)


def test_where_windows_start_with_the_assignment_no_outcome_is_early():
    assert counts([ANN], [SEEN], [("ann", "10 11:00")], anchor="assignment")[10][2] == 0


def test_a_unit_with_several_early_outcomes_is_counted_once():
    assert counts([ANN], [SEEN], [("ann", "10 10:00"), ("ann", "10 11:00")])[10][2] == 1


def test_events_that_no_metric_of_the_experiment_counts_are_not_early_outcomes():
    assignments, outcomes, seen, _ = frames([ANN], [SEEN], [])
    events = metric_rows(("ann", "page_view", "10 10:00", None))
    assert diagnosed(assignments, outcomes, seen, events)["early_outcome_units"].to_list() == [0]


def test_nothing_is_diagnosed_of_nothing():
    tables = (Assignments, UnitOutcomes, DedupedExposures, MetricEvents)
    assert diagnosed(*map(empty_frame, tables)).is_empty()
    assert obeying(ExposureDelays, exposure_delays(empty_frame(ExposureValidation).lazy())).is_empty()


@pytest.mark.parametrize(
    ("when", "start"),
    [
        ("10 08:55", -604_800),
        ("10 08:59:59.999999", -604_800),
        ("10 09:00", 0),
        ("10 09:00:00.999999", 0),
        ("10 09:00:01", 1),
        ("10 09:59:59", 600),
        ("10 10:00", 3_600),
        ("17 09:00", 604_800),
        ("24 09:00", 1_209_600),
    ],
)
def test_a_delay_falls_into_the_range_that_begins_at_or_before_it(when: str, start: int):
    delays = exposure_delays(judged(canonical(ANN, BOB), exposures(("ann", "control", when))).lazy())
    [row] = obeying(ExposureDelays, delays).rows(named=True)
    assert (row["from_seconds"], row["unit_count"], row["variation_id"]) == (start, 1, "control")
    assert row["exposed_date"].day == max(int(when[:2]), 10)


def test_ranges_of_delay_begin_in_order():
    assert list(DELAY_STARTS) == sorted(set(DELAY_STARTS))


@given(st.randoms())
def test_no_order_of_rows_shows(shuffle: random.Random):
    tables = frames(
        [ANN, BOB, ("cid", "control", "11 09:00")],
        [SEEN, ("bob", "treatment", "11 09:00"), ("eve", "control", "11 10:00")],
        [("ann", "10 10:00"), ("bob", "10 10:00"), ("cid", "11 10:00")],
    )
    mixed = (scattered(one, shuffle) for one in tables)
    assert same_rows(diagnosed(*mixed), diagnosed(*tables), *CohortDiagnostics.grain())
