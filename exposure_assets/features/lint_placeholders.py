"""Lint rules about the placeholder: where it becomes text that should be a number, and where it is never replaced.

Rules about who is credited stand in `lint_messages`.
"""

import re
from collections.abc import Iterator, Mapping
from difflib import SequenceMatcher

from exposure_assets.features.findings import Kind, Subject, Told
from exposure_assets.features.json_values import Json, Path, as_json, parts
from exposure_assets.features.templating import PLACEHOLDER, collisions

# The fields of Nimbus's mobile messaging that are no text.
_MESSAGING: Mapping[str, Mapping[str, str]] = {
    "messages": {"is-control": "true or false"},
    "styles": {"priority": "a number", "max-display-count": "a number"},
}
_BRACED = re.compile(r"[$%]?\{+\s*([A-Za-z][\w -]*?)\s*\}+")
_OTHER_NAMES = {"slug", "experimentslug", "experimentid", "experimentname"}
_SIMILAR = 0.8
_ANOTHER_WORD = "experience"


def placeholders_in_numbers(subject: Subject, default: Mapping[str, Json]) -> Iterator[Told]:
    """The placeholder in a field that is a number or a boolean: it would become text."""
    for path, part in parts(subject.value):
        if not (isinstance(part, str) and PLACEHOLDER in part and path):
            continue
        expected = _of_default(path, default) or _of_messaging(path) or _of_siblings(path, subject.value)
        if expected:
            yield Told(path, as_json(part), expected, "write the value itself: the slug is always text")


def key_collisions(subject: Subject) -> Iterator[Told]:
    """Keys of one object that are the same in this experiment."""
    for collision in collisions(subject.value, subject.slug) if subject.slug else ():
        yield Told(collision.path, collision.found, collision.expected, collision.remedy)


def misspelt_placeholders(subject: Subject) -> Iterator[Told]:
    """What looks like the placeholder and is not: it would stay in the text as it is."""
    for path, text in _texts(subject.value):
        for found in misspelt(text):
            leaves = "braces around the slug" if PLACEHOLDER in found else "it as it is"
            expected = f'"{PLACEHOLDER}", because resolving leaves {leaves}'
            yield Told(path, as_json(found), expected, f"write {PLACEHOLDER}")


def misspelt(text: str) -> Iterator[str]:
    """The parts of a text that are meant as the placeholder and are not."""
    for match in _BRACED.finditer(text):
        if match[0] != PLACEHOLDER and _is_meant(match[1]):
            yield match[0]


def placeholders_without_enrollment(subject: Subject) -> Iterator[Told]:
    """The placeholder in a default configuration: nobody is enrolled in it."""
    if subject.kind is Kind.DEFAULT:
        for path, text in _texts(subject.value):
            if PLACEHOLDER in text:
                expected = f"no {PLACEHOLDER} in a default configuration, where nothing replaces it"
                yield Told(path, as_json(text), expected, "write it in the experiment's configuration only")


def _texts(value: Json) -> Iterator[tuple[Path, str]]:
    """Every text of a value with its path: texts themselves, and keys by the path of what they name."""
    for path, part in parts(value):
        if path and isinstance(path[-1], str):
            yield path, path[-1]
        if isinstance(part, str):
            yield path, part


def _is_meant(name: str) -> bool:
    plain = re.sub(r"[ _-]", "", name).lower()
    is_similar = SequenceMatcher(None, plain, "experiment").ratio() >= _SIMILAR
    return plain in _OTHER_NAMES or (is_similar and plain != _ANOTHER_WORD)


def _kind(value: Json, where: str) -> str | None:
    if isinstance(value, bool):
        return f"true or false, as {where}"
    return f"a number, as {where}" if isinstance(value, int | float) else None


def _of_default(path: Path, default: Json) -> str | None:
    for step in path:
        if isinstance(default, dict) and step in default:
            default = default[step]
        else:
            return None
    return _kind(default, "in the default configuration")


def _of_messaging(path: Path) -> str | None:
    if len(path) != 3:
        return None
    section, _, field = path
    return _MESSAGING.get(str(section), {}).get(str(field))


def _of_siblings(path: Path, value: Json) -> str | None:
    """The kind of the same field in the other entries of the same object or list."""
    if len(path) < 2:
        return None
    *above, _, field = path
    for step in above:
        value = value[step]
    for entry in value.values() if isinstance(value, dict) else value:
        if isinstance(entry, dict) and (kind := _kind(entry.get(field), "in its siblings")):
            return kind
    return None
