"""Units in two experiments: who is counted in which cell, and what the test of independence says of them."""

import random
from collections.abc import Iterable, Mapping
from itertools import product
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2_contingency

from exposure_assets.contracts import Assignments, ExperimentOverlap, Variations, columns_of
from exposure_assets.transforms.experiment_overlap import experiment_overlap, pair_statistics
from exposure_assets_tests.reference import diff_tables
from exposure_assets_tests.reference.overlap import contingency

GRAIN = ExperimentOverlap.grain()
Assigned = Iterable[tuple[str, str, str]]
Catalog = Mapping[str, Iterable[str]]
BOTH = ("control", "treatment")


def overlap(assigned: Assigned, catalog: Catalog) -> list[dict[str, Any]]:
    """The table, from (experiment, unit, variation) and the variations of each experiment."""
    return frame(assigned, catalog).rows(named=True)


def frame(assigned: Assigned, catalog: Catalog) -> pl.DataFrame:
    columns = ["experiment_id", "unit_id", "variation_id"]
    schema = {name: columns_of(Assignments)[name] for name in columns}
    assignments = pl.DataFrame(list(assigned), schema=schema, orient="row").lazy()
    rows = [(id_, variation, 0.0, False) for id_, variations in catalog.items() for variation in variations]
    found = experiment_overlap(assignments, pl.DataFrame(rows, schema=columns_of(Variations), orient="row"))
    ExperimentOverlap.validate(found)
    return found


def crossed(
    cells: Mapping[tuple[str, str], int], one: str = "a", other: str = "b"
) -> list[tuple[str, str, str]]:
    """Assignments of two experiments with so many units in every cell."""
    assigned = []
    for (row, column), count in cells.items():
        for n in range(count):
            assigned += [(one, f"{row}-{column}-{n}", row), (other, f"{row}-{column}-{n}", column)]
    return assigned


def counts(rows: list[dict[str, Any]]) -> dict[tuple[str, ...], int]:
    return {tuple(row[name] for name in GRAIN): row["unit_count"] for row in rows}


def test_units_of_both_experiments_are_counted_by_their_two_variations_zeros_included():
    rows = overlap(
        [
            ("a", "ann", "control"),
            ("a", "bob", "treatment"),
            ("a", "only-a", "control"),
            ("b", "ann", "treatment"),
            ("b", "bob", "treatment"),
            ("b", "only-b", "control"),
        ],
        {"b": BOTH, "a": BOTH},
    )
    assert counts(rows) == {
        ("a", "b", "control", "control"): 0,
        ("a", "b", "control", "treatment"): 1,
        ("a", "b", "treatment", "control"): 0,
        ("a", "b", "treatment", "treatment"): 1,
    }
    assert {row["overlap_units"] for row in rows} == {2}
    assert [row["expected_unit_count"] for row in rows] == [0.0, 1.0, 0.0, 1.0]


def test_a_two_by_two_table_has_the_chi_square_of_a_textbook():
    cells = {("control", "control"): 20, ("control", "treatment"): 30}
    cells |= {("treatment", "control"): 30, ("treatment", "treatment"): 20}
    rows = overlap(crossed(cells), {"a": BOTH, "b": BOTH})
    assert [row["expected_unit_count"] for row in rows] == [25.0] * 4
    assert {(row["chi_square"], row["degrees_of_freedom"]) for row in rows} == {(4.0, 1)}
    assert rows[0]["p_value"] == pytest.approx(0.04550026389635842, rel=1e-12)


def test_experiments_without_a_shared_unit_have_no_rows():
    assert overlap([("a", "ann", "control"), ("b", "bob", "control")], {"a": BOTH, "b": BOTH}) == []


def test_no_assignments_and_no_catalog_give_no_rows():
    assert overlap([], {"a": BOTH, "b": BOTH}) == []
    assert overlap([("a", "ann", "control")], {}) == []
    assert pair_statistics(frame([], {})).is_empty()


def test_every_pair_of_three_experiments_stands_once_by_the_bytes_of_their_ids():
    assigned = [(experiment, "ann", "v") for experiment in ("b", "a-b", "a_b", "10")]
    rows = overlap(assigned, {experiment: ["v"] for experiment, _, _ in assigned})
    pairs = [(row["experiment_id"], row["other_experiment_id"]) for row in rows]
    assert pairs == [("10", "a-b"), ("10", "a_b"), ("10", "b"), ("a-b", "a_b"), ("a-b", "b"), ("a_b", "b")]


def test_an_assignment_that_the_catalog_does_not_know_is_left_out():
    assigned = [("a", "ann", "control"), ("b", "ann", "gone"), ("gone", "ann", "control"), ("c", "ann", "v")]
    rows = overlap(assigned, {"a": BOTH, "b": BOTH, "c": ["v"]})
    assert {(row["experiment_id"], row["other_experiment_id"]) for row in rows} == {("a", "c")}


def test_a_variation_without_shared_units_is_listed_and_left_out_of_the_test():
    cells = {("control", "control"): 20, ("control", "treatment"): 30}
    cells |= {("treatment", "control"): 30, ("treatment", "treatment"): 20}
    rows = overlap(crossed(cells), {"a": (*BOTH, "third"), "b": (*BOTH, "fourth", "fifth")})
    assert len(rows) == 12
    assert {(row["chi_square"], row["degrees_of_freedom"]) for row in rows} == {(4.0, 1)}
    assert {row["expected_unit_count"] for row in rows if "third" in row.values()} == {0.0}


@pytest.mark.parametrize(
    "cells",
    [
        {("control", "control"): 1},
        {("control", "control"): 5, ("control", "treatment"): 7},
        {("control", "control"): 5, ("treatment", "control"): 7},
    ],
)
def test_where_one_split_has_a_single_variation_there_is_no_test(cells: dict[tuple[str, str], int]):
    for row in overlap(crossed(cells), {"a": BOTH, "b": BOTH}):
        assert (row["chi_square"], row["degrees_of_freedom"], row["p_value"]) == (None, None, None)
        assert row["expected_unit_count"] == row["unit_count"]


def test_two_units_that_differ_in_both_are_the_smallest_test():
    rows = overlap(
        crossed({("control", "control"): 1, ("treatment", "treatment"): 1}), {"a": BOTH, "b": BOTH}
    )
    assert {(row["chi_square"], row["degrees_of_freedom"]) for row in rows} == {(2.0, 1)}


def test_experiments_that_split_by_the_same_random_number_have_a_p_value_of_nothing_and_full_dependence():
    cells = {("control", "control"): 3000, ("treatment", "treatment"): 3000}
    found = frame(crossed(cells), {"a": BOTH, "b": BOTH})
    assert found["p_value"].unique().to_list() == [0.0]
    (pair,) = pair_statistics(found).rows(named=True)
    assert (pair["cramers_v"], pair["is_dependent"], pair["chi_square"]) == (1.0, True, 6000.0)


SLUGS, UNITS, VARIATIONS = ["a", "b", "ä", "Z"], ["u1", "u2", "u3", "u4", "u5", "u6"], ["v", "w", "é"]


@given(
    st.dictionaries(st.tuples(st.sampled_from(SLUGS), st.sampled_from(UNITS)), st.sampled_from(VARIATIONS))
)
def test_the_table_is_the_reference_whatever_the_order_of_assignments(assigned: dict[tuple[str, str], str]):
    rows = [(experiment, unit, variation) for (experiment, unit), variation in assigned.items()]
    found = frame(rows, dict.fromkeys(SLUGS, VARIATIONS))
    shuffled = random.Random(len(rows)).sample(rows, len(rows))
    assert found.equals(frame(shuffled, dict.fromkeys(reversed(SLUGS), VARIATIONS))), "bit by bit"
    expected = []
    for one, other in product(sorted(SLUGS), repeat=2):
        shared = [unit for unit in UNITS if (one, unit) in assigned and (other, unit) in assigned]
        if one < other and shared:
            pairs = [(assigned[one, unit], assigned[other, unit]) for unit in shared]
            cells = contingency(pairs, tuple(VARIATIONS), tuple(VARIATIONS))
            expected += [{"experiment_id": one, "other_experiment_id": other, **cell} for cell in cells]
    assert diff_tables(expected, found.rows(named=True), GRAIN) == []


@given(st.lists(st.lists(st.integers(0, 40), min_size=3, max_size=3), min_size=2, max_size=4))
def test_the_test_is_the_one_of_scipy(table: list[list[int]]):
    rows, columns = [f"r{n}" for n in range(len(table))], ["c0", "c1", "c2"]
    cells = {(row, column): table[n][m] for n, row in enumerate(rows) for m, column in enumerate(columns)}
    found = overlap(crossed(cells), {"a": rows, "b": columns})
    held = [row for row in table if sum(row)]
    held = [list(column) for column in zip(*held, strict=True) if sum(column)]
    if len(held) < 2 or len(held[0]) < 2:
        assert {row["p_value"] for row in found} <= {None}
        return
    statistic, p_value, degrees, _ = chi2_contingency(held, correction=False)
    for row in found:
        assert row["chi_square"] == pytest.approx(statistic, rel=1e-9, abs=1e-12)
        assert row["p_value"] == pytest.approx(p_value, rel=1e-9)
        assert row["degrees_of_freedom"] == degrees


def statistics(*tables: tuple[int, int, int, int]) -> list[dict[str, Any]]:
    """The statistics of pairs of experiments, each pair with units of its own; the first one is a, b."""
    rows = []
    for n, counted in enumerate(tables):
        cells = dict(zip(product(BOTH, BOTH), counted, strict=True))
        table = contingency([cell for cell, count in cells.items() for _ in range(count)], BOTH, BOTH)
        ids = {"experiment_id": f"exp-{2 * n}", "other_experiment_id": f"exp-{2 * n + 1}"}
        rows += [{**ids, **row} for row in table]
    return pair_statistics(pl.DataFrame(rows, schema=columns_of(ExperimentOverlap))).rows(named=True)


def test_the_statistics_of_a_pair_are_these():
    (pair,) = statistics((20, 30, 30, 20))
    assert pair["cramers_v"] == pytest.approx(0.2)
    assert pair["adjusted_p_value"] == pytest.approx(0.0455, rel=1e-3)
    assert (pair["smallest_expected"], pair["is_judged"], pair["is_dependent"]) == (25.0, True, False)


@pytest.mark.parametrize(
    ("table", "is_judged", "is_dependent"),
    [
        ((250, 250, 250, 250), True, False),
        ((300, 200, 200, 300), True, True),
        ((270, 230, 230, 270), True, False),  # p 0.01
        ((9, 0, 0, 9), False, False),  # 4.5 units expected in every cell
        ((10, 0, 0, 10), True, True),
        ((252_000, 248_000, 248_000, 252_000), True, False),  # p 1e-15, but V 0.008
        ((253_000, 247_000, 247_000, 253_000), True, True),  # V 0.012
        ((10, 10, 0, 0), False, False),
    ],
)
def test_splits_are_dependent_where_chance_is_out_and_the_effect_matters(
    table: tuple[int, int, int, int], is_judged: bool, is_dependent: bool
):
    (pair,) = statistics(table)
    assert (pair["is_judged"], pair["is_dependent"]) == (is_judged, is_dependent)


def test_among_many_pairs_a_small_p_value_is_no_news():
    rare = (279, 221, 221, 279)  # p 0.00024
    (alone,) = statistics(rare)
    assert alone["is_dependent"]
    among_ten = statistics(rare, *[(250, 250, 250, 250)] * 9)
    assert among_ten[0]["adjusted_p_value"] == pytest.approx(10 * alone["p_value"])
    assert not any(pair["is_dependent"] for pair in among_ten)
    among_untested = statistics(rare, *[(1, 1, 1, 1)] * 9)
    assert among_untested[0]["is_dependent"], "pairs that are not judged are no chances"
