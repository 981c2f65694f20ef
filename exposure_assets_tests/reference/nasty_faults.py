"""Rows and files of a nasty landing zone that may not reach any table, one of each kind at least.
Rows that count, also where they lie at a bound, are made elsewhere.
"""

import gzip
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from exposure_assets_tests.reference.catalog import Catalog, Experiment
from exposure_assets_tests.reference.nasty_rows import MICROSECOND, Zone
from exposure_assets_tests.reference.writing import write_rows

DAY = timedelta(days=1)
NOT_INSTANTS = ("yesterday", "2026-13-01", "2026-02-30T00:00:00Z", "1767225600", "", "2026-01-01T25:00:00Z")
NOT_OBJECTS = (None, "not json", "[1]", "5", "null", '"{}"', '{"experiment":', "", [1], 7, True, '{"a":NaN}')


def add_faulty_rows(zone: Zone, catalog: Catalog, has_far_days: bool) -> None:
    """Add rows of every rejecting bucket and reason, around rows that would be accepted."""
    checkout = catalog.experiments["checkout-button"]
    for experiment in catalog.experiments.values():
        _add_outside(zone, experiment)
    _add_unattributable(zone, checkout)
    _add_unattributable_displays(zone, catalog.experiments["tips"])
    _add_malformed_events(zone, catalog)
    _add_unmatched(zone, catalog)
    _add_rejected_assignments(zone, catalog)
    if has_far_days:
        for year in (1970, 2099):
            zone.expose(checkout, zone.units[1], "control", datetime(year, 1, 1, tzinfo=UTC))
    # The empty text is an id like any other.
    zone.event("visit", zone.units[2], checkout.start, event_id="")


def _add_outside(zone: Zone, experiment: Experiment) -> None:
    first = datetime.combine(experiment.start.date(), datetime.min.time(), UTC) - 7 * DAY
    bounds = [first, first - MICROSECOND]
    if experiment.end is not None:
        last = datetime.combine(experiment.end.date(), datetime.min.time(), UTC)
        last += (experiment.observe_days + 1) * DAY
        bounds += [last - MICROSECOND, last]
    for at in bounds:
        zone.expose(experiment, zone.rng.choice(zone.units), zone.rng.choice(experiment.variation_ids), at)


def _add_unattributable(zone: Zone, experiment: Experiment) -> None:
    names: tuple[tuple[Any, Any], ...] = (
        ("{experiment}", "control"),
        ("checkout-{experiment}", "control"),
        (experiment.id, "{experiment}"),
        ("{experiment}+checkout-button", "control"),
        ("checkout-button+007", "control"),
        ("elsewhere+checkout-button", "control"),
        ("elsewhere+nowhere", "control"),
        ("elsewhere", "control"),
        ("Checkout-Button", "control"),
        ("checkout-button ", "control"),
        ("checkout_button", "control"),
        ("7", "control"),
        ("", "control"),
        (7, 1),
        (experiment.id, "Control"),
        (experiment.id, " control"),
        (experiment.id, ""),
        (experiment.id, False),
        # Known, but they take their exposures from another source.
        ("posthog-flag", "true"),
        ("otel-flag", "control"),
        ("twin", "control"),
    )
    for experiment_name, variation_name in names:
        at = experiment.start + zone.rng.randint(0, 20) * DAY / 2
        properties = {"experiment": experiment_name, "variation": variation_name}
        row = zone.event("experiment_exposed", zone.rng.choice(zone.units), at, properties)
        if zone.rng.random() < 0.3:
            zone.copy_event(row)


def _add_unattributable_displays(zone: Zone, experiment: Experiment) -> None:
    displays: tuple[tuple[str, dict[str, Any]], ...] = (
        *(
            ("message_displayed", {"experiment": name})
            for name in ("{experiment}", "tips+offers", "gone+tips", "gone+away", "Tips", "", 7, "legacy-1")
        ),
        ("message_displayed", {"experiment": "tips", "branch": "Control"}),
        ("message_displayed", {"experiment": "tips", "branch": "{experiment}"}),
        ("message_displayed", {"experiment": "tips", "branch": None}),
        ("message_displayed", {"experiment": "gone", "part": "tip"}),
        ("message_displayed", {"part": "{experiment}-tip"}),
        ("message_displayed", {"part": "bundled with the app"}),
        ("message_displayed", {}),
        ("legacy_displayed", {"part": "{experiment}", "under": "a"}),
        ("legacy_displayed", {"under": "a"}),
        ("legacy_displayed", {"part": "a", "under": "b"}),
    )
    for name, properties in displays:
        for unit_id in (zone.rng.choice(zone.units), "assigned to nothing"):
            at = experiment.start + zone.rng.randint(0, 12) * DAY / 2
            row = zone.event(name, unit_id, at, properties)
            if zone.rng.random() < 0.3:
                zone.copy_event(row)
    for text in NOT_OBJECTS:
        zone.event("message_displayed", zone.rng.choice(zone.units), experiment.start, text)
    # Assigned a week after the display, and a day later than that.
    for days in (7, 8):
        late = f"assigned {days} days later"
        zone.event("message_displayed", late, experiment.start - 4 * DAY, {"experiment": "tips"})
        zone.assign("tips", late, "treatment", experiment.start + (days - 4) * DAY)
        zone.assign("offers", late, "treatment", experiment.start + 9 * DAY)


def _add_malformed_events(zone: Zone, catalog: Catalog) -> None:
    rng = zone.rng
    checkout, posthog = catalog.experiments["checkout-button"], catalog.experiments["posthog-flag"]
    at = checkout.start + 2 * DAY
    exposed = "experiment_exposed"
    good = {"experiment": checkout.id, "variation": "control"}
    for properties in NOT_OBJECTS:
        zone.event(exposed, rng.choice(zone.units), at, properties)
        zone.event("$feature_flag_called", rng.choice(zone.units), at, properties, session_id="s1")
    for properties in (
        {},
        {"experiment": checkout.id},
        {"variation": "control"},
        {"experiment": None, "variation": "control"},
        {"experiment": checkout.id, "variation": None},
        {"experiment": "elsewhere"},
    ):
        zone.event(exposed, rng.choice(zone.units), at, properties)
    zone.event("$feature_flag_called", "u", at, {"$feature_flag": posthog.id, "api": 2}, session_id="s1")
    zone.event("column_exposed", rng.choice(zone.units), at, None, session_id=None)
    for column in ("event_id", "event_name", "unit_id", "occurred_at"):
        changes = {column: None}
        for name, properties in ((exposed, good), ("purchase", None), (exposed, {"experiment": "elsewhere"})):
            row = zone.event(name, rng.choice(zone.units), at, properties)
            row.update(changes)
    for text in NOT_INSTANTS:
        zone.event(exposed, rng.choice(zone.units), at, good)["occurred_at"] = text
        zone.event("purchase", rng.choice(zone.units), at)["occurred_at"] = text
    # A malformed copy takes no part: the later, well-formed one counts.
    accepted = zone.event(exposed, rng.choice(zone.units), at, {**good})
    zone.copy_event(accepted, occurred_at=at - DAY, properties={"experiment": checkout.id})
    # An unreadable time of ingestion is only null.
    zone.event(exposed, rng.choice(zone.units), at, {**good})["ingested_at"] = "soon"


def _add_unmatched(zone: Zone, catalog: Catalog) -> None:
    """Events of a source's name that its filter leaves out: nothing is wrong, and no waterfall has them."""
    otel, posthog = catalog.experiments["otel-flag"], catalog.experiments["posthog-flag"]
    flat = {"feature_flag.key": otel.id, "feature_flag.result.variant": "control"}
    for extra in (
        {},
        {"feature_flag.result.reason": "default"},
        {"feature_flag.result.reason": None},
        {"feature_flag.result.reason": "Split"},
        {"feature_flag.result.reason": "split", "bot": True},
        {"feature_flag.result.reason": "split", "bot": 1},
    ):
        zone.event("feature_flag.evaluation", zone.rng.choice(zone.units), otel.start, {**flat, **extra})
    called = {"$feature_flag": posthog.id, "$feature_flag_response": "test"}
    for extra in ({"api": 3}, {"api": "2 "}, {}, {"api": 2, "locally": False}):
        zone.event(
            "$feature_flag_called",
            zone.rng.choice(zone.units),
            posthog.start,
            {**called, **extra},
            session_id="s",
        )
    zone.event("$feature_flag_called", zone.rng.choice(zone.units), posthog.start, {**called, "api": 2})
    for name in ("Experiment_exposed", "experiment_exposed ", "unrelated", ""):
        properties = {"experiment": "checkout-button", "variation": "control"}
        zone.event(name, zone.rng.choice(zone.units), posthog.start, properties)
    # One id for two kinds of event: whichever came first, there is one event.
    for hours in (-1, 1):
        at = posthog.start + 2 * DAY
        row = zone.event("purchase", zone.rng.choice(zone.units), at, value=5.0)
        properties = {"experiment": "checkout-button", "variation": "control"}
        zone.copy_event(
            row,
            event_name="experiment_exposed",
            occurred_at=at + timedelta(hours=hours),
            properties=properties,
            value=None,
        )


def _add_rejected_assignments(zone: Zone, catalog: Catalog) -> None:
    rng = zone.rng
    for experiment in catalog.experiments.values():
        variation_id = experiment.variation_ids[0]
        zone.assign(experiment.id, f"too early {experiment.id}", variation_id, experiment.start - MICROSECOND)
        zone.assign(experiment.id, f"in time {experiment.id}", variation_id, experiment.start)
        if experiment.enrollment_end is not None:
            last = experiment.enrollment_end
            zone.assign(experiment.id, f"too late {experiment.id}", variation_id, last)
            zone.assign(experiment.id, f"in time too {experiment.id}", variation_id, last - MICROSECOND)
            zone.assign(experiment.id, f"late again {experiment.id}", variation_id, last - DAY / 2)
            zone.assign(experiment.id, f"late again {experiment.id}", experiment.variation_ids[1], last)
    checkout = catalog.experiments["checkout-button"]
    for experiment_id, variation_id in (
        ("elsewhere", "control"),
        ("Checkout-Button", "control"),
        ("{experiment}", "control"),
        (checkout.id, "Control"),
        (checkout.id, ""),
        (checkout.id, None),
        (None, "control"),
    ):
        zone.assign(experiment_id, rng.choice(zone.units), variation_id, checkout.start)
    zone.assign(checkout.id, None, "control", checkout.start)
    for text in (None, *NOT_INSTANTS):
        zone.assign(checkout.id, rng.choice(zone.units), "control", checkout.start)["assigned_at"] = text


def write_broken_files(landing: Path, zone: Zone, rng: random.Random) -> None:
    """Write files that can't be read, each beside good ones; their rows appear nowhere else."""
    days = sorted({day for day, _ in zone.events})
    at = datetime.combine(days[len(days) // 2], datetime.min.time(), UTC)
    event = {
        "event_name": "experiment_exposed",
        "unit_id": zone.units[1],
        "occurred_at": at,
        "properties": {"experiment": "checkout-button", "variation": "treatment"},
    }
    events = [{"event_id": f"broken-{number}", **event} for number in range(20)]
    assignment = {"experiment_id": "checkout-button", "variation_id": "treatment", "assigned_at": at}
    assignments = [{"unit_id": f"broken-{number}", **assignment} for number in range(20)]
    for stream, rows in (("events", events), ("assignments", assignments)):
        folder = landing / stream / f"date={rng.choice(days)}"
        for name in ("broken-cut.parquet", "broken-cut.jsonl.gz", "broken-cut.csv.gz"):
            write_rows(folder / name, stream, rows, rng)
            content = (folder / name).read_bytes()
            (folder / name).write_bytes(content[: len(content) * 2 // 3])
        write_rows(folder / "broken-line.jsonl", stream, rows, rng)
        with (folder / "broken-line.jsonl").open("a", encoding="utf-8") as file:
            file.write('\n{"event_id": "broken-last", "unit_id": \n')
        write_rows(folder / "broken-list.jsonl.gz", stream, rows, rng)
        text = gzip.decompress((folder / "broken-list.jsonl.gz").read_bytes()) + b"\n[1, 2]"
        (folder / "broken-list.jsonl.gz").write_bytes(gzip.compress(text, mtime=0))
        (folder / "broken-empty.parquet").write_bytes(b"")
        (folder / "broken-text.parquet").write_bytes(b"event_id,unit_id\n1,2\n")
        # Columns renamed and of another type: the file is drifting, not a row.
        write_rows(folder / "broken-column.csv", stream, rows, rng)
        text = (folder / "broken-column.csv").read_bytes().replace(b"unit_id", b"user_id", 1)
        (folder / "broken-column.csv").write_bytes(text)
        _write_drifting(folder, stream, rows)


def _write_drifting(folder: Path, stream: str, rows: list[dict[str, Any]]) -> None:
    time_column = "occurred_at" if stream == "events" else "assigned_at"
    texts = [{key: value for key, value in row.items() if key != "properties"} for row in rows]
    table = pa.Table.from_pylist(texts)
    pq.write_table(table.drop_columns(["unit_id"]), folder / "broken-missing.parquet")
    index = table.column_names.index("unit_id")
    numbers = table.set_column(index, "unit_id", pa.array(range(len(rows)), pa.int64()))
    pq.write_table(numbers, folder / "broken-number.parquet")
    index = table.column_names.index(time_column)
    strings = table.set_column(index, time_column, pa.array([row[time_column].isoformat() for row in rows]))
    pq.write_table(strings, folder / "broken-time.parquet")
