"""The exposure windows and segments of one assignment, counted over all of its raw events.
Limits are read from the TOML as it stands; which events are accepted is decided before.
"""

from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from typing import Any

from exposure_assets_tests.reference.assigning import Assignment
from exposure_assets_tests.reference.catalog import Experiment
from exposure_assets_tests.reference.classifying import Exposure, passes
from exposure_assets_tests.reference.reading import EventRow

EVER = datetime(1970, 1, 1, tzinfo=UTC)
Days = tuple[int, int]


def midnight(day: date) -> datetime:
    """The first instant of a UTC day."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def enrollment_days(experiment: Experiment) -> tuple[date, date | None]:
    """The first and the last UTC day on which an assignment may be accepted."""
    end = experiment.enrollment_end
    return experiment.start.date(), None if end is None else (end - timedelta(microseconds=1)).date()


def limit_at(
    limit: int | str,
    anchor: str,
    is_end: bool,
    assignment: Assignment,
    experiment: Experiment,
    window: Days | None = None,
) -> datetime:
    """The instant that a limit means for one unit; as an end, the first instant after the window."""
    first, last = enrollment_days(experiment)
    zero = assignment.assignment_date if anchor == "unit" else first

    def whole_day(day: date) -> datetime:
        return midnight(day + timedelta(days=1)) if is_end else midnight(day)

    if isinstance(limit, int):
        return whole_day(zero + timedelta(days=limit))
    if limit == "assignment":
        return assignment.assigned_at
    if limit == "enrollment_start":
        return whole_day(first)
    if limit == "enrollment_end":
        assert last is not None
        return whole_day(last)
    if limit.startswith("analysis_window"):
        assert window is not None
        day = window[0] if limit.endswith("start") else window[1]
        if anchor == "experiment":
            assert last is not None
            zero = last
        return whole_day(zero + timedelta(days=day))
    length = timedelta(days=experiment.observe_days + 1)
    if anchor == "experiment":
        assert last is not None
        length += last - first
    microseconds = Fraction(limit.split("*")[0].strip()) * (length // timedelta(microseconds=1))
    return midnight(zero) + timedelta(microseconds=int(microseconds))


def analysis_windows(toml: dict[str, Any], observe_days: int) -> dict[str, list[tuple[str, Days]]]:
    """The analysis windows of an exposure window, by sequence, each with its id and its days."""
    written = toml.get("analysis_windows", "overall")
    sequences: dict[str, list[tuple[str, Days]]] = {}
    items: list[Any] = [written] if isinstance(written, str) else written
    for item in items:
        if item == "overall":
            sequences[item] = [("overall", (0, observe_days))]
        elif item == "daily":
            sequences[item] = [(f"day_{n}", (n, n)) for n in range(observe_days + 1)]
        elif item == "weekly":
            weeks = (observe_days + 1) // 7
            sequences[item] = [(f"week_{n}", (7 * n, 7 * n + 6)) for n in range(weeks)]
        else:
            sequences.setdefault("list", []).append(
                (f"days_{item[0]}_{item[1]}", (int(item[0]), int(item[1])))
            )
    return {name: sorted(windows, key=lambda window: window[1]) for name, windows in sequences.items()}


def exposure_windows(
    assignment: Assignment, exposures: list[Exposure], experiment: Experiment
) -> list[dict[str, Any]]:
    """The rows of `exposure_windows` of one assignment, from all exposure events of its unit."""
    rows = []
    not_before = assignment.assigned_at - experiment.grace
    for toml in experiment.windows:
        anchor, start, end = (
            toml.get("anchor", "unit"),
            toml.get("start", 0),
            toml.get("end", "1 * observation"),
        )
        moves = anchor == "experiment" and any("analysis_window" in str(limit) for limit in (start, end))
        for sequence in analysis_windows(toml, experiment.observe_days).values():
            was_exposed = False
            for index, (window_id, days) in enumerate(sequence):
                from_at = limit_at(start, anchor, False, assignment, experiment, days)
                to_at = limit_at(end, anchor, True, assignment, experiment, days)
                own_day = assignment.assignment_date
                if from_at == midnight(own_day) and anchor == "unit" and not str(start).startswith("enroll"):
                    from_at = EVER
                if not moves:
                    opens = EVER if days[0] == 0 else midnight(own_day + timedelta(days=days[0]))
                    from_at = max(from_at, opens)
                    to_at = min(to_at, midnight(own_day + timedelta(days=days[1] + 1)))
                from_at = max(from_at, not_before)
                to_at = max(from_at, to_at)
                count = sum(from_at <= exposure.occurred_at < to_at for exposure in exposures)
                was_exposed = was_exposed or count > 0
                rows.append(
                    {
                        "experiment_id": assignment.experiment_id,
                        "unit_id": assignment.unit_id,
                        "variation_id": assignment.variation_id,
                        "assignment_date": assignment.assignment_date,
                        "exposure_window_id": toml["id"],
                        "analysis_window_id": window_id,
                        "analysis_window_index": index,
                        "window_start_at": from_at,
                        "window_end_at": to_at,
                        "exposure_count": count,
                        "is_exposed_in_window": count > 0,
                        "is_exposed_to_date": was_exposed,
                    }
                )
    return rows


def unit_segments(
    assignment: Assignment, events_by_name: dict[str, list[EventRow]], experiment: Experiment
) -> list[dict[str, Any]]:
    """The rows of `unit_segments` of one assignment, from all events of its unit, each once."""
    rows = []
    for toml in experiment.segments:
        anchor, end = toml.get("anchor", "unit"), toml.get("end", "assignment")
        from_at = limit_at(toml.get("start", -7), anchor, False, assignment, experiment)
        to_at = max(from_at, limit_at(end, anchor, True, assignment, experiment))
        count = 0
        for event in events_by_name.get(toml["event"], []):
            assert event.occurred_at is not None
            if from_at <= event.occurred_at < to_at and passes(toml.get("filter", ()), event):
                count += 1
        rows.append(
            {
                "experiment_id": assignment.experiment_id,
                "unit_id": assignment.unit_id,
                "variation_id": assignment.variation_id,
                "assignment_date": assignment.assignment_date,
                "segment_id": toml["id"],
                "is_post_assignment": _reaches_past_assignments(toml, anchor, end, experiment),
                "window_start_at": from_at,
                "window_end_at": to_at,
                "event_count": count,
                "is_in_segment": count >= toml.get("at_least", 1),
            }
        )
    return rows


def _reaches_past_assignments(
    toml: dict[str, Any], anchor: str, end: int | str, experiment: Experiment
) -> bool:
    """Whether a unit assigned in the first microsecond of its day could be in it by what it did afterwards."""
    if end == "assignment":
        return False
    first = experiment.start.date()
    earliest = Assignment(
        experiment_id="",
        unit_id="",
        variation_id="",
        assigned_at=midnight(first),
        assignment_count=1,
        variation_count=1,
    )
    return limit_at(end, anchor, True, earliest, experiment) > midnight(first)
