"""JSON files are read strictly, and what is wrong is told with its line and column.

What their values mean is tested in test_linting.py.
"""

import json
from typing import Any

import pytest
from hypothesis import given

from exposure_assets.features import InvalidJson, parse_json
from exposure_assets_tests.features.json_strategies import json_values


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b'{"a": 1,\n "b": nope}', 'line 2, column 7: found "n" (Expecting value), expected JSON'),
        (b'{"a": 1', "line 1, column 8: found the end (Expecting ',' delimiter)"),
        (b"", "line 1, column 1: found the end"),
        (b'{}\n\n{"b": 1}', 'line 3, column 1: found "{" (Extra data)'),
        (b'{"a":\n  "caf\xe9"}', "line 2, column 7: found bytes that are not UTF-8, expected text in UTF-8"),
        (b"\xef\xbb\xbf{}", "line 1, column 1: found "),
        (b'{"a": NaN}', "found NaN, expected a number"),
        (b'{"a": -Infinity}', "found -Infinity, expected a number"),
        (b'{"a": 1, "b": 2, "a": 3}', 'found the key "a" twice in one object'),
        (b'{"a": ' + b"1" * 5000 + b"}", "found a number of 5000 digits"),
        (b"[" * 100_000, "found objects and lists nested more than 127 deep"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_with_its_place(data: bytes, message: str):
    with pytest.raises(InvalidJson) as raised:
        parse_json(data)
    assert message in str(raised.value)


@given(json_values())
def test_any_json_text_is_read_as_it_is(value: Any):
    read = parse_json(json.dumps(value, ensure_ascii=False).encode())
    assert json.dumps(read) == json.dumps(value)
