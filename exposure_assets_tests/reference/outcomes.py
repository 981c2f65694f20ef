"""The metrics of one unit inside its outcome window.
Which events exist at all, and where the window is anchored, is decided before.
"""

from datetime import datetime
from typing import Any

from exposure_assets_tests.reference.catalog import Experiment, Metric
from exposure_assets_tests.reference.fields import as_number, sort_key
from exposure_assets_tests.reference.reading import EventRow, field_value


def unit_outcomes(
    verdict: dict[str, Any],
    experiment: Experiment,
    metrics: dict[str, Metric],
    events_by_name: dict[str, list[EventRow]],
    segments: dict[str, bool | None],
) -> dict[str, Any]:
    """The row of `unit_outcomes` of one assignment.

    Args:
        verdict: Its row of `exposure_validation`.
        experiment: Its experiment.
        metrics: Every metric of the catalog; each becomes a column.
        events_by_name: All events of the unit, each once, by event name.
        segments: Every segment of the catalog, each becomes a column: whether the unit is in it, null where its
            experiment has none of that name.
    """
    anchor, anchor_at = "assignment", verdict["assigned_at"]
    if experiment.anchor == "first_exposure" and verdict["first_exposure_at"] is not None:
        anchor, anchor_at = "first_exposure", verdict["first_exposure_at"]
    window_end_at = anchor_at + experiment.window
    row: dict[str, Any] = {
        "experiment_id": verdict["experiment_id"],
        "unit_id": verdict["unit_id"],
        "variation_id": verdict["variation_id"],
        "assignment_date": verdict["assignment_date"],
        "anchor": anchor,
        "anchor_at": anchor_at,
        "window_end_at": window_end_at,
    }
    for metric_id, metric in metrics.items():
        if metric_id in experiment.metric_ids:
            row[metric_id] = metric_value(
                metric, events_by_name.get(metric.event, []), anchor_at, window_end_at
            )
        else:
            row[metric_id] = None
    return row | {f"is_in_{segment_id}": is_in for segment_id, is_in in segments.items()}


def metric_value(
    metric: Metric, events: list[EventRow], start: datetime, end: datetime
) -> int | float | bool | None:
    """One metric of one unit over its events in [start, end)."""
    inside: list[EventRow] = []
    for event in sorted(events, key=lambda event: sort_key(event.occurred_at, event.event_id)):
        assert event.occurred_at is not None
        if start <= event.occurred_at < end:
            inside.append(event)
    if metric.aggregation == "converted":
        return len(inside) > 0
    if metric.aggregation == "count":
        return _capped_count(len(inside), metric.cap)
    if metric.aggregation == "count_distinct_days":
        return _capped_count(
            len({event.occurred_at.date() for event in inside if event.occurred_at}), metric.cap
        )
    assert metric.field is not None
    numbers = [as_number(field_value(event, metric.field)) for event in inside]
    value = aggregate(metric.aggregation, [number for number in numbers if number is not None])
    if value is not None and metric.cap is not None:
        value = min(value, float(metric.cap))
    return value


def aggregate(aggregation: str, numbers: list[float]) -> float | None:
    """A sum (0.0 of nothing), mean, minimum or maximum (null of nothing), added up in the given order."""
    total = 0.0
    for number in numbers:
        total += number
    if aggregation == "sum":
        return total
    if not numbers:
        return None
    return {"mean": total / len(numbers), "min": min(numbers), "max": max(numbers)}[aggregation]


def _capped_count(count: int, cap: float | None) -> int:
    return count if cap is None else int(min(count, cap))
