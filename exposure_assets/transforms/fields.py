"""Fields of raw rows by path: `properties.<path>` out of JSON text or a struct, or a plain column.

Which fields a source or a metric reads stands in the catalog.
"""

from collections.abc import Sequence

import polars as pl

PROPERTIES = "properties"
HAS_PROPERTIES = "__has_properties__"


def is_property(path: str) -> bool:
    """Whether a path of the catalog leads into `properties` and not to a column."""
    return path.startswith(f"{PROPERTIES}.")


def columns_beside(paths: Sequence[str]) -> list[str]:
    """The plain columns among the paths of the catalog."""
    return sorted({path for path in paths if not is_property(path)})


def field_column(path: str) -> str:
    """The name of the column that `with_fields` adds for a path."""
    return f"field:{path}"


def with_fields(rows: pl.DataFrame, paths: Sequence[str]) -> pl.DataFrame:
    """Add one text column per path, null where the field is missing, and `HAS_PROPERTIES`.

    JSON numbers and booleans become their JSON text. `HAS_PROPERTIES` is true where `properties` is a JSON object
    or a struct. JSON text is parsed once per distinct text: event properties repeat.
    """
    plain = [pl.col(path).cast(pl.String).alias(field_column(path)) for path in columns_beside(paths)]
    inner = sorted({path for path in paths if is_property(path)})
    dtype = rows.schema[PROPERTIES]
    if isinstance(dtype, pl.Struct):
        fields = [_struct_field(dtype, path).alias(field_column(path)) for path in inner]
        return rows.with_columns(*plain, *fields, pl.col(PROPERTIES).is_not_null().alias(HAS_PROPERTIES))
    text = pl.col(PROPERTIES)
    is_object = (
        text.str.strip_chars_start().str.starts_with("{") & text.str.json_path_match("$").is_not_null()
    )
    distinct = rows.select(text.unique()).with_columns(
        *(_json_field(path).alias(field_column(path)) for path in inner),
        is_object.fill_null(False).alias(HAS_PROPERTIES),
    )
    return rows.with_columns(plain).join(
        distinct, on=PROPERTIES, how="left", nulls_equal=True, maintain_order="left"
    )


def properties_text(dtype: pl.DataType) -> pl.Expr:
    """`properties` as JSON text, whatever it was delivered as."""
    return pl.col(PROPERTIES).struct.json_encode() if isinstance(dtype, pl.Struct) else pl.col(PROPERTIES)


def _json_field(path: str) -> pl.Expr:
    """A flat key that contains dots, as OpenTelemetry sends them, wins over nested objects."""
    key = path.removeprefix(f"{PROPERTIES}.")
    nested = "".join(f"[{_quoted(part)}]" for part in key.split("."))
    paths = [f"${nested}"] if "." not in key else [f"$[{_quoted(key)}]", f"${nested}"]
    return pl.coalesce(pl.col(PROPERTIES).str.json_path_match(path) for path in paths)


def _quoted(key: str) -> str:
    escaped = key.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _struct_field(dtype: pl.Struct, path: str) -> pl.Expr:
    key = path.removeprefix(f"{PROPERTIES}.")
    found = [
        expression
        for parts in dict.fromkeys([(key,), tuple(key.split("."))])
        if (expression := _walked(pl.col(PROPERTIES), dtype, parts)) is not None
    ]
    return pl.coalesce(found) if found else pl.lit(None, pl.String)


def _walked(value: pl.Expr, dtype: pl.Struct, parts: Sequence[str]) -> pl.Expr | None:
    inner = {field.name: field.dtype for field in dtype.fields}.get(parts[0])
    if inner is None:
        return None
    value = value.struct.field(parts[0])
    if len(parts) > 1:
        return _walked(value, inner, parts[1:]) if isinstance(inner, pl.Struct) else None
    if isinstance(inner, pl.Struct):
        return value.struct.json_encode()
    return None if isinstance(inner, pl.List | pl.Array) else value.cast(pl.String)
