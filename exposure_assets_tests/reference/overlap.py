"""Counts the units that two experiments share, pair by pair, and tests the independence of their splits by hand.
Which variation a unit is in is decided in `assigning`; only the tail of the chi-square distribution is borrowed.
"""

from itertools import combinations
from typing import Any

from scipy.stats import chi2

from exposure_assets_tests.reference.assigning import Assignment
from exposure_assets_tests.reference.catalog import Catalog


def experiment_overlap(
    assignments: dict[tuple[str, str], Assignment], catalog: Catalog
) -> list[dict[str, Any]]:
    """Rows of `experiment_overlap`: every cell of every pair of experiments with a unit in both."""
    units_of: dict[str, dict[str, str]] = {experiment_id: {} for experiment_id in catalog.experiments}
    for (experiment_id, unit_id), assignment in assignments.items():
        units_of[experiment_id][unit_id] = assignment.variation_id
    rows = []
    for one, other in combinations(sorted(units_of, key=lambda id_: id_.encode()), 2):
        shared = [unit for unit in units_of[one] if unit in units_of[other]]
        if shared:
            pairs = [(units_of[one][unit], units_of[other][unit]) for unit in shared]
            variations = catalog.experiments[one].variation_ids, catalog.experiments[other].variation_ids
            rows += [
                {"experiment_id": one, "other_experiment_id": other, **row}
                for row in contingency(pairs, *variations)
            ]
    return rows


def contingency(
    pairs: list[tuple[str, str]], rows: tuple[str, ...], columns: tuple[str, ...]
) -> list[dict[str, Any]]:
    """The cells of one table of rows by columns, each with the test of the whole table.

    Args:
        pairs: Per unit its row and its column.
        rows: Every row, also those without units.
        columns: Every column, likewise.
    """
    in_row = {row: sum(one == row for one, _ in pairs) for row in rows}
    in_column = {column: sum(one == column for _, one in pairs) for column in columns}
    cells = {
        (row, column): (pairs.count((row, column)), in_row[row] * in_column[column] / len(pairs))
        for row in rows
        for column in columns
    }
    held_rows = [row for row in rows if in_row[row]]
    held_columns = [column for column in columns if in_column[column]]
    chi_square = degrees = p_value = None
    if len(held_rows) > 1 and len(held_columns) > 1:
        chi_square = 0.0
        for row in held_rows:
            for column in held_columns:
                count, expected = cells[row, column]
                chi_square += (count - expected) ** 2 / expected
        degrees = (len(held_rows) - 1) * (len(held_columns) - 1)
        p_value = float(chi2.sf(chi_square, degrees))
    return [
        {
            "variation_id": row,
            "other_variation_id": column,
            "unit_count": count,
            "expected_unit_count": expected,
            "overlap_units": len(pairs),
            "chi_square": chi_square,
            "degrees_of_freedom": degrees,
            "p_value": p_value,
        }
        for (row, column), (count, expected) in cells.items()
    ]
