"""Judges every raw row of `assignments` and finds the canonical assignment of each unit.
Exposures and everything that follows from them are elsewhere.
"""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from exposure_assets_tests.reference.catalog import Catalog
from exposure_assets_tests.reference.fields import sort_key
from exposure_assets_tests.reference.reading import AssignmentRow


@dataclass(frozen=True)
class Assignment:
    """The canonical assignment of a unit in an experiment."""

    experiment_id: str
    unit_id: str
    variation_id: str
    assigned_at: datetime
    assignment_count: int
    variation_count: int

    @property
    def assignment_date(self) -> date:
        """Its UTC day, the cohort."""
        return self.assigned_at.date()

    @property
    def is_conflicting(self) -> bool:
        """Whether the unit was assigned to more than one variation."""
        return self.variation_count > 1


def judge_assignments(
    rows: list[AssignmentRow], catalog: Catalog
) -> tuple[list[AssignmentRow], list[tuple[AssignmentRow, str]]]:
    """The accepted distinct rows, and the rejected ones with their reason."""
    accepted: list[AssignmentRow] = []
    rejected: list[tuple[AssignmentRow, str]] = []
    copies: dict[tuple[Any, ...], list[AssignmentRow]] = {}
    for row in rows:
        if None in (row.experiment_id, row.unit_id, row.variation_id, row.assigned_at):
            rejected.append((row, "malformed"))
        elif row.event_id is not None:
            copies.setdefault(("by event id", row.event_id), []).append(row)
        else:
            fields = (row.experiment_id, row.unit_id, row.variation_id, row.assigned_at, row.ingested_at)
            copies.setdefault(("by all fields", *fields), []).append(row)
    for same_assignment in copies.values():
        winner, *losers = sorted(same_assignment, key=_remaining_fields)
        rejected.extend((loser, "duplicate") for loser in losers)
        reason = _reason(winner, catalog)
        if reason is None:
            accepted.append(winner)
        else:
            rejected.append((winner, reason))
    return accepted, rejected


def _remaining_fields(row: AssignmentRow) -> tuple[Any, ...]:
    return sort_key(
        row.assigned_at,
        row.experiment_id,
        row.unit_id,
        row.variation_id,
        row.ingested_at,
        row.arrival_date,
        row.file,
    )


def _reason(row: AssignmentRow, catalog: Catalog) -> str | None:
    assert row.experiment_id is not None and row.assigned_at is not None
    experiment = catalog.experiments.get(row.experiment_id)
    if experiment is None:
        return "unknown_experiment"
    if row.variation_id not in experiment.variation_ids:
        return "unknown_variation"
    if row.assigned_at < experiment.start:
        return "before_start"
    if experiment.enrollment_end is not None and row.assigned_at >= experiment.enrollment_end:
        return "after_enrollment"
    return None


def canonical_assignments(accepted: list[AssignmentRow]) -> dict[tuple[str, str], Assignment]:
    """One assignment per (experiment_id, unit_id): the earliest; ties by variation id, then event id."""
    by_unit: dict[tuple[str, str], list[AssignmentRow]] = {}
    for row in accepted:
        assert row.experiment_id is not None and row.unit_id is not None
        by_unit.setdefault((row.experiment_id, row.unit_id), []).append(row)
    canonical = {}
    for (experiment_id, unit_id), rows in by_unit.items():
        first = min(rows, key=lambda row: sort_key(row.assigned_at, row.variation_id, row.event_id))
        assert first.variation_id is not None and first.assigned_at is not None
        canonical[experiment_id, unit_id] = Assignment(
            experiment_id=experiment_id,
            unit_id=unit_id,
            variation_id=first.variation_id,
            assigned_at=first.assigned_at,
            assignment_count=len(rows),
            variation_count=len({row.variation_id for row in rows}),
        )
    return canonical
