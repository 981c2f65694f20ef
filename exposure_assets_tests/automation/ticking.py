"""Plays the daemon for a test: ticks of the landing sensor, and the runs that they request, in a real instance.

What has to be requested is said by the tests; the daemon itself is tried in `test_daemon`.
"""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import polars as pl

from exposure_assets.assets.calendar import calendar_for
from exposure_assets.automation.landing_sensor import evaluate
from exposure_assets.automation.requests import RANGE_END, RANGE_START
from exposure_assets.definitions import build_definitions
from exposure_assets_tests.installation import Installation
from partitions.calendar import EXPERIMENTS

# The experiments of a simulation of two.
FIRST, SECOND = "checkout-button", "search-ranking"


@dataclass
class Ticking:
    """Ticks until nothing is requested any more; remembers the cursor as the daemon does.

    `later` puts the clock forward: what has just been computed is not requested again for a minute.
    """

    installation: Installation
    cursor: str | None = None
    messages: list[str] = field(default_factory=list)
    later: timedelta = timedelta()

    def settle(self) -> list[tuple[str, str, str]]:
        """Every run that is requested until all is fresh: (assets, first partition, last partition)."""
        requested: list[tuple[str, str, str]] = []
        for _ in range(10):
            found = self.tick()
            requested += found
            if not found:
                return requested
        raise AssertionError(f"still not fresh after ten ticks: {requested}")

    def tick(self, *, execute: bool = True) -> list[tuple[str, str, str]]:
        """One tick, and the runs that it requests."""
        workspace = self.installation.workspace
        with self.installation.instance() as instance:
            result = evaluate(
                workspace.settings,
                instance,
                calendar_for(workspace),
                self.cursor,
                datetime.now(UTC) + self.later,
            )
            self.cursor = result.cursor
            self.messages.append(result.skip_reason.skip_message or "" if result.skip_reason else "")
            for request in result.dynamic_partitions_requests or ():
                instance.add_dynamic_partitions(EXPERIMENTS.name or "", list(request.partition_keys))
            requests = list(result.run_requests or ())
            definitions = build_definitions(workspace.settings)
            for request in requests if execute else ():
                run = definitions.resolve_job_def(str(request.job_name)).execute_in_process(
                    instance=instance,
                    tags=dict(request.tags),
                    asset_selection=list(request.asset_selection or ()),
                    raise_on_error=False,
                )
                assert run.success, [event.message for event in run.all_events if event.is_failure]
        return [_described(request) for request in requests]


def cells(requested: list[tuple[str, str, str]]) -> list[tuple[str, str, str]]:
    """Every partition of every table that was requested: (table, day, experiment)."""
    found = []
    for assets, first, last in requested:
        if not first or assets == "stage":
            continue
        (first_day, experiment), (last_day, same) = first.split("|"), last.split("|")
        experiments = [e for e in (FIRST, SECOND) if experiment <= e <= same]
        days = (date.fromisoformat(last_day) - date.fromisoformat(first_day)).days
        found += [
            (table, (date.fromisoformat(first_day) + timedelta(days=n)).isoformat(), one)
            for table in assets.split(",")
            for n in range(days + 1)
            for one in experiments
        ]
    return found


def staged(requested: list[tuple[str, str, str]]) -> list[tuple[str, str]]:
    return [(first, last) for assets, first, last in requested if assets == "stage"]


def events_of(ticking: Ticking, day: str) -> tuple[Path, pl.DataFrame]:
    path = sorted((ticking.installation.zone / "landing" / "events" / f"date={day}").glob("*.parquet"))[0]
    return path, pl.read_parquet(path)


def arrive(ticking: Ticking, stream: str, rows: pl.DataFrame, name: str, on: str = "2026-01-06") -> None:
    folder = ticking.installation.zone / "landing" / stream / f"date={on}"
    folder.mkdir(parents=True, exist_ok=True)
    rows.write_parquet(folder / name)


def edit(ticking: Ticking, experiment: str, old: str, new: str) -> None:
    path = ticking.installation.zone / "catalog" / "experiments" / f"{experiment}.toml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def _described(request: dg.RunRequest) -> tuple[str, str, str]:
    assets = sorted(key.path[-1] for key in request.asset_selection or ())
    names = "stage" if "exposure_events" in assets else ",".join(assets)
    return names, request.tags.get(RANGE_START, ""), request.tags.get(RANGE_END, "")
