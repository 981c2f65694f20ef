"""Values of a query as text, as JSON and as plain Arrow: SQL expressions by DuckDB type.

Which format wants which is decided in `query_output`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from duckdb.sqltypes import DuckDBPyType

from resources.warehouse_slices import literal, quoted

_NOT_IN_ARROW = {
    "bignum",
    "bit",
    "geometry",
    "interval",
    "time_tz",
    "time with time zone",
    "union",
    "uuid",
    "variant",
}
_INTEGERS = {
    f"{sign}{size}" for sign in ("", "u") for size in ("tinyint", "smallint", "integer", "bigint", "hugeint")
}
_AS_JSON_HAS_THEM = _INTEGERS | {"boolean", "decimal", "map", "union"}
_FLOATS = {"double", "float"}


@dataclass(frozen=True)
class Column:
    """A column of an answer; names may repeat."""

    name: str
    type: DuckDBPyType


def unique_names(columns: Sequence[Column]) -> list[str]:
    """The columns' names, a repeated one with `_1`, `_2`, … at its end."""
    taken = {column.name for column in columns}
    seen: set[str] = set()
    names = []
    for column in columns:
        name, number = column.name, 0
        while name in seen or (number and name in taken):
            number += 1
            name = f"{column.name}_{number}"
        seen.add(name)
        names.append(name)
    return names


def plain_columns(columns: Sequence[Column]) -> dict[str, str]:
    """Every column as it is, or as text where Arrow and Parquet have no such type; SQL by unique name.

    DuckDB sums integers as 128-bit ones, which few programs read: they become 64-bit ones, or the query fails.
    """
    return {
        name: _plain(f"#{number}", column.type)
        for number, (name, column) in enumerate(zip(unique_names(columns), columns, strict=True), start=1)
    }


def text_columns(columns: Sequence[Column]) -> dict[str, str]:
    """Every column as text: instants in ISO 8601, lists and structs as JSON; SQL by unique name."""
    return {
        name: _as_text(f"#{number}", column.type)
        for number, (name, column) in enumerate(zip(unique_names(columns), columns, strict=True), start=1)
    }


def json_object(columns: Sequence[Column]) -> str:
    """A row as one JSON object; NaN and infinities, which JSON does not have, are null."""
    members = ", ".join(
        f"{quoted(name)} := {_as_json(f'#{number}', column.type)}"
        for number, (name, column) in enumerate(zip(unique_names(columns), columns, strict=True), start=1)
    )
    return f"CAST(to_json(struct_pack({members})) AS VARCHAR)"


def _plain(value: str, type_: DuckDBPyType) -> str:
    if type_.id == "hugeint":
        return f"CAST({value} AS BIGINT)"
    return f"CAST({value} AS VARCHAR)" if _has(type_, _NOT_IN_ARROW) else value


def _as_text(value: str, type_: DuckDBPyType) -> str:
    if type_.id in ("list", "array", "struct", "map", "union"):
        return f"CAST(CASE WHEN {value} IS NOT NULL THEN to_json({_as_json(value, type_)}) END AS VARCHAR)"
    return _scalar(value, type_)


def _as_json(value: str, type_: DuckDBPyType, depth: int = 0) -> str:
    if type_.id in ("list", "array"):
        item = f"item{depth}"
        inner = _as_json(item, _child(type_), depth + 1)
        return f"list_transform(CAST({value} AS {_child(type_)}[]), lambda {item}: {inner})"
    if type_.id == "struct":
        members = ", ".join(
            f"{quoted(name)} := {_as_json(f'struct_extract({value}, {literal(name)})', child, depth)}"
            for name, child in _children(type_)
        )
        return f"CASE WHEN {value} IS NOT NULL THEN struct_pack({members}) END"
    if type_.id in _FLOATS:
        return f"CASE WHEN isfinite({value}) THEN {value} END"
    if str(type_) == "JSON" or type_.id in _AS_JSON_HAS_THEM:
        return value
    return _scalar(value, type_)


def _scalar(value: str, type_: DuckDBPyType) -> str:
    text = f"CAST({value} AS VARCHAR)"
    if type_.id in _FLOATS:
        return f"CASE WHEN isnan({value}) THEN 'NaN' ELSE {text} END"
    if type_.id == "timestamp with time zone":
        return f"replace(replace({text}, ' ', 'T'), '+00', 'Z')"
    return f"replace({text}, ' ', 'T')" if type_.id.startswith("timestamp") else text


def _has(type_: DuckDBPyType, ids: set[str]) -> bool:
    if type_.id in ids:
        return True
    nested = type_.id in ("list", "array", "struct", "map")
    return nested and any(_has(child, ids) for _, child in _children(type_))


def _children(type_: DuckDBPyType) -> list[tuple[str, DuckDBPyType]]:
    return [(name, child) for name, child in type_.children if isinstance(child, DuckDBPyType)]


def _child(type_: DuckDBPyType) -> DuckDBPyType:
    return _children(type_)[0][1]
