"""Who was exposed between two instants, by looking at every exposure event of the zone.
Which events are exposures is decided in `classifying`.
"""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from exposure_assets_tests.reference.assigning import canonical_assignments, judge_assignments
from exposure_assets_tests.reference.catalog import Catalog, Source, read_catalog
from exposure_assets_tests.reference.classifying import Exposure, classify
from exposure_assets_tests.reference.fields import sort_key
from exposure_assets_tests.reference.reading import read_assignments, read_events

Units = list[dict[str, Any]]


def exposed_units(
    events: list[Exposure], experiment_id: str, start: datetime, end: datetime, policy: str
) -> Units:
    """One row per unit with an exposure in [start, end), by unit id; crossovers as the policy says."""
    units: dict[str, list[Exposure]] = {}
    for event in events:
        if event.experiment_id == experiment_id and start <= event.occurred_at < end:
            units.setdefault(event.unit_id, []).append(event)
    rows = []
    for unit_id, mine in sorted(units.items(), key=lambda item: item[0].encode()):
        if policy == "exclude" and len({event.variation_id for event in mine}) > 1:
            continue
        first = min(
            mine,
            key=lambda event: sort_key(
                event.occurred_at, event.event_id, event.session_id, event.variation_id
            ),
        )
        rows.append(
            {
                "unit_id": unit_id,
                "variation_id": first.variation_id,
                "first_exposed_at": first.occurred_at,
                "last_exposed_at": max(event.occurred_at for event in mine),
                "exposure_count": len(mine),
                "first_event_id": first.event_id,
                "first_session_id": first.session_id,
            }
        )
    return rows


def exposures_of_zone(zone: Path) -> list[Exposure]:
    """Every exposure event by the definitions of the catalog."""
    catalog = read_catalog(zone / "catalog", 28)
    accepted, _ = judge_assignments(read_assignments(zone / "landing"), catalog)
    return classify(read_events(zone / "landing"), catalog, canonical_assignments(accepted)).exposures


def exposures_by_definition(
    zone: Path, experiment_id: str, source: Source, variation_ids: tuple[str, ...]
) -> list[Exposure]:
    """Every exposure event by another definition, on the days that the experiment accepts."""
    experiment = read_catalog(zone / "catalog", 28).experiments[experiment_id]
    unbounded = replace(
        experiment,
        start=datetime(1, 1, 8, tzinfo=UTC),
        end=None,
        variation_ids=variation_ids,
        source_id=source.id,
    )
    only = Catalog(experiments={experiment_id: unbounded}, metrics={}, sources={source.id: source})
    found = classify(read_events(zone / "landing"), only, {}).exposures
    first = experiment.start.date() - timedelta(days=7)
    last = (
        date.max
        if experiment.end is None
        else experiment.end.date() + timedelta(days=experiment.observe_days)
    )
    return [event for event in found if first <= event.exposure_date <= last]
