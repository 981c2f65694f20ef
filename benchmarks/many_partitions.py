"""How quick Dagster's pages are with very many partitions: 500 experiments over 400 days, 30 of them running.

`python -m benchmarks.many_partitions [FOLDER]` builds such an instance, opens its pages in a headless Chromium and
prints what each took; no table is computed.
"""

import os
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
from dagster._core.definitions.events import AssetMaterialization
from dagster._core.events import DagsterEvent, DagsterEventType, StepMaterializationData
from dagster._core.events.log import EventLogEntry
from dagster._core.instance.utils import RUNLESS_JOB_NAME

from docs.screenshots.browser import Browser
from docs.screenshots.take import served
from partitions.calendar import EXPERIMENTS, partition_key
from resources.dagster_home import dagster_home

EXPERIMENT_COUNT, RUNNING_COUNT, CALENDAR_DAYS = 500, 30, 400
RUNNING_DAYS, ENDED_DAYS = 60, 14
TABLES = ("assignments", "deduped_exposures", "exposure_validation", "unit_outcomes", "daily_quality")
STAGED = ("exposure_events", "metric_events", "assignment_events", "rejected_events", "exposure_waterfall")
PAGES = {
    "overview of the lineage": ("/asset-groups", "landing"),
    "a table": ("/assets/daily_quality?view=overview", "Definition"),
    "its partitions": ("/assets/daily_quality?view=partitions", "Partitions Selected"),
    "a day of staging": ("/assets/exposure_events?view=partitions", "Partitions Selected"),
    "its checks": ("/assets/daily_quality?view=checks", "Checks ("),
    "its lineage": (
        "/assets/daily_quality?view=lineage&lineageScope=upstream&lineageDepth=9",
        "landing_files",
    ),
    "automation": ("/automation", "Automation"),
    "runs": ("/runs", "Runs"),
}


def main() -> None:
    """Build the instance and time the pages."""
    with tempfile.TemporaryDirectory(prefix="exposure-assets-partitions-") as temporary:
        folder = Path(sys.argv[1] if len(sys.argv) > 1 else temporary)
        settings = installation(folder, datetime.now(UTC).date())
        with served(settings, folder) as address, Browser(folder / "browser") as browser:
            for name, (path, text) in PAGES.items():
                for turn in ("first", "again"):
                    _show(name, turn, browser, address + path, text)


def installation(folder: Path, today: date) -> dict[str, str]:
    """A catalog, an empty landing zone and a home of Dagster that knows what was materialised; the settings."""
    experiments = folder / "catalog" / "experiments"
    experiments.mkdir(parents=True, exist_ok=True)
    (folder / "landing" / "events").mkdir(parents=True, exist_ok=True)
    starts = {f"experiment-{n:03}": _start(n, today) for n in range(EXPERIMENT_COUNT)}
    for number, (name, start) in enumerate(starts.items()):
        end = "" if number < RUNNING_COUNT else f"end = {start + timedelta(days=ENDED_DAYS)}T00:00:00Z\n"
        (experiments / f"{name}.toml").write_text(
            f'name = "{name}"\nowner = "growth@example.com"\nstart = {start}T00:00:00Z\n{end}'
            '[[variations]]\nid = "control"\nallocation = 0.5\nis_control = true\n'
            '[[variations]]\nid = "treatment"\nallocation = 0.5\n[exposure]\nsource = "experiment_exposed"\n'
        )
    settings = {
        "EXPOSURES_LANDING": str(folder / "landing"),
        "EXPOSURES_CATALOG": str(folder / "catalog"),
        "EXPOSURES_WAREHOUSE": str(folder / "warehouse.duckdb"),
        "EXPOSURES_STAGING": str(folder / "staging"),
        "DAGSTER_HOME": str(dagster_home(folder / "dagster_home")),
    }
    os.environ["DAGSTER_HOME"] = settings["DAGSTER_HOME"]
    started = time.monotonic()
    with dg.DagsterInstance.get() as instance:
        instance.add_dynamic_partitions(EXPERIMENTS.name or "", list(starts))
        count = _record(instance, starts, today)
    print(f"{count} materialisations recorded in {time.monotonic() - started:.0f} s", flush=True)
    return settings


def _start(number: int, today: date) -> date:
    if number < RUNNING_COUNT:
        return today - timedelta(days=RUNNING_DAYS - 1)
    return today - timedelta(days=CALENDAR_DAYS - 8 - number % (CALENDAR_DAYS - 8 - ENDED_DAYS))


def _record(instance: dg.DagsterInstance, starts: dict[str, date], today: date) -> int:
    events = [_event(table, key) for table, key in _partitions(starts, today)]
    for first in range(0, len(events), 2000):
        instance.event_log_storage.store_event_batch(events[first : first + 2000])
    return len(events)


def _partitions(starts: dict[str, date], today: date) -> Iterator[tuple[str, str]]:
    for back in range(CALENDAR_DAYS):
        for table in STAGED:
            yield table, str(today - timedelta(days=back))
    for number, (name, start) in enumerate(starts.items()):
        for day in range(RUNNING_DAYS if number < RUNNING_COUNT else ENDED_DAYS):
            for table in TABLES:
                yield table, str(partition_key(start + timedelta(days=day), name))


def _event(table: str, partition: str) -> EventLogEntry:
    tags = {}
    if "|" in partition:
        day, _, experiment = partition.partition("|")
        tags = {"dagster/partition/date": day, "dagster/partition/experiment": experiment}
    materialisation = AssetMaterialization(
        table, partition=partition, metadata={"dagster/partition_row_count": 100}, tags=tags
    )
    return EventLogEntry(
        user_message="",
        level=20,
        job_name=RUNLESS_JOB_NAME,
        run_id="",
        error_info=None,
        timestamp=time.time(),
        dagster_event=DagsterEvent(
            event_type_value=DagsterEventType.ASSET_MATERIALIZATION.value,
            event_specific_data=StepMaterializationData(materialisation),
            job_name=RUNLESS_JOB_NAME,
        ),
    )


def _show(name: str, turn: str, browser: Browser, url: str, text: str) -> None:
    seconds, requests = browser.time(url, text)
    slowest = ", ".join(f"{operation} {taken:.1f} s" for operation, taken in requests[:3])
    print(f"{name} ({turn}): {seconds:.1f} s; {slowest}", flush=True)


if __name__ == "__main__":
    main()
