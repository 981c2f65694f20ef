"""What a results page costs that asks who was exposed, ten times over 30 days, against scans of the raw events.

`python -m benchmarks.results_page FOLDER [EVENTS]` simulates the events (or finds them there), stages them, and prints
a table. The peers run the query that such pages are commonly built on: they neither count copies of an event once nor
order what happened at one instant.
"""

import importlib
import shutil
import statistics
import sys
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock
from pathlib import Path

import duckdb
import polars as pl

from benchmarks.data import DAYS, ensure_data
from exposure_assets.assets.calendar import calendar_for
from exposure_assets.assets.staging import stage_days
from exposure_assets.contracts import ExposureEvents
from exposure_assets.exposures import Exposures, announcing, exposures, staging_first
from exposure_assets.exposures.question import asked
from exposure_assets.exposures.world import World
from exposure_assets.transforms.deduped_exposures import dedupe_exposures
from exposure_assets.transforms.preaggregation_windows import lifetimes, midnight
from exposure_assets.transforms.unit_exposures import MERGED_COLUMNS, by_policy, merge_units, with_bounds
from resources.settings import Settings
from resources.workspace import Workspace

_VIEWS, _RUNS = 10, 3
# The clocks of all start after their imports.
_IMPORTED = (announcing, staging_first)
_DUCKDB = """
SELECT unit_id, arg_min(variation, occurred_at), min(occurred_at), max(occurred_at), count(*),
       arg_min(event_id, occurred_at), arg_min(session_id, occurred_at)
FROM (SELECT *, TRY(json_extract_string(properties, '$.variation')) AS variation
      FROM read_parquet('{files}', hive_partitioning = false)
      WHERE event_name = 'experiment_exposed' AND TRY(json_extract_string(properties, '$.experiment')) = '{experiment}'
        AND occurred_at >= TIMESTAMP '{start}' AND occurred_at < TIMESTAMP '{end}')
GROUP BY unit_id
"""
_CLICKHOUSE = """
SELECT unit_id, argMin(JSONExtractString(assumeNotNull(properties), 'variation'), occurred_at), min(occurred_at),
       max(occurred_at), count(), argMin(event_id, occurred_at), argMin(session_id, occurred_at)
FROM file('{files}', Parquet)
WHERE event_name = 'experiment_exposed'
  AND JSONExtractString(assumeNotNull(properties), 'experiment') = '{experiment}'
  AND occurred_at >= toDateTime64('{start}', 6, 'UTC') AND occurred_at < toDateTime64('{end}', 6, 'UTC')
GROUP BY unit_id
"""


class Page:
    """One installation, one experiment, and the ways to learn who was exposed."""

    def __init__(self, data: Path, work: Path) -> None:
        settings = {
            "EXPOSURES_LANDING": f"{data}/landing",
            "EXPOSURES_CATALOG": f"{data}/catalog",
            "EXPOSURES_STAGING": f"{work}/staging",
            "EXPOSURES_WAREHOUSE": f"{work}/warehouse.duckdb",
        }
        self.work = work
        self.workspace = Workspace(Settings.from_environment(settings))
        self.files = f"{data}/landing/events/*/*.parquet"

    def stage(self) -> date:
        """Stage every day, and choose the experiment with the most exposures; gives the last day of its data."""
        catalog = self.workspace.catalog()
        starts = calendar_for(self.workspace).first_day
        zone = self.workspace.landing(catalog)
        days = zone.refresh().days("events")
        staging, ledger = self.workspace.staging, self.workspace.ledger
        stage_days(zone, staging, ledger, catalog, (max(days[0], starts), days[-1]), starts)
        counted = (
            staging.scan(ExposureEvents)
            .group_by("experiment_id")
            .agg(pl.len(), pl.col("exposure_date").max())
        )
        self.experiment, self.rows, last = counted.sort("len", descending=True).collect().row(0)
        return last

    def ask(self, start: datetime, end: datetime) -> Exposures:
        return exposures(self.experiment, start, end, crossover_policy="first_seen", workspace=self.workspace)

    def forget(self) -> None:
        """Make the next question a cold one: staged, and nothing computed."""
        shutil.rmtree(self.work / "staging" / "exposures", ignore_errors=True)
        for file in self.work.glob("warehouse.duckdb*"):
            file.unlink()

    def scan_staged(self, start: datetime, end: datetime) -> pl.DataFrame:
        """Our direct scan of staged events."""
        events = self.workspace.staging.scan(ExposureEvents, (start.date(), end.date())).filter(
            pl.col("experiment_id") == self.experiment,
            pl.col("occurred_at") >= start,
            pl.col("occurred_at") < end,
        )
        return by_policy(
            merge_units(with_bounds(dedupe_exposures(events).collect().select(MERGED_COLUMNS))), "first_seen"
        )[0]

    def scan_raw(self, start: datetime, end: datetime) -> pl.DataFrame:
        """Our direct scan of the raw files, with every rule of the contract."""
        question = asked(
            self.workspace.catalog(), self.experiment, start, end, None, "first_seen", lifetimes(None)
        )
        world = World.scanned(self.workspace, question)
        rows = dedupe_exposures(world.landed_exposures(world.days).lazy()).collect()
        return by_policy(merge_units(with_bounds(rows.select(MERGED_COLUMNS))), "first_seen")[0]

    def sql(self, text: str, start: datetime, end: datetime) -> str:
        return text.format(
            files=self.files,
            experiment=self.experiment,
            start=start.strftime("%Y-%m-%d %H:%M:%S.%f"),
            end=end.strftime("%Y-%m-%d %H:%M:%S.%f"),
        )


def _timed(work: Callable[[], object], runs: int, before: Callable[[], None] = lambda: None) -> float:
    """The median of some runs, in milliseconds."""
    took = []
    for _ in range(runs):
        before()
        started = time.perf_counter()
        work()
        took.append((time.perf_counter() - started) * 1000)
    return statistics.median(took)


def measure(page: Page) -> list[tuple[str, float]]:
    """Milliseconds by what was done, the median of the runs."""
    chdb = importlib.import_module("chdb")

    last = page.stage()
    end = midnight(last + timedelta(days=1))
    start = datetime.combine(last - timedelta(days=DAYS - 1), clock(9, 57), UTC)
    day = timedelta(days=1)
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    results = [
        ("DuckDB, raw files", _timed(lambda: connection.execute(page.sql(_DUCKDB, start, end)).pl(), _RUNS)),
        (
            "ClickHouse (chdb), raw files",
            _timed(lambda: chdb.query(page.sql(_CLICKHOUSE, start, end), "Arrow"), _RUNS),
        ),
        ("ours, raw files, every rule", _timed(lambda: page.scan_raw(start, end), 1)),
        ("ours, staged events", _timed(lambda: page.scan_staged(start, end), _RUNS)),
        ("cold: staged, nothing computed", _timed(lambda: page.ask(start, end), _RUNS, page.forget)),
        ("warm: the same page again", _timed(lambda: page.ask(start, end), _VIEWS)),
        ("another start, days ready", _timed(lambda: page.ask(start + timedelta(hours=3), end), 1)),
    ]

    def yesterday() -> None:
        page.forget()
        page.ask(start, end - day)

    results.append(("one new day", _timed(lambda: page.ask(start, end), _RUNS, yesterday)))
    assert page.ask(start, end).rows.equals(page.scan_staged(start, end))
    return results


def main() -> None:
    """Measure and print."""
    folder, events = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 5_000_000
    work = folder / "work"
    shutil.rmtree(work, ignore_errors=True)
    page = Page(ensure_data(folder, events).absolute(), work.absolute())
    results = measure(page)
    fastest = min(took for name, took in results if "raw files" in name)
    print(f"{events:,} events, {page.rows:,} exposures of {page.experiment}\n")
    print("| who was exposed in 30 days | ms | fastest direct scan of raw files / this |\n|---|---|---|")
    for name, took in results:
        print(f"| {name} | {took:,.1f} | {fastest / took:,.2f} |")


if __name__ == "__main__":
    main()
