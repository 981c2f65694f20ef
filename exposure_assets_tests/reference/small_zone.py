"""Landing zones of a few rows for the tests of the reference: one experiment, days of January 2026.
The nasty zones, with everything in them, are made elsewhere.
"""

import json
from pathlib import Path
from typing import Any

from exposure_assets_tests.reference.tables import compute_tables

Row = dict[str, Any]
Tables = dict[str, list[Row]]


def instant(text: str) -> str:
    """`10 09:00:00.5` is 2026-01-10T09:00:00.5Z; a longer text is taken as it is."""
    day, _, clock = text.partition(" ")
    return f"2026-01-{day}T{clock}Z" if len(day) == 2 else text


def exposed(unit_id: str, variation_id: str, at: str, experiment_id: str = "exp", /, **columns: Any) -> Row:
    """An exposure event; its id says who, what and when unless another is given."""
    return {
        "event_id": f"{experiment_id} {unit_id} {variation_id} {at}",
        "event_name": "experiment_exposed",
        "unit_id": unit_id,
        "occurred_at": instant(at),
        "properties": {"experiment": experiment_id, "variation": variation_id},
        **columns,
    }


def happened(unit_id: str, event_name: str, at: str, /, **columns: Any) -> Row:
    """An event for a metric."""
    return {
        "event_id": f"{unit_id} {event_name} {at}",
        "event_name": event_name,
        "unit_id": unit_id,
        "occurred_at": instant(at),
        **columns,
    }


def assigned(unit_id: str, variation_id: str, at: str, experiment_id: str = "exp", /, **columns: Any) -> Row:
    """An assignment with an id that says who, what and when unless another is given."""
    return {
        "event_id": f"{experiment_id} {unit_id} {variation_id} {at}",
        "experiment_id": experiment_id,
        "unit_id": unit_id,
        "variation_id": variation_id,
        "assigned_at": instant(at),
        **columns,
    }


def write_catalog(
    directory: Path,
    metrics: dict[str, Row] | None = None,
    sources: dict[str, Row] | None = None,
    **rules: Any,
) -> Path:
    """One experiment `exp`, 5 to 25 January, of `control` and `treatment`; `rules` replace defaults."""
    exposure = {"source": "experiment_exposed"}
    outcomes: Row = {"metrics": sorted(metrics or {})}
    top: Row = {"start": "2026-01-05T00:00:00Z", "end": "2026-01-25T00:00:00Z"}
    for key, value in rules.items():
        place = top if key in ("start", "end", "enrollment_days") else exposure
        (outcomes if key in ("anchor", "window_days") else place)[key] = value
    lines = ['name = "Example"', 'owner = "data@example.com"']
    lines += [f"{key} = {value}" for key, value in top.items() if value is not None]
    for variation_id, is_control in (("control", "true"), ("treatment", "false")):
        lines += [
            "[[variations]]",
            f'id = "{variation_id}"',
            "allocation = 0.5",
            f"is_control = {is_control}",
        ]
    lines += ["[exposure]", *_toml(exposure), "[outcomes]", *_toml(outcomes)]
    files = {"experiments/exp": lines}
    files |= {f"metrics/{stem}": _toml(metric) for stem, metric in (metrics or {}).items()}
    files |= {f"exposure_sources/{stem}": _toml(source) for stem, source in (sources or {}).items()}
    for name, content in files.items():
        path = directory / "catalog" / f"{name}.toml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(content), "utf-8")
    return directory / "catalog"


def _toml(values: Row) -> list[str]:
    return [f"{key} = {_inline(value)}" for key, value in values.items()]


def _inline(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(_toml(value)) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(_inline(item) for item in value) + "]"
    return json.dumps(value)


def write_jsonl(
    landing: Path, stream: str, rows: list[Row], day: str = "2026-01-30", name: str = "a"
) -> None:
    """One JSONL file, by default on an arrival day after everything."""
    folder = landing / stream / f"date={day}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")


def tables_of(
    directory: Path, events: list[Row] | None = None, assignments: list[Row] | None = None, **rules: Any
) -> Tables:
    """Every table of a zone of these rows; `rules` as in `write_catalog`."""
    catalog = write_catalog(directory, **rules)
    write_jsonl(directory / "landing", "events", events or [])
    write_jsonl(directory / "landing", "assignments", assignments or [])
    return compute_tables(directory / "landing", catalog)
