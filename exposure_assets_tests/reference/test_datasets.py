"""The real experiment logs beside the repository give the facts that their README states.
They run only where those logs lie; the project ships none of them.
"""

import math
from collections import Counter
from datetime import timedelta
from functools import cache
from pathlib import Path

import pytest

from exposure_assets_tests.reference import compute_tables, quarantined_files
from exposure_assets_tests.reference.reading import read_assignments, read_events
from exposure_assets_tests.reference.small_zone import Row, Tables

DATASETS = Path(__file__).resolve().parents[2] / ".." / "shared" / "datasets"
pytestmark = pytest.mark.skipif(not DATASETS.is_dir(), reason="needs ../shared/datasets")
CONTROL, FIRST, SECOND = "18802093142", "18818611832", "18817551468"


@cache
def tables_of(name: str) -> Tables:
    return compute_tables(DATASETS / name / "landing", DATASETS / name / "catalog")


def per_variation(rows: list[Row], experiment_id: str, column: str | None = None) -> dict[str, float]:
    """Units of each variation, or the sum of one of their columns."""
    sums: Counter[str] = Counter()
    for row in rows:
        if row["experiment_id"] == experiment_id:
            sums[row["variation_id"]] += 1 if column is None else row[column]
    return dict(sums)


def chi_squared(counts: dict[str, float]) -> float:
    """Pearson's statistic against equal shares."""
    expected = sum(counts.values()) / len(counts)
    return sum((count - expected) ** 2 / expected for count in counts.values())


def p_value_of_two(statistic: float) -> float:
    """Of one degree of freedom."""
    return math.erfc(math.sqrt(statistic / 2))


def p_value_of_three(statistic: float) -> float:
    """Of two degrees of freedom."""
    return math.exp(-statistic / 2)


def buckets(tables: Tables) -> dict[tuple[str | None, str], int]:
    counts: Counter[tuple[str | None, str]] = Counter()
    for row in tables["exposure_waterfall"]:
        counts[row["experiment_id"], row["bucket"]] += row["row_count"]
    return dict(counts)


@pytest.mark.parametrize("name", ["optimizely_covid", "audacity", "tripleten_shop"])
def test_no_file_is_quarantined_and_accepted_rows_are_exposure_events(name: str):
    assert quarantined_files(DATASETS / name / "landing") == []
    accepted = sum(count for (_, bucket), count in buckets(tables_of(name)).items() if bucket == "accepted")
    assert accepted == len(tables_of(name)["exposure_events"])


def test_covid_has_its_rows_and_shows_the_experiment_that_the_catalog_does_not_know():
    tables = tables_of("optimizely_covid")
    assert len(read_events(DATASETS / "optimizely_covid" / "landing")) == 99_869
    assert len(read_assignments(DATASETS / "optimizely_covid" / "landing")) == 10_000
    assert buckets(tables) == {(None, "unknown_experiment"): 38_478, ("18786493712", "accepted"): 19_333}
    assert {row["experiment_id"] for row in tables["rejected_events"]} == {"18805683213"}


def test_covid_units_are_split_as_declared():
    counts = per_variation(tables_of("optimizely_covid")["assignments"], "18786493712")
    assert counts == {CONTROL: 3_304, FIRST: 3_367, SECOND: 3_329}
    assert p_value_of_three(chi_squared(counts)) == pytest.approx(0.739, abs=5e-4)


def test_covid_purchasers_and_support_calls_within_seven_days():
    outcomes = tables_of("optimizely_covid")["unit_outcomes"]
    assert per_variation(outcomes, "18786493712", "purchases") == {CONTROL: 163, FIRST: 169, SECOND: 223}
    assert per_variation(outcomes, "18786493712", "support_calls") == {CONTROL: 957, FIRST: 649, SECOND: 672}
    assert {row["window_end_at"] - row["anchor_at"] for row in outcomes} == {timedelta(days=7)}


def test_covid_source_events_lie_on_and_before_the_decision():
    assigned_at = {row["unit_id"]: row["assigned_at"] for row in tables_of("optimizely_covid")["assignments"]}
    at_once: set[str] = set()
    before: set[str] = set()
    for row in read_events(DATASETS / "optimizely_covid" / "landing"):
        assert row.event_id and row.unit_id and row.occurred_at
        # One event of the source became up to four rows: its id stands before the colon.
        source_id = row.event_id.split(":")[0]
        if row.occurred_at == assigned_at[row.unit_id]:
            at_once.add(source_id)
        elif row.occurred_at < assigned_at[row.unit_id]:
            before.add(source_id)
    assert (len(at_once), len(before)) == (13_935, 19_315)


def test_audacity_homepage_is_exposed_as_a_whole_and_its_split_is_not_as_declared():
    tables = tables_of("audacity")
    counts = per_variation(tables["assignments"], "homepage")
    assert counts == {"control": 3_332, "experiment": 2_996}
    assert p_value_of_two(chi_squared(counts)) == pytest.approx(2.4e-5, rel=0.02)
    exposed = [row for row in tables["exposure_validation"] if row["experiment_id"] == "homepage"]
    assert all(row["has_post_assignment_exposure"] for row in exposed)
    clicked = per_variation(tables["unit_outcomes"], "homepage", "clicked")
    assert clicked["control"] / 3_332 == pytest.approx(0.279712, abs=5e-7)
    assert clicked["experiment"] / 2_996 == pytest.approx(0.309746, abs=5e-7)


def test_audacity_classroom_is_not_split_as_declared():
    counts = per_variation(tables_of("audacity")["assignments"], "classroom")
    assert sum(counts.values()) == 3_829
    assert p_value_of_two(chi_squared(counts)) == pytest.approx(5.7e-16, rel=0.02)


@pytest.mark.parametrize(
    ("name", "experiment_id", "p_value", "is_mismatch"),
    [
        ("optimizely_covid", "18786493712", 0.739, False),
        ("audacity", "homepage", 2.4e-5, True),
        ("audacity", "classroom", 5.7e-16, True),
    ],
)
def test_the_sample_ratio_of_all_assigned_units_is_the_published_one(
    name: str, experiment_id: str, p_value: float, is_mismatch: bool
):
    key = {"experiment_id": experiment_id, "stage": "assigned"}
    key |= {"is_cumulative": True, "has_conflicting_units": True}
    rows = [row for row in tables_of(name)["sample_ratios"] if key.items() <= row.items()]
    last = max(rows, key=lambda row: row["as_of_date"])
    assert last["p_value"] == pytest.approx(p_value, rel=0.02)
    assert last["is_mismatch"] == is_mismatch


def test_audacity_course_page_has_units_without_any_view_and_no_unit_in_both_variations():
    tables = tables_of("audacity")
    statuses = Counter(
        row["validation_status"]
        for row in tables["exposure_validation"]
        if row["experiment_id"] == "course_page"
    )
    assert statuses == {"valid": 3_231, "no_exposure": 797}
    assert not any(row["is_conflicting"] for row in tables["assignments"])


def test_audacity_repeats_four_views_under_other_ids():
    views = Counter(
        (row.unit_id, row.occurred_at, row.value)
        for row in read_events(DATASETS / "audacity" / "landing")
        if row.event_name == "view_duration"
    )
    assert Counter(views.values()) == {1: 3_252, 2: 4}


def test_audacity_experiments_share_units():
    experiments: dict[str, set[str]] = {}
    for row in tables_of("audacity")["assignments"]:
        experiments.setdefault(row["unit_id"], set()).add(row["experiment_id"])
    assert any(len(names) > 1 for names in experiments.values())


def test_shop_visitors_conflict_where_they_ordered_in_both_variations():
    tables = tables_of("tripleten_shop")
    assert len(tables["assignments"]) == 1_031
    assert sum(row["is_conflicting"] for row in tables["assignments"]) == 58
    assert {row["first_exposure_at"].hour for row in tables["exposure_validation"]} == {0}


def test_shop_orders_and_revenue_by_the_group_of_the_order():
    events = read_events(DATASETS / "tripleten_shop" / "landing")
    group_of = {
        row.event_id.split("x:")[0]: row.properties["variation"]
        for row in events
        if row.event_id and row.properties
    }
    orders: Counter[str] = Counter()
    revenue: Counter[str] = Counter()
    for row in events:
        if row.event_name == "purchase" and row.event_id and row.value is not None:
            group = group_of[row.event_id.split("p:")[0]]
            orders[group] += 1
            revenue[group] += round(row.value * 100)
    assert orders == {"A": 557, "B": 640}
    assert revenue == {"A": 6_455_490, "B": 9_284_060}
