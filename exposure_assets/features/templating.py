"""The slug in the place of `{experiment}`: what happens to a feature configuration when a unit is enrolled.

How resolved configurations become one stands in `merging`.
"""

import math
from collections.abc import Callable, Iterator

from exposure_assets.features.errors import FeatureError, InvalidConfiguration, KeyCollision, NestedTooDeep
from exposure_assets.features.json_values import MOST_LEVELS, Json, Path, as_json, parts

PLACEHOLDER = "{experiment}"


def resolve(value: Json, slug: str | None) -> Json:
    """Put the slug of the experiment into every string and key of a configuration.

    Every `{experiment}` is replaced, at any depth, as often as it occurs; numbers, booleans and null are untouched,
    and keys keep their order. It is one pass: a slug that holds `{experiment}` itself is not replaced again. Without
    a slug (the unit is enrolled nowhere) nothing changes. The result shares nothing with `value`.

    Args:
        value: Any JSON value.
        slug: Of the experiment or rollout that the unit is enrolled in; null without.

    Raises:
        KeyCollision: two keys of one object become the same key.
        NestedTooDeep: objects and lists are nested deeper than a client reads.
        InvalidConfiguration: the slug is empty, or a value is none of JSON's.
    """
    if slug == "":
        raise InvalidConfiguration((), "an empty slug", "the slug of an experiment", "name the experiment")
    require_json(value)
    if slug is None:
        return _copied(value, lambda text: text)
    for collision in collisions(value, slug):
        raise collision
    return _copied(value, lambda text: text.replace(PLACEHOLDER, slug))


def collisions(value: Json, slug: str, path: Path = ()) -> Iterator[KeyCollision]:
    """Every two keys of one object that become the same key, in the order in which they are written."""
    for place, part in parts(value, path):
        if isinstance(part, dict):
            first: dict[str, str] = {}
            for key in part:
                resolved = key.replace(PLACEHOLDER, slug)
                if resolved in first:
                    yield KeyCollision(place, (first[resolved], key), slug)
                first.setdefault(resolved, key)


def require_json(value: Json) -> None:
    """Refuse what is no JSON value of a depth that clients read.

    Raises:
        NestedTooDeep, InvalidConfiguration: with the path.
    """
    for path, part in parts(value):
        if problem := _problem(path, part):
            raise problem


def _problem(path: Path, part: Json) -> FeatureError | None:
    if isinstance(part, dict | list) and len(path) >= MOST_LEVELS:
        return NestedTooDeep(
            path[:3],
            f"objects and lists nested more than {MOST_LEVELS} deep",
            f"at most {MOST_LEVELS} levels, which is what clients read",
            "flatten the configuration",
        )
    if isinstance(part, dict):
        if strange := next((key for key in part if not isinstance(key, str)), None):
            return InvalidConfiguration(
                path, f"the key {strange!r}", "keys that are text", "write it as text"
            )
        return None
    is_number = isinstance(part, int) or (isinstance(part, float) and math.isfinite(part))
    if part is None or is_number or isinstance(part, str | list):
        return None
    found = as_json(part) if isinstance(part, float) else f"a Python {type(part).__name__}"
    return InvalidConfiguration(path, found, "a value of JSON", "write text, a number, a list or an object")


def _copied(value: Json, replaced: Callable[[str], str]) -> Json:
    if isinstance(value, dict):
        return {replaced(key): _copied(part, replaced) for key, part in value.items()}
    if isinstance(value, list):
        return [_copied(part, replaced) for part in value]
    return replaced(value) if isinstance(value, str) else value
