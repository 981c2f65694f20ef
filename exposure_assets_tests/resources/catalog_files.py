"""A small valid catalog as text, and how a test edits it, writes it and reads its problems.

What the texts should mean is for the tests to say.
"""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from resources.catalog import check_catalog

EXPERIMENT = """\
name = "Checkout button colour"
owner = "growth@example.com"
start = 2026-01-01T09:57:00Z
end = 2026-01-15T14:30:00Z

[[variations]]
id = "control"
allocation = 0.5
is_control = true
[[variations]]
id = "treatment"
allocation = 0.5

[exposure]
source = "experiment_exposed"

[outcomes]
metrics = ["revenue_usd"]
"""
METRIC = """\
event = "purchase"
aggregation = "sum"
field = "value"
"""
SOURCE = """\
event = "experiment_exposed"
experiment = "properties.experiment"
variation = "properties.variation"
"""
NO_FILES: Mapping[str, str | bytes] = MappingProxyType({})


def edited(text: str, *changes: tuple[str, str]) -> str:
    """The text with the first occurrence of each left side replaced by its right side."""
    for old, new in changes:
        assert old in text, f"{old!r} is not in the text"
        text = text.replace(old, new, 1)
    return text


def write(root: Path, files: Mapping[str, str | bytes] = NO_FILES, experiment: str = EXPERIMENT) -> Path:
    """A catalog of one experiment `a` and its metric; `files`, by path, are added or take their place."""
    own = {"experiments/a.toml": experiment, "metrics/revenue_usd.toml": METRIC}
    for name, text in {**own, **files}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return root


def problems(root: Path, horizon_days: int = 28) -> list[str]:
    """Every problem of the catalog as its line, with paths as seen from the catalog."""
    return [str(problem).replace(f"{root}/", "") for problem in check_catalog(root, horizon_days)]


def problems_of_experiment(root: Path, *changes: tuple[str, str]) -> list[str]:
    """Every problem of a catalog whose one experiment is the valid one with these changes."""
    return problems(write(root, experiment=edited(EXPERIMENT, *changes)))
