"""Whom a display of a coenrolling feature credits, in plain Python, row by row, by what its source declares.
Copies and all other sources are judged in `plain_judging`.
"""

from datetime import date, timedelta
from typing import Any

from exposure_assets_tests.simulation.plain_reading import Row

Canonical = dict[tuple[str, str], Row]


def says_enough(row: Row, source: dict[str, Any]) -> bool:
    """Whether a row has what its source needs to credit it."""
    return _property(row, source.get("experiment") or source["part"]) is not None


def named_experiment(
    row: Row, source_id: str, source: dict[str, Any], experiments: dict[str, Any]
) -> str | None:
    """The experiment that a row with a slug names, if it is one of the source's."""
    slug = _property(row, source["experiment"]) if "experiment" in source else None
    return slug if slug in experiments and experiments[slug]["exposure"]["source"] == source_id else None


def attribution(
    row: Row, source_id: str, source: dict[str, Any], experiments: dict[str, Any], canonical: Canonical
) -> tuple[str | None, str | None, str]:
    """The experiment that a well-formed row credits or names, the variation, and the bucket."""
    said = [_property(row, source[key]) for key in ("experiment", "variation", "part") if key in source]
    ours = {id for id, experiment in experiments.items() if experiment["exposure"]["source"] == source_id}
    named = _property(row, source["experiment"]) if "experiment" in source else None
    if any("{experiment}" in text for text in said if text is not None):
        return (named if named in ours else None), None, "unresolved_template"
    if named is not None and "+" in named and set(named.split("+")) & set(experiments):
        return None, None, "ambiguous_attribution"
    candidates, variation = _candidates(row, source, ours, experiments)
    if not candidates:
        return None, None, "unknown_experiment"
    at, day = row["occurred_at"], row["occurred_at"].date()
    if len(candidates) > 1:
        candidates = [id for id in candidates if takes_exposures(experiments[id], day)]
        if not candidates:
            return None, None, "outside_experiment"
    if len(candidates) > 1:
        candidates = [id for id in candidates if _has_begun(id, row["unit_id"], at, experiments, canonical)]
        if len(candidates) != 1:
            return None, None, "ambiguous_attribution" if candidates else "unassigned_unit"
    (id,) = candidates
    assigned = canonical.get((id, row["unit_id"]))
    if variation is None and assigned is not None:
        is_soon = assigned["assigned_at"].date() <= day + timedelta(days=7)
        variation = assigned["variation_id"] if is_soon else None
    if variation is None:
        return id, None, "unassigned_unit"
    if variation not in [known["id"] for known in experiments[id]["variations"]]:
        return id, None, "unknown_variation"
    return id, variation, "accepted" if takes_exposures(experiments[id], day) else "outside_experiment"


def takes_exposures(experiment: dict[str, Any], day: date) -> bool:
    """Whether a day is one of those whose exposures are an experiment's."""
    if day < experiment["start"].date() - timedelta(days=7):
        return False
    last = timedelta(days=experiment["exposure"]["observe_days"])
    return "end" not in experiment or day <= experiment["end"].date() + last


def _candidates(
    row: Row, source: dict[str, Any], ours: set[str], experiments: dict[str, Any]
) -> tuple[list[str], str | None]:
    """The experiments that a row may be of, and the variation that it or its part names."""
    if source["attribution"] == "slug":
        slug = _property(row, source["experiment"])
        variation = _property(row, source["variation"]) if "variation" in source else None
        return [slug] if slug in ours else [], variation
    part = _property(row, source["part"])
    if source["attribution"] == "part_id":
        owners = source["parts"].get(part, [])
        owners = owners if isinstance(owners, list) else [owners]
        if len(owners) == 1 and isinstance(owners[0], dict):
            return [owners[0]["experiment"]], owners[0].get("variation")
        return list(owners), None
    if part != _property(row, source["message_under_experiment"]):
        return [], None
    day = row["occurred_at"].date()
    return [id for id in sorted(ours) if takes_exposures(experiments[id], day)], None


def _has_begun(id: str, unit: str, at: Any, experiments: dict[str, Any], canonical: Canonical) -> bool:
    """Whether a unit is assigned to an experiment by then, the grace included."""
    assigned = canonical.get((id, unit))
    grace = timedelta(minutes=experiments[id]["exposure"]["grace_minutes"])
    return assigned is not None and assigned["assigned_at"] - grace <= at


def _property(row: Row, path: str) -> str | None:
    return (row["properties"] or {}).get(path.removeprefix("properties."))
