"""Fields by path, out of JSON text and out of structs: the same value whichever way it was delivered."""

import polars as pl
import pytest

from exposure_assets.transforms.fields import HAS_PROPERTIES, with_fields


def field(properties: str | None, path: str) -> str | None:
    rows = pl.DataFrame({"properties": [properties]}, schema={"properties": pl.String})
    return with_fields(rows, [path])[f"field:{path}"].item()


def of_struct(properties: dict[str, object], path: str) -> str | None:
    return with_fields(pl.DataFrame({"properties": [properties]}), [path])[f"field:{path}"].item()


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        ('{"a": "x"}', "x"),
        ('{"a": ""}', ""),
        ('{"a": "NULL"}', "NULL"),
        ('{"a": "\\u00e9\\n\\"/"}', 'é\n"/'),
        ('{"a": 12}', "12"),
        ('{"a": -0.5}', "-0.5"),
        ('{"a": true}', "true"),
        ('{"a": false}', "false"),
        ('{"a": null}', None),
        ('{"b": 1}', None),
        ('{"a": {"b": 1}}', '{"b":1}'),
        ("[1]", None),
        ("{", None),
        ("", None),
        (None, None),
    ],
)
def test_a_property_is_text_or_the_json_text_of_what_it_is(properties: str | None, expected: str | None):
    assert field(properties, "properties.a") == expected


def test_a_path_goes_into_nested_objects_and_a_flat_key_with_the_dots_wins():
    assert field('{"a": {"b": {"c": 1}}}', "properties.a.b.c") == "1"
    assert field('{"a.b": "flat", "a": {"b": "nested"}}', "properties.a.b") == "flat"
    assert field('{"a.b": null, "a": {"b": "nested"}}', "properties.a.b") == "nested"
    assert field('{"a": "text"}', "properties.a.b") is None


@pytest.mark.parametrize("key", ["$feature_flag", "with space", "it's", 'quo"te', "é", "[0]", "@", "a,b"])
def test_a_key_may_hold_any_character(key: str):
    text = key.replace("\\", "\\\\").replace('"', '\\"')
    assert field(f'{{"{text}": "x", "other": "y"}}', f"properties.{key}") == "x"
    assert of_struct({key: "x", "other": "y"}, f"properties.{key}") == "x"


@pytest.mark.parametrize(
    ("properties", "has"),
    [
        ("{}", True),
        (' \n{"a": 1}', True),
        ("[]", False),
        ('"{"', False),
        ("1", False),
        ("null", False),
        ('{"a": 1', False),
        ('{"a": 1} x', False),
        ("", False),
        (None, False),
    ],
)
def test_properties_are_there_when_they_are_a_json_object(properties: str | None, has: bool):
    rows = pl.DataFrame({"properties": [properties]}, schema={"properties": pl.String})
    assert with_fields(rows, ["properties.a"])[HAS_PROPERTIES].to_list() == [has]


STRUCTS: list[dict[str, object]] = [
    {"a": "x"},
    {"a": 12},
    {"a": 0.1},
    {"a": 1.0},
    {"a": 1e20},
    {"a": 1e-7},
    {"a": True},
    {"a": None},
    {"a": {"b": 1, "c": None}},
    {"a.b": "flat", "a": {"b": "nested"}},
]


@pytest.mark.parametrize("properties", STRUCTS, ids=str)
@pytest.mark.parametrize("path", ["properties.a", "properties.a.b", "properties.c"])
def test_a_struct_and_its_json_text_have_the_same_fields(properties: dict[str, object], path: str):
    struct = pl.DataFrame({"properties": [properties]})
    text = struct.with_columns(pl.col("properties").struct.json_encode())
    assert of_struct(properties, path) == with_fields(text, [path])[f"field:{path}"].item()


def test_a_null_struct_is_no_object():
    schema = {"properties": pl.Struct({"a": pl.String})}
    found = with_fields(pl.DataFrame({"properties": [None, {"a": None}]}, schema=schema), ["properties.a"])
    assert found[HAS_PROPERTIES].to_list() == [False, True]


def test_a_plain_column_is_read_as_text():
    rows = pl.DataFrame({"properties": ["{}"], "value": [1.5], "session_id": ["s"]})
    found = with_fields(rows, ["value", "session_id"])
    assert found.select("field:value", "field:session_id").rows() == [("1.5", "s")]


def test_rows_keep_their_order_and_their_number():
    texts = ['{"a": 1}', None, '{"a": 2}', '{"a": 1}', "broken"]
    rows = pl.DataFrame({"row": range(5), "properties": texts})
    found = with_fields(rows, ["properties.a"])
    assert found.select("row", "field:properties.a").rows() == [
        (0, "1"),
        (1, None),
        (2, "2"),
        (3, "1"),
        (4, None),
    ]


def test_no_rows_have_every_field():
    found = with_fields(pl.DataFrame(schema={"properties": pl.String}), ["properties.a"])
    assert found.schema == {
        "properties": pl.String,
        "field:properties.a": pl.String,
        HAS_PROPERTIES: pl.Boolean,
    }
