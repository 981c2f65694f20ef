"""The lint: every rule over every feature configuration of some files.

The rules themselves stand in the modules `lint_*`; reading files and showing findings is the command's business.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping

from exposure_assets.features.errors import FeatureError
from exposure_assets.features.findings import Finding, Kind, Subject, Told
from exposure_assets.features.json_values import Json, as_json, parts
from exposure_assets.features.lint_clients import shared_entries
from exposure_assets.features.lint_messages import (
    control_messages,
    credit_values,
    legacy_annotation,
    uncredited_messages,
)
from exposure_assets.features.lint_placeholders import (
    key_collisions,
    misspelt_placeholders,
    placeholders_in_numbers,
    placeholders_without_enrollment,
)
from exposure_assets.features.recipes import RULE as RECIPE
from exposure_assets.features.recipes import subjects_of
from exposure_assets.features.templating import require_json

RULES: Mapping[str, Callable[[Subject], Iterable[Told]]] = {
    "control-without-experiment": control_messages,
    "message-without-experiment": uncredited_messages,
    "experiment-value": credit_values,
    "message-under-experiment": legacy_annotation,
    "key-collision": key_collisions,
    "misspelt-placeholder": misspelt_placeholders,
    "placeholder-in-default": placeholders_without_enrollment,
}
PLACEHOLDER_IN_NUMBER, SHARED_KEY = "placeholder-in-number", "shared-key"


def lint(
    files: Mapping[str, Json], *, slug: str | None = None, default: tuple[str, Json] | None = None
) -> list[Finding]:
    """What is wrong or suspicious about the feature configurations of some files, file by file.

    Args:
        files: The value of each file by its name: a configuration, a recipe or a list of recipes. Experiments of one
            feature in several files are taken for experiments that may meet on one client.
        slug: What `{experiment}` becomes in configurations that stand alone.
        default: Name and value of the file with the default configuration; it is linted too.
    """
    found: list[Subject | Finding] = []
    for file, value in files.items():
        found += _readable(file, value) or list(subjects_of(file, value, slug))
    default_value: Mapping[str, Json] = {}
    if default is not None:
        file, value = default
        subject = Subject(file, (), value if isinstance(value, dict) else {}, Kind.DEFAULT)
        default_value = subject.value
        if not isinstance(value, dict):
            told = Told((), as_json(value), "a default configuration: an object", "give its file")
            found.append(subject.finding(RECIPE, told))
        else:
            found += _readable(file, value) or [subject]
    findings = [one for one in found if isinstance(one, Finding)]
    subjects = [one for one in found if isinstance(one, Subject)]
    findings += [finding for subject in subjects for finding in _of_subject(subject, default_value)]
    findings += [subject.finding(SHARED_KEY, told) for subject, told in shared_entries(subjects)]
    names = list(dict.fromkeys([*files, *([default[0]] if default else [])]))
    return sorted(findings, key=lambda finding: names.index(finding.file))


def _readable(file: str, value: Json) -> list[Subject | Finding]:
    """The reason why no client could read a file; empty where it can."""
    try:
        require_json(value)
    except FeatureError as error:
        told = Told(error.path, error.found, error.expected, error.remedy)
        return [Subject(file, (), {}, Kind.UNKNOWN).finding(RECIPE, told)]
    return []


def _of_subject(subject: Subject, default: Mapping[str, Json]) -> Iterator[Finding]:
    told = [(rule, one) for rule, tell in RULES.items() for one in tell(subject)]
    if subject.kind is not Kind.DEFAULT:
        told += [(PLACEHOLDER_IN_NUMBER, one) for one in placeholders_in_numbers(subject, default)]
    # In the order in which the parts stand in the file.
    places = {path: n for n, (path, _) in enumerate(parts(subject.value))}
    for rule, one in sorted(told, key=lambda named: places[named[1].path]):
        yield subject.finding(rule, one)
