"""JSON values as Python has them, and paths to their parts.

What a value means as a feature configuration is decided elsewhere.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

Json = Any
Path = tuple[str | int, ...]

# The JSON parser that Nimbus clients are built on (serde_json) refuses what is nested deeper.
MOST_LEVELS = 127
_PLAIN_KEY = re.compile(r"[\w$-]+")
_SHOWN = 60


def path_text(path: Path) -> str:
    """`messages.welcome.trigger[#2]`: people count from one; a key that is not plain stands in brackets, as JSON."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[#{part + 1}]"
        elif _PLAIN_KEY.fullmatch(part):
            text += f".{part}"
        else:
            text += f"[{as_json(part)}]"
    return text.removeprefix(".")


def as_json(value: Json) -> str:
    """A value as JSON writes it, short enough for a message."""
    match value:
        case dict():
            return "an object"
        case list():
            return "a list"
        case str() if len(value) > _SHOWN:
            return f"{json.dumps(value[:_SHOWN], ensure_ascii=False)}… ({len(value)} characters)"
        case _:
            return json.dumps(value, ensure_ascii=False)


def parts(value: Json, path: Path = ()) -> Iterator[tuple[Path, Json]]:
    """The value itself and everything inside it, in the order in which it is written."""
    stack = [(path, value)]
    while stack:
        place, part = stack.pop()
        yield place, part
        children = (
            part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ()
        )
        stack += [((*place, key), child) for key, child in reversed(list(children))]
