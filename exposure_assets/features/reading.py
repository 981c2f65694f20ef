"""JSON text of a file that a person wrote, read strictly, with the line and column of what is wrong.

What its values mean is judged in `linting`.
"""

import json
from typing import Any, NoReturn

from exposure_assets.features.json_values import MOST_LEVELS, Json, as_json

_MOST_DIGITS = 1000


class InvalidJson(Exception):
    """Bytes that are no JSON text."""

    def __init__(self, place: str, found: str, expected: str, remedy: str) -> None:
        self.place, self.found, self.expected, self.remedy = place, found, expected, remedy
        super().__init__(f"{place}: found {found}, expected {expected}; {remedy}")


def parse_json(data: bytes) -> Json:
    """The value of a JSON text in UTF-8.

    Stricter than Python: NaN and Infinity are no JSON, and a key that an object has twice would lose a value.

    Raises:
        InvalidJson: with line and column, both counted from one, where they are known.
    """
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        place = _place(data[: error.start].decode("utf-8"))
        raise InvalidJson(
            place, "bytes that are not UTF-8", "text in UTF-8", "save the file as UTF-8"
        ) from error
    try:
        return json.loads(text, object_pairs_hook=_object, parse_constant=_no_constant, parse_int=_integer)
    except json.JSONDecodeError as error:
        found = (
            f"{as_json(text[error.pos])} ({error.msg})" if error.pos < len(text) else f"the end ({error.msg})"
        )
        remedy = "correct it there or just before"
        raise InvalidJson(_place(text[: error.pos]), found, "JSON", remedy) from error
    except RecursionError as error:
        found = f"objects and lists nested more than {MOST_LEVELS} deep"
        remedy = "flatten the configuration"
        raise InvalidJson("the file", found, f"at most {MOST_LEVELS} levels", remedy) from error


def _place(before: str) -> str:
    line_start = before.rfind("\n") + 1
    return f"line {before.count(chr(10)) + 1}, column {len(before) - line_start + 1}"


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            what = (
                f"the key {as_json(key)} twice in one object (with the keys {', '.join(map(as_json, found))})"
            )
            raise InvalidJson(
                "the file", what, "each key once", "rename or remove one: only the last would count"
            )
        found[key] = value
    return found


def _no_constant(name: str) -> NoReturn:
    raise InvalidJson(
        "the file", name, "a number", "JSON has no such number: leave the key out, or write null"
    )


def _integer(digits: str) -> int:
    if len(digits) > _MOST_DIGITS:
        what = f"a number of {len(digits)} digits"
        raise InvalidJson(
            "the file", what, f"at most {_MOST_DIGITS} digits", "shorten it, or write it as text"
        )
    return int(digits)
