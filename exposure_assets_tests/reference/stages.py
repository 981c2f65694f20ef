"""Counts the units at each stage, one unit after the other.
Verdicts and outcome windows are decided elsewhere; what shares should be, is not asked here.
"""

from collections import Counter
from datetime import date
from typing import Any

from exposure_assets_tests.reference.assigning import Assignment


def stage_counts(
    assignments: dict[tuple[str, str], Assignment],
    verdicts: list[dict[str, Any]],
    outcomes: list[dict[str, Any]],
) -> list[dict[str, Any]]:
    """Rows of `stage_counts`: who came to which stage on which day."""
    window_ends = {(row["experiment_id"], row["unit_id"]): row["window_end_at"].date() for row in outcomes}
    counts: Counter[tuple[str, date, str, bool, str, date]] = Counter()
    for verdict in verdicts:
        unit = verdict["experiment_id"], verdict["unit_id"]
        assignment = assignments[unit]
        day = assignment.assignment_date
        group = unit[0], day, assignment.variation_id, assignment.is_conflicting
        counts[*group, "assigned", day] += 1
        if not verdict["has_post_assignment_exposure"]:
            continue
        exposed = max(verdict["first_exposure_at"].date(), day)
        counts[*group, "exposed", exposed] += 1
        if verdict["has_valid_exposure"]:
            counts[*group, "valid_exposed", exposed] += 1
            counts[*group, "completed", max(exposed, window_ends[unit])] += 1
    names = ("experiment_id", "assignment_date", "variation_id", "is_conflicting", "stage", "reached_date")
    return [{**dict(zip(names, key, strict=True)), "unit_count": count} for key, count in counts.items()]
