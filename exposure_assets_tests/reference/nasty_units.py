"""What happens to the units of a nasty landing zone: assignments, exposures at every bound, copies, outcomes.
Rows that are to be rejected for what they are, and broken files, are made elsewhere.
"""

from datetime import UTC, datetime, time, timedelta
from typing import Any

from exposure_assets_tests.reference.catalog import Experiment
from exposure_assets_tests.reference.nasty_rows import MICROSECOND, SESSIONS, Row, Zone

OWN, OTHER = "own", "other"
Plan = list[tuple[datetime, str]]
SECOND, HOUR, DAY = timedelta(seconds=1), timedelta(hours=1), timedelta(days=1)
PRICES = (12, 12.5, "12.5", "1e1", "abc", "", True, None, "nan", "inf", [1], {"amount": 1}, 0, 0.1, 0.2)
VALUES = (None, 0.0, 0.1, 0.2, 0.7, 19.99, 49.5, 99.75, 1000.0, 1e-9, 123456789.123)


def add_experiment(zone: Zone, experiment: Experiment, unit_count: int) -> None:
    """Give `unit_count` units an assignment and exposures; each plan and kind of assignment has its turn."""
    rng = zone.rng
    kinds = list(ASSIGNMENT_KINDS)
    rng.shuffle(kinds)
    names: list[str] = []
    for number, unit_id in enumerate(rng.sample(zone.units, k=unit_count)):
        own, other = rng.sample(experiment.variation_ids, k=2)
        assigned_at = _assigned_at(zone, experiment)
        # Half of the units are assigned once and plainly: their exposures decide.
        kind = kinds[number % len(kinds)] if number % 2 else "once"
        assign(zone, experiment, unit_id, own, other, assigned_at, kind)
        plans = exposure_plans(experiment, assigned_at)
        if not names:
            names = rng.sample(list(plans), k=len(plans))
        plan = plans[names.pop()]
        exposures = [
            zone.expose(experiment, unit_id, own if which == OWN else other, at) for at, which in plan
        ]
        for exposure in exposures:
            if rng.random() < 0.15:
                copy_exposure(zone, exposure)
        add_outcomes(zone, experiment, unit_id, [assigned_at, *(at for at, _ in plan)])


def _midnight(at: datetime) -> datetime:
    return datetime.combine(at.date(), time(0), UTC)


def _assigned_at(zone: Zone, experiment: Experiment) -> datetime:
    """An accepted instant: at a bound of the enrollment or of a day, or anywhere."""
    last = experiment.enrollment_end or experiment.start + timedelta(days=10)
    days = max((last - experiment.start).days, 1)
    anywhere = experiment.start + (last - experiment.start) * zone.rng.random()
    candidates = (
        experiment.start,
        last - MICROSECOND,
        _midnight(experiment.start) + zone.rng.randint(1, days) * DAY,
        _midnight(experiment.start) + zone.rng.randint(1, days) * DAY - MICROSECOND,
        anywhere,
        anywhere,
        anywhere.replace(microsecond=0),
    )
    chosen = zone.rng.choice(candidates)
    return chosen if experiment.start <= chosen < last else anywhere


def exposure_plans(experiment: Experiment, assigned_at: datetime) -> dict[str, Plan]:
    """Exposures of one unit, by what is special about them: (instant, own or other variation)."""
    at = assigned_at
    grace_bound = at - experiment.grace
    last_at = at + experiment.max_days_after_assignment
    first_day = _midnight(at) - 7 * DAY
    after_days = _midnight(at) + (experiment.observe_days + 1) * DAY
    next_day = _midnight(at) + DAY
    return {
        "never": [],
        "at the assignment": [(at, OWN)],
        "at the grace bound": [(grace_bound, OWN)],
        "just before the grace": [(grace_bound - MICROSECOND, OWN)],
        "just inside the grace": [(grace_bound + MICROSECOND, OWN)],
        "half a second early": [(at - SECOND / 2, OWN)],
        "almost a second late": [(at + SECOND - MICROSECOND, OWN)],
        "at the end of the window": [(last_at, OWN)],
        "just after the window": [(last_at + MICROSECOND, OWN)],
        "just inside the window": [(last_at - MICROSECOND, OWN)],
        "the first observed instant": [(first_day, OWN), (at + HOUR, OWN)],
        "the day before the first observed": [(first_day - MICROSECOND, OTHER), (at + HOUR, OWN)],
        "too early only": [(first_day - MICROSECOND, OWN)],
        "the last observed instant": [(after_days - MICROSECOND, OWN)],
        "the day after the last observed": [(after_days, OWN)],
        "late other variation, still observed": [(at, OWN), (after_days - MICROSECOND, OTHER)],
        "late other variation, no longer observed": [(at, OWN), (after_days, OTHER)],
        "before and after": [(grace_bound - HOUR, OWN), (at + HOUR, OWN)],
        "before, and after the window": [(grace_bound - DAY, OWN), (last_at + HOUR, OWN)],
        "before, and the other one after": [(grace_bound - HOUR, OWN), (at + HOUR, OTHER)],
        "the other one before": [(grace_bound - HOUR, OTHER), (at + HOUR, OWN)],
        "the other one before only": [(grace_bound - HOUR, OTHER)],
        "the other one only": [(at + HOUR, OTHER)],
        "the other one first": [(at + HOUR, OTHER), (at + 2 * HOUR, OWN)],
        "both at once": [(at + HOUR, OWN), (at + HOUR, OTHER), (at + HOUR, OWN)],
        "tied": [(at, OWN), (at, OWN), (at, OWN)],
        "tied at the grace bound": [
            (grace_bound, OWN),
            (grace_bound, OTHER),
            (grace_bound - MICROSECOND, OWN),
        ],
        # A day's first exposure before the assignment must not hide the later one of the same day.
        "often on the day": [(grace_bound - n * HOUR / 4, OWN) for n in (1, 2, 3)]
        + [(at + n * HOUR / 4, OWN) for n in (1, 2, 3)],
        "around midnight": [(next_day - MICROSECOND, OWN), (next_day, OWN), (next_day + MICROSECOND, OWN)],
        "every day": [(at + n * DAY, OWN) for n in range(-8, experiment.observe_days + 2)],
    }


ASSIGNMENT_KINDS = (
    "once",
    "never",
    "redelivered",
    "without an id, redelivered",
    "without an id, ingested twice",
    "again to the same variation",
    "later to another variation",
    "earlier to another variation",
    "at once to another variation",
    "at once to the same variation",
    "copies at other times",
    "copy for another variation",
    "copy for another unit",
    "copy before the start",
    "day precision",
)


def assign(
    zone: Zone, experiment: Experiment, unit_id: str, own: str, other: str, at: datetime, kind: str
) -> None:
    """Assign a unit to its own variation, in one of `ASSIGNMENT_KINDS`."""
    if kind == "never":
        return
    if kind == "day precision":
        midnight = _midnight(at)
        at = midnight if midnight >= experiment.start else at
    changes: dict[str, Any] = {"event_id": None} if kind.startswith("without an id") else {}
    row = zone.assign(experiment.id, unit_id, own, at, **changes)
    if kind in ("redelivered", "without an id, redelivered"):
        zone.copy_assignment(row)
        zone.copy_assignment(row)
    elif kind == "without an id, ingested twice":
        zone.copy_assignment(row, ingested_at=at + HOUR)
    elif kind == "again to the same variation":
        zone.assign(experiment.id, unit_id, own, at + HOUR)
        zone.assign(experiment.id, unit_id, own, at + 2 * DAY)
    elif kind == "later to another variation":
        zone.assign(experiment.id, unit_id, other, at + DAY)
    elif kind == "earlier to another variation":
        earlier = max(experiment.start, at - 2 * DAY)
        zone.assign(experiment.id, unit_id, other, earlier)
    elif kind == "at once to another variation":
        zone.assign(experiment.id, unit_id, other, at)
    elif kind == "at once to the same variation":
        zone.assign(experiment.id, unit_id, own, at, ingested_at=at - HOUR)
    elif kind == "copies at other times":
        zone.copy_assignment(row, assigned_at=at + DAY)
        zone.copy_assignment(row, assigned_at=max(experiment.start, at - DAY))
    elif kind == "copy for another variation":
        zone.copy_assignment(row, variation_id=other)
    elif kind == "copy for another unit":
        zone.copy_assignment(row, unit_id=zone.rng.choice(zone.units))
    elif kind == "copy before the start":
        # The earliest copy counts, and it is rejected: the unit has no assignment.
        zone.copy_assignment(row, assigned_at=experiment.start - MICROSECOND)


def copy_exposure(zone: Zone, row: Row) -> None:
    """Deliver an exposure event again, alike or with one column changed."""
    rng = zone.rng
    at = row["occurred_at"]
    kind = rng.randrange(9)
    if kind == 0:
        zone.copy_event(row)
    elif kind == 1:
        zone.copy_event(row, occurred_at=at - rng.choice((MICROSECOND, HOUR, DAY, 3 * DAY)))
    elif kind == 2:
        zone.copy_event(row, occurred_at=at + rng.choice((MICROSECOND, HOUR, DAY, 3 * DAY)))
    elif kind == 3:
        zone.copy_event(row, value=rng.choice((1.0, 2.0)))
    elif kind == 4:
        zone.copy_event(row, session_id=rng.choice([s for s in SESSIONS if s != row["session_id"]]))
    elif kind == 5:
        zone.copy_event(row, event_name=rng.choice(("purchase", "visit", "a first name", "zz last name")))
    elif kind == 6:
        zone.copy_event(row, unit_id=rng.choice(zone.units))
    elif kind == 7:
        zone.copy_event(row, ingested_at=at + rng.choice((-HOUR, HOUR)))
    elif isinstance(row["properties"], dict):
        # The same shape with one text changed: the order of the two texts leaves no doubt.
        changed = {
            key: item + "~"
            if isinstance(item, str) and key.endswith(("variation", "variant", "response"))
            else item
            for key, item in row["properties"].items()
        }
        zone.copy_event(row, properties=changed)


def add_outcomes(zone: Zone, experiment: Experiment, unit_id: str, instants: list[datetime]) -> None:
    """Add events for the metrics, at the bounds of windows that may be anchored at these instants."""
    rng = zone.rng
    window = experiment.window
    offsets = (timedelta(0), -MICROSECOND, window, window - MICROSECOND, HOUR, DAY, window / 2, -DAY)
    for _ in range(rng.choice((0, 1, 2, 4))):
        at = rng.choice(instants) + rng.choice(offsets)
        if rng.random() < 0.3:
            row = zone.event("visit", unit_id, at, rng.choice((None, "{", {"page": "/"})))
        else:
            row = zone.event("purchase", unit_id, at, _purchase(zone), value=rng.choice(VALUES))
        if rng.random() < 0.15:
            changes: tuple[dict[str, Any], ...] = (
                {},
                {"occurred_at": at + rng.choice((window, -window, DAY, -DAY))},
                {"value": rng.choice(VALUES)},
                {"event_name": rng.choice(("a first name", "zz last name"))},
                {"unit_id": rng.choice(zone.units)},
            )
            zone.copy_event(row, **rng.choice(changes))


def _purchase(zone: Zone) -> Any:
    rng = zone.rng
    if rng.random() < 0.1:
        return rng.choice((None, "not json", "[1]", {}))
    properties: dict[str, Any] = {"price": rng.choice(PRICES)}
    if rng.random() < 0.7:
        properties["cart"] = {"amount": rng.choice((1.25, 2.5, 0.1))}
    if rng.random() < 0.2:
        properties["cart.amount"] = rng.choice((100.0, 200.5))
    if rng.random() < 0.7:
        properties["shop.price"] = rng.choice((1, 2, "3"))
    return properties
