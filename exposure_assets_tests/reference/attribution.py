"""Which experiment and variation one exposure row names or credits, asking the unit's assignments where it has to.
Whether the row is a copy, malformed, or of a day of the experiment is asked elsewhere.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta

from exposure_assets_tests.reference.assigning import Assignment
from exposure_assets_tests.reference.catalog import Catalog, Experiment, Source
from exposure_assets_tests.reference.fields import as_text
from exposure_assets_tests.reference.reading import EventRow, field_value

# The most certain rule first.
RULES = ("slug", "part_id", "message_under_experiment")
Assignments = dict[tuple[str, str], Assignment]


@dataclass(frozen=True)
class Credit:
    """What a row comes to under one source; `name` is the experiment that it names, known or not."""

    bucket: str
    experiment_id: str | None
    variation_id: str | None
    name: str | None


def observes(experiment: Experiment, day: date) -> bool:
    """Whether exposures of the day belong to the experiment."""
    if day < experiment.start.date() - timedelta(days=7):
        return False
    return experiment.end is None or day <= experiment.end.date() + timedelta(days=experiment.observe_days)


def ours(source: Source, catalog: Catalog) -> dict[str, Experiment]:
    """The experiments that take their exposures from a source."""
    return {e.id: e for e in catalog.experiments.values() if e.source_id == source.id}


def credit(row: EventRow, source: Source, catalog: Catalog, assigned: Assignments) -> Credit:
    """The verdict on a row under one source that matches it, copies and days left aside."""
    texts = {name: as_text(field_value(row, path)) for name, path in source.fields.items()}
    name, variation_id, candidates = _said(texts, source, catalog)
    experiment_id = candidates[0] if len(candidates) == 1 else None
    if any("{experiment}" in text for text in texts.values() if text is not None):
        return Credit("unresolved_template", experiment_id, variation_id, name)
    parts = (name or "").split("+")
    if (
        source.attribution != "part_id"
        and len(parts) > 1
        and any(part in catalog.experiments for part in parts)
    ):
        return Credit("ambiguous_attribution", experiment_id, variation_id, name)
    if not candidates:
        return Credit("unknown_experiment", None, variation_id, name)
    if variation_id is not None:
        assert experiment_id is not None
        is_known = variation_id in catalog.experiments[experiment_id].variation_ids
        return Credit("accepted" if is_known else "unknown_variation", experiment_id, variation_id, name)
    if source.attribution == "event":
        return Credit("malformed", experiment_id, None, name)
    return _by_assignment(row, source, candidates, name, catalog, assigned)


def _said(
    texts: dict[str, str | None], source: Source, catalog: Catalog
) -> tuple[str | None, str | None, list[str]]:
    """The experiment and variation that a row names, and the experiments that it may come from."""
    known = ours(source, catalog)
    if source.attribution in ("event", "slug"):
        name = texts["experiment"]
        return name, texts.get("variation"), [name] if name in known else []
    if source.attribution == "part_id":
        owners = source.parts.get(texts["part"] or "", ())
        variation_id = owners[0][1] if len(owners) == 1 else None
        return owners[0][0] if len(owners) == 1 else None, variation_id, [owner for owner, _ in owners]
    is_under_experiment = texts["part"] == texts["message_under_experiment"]
    return None, None, sorted(known) if is_under_experiment else []


def _by_assignment(
    row: EventRow,
    source: Source,
    candidates: Iterable[str],
    name: str | None,
    catalog: Catalog,
    assigned: Assignments,
) -> Credit:
    assert row.occurred_at is not None and row.unit_id is not None
    day = row.occurred_at.date()
    possible = list(candidates)
    if len(possible) > 1 or source.attribution == "message_under_experiment":
        possible = [one for one in possible if observes(catalog.experiments[one], day)]
    if not possible:
        none_on = (
            "unknown_experiment" if source.attribution == "message_under_experiment" else "outside_experiment"
        )
        return Credit(none_on, None, None, name)
    found = []
    for experiment_id in possible:
        assignment = assigned.get((experiment_id, row.unit_id))
        if assignment is None:
            continue
        if len(possible) == 1:
            counts = assignment.assignment_date <= day + timedelta(days=7)
        else:
            counts = assignment.assigned_at - catalog.experiments[experiment_id].grace <= row.occurred_at
        if counts:
            found.append((experiment_id, assignment.variation_id))
    if len(found) == 1:
        [(experiment_id, variation_id)] = found
        return Credit("accepted", experiment_id, variation_id, name)
    if len(found) > 1:
        return Credit("ambiguous_attribution", None, None, name)
    return Credit("unassigned_unit", possible[0] if len(possible) == 1 else None, None, name)


def one_credit(credits: dict[str, Credit], catalog: Catalog) -> dict[str, Credit]:
    """The verdicts by source, with at most one credit of a display: the most certain rule's, if it is one."""
    rules = {
        source_id: RULES.index(catalog.sources[source_id].attribution)
        for source_id, verdict in credits.items()
        if verdict.bucket == "accepted" and catalog.sources[source_id].attribution != "event"
    }
    if len(rules) < 2:
        return credits
    best = [source_id for source_id, rule in rules.items() if rule == min(rules.values())]
    kept = {
        source_id: one for source_id, one in credits.items() if source_id not in rules or source_id in best
    }
    if len(best) > 1:
        for source_id in best:
            kept[source_id] = Credit("ambiguous_attribution", None, None, credits[source_id].name)
    return kept
