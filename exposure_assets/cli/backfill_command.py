"""The command `backfill`: opens the places, shows progress while it runs and a summary at the end.

What is computed, and why, stands in `backfill`.
"""

import logging
import os
import sys
import time
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import dagster as dg
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from exposure_assets.assets.calendar import calendar_for
from exposure_assets.assets.progress import listening
from exposure_assets.automation.outdated import days_with_rows
from exposure_assets.cli.backfill import Backfill
from exposure_assets.cli.backfill_plan import BackfillPlan, plan_backfill
from exposure_assets.cli.backfill_summary import failed_checks, show, warnings
from resources.dagster_home import dagster_home
from resources.settings import DEFAULT_DAGSTER_HOME, Settings
from resources.workspace import Workspace

_WARNINGS_SHOWN = 10
_TABLES_IN_ORDER = (
    "exposure_events",
    "credit_ledger",
    "deduped_exposures",
    "assignments",
    "exposure_validation",
    "exposure_windows",
    "unit_segments",
    "unit_outcomes",
    "unit_covariates",
    "daily_quality",
    "stage_counts",
    "exposure_delays",
    "cohort_diagnostics",
    "metric_moments",
    "experiment_overlap",
    "sample_ratios",
    "sample_ratio_intervals",
    "experiment_quality_report",
    "experiment_results",
    "experiment_reports",
    "explanations",
)


def run_backfill(experiments: Sequence[str], first: date | None, last: date | None) -> bool:
    """Backfill, with a progress bar on stderr and a summary on stdout.

    Returns:
        Whether a check failed: the tables are published, but someone has to look.

    Raises:
        BackfillError, RunFailed, CatalogError, LandingError, SettingError, WarehouseError: as the places say.
    """
    started = time.monotonic()
    workspace = Workspace(Settings.from_environment())
    warehouse = workspace.warehouse
    logging.getLogger("dagster").setLevel(logging.ERROR)
    os.environ["DAGSTER_HOME"] = str(
        dagster_home(Path(os.environ.get("DAGSTER_HOME") or DEFAULT_DAGSTER_HOME))
    )
    errors = Console(stderr=True)
    with dg.DagsterInstance.get() as instance, _Bar(errors) as bar, listening(bar.show):
        bar.show("landing_files", "reading new files")
        catalog = workspace.catalog()
        calendar = calendar_for(workspace)
        zone = workspace.landing(catalog)
        days = days_with_rows(zone.refresh(), workspace.ledger.read())
        plan = plan_backfill(catalog, calendar, days, experiments, first, last)
        summary = Backfill(workspace, calendar, instance).run(plan)
    console = Console(width=None if sys.stdout.isatty() else 120)
    show(summary, console)
    console.print(f"{_said(plan)} in {time.monotonic() - started:.1f} s, warehouse {warehouse}")
    found = warnings(summary)
    for warning in found[:_WARNINGS_SHOWN]:
        errors.print(f"warning: {warning}", markup=False, highlight=False)
    if len(found) > _WARNINGS_SHOWN:
        errors.print(f"warning: and {len(found) - _WARNINGS_SHOWN} more, in Dagster's page")
    failed = failed_checks(summary)
    for check in failed:
        errors.print(f"check failed: {check}", markup=False, highlight=False)
    return bool(failed)


def _said(plan: BackfillPlan) -> str:
    if plan.days is None:
        return "the landing zone holds no rows: nothing to compute"
    days = len(plan.day_list)
    return f"{days} days ({plan.days[0]} to {plan.days[1]}), {len(plan.experiments)} experiments"


class _Bar:
    """One bar over the tables of the graph; a table further down moves it on."""

    def __init__(self, console: Console) -> None:
        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
        self._progress = Progress(*columns, console=console, transient=True)

    def __enter__(self) -> "_Bar":
        self._progress.start()
        self._task = self._progress.add_task("starting", total=len(_TABLES_IN_ORDER))
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def show(self, table: str, what: str) -> None:
        """Show what is being computed."""
        done = _TABLES_IN_ORDER.index(table) if table in _TABLES_IN_ORDER else 0
        self._progress.update(self._task, description=f"{table}: {what}", completed=done)
