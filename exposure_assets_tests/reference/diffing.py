"""Compares two tables row by row and says in words where they differ.
It knows no table: the caller gives the key.
"""

import math
from collections.abc import Sequence
from typing import Any

from exposure_assets_tests.reference.fields import sort_key

SHOWN = 200


def diff_tables(
    expected: list[dict[str, Any]], actual: list[dict[str, Any]], key: Sequence[str]
) -> list[str]:
    """The differences in words, none when the tables are equal; the order of rows does not matter.

    Values have to agree in type and value; floats may differ by 1e-9 of their size. Columns of `actual` that
    `expected` doesn't have are not compared. A key that occurs more than once is compared as a bag of rows.
    """
    differences: list[str] = []
    expected_rows, actual_rows = _by_key(expected, key), _by_key(actual, key)
    for row_key in sorted(set(expected_rows) | set(actual_rows)):
        wanted, found = expected_rows.get(row_key, []), actual_rows.get(row_key, [])
        name = _name((wanted or found)[0], key)
        if len(wanted) != len(found):
            differences.append(f"{name}: {len(wanted)} rows expected, {len(found)} found")
            continue
        columns = list(wanted[0])
        for wanted_row, found_row in zip(_ordered(wanted, columns), _ordered(found, columns), strict=True):
            differences.extend(f"{name}: {text}" for text in _row_differences(wanted_row, found_row))
    return differences


def _by_key(rows: list[dict[str, Any]], key: Sequence[str]) -> dict[Any, list[dict[str, Any]]]:
    by_key: dict[Any, list[dict[str, Any]]] = {}
    for row in rows:
        by_key.setdefault(_sortable(row, key), []).append(row)
    return by_key


def _ordered(rows: list[dict[str, Any]], columns: Sequence[str]) -> list[dict[str, Any]]:
    return rows if len(rows) == 1 else sorted(rows, key=lambda row: _sortable(row, columns))


def _sortable(row: dict[str, Any], columns: Sequence[str]) -> Any:
    values = [row.get(column) for column in columns]
    # The type's name keeps values apart that can't be compared, and 1 from True.
    return tuple((type(value).__name__, *sort_key(value)) for value in values)


def _row_differences(expected: dict[str, Any], actual: dict[str, Any]) -> list[str]:
    differences = []
    for column, wanted in expected.items():
        if column not in actual:
            differences.append(f"column {column} is missing")
        elif not _same(wanted, actual[column]):
            differences.append(f"{column}: expected {_show(wanted)}, found {_show(actual[column])}")
    return differences


def _same(wanted: Any, found: Any) -> bool:
    if type(wanted) is not type(found):
        return False
    if isinstance(wanted, float):
        return math.isclose(wanted, found, rel_tol=1e-9)
    return bool(wanted == found)


def _name(row: dict[str, Any], key: Sequence[str]) -> str:
    return ", ".join(f"{column}={_show(row.get(column))}" for column in key)


def _show(value: Any) -> str:
    text = f"{value!r} ({type(value).__name__})" if isinstance(value, bool | int | float) else repr(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}… ({len(text)} characters)"
