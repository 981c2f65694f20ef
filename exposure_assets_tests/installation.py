"""A whole installation in a temporary folder: real landing zone, real DuckDB or DuckLake, real Dagster instance.

What its tables have to hold is said by the tests and by the reference.
"""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest

from exposure_assets.assets.calendar import calendar_for
from exposure_assets.automation.outdated import days_with_rows
from exposure_assets.cli.backfill import Backfill
from exposure_assets.cli.backfill_plan import plan_backfill
from exposure_assets.cli.backfill_summary import Summary
from exposure_assets.contracts import STAGED_TABLES, WAREHOUSE_TABLES
from exposure_assets_tests.reference import GRAINS, compute_tables, diff_tables
from resources.dagster_home import dagster_home
from resources.settings import Settings
from resources.workspace import Workspace

ROOT = Path(__file__).parents[1]
COMPARED = ("exposure_events", "assignments", "deduped_exposures", "exposure_validation", "unit_outcomes")
COMPARED += ("exposure_windows", "unit_segments", "daily_quality", "stage_counts")
COMPARED += ("exposure_waterfall", "credit_ledger", "experiment_overlap", "sample_ratios")
COMPARED += ("exposure_delays", "cohort_diagnostics", "experiment_quality_report")
COMPARED += ("unit_covariates", "metric_moments")


@dataclass(frozen=True)
class Installation:
    """`zone` holds landing/ and catalog/; everything the system writes lies in `place`."""

    zone: Path
    place: Path
    warehouse: str | None = None

    @property
    def environment(self) -> dict[str, str]:
        """The settings, as a user would export them."""
        return {
            "EXPOSURES_LANDING": str(self.zone / "landing"),
            "EXPOSURES_CATALOG": str(self.zone / "catalog"),
            "EXPOSURES_WAREHOUSE": self.warehouse or str(self.place / "warehouse.duckdb"),
            "EXPOSURES_STAGING": str(self.place / "staging"),
            "DAGSTER_HOME": str(self.place / "dagster_home"),
        }

    @property
    def workspace(self) -> Workspace:
        """The places, opened anew."""
        return Workspace(Settings.from_environment(self.environment))

    @contextmanager
    def instance(self) -> Iterator[dg.DagsterInstance]:
        """The installation's own Dagster instance."""
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("DAGSTER_HOME", str(dagster_home(self.place / "dagster_home")))
            with dg.DagsterInstance.get() as instance:
                yield instance

    def backfill(
        self, experiments: Sequence[str] = (), first: date | None = None, last: date | None = None
    ) -> Summary:
        """What `exposure-assets backfill` does, in this process."""
        workspace = self.workspace
        catalog = workspace.catalog()
        calendar = calendar_for(workspace)
        zone = workspace.landing(catalog)
        plan = plan_backfill(
            catalog,
            calendar,
            days_with_rows(zone.refresh(), workspace.ledger.read()),
            experiments,
            first,
            last,
        )
        with self.instance() as instance:
            return Backfill(workspace, calendar, instance).run(plan)

    def command(self, *arguments: str) -> subprocess.Popen[str]:
        """Start `exposure-assets` as a process of its own."""
        return subprocess.Popen(
            [sys.executable, "-c", "from exposure_assets.cli import main; main()", *arguments],
            cwd=ROOT,
            env={**os.environ, **self.environment},
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def table(self, name: str) -> pl.DataFrame:
        """All rows of a table."""
        if name in STAGED_TABLES:
            return self.workspace.staging.scan(STAGED_TABLES[name]).collect()
        return self.workspace.warehouse.scan(WAREHOUSE_TABLES[name]).collect()

    def tables(self) -> dict[str, list[dict[str, Any]]]:
        """Every table that the reference computes, as rows."""
        return {name: self.table(name).rows(named=True) for name in COMPARED}

    def differences(self) -> dict[str, list[str]]:
        """Where the tables differ from the reference's; empty when they are what they have to be."""
        return differences(compute_tables(self.zone / "landing", self.zone / "catalog"), self.tables())


def differences(
    expected: dict[str, list[dict[str, Any]]], actual: dict[str, list[dict[str, Any]]]
) -> dict[str, list[str]]:
    """The differences per table, for tables that differ."""
    found = {name: diff_tables(expected[name], actual[name], GRAINS[name]) for name in COMPARED}
    return {name: lines[:5] for name, lines in found.items() if lines}
