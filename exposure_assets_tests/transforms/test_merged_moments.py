"""Merged moments: those of all units at once, whatever the cells, and exact where units are all alike."""

import random
from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exposure_assets.contracts import (
    MOMENT_PAIRS,
    MOMENT_PARTS,
    MetricMoments,
    columns_of,
    comoment_column,
    mean_column,
)
from exposure_assets.transforms.merged_moments import as_aggregates, merged_until
from exposure_assets_tests.transforms.rows import FEWER_EXAMPLES, same_rows, scattered

Unit = tuple[float, float]
PAIR = ("value", "denominator")


def cell(units: Sequence[Unit], place: int, group: str = "a") -> dict[str, Any]:
    """The moments of some units with two parts, as numpy has them."""
    row: dict[str, Any] = dict.fromkeys(columns_of(MetricMoments))
    row |= {"metric_id": group, "missing_unit_count": place, "unit_count": len(units)}
    if units:
        numbers = np.array(units)
        for n, part in enumerate(PAIR):
            # Exact for units that are all alike, as the table's own means are.
            row[mean_column(part)] = units[0][n] + float((numbers[:, n] - units[0][n]).mean())
        apart = numbers - [row[mean_column(part)] for part in PAIR]
        for (n, a), (m, b) in product(enumerate(PAIR), enumerate(PAIR)):
            if n <= m:
                row[comoment_column(a, b)] = float((apart[:, n] * apart[:, m]).sum())
    return row


def merged(cells: list[dict[str, Any]]) -> pl.DataFrame:
    frame = pl.DataFrame(cells, schema=columns_of(MetricMoments), orient="row")
    return merged_until(frame, ("metric_id",), ("missing_unit_count",))


NUMBERS = st.floats(-1e3, 1e3).map(lambda number: round(number, 3))
CELLS = st.lists(st.lists(st.tuples(NUMBERS, NUMBERS), max_size=4), min_size=1, max_size=6)


@given(CELLS, CELLS)
def test_every_cell_has_the_moments_of_all_units_until_it(one: list[list[Unit]], other: list[list[Unit]]):
    found = merged(
        [
            cell(units, place, group)
            for group, cells in (("a", one), ("b", other))
            for place, units in enumerate(cells)
        ]
    ).rows(named=True)
    expected = [
        cell([unit for units in cells[: place + 1] for unit in units], place, group)
        for group, cells in (("a", one), ("b", other))
        for place in range(len(cells))
    ]
    for row, wanted in zip(found, expected, strict=True):
        assert row["unit_count"] == wanted["unit_count"]
        if not wanted["unit_count"]:
            assert row["value_mean"] is None
            continue
        for column in (
            *map(mean_column, PAIR),
            *(comoment_column(*pair) for pair in (PAIR, PAIR[:1] * 2, PAIR[1:] * 2)),
        ):
            assert row[column] == pytest.approx(wanted[column], rel=1e-9, abs=1e-6)


@FEWER_EXAMPLES
@given(CELLS, st.randoms(use_true_random=False))
def test_no_order_of_cells_shows_in_a_bit(cells: list[list[Unit]], shuffle: random.Random):
    frame = pl.DataFrame(
        [cell(units, place) for place, units in enumerate(cells)],
        schema=columns_of(MetricMoments),
        orient="row",
    )
    one, other = (
        merged_until(rows, ("metric_id",), ("missing_unit_count",))
        for rows in (frame, scattered(frame, shuffle))
    )
    assert same_rows(one, other, "missing_unit_count")


@pytest.mark.parametrize("value", [0.1, 1e-9, 123456.789])
def test_units_that_are_all_alike_have_no_variance_at_all(value: float):
    last = merged([cell([(value, 1.0)] * size, place) for place, size in enumerate((3, 1, 7, 11))]).row(
        -1, named=True
    )
    assert (last["unit_count"], last["value_mean"], last["value_value_comoment"]) == (22, value, 0.0)


def test_means_far_from_zero_keep_their_variance():
    last = merged([cell([(1e9, 0.0)], 0), cell([(1e9 + 1, 0.0), (1e9 + 2, 0.0)], 1)]).row(-1, named=True)
    assert last["value_value_comoment"] == pytest.approx(2.0, rel=1e-12)


def test_aggregates_hold_variances_and_covariances_of_the_parts_asked_for():
    row = merged([cell([(1.0, 2.0), (3.0, 7.0)], 0)]).row(0, named=True)
    found = as_aggregates(row, PAIR)
    assert (found.count(), found.mean("value"), found.mean("denominator")) == (2, 2.0, 4.5)
    assert (found.var("value"), found.var("denominator"), found.cov("value", "denominator")) == (
        2.0,
        12.5,
        5.0,
    )


def test_no_cells_are_no_rows():
    assert merged([]).is_empty()


def test_the_parts_and_pairs_are_the_columns_of_the_contract():
    columns = [*map(mean_column, MOMENT_PARTS), *(comoment_column(*pair) for pair in MOMENT_PAIRS)]
    assert list(columns_of(MetricMoments))[-len(columns) :] == columns
    assert len(set(columns)) == len(columns)
