"""Exposure events deduped per day, and the verdict on every assignment, over all of its raw exposure events.
Nothing here looks at deduped rows to reach a verdict: the reference scans every event.
"""

from datetime import date, datetime, timedelta
from typing import Any

from exposure_assets_tests.reference.assigning import Assignment
from exposure_assets_tests.reference.catalog import Experiment
from exposure_assets_tests.reference.classifying import Exposure
from exposure_assets_tests.reference.fields import sort_key

DAYS_BEFORE = 7


def earliest(exposures: list[Exposure]) -> Exposure | None:
    """The first exposure event; ties go to the smallest event id."""
    return min(
        exposures, key=lambda exposure: sort_key(exposure.occurred_at, exposure.event_id), default=None
    )


def dedupe_exposures(exposures: list[Exposure]) -> list[dict[str, Any]]:
    """Rows of `deduped_exposures`: one per (experiment_id, unit_id, variation_id, exposure_date)."""
    by_key: dict[tuple[str, str, str, date], list[Exposure]] = {}
    for exposure in exposures:
        key = (exposure.experiment_id, exposure.unit_id, exposure.variation_id, exposure.exposure_date)
        by_key.setdefault(key, []).append(exposure)
    rows = []
    for (experiment_id, unit_id, variation_id, exposure_date), events in by_key.items():
        first = earliest(events)
        assert first is not None
        rows.append(
            {
                "experiment_id": experiment_id,
                "unit_id": unit_id,
                "variation_id": variation_id,
                "exposure_date": exposure_date,
                "first_exposed_at": first.occurred_at,
                "last_exposed_at": max(event.occurred_at for event in events),
                "exposure_count": len(events),
                "first_event_id": first.event_id,
                "first_session_id": first.session_id,
                **_later(events, first.occurred_at),
            }
        )
    return rows


def _later(events: list[Exposure], first_at: datetime) -> dict[str, Any]:
    """The other instants of a day, each with its smallest event id and its number of events."""
    instants = sorted({event.occurred_at for event in events} - {first_at})
    ids = [[event.event_id for event in events if event.occurred_at == instant] for instant in instants]
    return {
        "later_exposed_at": instants or None,
        "later_event_ids": [min(same, key=sort_key) for same in ids] or None,
        "later_exposure_counts": [len(same) for same in ids] or None,
    }


def validate(assignment: Assignment, exposures: list[Exposure], experiment: Experiment) -> dict[str, Any]:
    """The row of `exposure_validation` of one assignment, from all exposure events of its unit."""
    first_day = assignment.assignment_date - timedelta(days=DAYS_BEFORE)
    last_day = assignment.assignment_date + timedelta(days=experiment.observe_days)
    observed = [exposure for exposure in exposures if first_day <= exposure.exposure_date <= last_day]
    not_before = assignment.assigned_at - experiment.grace
    first_any = earliest(observed)
    first = earliest([exposure for exposure in observed if exposure.occurred_at >= not_before])
    variations = {exposure.variation_id for exposure in observed}

    has_crossover = len(variations) > 1
    is_excluded = has_crossover and experiment.crossover_policy == "exclude"
    is_pre_assignment = first_any is not None and first_any.occurred_at < not_before
    last_valid_at = assignment.assigned_at + experiment.max_days_after_assignment
    is_outside = first is not None and first.occurred_at > last_valid_at
    is_mismatch = first is not None and first.variation_id != assignment.variation_id
    has_valid = first is not None and not is_outside and not is_mismatch and not is_excluded

    if first_any is None:
        status = "no_exposure"
    elif is_excluded:
        status = "crossover"
    elif is_pre_assignment and not has_valid:
        status = "pre_assignment_exposure"
    elif is_outside:
        status = "exposure_outside_window"
    elif is_mismatch:
        status = "variation_mismatch"
    else:
        status = "valid"

    return {
        "experiment_id": assignment.experiment_id,
        "unit_id": assignment.unit_id,
        "variation_id": assignment.variation_id,
        "assigned_at": assignment.assigned_at,
        "assignment_date": assignment.assignment_date,
        "first_exposure_any_at": first_any.occurred_at if first_any else None,
        "first_exposure_any_variation_id": first_any.variation_id if first_any else None,
        "first_exposure_any_event_id": first_any.event_id if first_any else None,
        "first_exposure_at": first.occurred_at if first else None,
        "first_exposure_variation_id": first.variation_id if first else None,
        "first_exposure_event_id": first.event_id if first else None,
        "exposure_count": len(observed),
        "exposure_variation_count": len(variations),
        # Division of timedeltas by // is a floor: 0.5 s before the assignment is -1.
        "exposure_delay_seconds": (first.occurred_at - assignment.assigned_at) // timedelta(seconds=1)
        if first
        else None,
        "has_any_exposure": first_any is not None,
        "has_post_assignment_exposure": first is not None,
        "has_valid_exposure": has_valid,
        "is_pre_assignment_exposure": is_pre_assignment,
        "is_exposure_outside_window": is_outside,
        "is_variation_mismatch": is_mismatch,
        "has_crossover": has_crossover,
        "validation_status": status,
        "observed_until_date": last_day,
    }
