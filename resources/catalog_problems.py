"""How a problem of the catalog reads: one line with file, key, what was found and expected, and what to do.

Which values are right or wrong is decided by `contracts.catalog`, not here.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel, ValidationError

from exposure_assets.contracts.catalog import ExposureRules, OutcomeRules, Variation
from exposure_assets.contracts.catalog_allocations import AllocationPhase
from exposure_assets.contracts.catalog_guardrails import Guardrails
from exposure_assets.contracts.catalog_quality import QualityRules
from exposure_assets.contracts.catalog_results import Ratio, ResultRules
from exposure_assets.contracts.catalog_segments import Segment
from exposure_assets.contracts.catalog_sources import Condition, PartOwner
from exposure_assets.contracts.catalog_values import nearest, one_line
from exposure_assets.contracts.catalog_windows import ExposureWindow

_SECTIONS: dict[str, type[BaseModel]] = {
    "variations": Variation,
    "allocation_phases": AllocationPhase,
    "exposure": ExposureRules,
    "outcomes": OutcomeRules,
    "quality": QualityRules,
    "guardrails": Guardrails,
    "results": ResultRules,
    "ratios": Ratio,
    "windows": ExposureWindow,
    "segments": Segment,
    "filter": Condition,
    "parts": PartOwner,
}
_EXPECTED = {
    "string_type": "text in quotes",
    "int_type": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false, without quotes",
    "datetime_type": "a date and time in UTC, without quotes",
    "timezone_aware": "a date and time that says its zone; a Z at its end is UTC",
    "tuple_type": "a list",
    "model_type": "a table",
    "literal_error": "one of {expected}",
    "greater_than": "more than {gt}",
    "greater_than_equal": "at least {ge}",
    "less_than": "less than {lt}",
    "less_than_equal": "at most {le}",
    "string_too_short": "text that is not empty",
    "string_too_long": "at most {max_length} characters",
    "string_pattern_mismatch": "1 to 100 of a-z, 0-9, _ and -, the first one a letter or a digit",
}


@dataclass(frozen=True)
class CatalogProblem:
    """One thing that is wrong in one file; `key` is empty where the file or folder as a whole is meant."""

    file: str
    key: str
    found: str
    expected: str
    remedy: str

    def __str__(self) -> str:
        """The problem as one line, whatever was found in the file."""
        key = f"{self.key}: " if self.key else ""
        return one_line(f"{self.file}: {key}found {self.found}, expected {self.expected}; {self.remedy}")


class CatalogError(Exception):
    """The catalog has problems; nothing runs on it until all of them are mended."""

    def __init__(self, problems: Iterable[CatalogProblem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


def toml_text(value: object) -> str:
    """A value as TOML writes it, short enough for a message."""
    match value:
        case str():
            text = json.dumps(value[:60], ensure_ascii=False)
            text += f"… ({len(value)} characters)" if len(value) > 60 else ""
        case bool():
            text = "true" if value else "false"
        case int() if value.bit_length() > 128:
            text = "a whole number of more than 38 digits"
        case datetime() | date() | time():
            text = value.isoformat()
        case list() | tuple():
            text = f"[{', '.join(map(toml_text, value[:10]))}{', …' if len(value) > 10 else ''}]"
        case dict():
            text = "a table"
        case _:
            text = str(value)
    return text if len(text) <= 100 else f"{text[:99]}…"


def problems_of(error: ValidationError, file: str, model: type[BaseModel]) -> list[CatalogProblem]:
    """Every problem that pydantic found in one file, in the words of the catalog."""
    problems = []
    for details in error.errors(include_url=False):
        key: tuple[int | str, ...] = details["loc"]
        context: dict[str, Any] = details.get("ctx", {})
        kind = details["type"]
        if kind == "catalog":
            problems += [
                CatalogProblem(file, _key_text((*key, *fault.key)), fault.found, fault.expected, fault.remedy)
                for fault in context["faults"]
            ]
        elif kind == "extra_forbidden":
            problems.append(_unknown_key(file, key, model))
        elif kind == "missing":
            remedy = _remedy(key, model)
            problems.append(CatalogProblem(file, _key_text(key), "nothing", "the key to be there", remedy))
        else:
            expected = _EXPECTED[kind].format(**context) if kind in _EXPECTED else details["msg"]
            found = toml_text(details["input"])
            problems.append(CatalogProblem(file, _key_text(key), found, expected, _remedy(key, model)))
    return problems


def _key_text(key: tuple[int | str, ...]) -> str:
    """`variations[#2].allocation` for the second [[variations]] table: people count from one."""
    text = ""
    for part in key:
        text += f"[#{part + 1}]" if isinstance(part, int) else f".{part}"
    return text.removeprefix(".")


def _section_of(key: tuple[int | str, ...], model: type[BaseModel]) -> type[BaseModel]:
    """The table that the last part of a key stands in."""
    return next((_SECTIONS[str(part)] for part in reversed(key[:-1]) if part in _SECTIONS), model)


def _keys_of(model: type[BaseModel]) -> dict[str, list[Any]]:
    """The keys of a table as TOML writes them, each with examples; the id is the file's name and no key."""
    keys = {
        str(field.validation_alias or name): field.examples or []
        for name, field in model.model_fields.items()
    }
    return {name: examples for name, examples in keys.items() if examples}


def _remedy(key: tuple[int | str, ...], model: type[BaseModel]) -> str:
    if key == ("id",):
        return "rename the file"
    names = [part for part in key if isinstance(part, str)]
    examples = _keys_of(_section_of(key, model)).get(names[-1], [])
    return f"write for example {examples[0]}" if examples else "correct it"


def _unknown_key(file: str, key: tuple[int | str, ...], model: type[BaseModel]) -> CatalogProblem:
    name = str(key[-1])
    section = _section_of(key, model)
    known = _keys_of(section)
    tables = {title: _SECTIONS[title] for title in model.model_fields if title in _SECTIONS}
    homes = [title for title, table in tables.items() if table is not section and name in _keys_of(table)]
    if section is not model and name in _keys_of(model):
        remedy = "move it above the first table of the file"
    # A key that is nearly one of its own section is misspelt, whatever other section has it.
    elif homes and not get_close_matches(name, known, n=1, cutoff=0.8):
        remedy = f"move it into {_keys_of(model)[homes[0]][0]}"
    else:
        remedy = nearest(name, known)
    expected = f"one of {', '.join(known)}"
    return CatalogProblem(file, _key_text(key), "an unknown key", expected, remedy)
