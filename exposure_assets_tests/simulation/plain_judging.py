"""The contract's rules in plain Python, row by row: buckets, canonical assignments and verdicts.
Written from the contract alone, so that the truth of a simulation can be held against it.
"""

from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from exposure_assets_tests.simulation.plain_attribution import (
    Canonical,
    attribution,
    named_experiment,
    says_enough,
    takes_exposures,
)
from exposure_assets_tests.simulation.plain_reading import Row


@dataclass(frozen=True)
class Exposure:
    """An accepted exposure event."""

    occurred_at: datetime
    event_id: str
    variation_id: str


@dataclass(frozen=True)
class JudgedEvents:
    """Rows by waterfall bucket, and the accepted exposures by experiment and unit."""

    waterfall: Counter[tuple[str | None, date, str]]
    exposures: dict[tuple[str, str], list[Exposure]]


@dataclass(frozen=True)
class JudgedAssignments:
    """Rows by bucket, and the accepted assignments by experiment and unit, earliest first."""

    buckets: Counter[str]
    accepted: dict[tuple[str, str], list[Row]]


def judge_events(
    rows: list[Row],
    experiments: dict[str, Any],
    sources: dict[str, Any],
    canonical: Canonical | None = None,
) -> JudgedEvents:
    """Every row that an exposure source matches in one bucket; `canonical` assignments credit displays."""
    source_of_event = {source["event"]: id for id, source in sources.items()}
    winners: dict[str, tuple[Any, int]] = {}
    for position, row in enumerate(rows):
        if not _is_malformed(row, sources, source_of_event):
            ingested_at = row["ingested_at"]
            key = (row["occurred_at"], row["event_name"], row["unit_id"], ingested_at is None, ingested_at)
            winners[row["event_id"]] = min(winners.get(row["event_id"], (key, position)), (key, position))
    waterfall: Counter[tuple[str | None, date, str]] = Counter()
    exposures: dict[tuple[str, str], list[Exposure]] = defaultdict(list)
    for position, row in enumerate(rows):
        source_id = source_of_event.get(row["event_name"])
        if source_id is None or not _passes_filter(row, sources[source_id]):
            continue
        source = sources[source_id]
        if _is_malformed(row, sources, source_of_event):
            waterfall[
                named_experiment(row, source_id, source, experiments), row["arrival_date"], "malformed"
            ] += 1
            continue
        day = row["occurred_at"].date()
        if "attribution" in source:
            named, variation, bucket = attribution(row, source_id, source, experiments, canonical or {})
        else:
            named = named_experiment(row, source_id, source, experiments)
            variation = _named(row, source)[1]
            bucket = _bucket(row, source, day, named, experiments)
        if winners[row["event_id"]][1] != position:
            bucket = "duplicate"
        waterfall[named, day, bucket] += 1
        if bucket == "accepted" and named is not None and variation is not None:
            exposures[named, row["unit_id"]].append(Exposure(row["occurred_at"], row["event_id"], variation))
    return JudgedEvents(waterfall, exposures)


def judge_assignments(rows: list[Row], experiments: dict[str, Any]) -> JudgedAssignments:
    """Every assignment row in one bucket."""
    buckets: Counter[str] = Counter()
    accepted: dict[tuple[str, str], list[Row]] = defaultdict(list)
    seen: set[Any] = set()
    for row in rows:
        fields = tuple(row[name] for name in ("experiment_id", "unit_id", "variation_id", "assigned_at"))
        key = row["event_id"] or (*fields, row["ingested_at"])
        if None in fields:
            buckets["malformed"] += 1
        elif key in seen:
            buckets["duplicate"] += 1
        else:
            seen.add(key)
            bucket = _assignment_bucket(row, experiments)
            buckets[bucket] += 1
            if bucket == "accepted":
                accepted[row["experiment_id"], row["unit_id"]].append(row)
    for group in accepted.values():
        group.sort(key=lambda row: (row["assigned_at"], row["variation_id"], row["event_id"] or ""))
    return JudgedAssignments(buckets, accepted)


def verdict(assigned: list[Row], exposures: list[Exposure], experiment: dict[str, Any]) -> dict[str, Any]:
    """What the contract says of a unit, in the columns of the simulation's `truth/units.parquet`."""
    rules, first = experiment["exposure"], assigned[0]
    assigned_at, variation = first["assigned_at"], first["variation_id"]
    day = assigned_at.date()
    seen = sorted(
        (exposure.occurred_at, exposure.event_id, exposure.variation_id)
        for exposure in exposures
        if day - timedelta(days=7)
        <= exposure.occurred_at.date()
        <= day + timedelta(days=rules["observe_days"])
    )
    grace_start = assigned_at - timedelta(minutes=rules["grace_minutes"])
    window_end = assigned_at + timedelta(days=rules["max_days_after_assignment"])
    post = [exposure for exposure in seen if exposure[0] >= grace_start]
    is_pre = bool(seen) and seen[0][0] < grace_start
    is_outside = bool(post) and post[0][0] > window_end
    is_mismatch = bool(post) and post[0][2] != variation
    has_crossover = len({exposure[2] for exposure in seen}) > 1
    excludes = rules["crossover_policy"] == "exclude"
    is_valid = bool(post) and not is_outside and not is_mismatch and not (excludes and has_crossover)
    if not seen:
        status = "no_exposure"
    elif excludes and has_crossover:
        status = "crossover"
    elif is_pre and not is_valid:
        status = "pre_assignment_exposure"
    elif is_outside:
        status = "exposure_outside_window"
    else:
        status = "variation_mismatch" if is_mismatch else "valid"
    return {
        "experiment_id": first["experiment_id"],
        "unit_id": first["unit_id"],
        "variation_id": variation,
        "assigned_at": assigned_at,
        "assignment_count": len(assigned),
        "is_conflicting": len({row["variation_id"] for row in assigned}) > 1,
        "has_any_exposure": bool(seen),
        "has_post_assignment_exposure": bool(post),
        "is_pre_assignment_exposure": is_pre,
        "is_exposure_outside_window": is_outside,
        "is_variation_mismatch": is_mismatch,
        "has_crossover": has_crossover,
        "validation_status": status,
        "first_exposure_at": post[0][0] if post else None,
        "first_exposure_variation_id": post[0][2] if post else None,
    }


def _named(row: Row, source: dict[str, Any]) -> tuple[str | None, str | None]:
    properties = row["properties"] or {}
    named = properties.get(source["experiment"].removeprefix("properties."))
    return named, properties.get(source["variation"].removeprefix("properties."))


def _passes_filter(row: Row, source: dict[str, Any]) -> bool:
    """Unreadable properties can't be filtered out: such a row belongs to the source of its event."""
    if row["properties"] is None:
        return True
    return all(
        (row["properties"].get(rule["field"].removeprefix("properties.")) in rule["in"])
        if "in" in rule
        else (row["properties"].get(rule["field"].removeprefix("properties.")) not in rule["not_in"])
        for rule in source.get("filter", [])
    )


def _is_malformed(row: Row, sources: dict[str, Any], source_of_event: dict[str, str]) -> bool:
    if None in (row["event_id"], row["event_name"], row["unit_id"], row["occurred_at"]):
        return True
    source_id = source_of_event.get(row["event_name"])
    if source_id is None or not _passes_filter(row, sources[source_id]):
        return False
    source = sources[source_id]
    if "attribution" in source:
        return row["properties"] is None or not says_enough(row, source)
    return None in _named(row, source)


def _bucket(
    row: Row, source: dict[str, Any], day: date, experiment_id: str | None, experiments: dict[str, Any]
) -> str:
    named, variation = _named(row, source)
    assert named is not None and variation is not None
    if "{experiment}" in named or "{experiment}" in variation:
        return "unresolved_template"
    if "+" in named and any(part in experiments for part in named.split("+")):
        return "ambiguous_attribution"
    if experiment_id is None:
        return "unknown_experiment"
    experiment = experiments[experiment_id]
    if variation not in [known["id"] for known in experiment["variations"]]:
        return "unknown_variation"
    return "accepted" if takes_exposures(experiment, day) else "outside_experiment"


def _assignment_bucket(row: Row, experiments: dict[str, Any]) -> str:
    experiment = experiments.get(row["experiment_id"])
    if experiment is None:
        return "unknown_experiment"
    if row["variation_id"] not in [known["id"] for known in experiment["variations"]]:
        return "unknown_variation"
    if row["assigned_at"] < experiment["start"]:
        return "before_start"
    ends = [experiment["end"]] if "end" in experiment else []
    if "enrollment_days" in experiment:
        ends.append(experiment["start"] + timedelta(days=experiment["enrollment_days"]))
    return "after_enrollment" if ends and row["assigned_at"] >= min(ends) else "accepted"
