"""What the lint says about a configuration: one thing that is wrong or suspicious, at one place of one file.

What is wrong is decided by the rules.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from exposure_assets.contracts.catalog_values import one_line
from exposure_assets.features.json_values import Json, Path, path_text


class Severity(StrEnum):
    """An error makes displays credit the wrong experiment, or none; a warning may be meant."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True)
class Finding:
    """One line of the lint; `path` is empty where the file as a whole is meant."""

    file: str
    path: str
    severity: Severity
    rule: str
    found: str
    expected: str
    remedy: str

    def __str__(self) -> str:
        """The finding as one line, whatever the file holds."""
        path = f"{self.path}: " if self.path else ""
        warning = "warning: " if self.severity is Severity.WARNING else ""
        return one_line(
            f"{warning}{self.file}: {path}found {self.found}, expected {self.expected}; {self.remedy}"
        )


class Told(NamedTuple):
    """What a rule has found in a configuration: where in it, and the parts of the sentence."""

    path: Path
    found: str
    expected: str
    remedy: str
    severity: Severity = Severity.ERROR


class Kind(StrEnum):
    """Who is given a configuration: units of an experiment, of a rollout, everybody, or the file does not say."""

    EXPERIMENT = "experiment"
    ROLLOUT = "rollout"
    DEFAULT = "default"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Subject:
    """One feature configuration of one variation, and where in which file it stands.

    `slug` is what `{experiment}` becomes; null where nobody is enrolled, or the file does not say in what.
    """

    file: str
    path: Path
    value: dict[str, Json]
    kind: Kind
    slug: str | None = None
    feature_id: str | None = None

    def finding(self, rule: str, told: Told) -> Finding:
        """What a rule told, with its place in the file."""
        path = path_text((*self.path, *told.path))
        return Finding(self.file, path, told.severity, rule, told.found, told.expected, told.remedy)

    @property
    def messages(self) -> dict[str, dict[str, Json]]:
        """The messages of a `messaging` feature, by their keys; empty for other features."""
        messages = self.value.get("messages")
        if not isinstance(messages, dict):
            return {}
        return {key: message for key, message in messages.items() if isinstance(message, dict)}
