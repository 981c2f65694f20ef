"""The command `exposure-assets` and its subcommands.

What a command does stands in the module it calls.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from exposure_assets.cli.features import features_app

app = typer.Typer(
    name="exposure-assets",
    help="From raw event files to validated experiment tables. Places come from EXPOSURES_* settings.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
catalog_app = typer.Typer(
    help="The catalog of experiments, metrics and exposure sources.", no_args_is_help=True
)
app.add_typer(catalog_app, name="catalog")
alerts_app = typer.Typer(
    help="What is announced to EXPOSURES_ALERTS when something goes wrong.", no_args_is_help=True
)
app.add_typer(alerts_app, name="alerts")
app.add_typer(features_app, name="features")

Day = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], metavar="DAY")]


class Format(StrEnum):
    """How a query's rows are shown."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    PARQUET = "parquet"


class ResultFormat(StrEnum):
    """How results are shown."""

    TEXT = "text"
    CSV = "csv"
    JSON = "json"


class ExplanationFormat(StrEnum):
    """How an explanation is shown."""

    TEXT = "text"
    JSON = "json"


class Basis(StrEnum):
    """Which units results are about."""

    ASSIGNED = "assigned"
    EXPOSED = "exposed"
    VALID_EXPOSED = "valid_exposed"
    NOT_EXPOSED = "not_exposed"


@contextmanager
def errors_as_sentences() -> Iterator[None]:
    """Show what a user can cause as a sentence on stderr and exit with 1; anything else is a bug and looks like one."""
    from exposure_assets.automation.alerts_commands import AlertTestError
    from exposure_assets.cli.backfill import RunFailed
    from exposure_assets.cli.backfill_plan import BackfillError
    from resources.alert_book import AlertBookError
    from resources.alert_channels import AlertChannelError
    from resources.atomic import DiskFull
    from resources.catalog import CatalogError
    from resources.dagster_home import DagsterHomeError
    from resources.landing import LandingError
    from resources.query import QueryError
    from resources.settings import SettingError
    from resources.warehouse import WarehouseError

    expected = (
        AlertBookError,
        AlertChannelError,
        AlertTestError,
        RunFailed,
        BackfillError,
        CatalogError,
        DagsterHomeError,
        DiskFull,
        LandingError,
        QueryError,
        SettingError,
        WarehouseError,
    )
    with as_sentences(*expected):
        yield


@contextmanager
def as_sentences(*expected: type[Exception]) -> Iterator[None]:
    """Show these errors as a sentence on stderr and exit with 1."""
    try:
        yield
    except expected as error:
        print(f"error: {error}", file=sys.stderr)
        raise typer.Exit(1) from error


@catalog_app.command("check")
def catalog_check() -> None:
    """Say what is wrong in the catalog, and where, and what is worth a warning."""
    from resources.catalog_warnings import catalog_warnings
    from resources.settings import Settings
    from resources.workspace import Workspace

    with errors_as_sentences():
        settings = Settings.from_environment()
        catalog = Workspace(settings).catalog()
        for warning in catalog_warnings(catalog, settings.catalog):
            print(f"warning: {warning}", file=sys.stderr)
        print(
            f"catalog ok: {len(catalog.experiments)} experiments, {len(catalog.metrics)} metrics, "
            f"{len(catalog.exposure_sources)} exposure sources in {settings.catalog}"
        )


@alerts_app.command("test")
def alerts_test() -> None:
    """Send a message to every channel of EXPOSURES_ALERTS."""
    from exposure_assets.automation.alerts_commands import send_test_alert
    from resources.settings import Settings

    with errors_as_sentences():
        for line in send_test_alert(Settings.from_environment()):
            print(line)


@alerts_app.command("list")
def alerts_list() -> None:
    """Show the alerts that are open: what went wrong and is not over."""
    from exposure_assets.automation.alerts_commands import open_alerts
    from resources.settings import Settings

    with errors_as_sentences():
        for line in open_alerts(Settings.from_environment()) or ["no alert is open"]:
            print(line)


@app.command()
def backfill(
    experiment: Annotated[
        list[str] | None, typer.Option(metavar="ID", help="Only this experiment; may be given several times.")
    ] = None,
    from_: Annotated[
        datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], metavar="DAY", help="First UTC day.")
    ] = None,
    to: Annotated[
        datetime | None,
        typer.Option("--to", formats=["%Y-%m-%d"], metavar="DAY", help="Last UTC day, included."),
    ] = None,
) -> None:
    """Bring tables up to date: by default every day that holds rows, of every experiment.

    What the days depend on is computed too where it is not up to date, and so are earlier cohorts that the days
    change. Running it again changes nothing.
    """
    from exposure_assets.cli.backfill_command import run_backfill

    with errors_as_sentences():
        failed = run_backfill(experiment or [], _day(from_), _day(to))
    if failed:
        raise typer.Exit(1)


def _day(instant: datetime | None) -> date | None:
    return instant.date() if instant else None


@app.command()
def query(
    sql: Annotated[str, typer.Argument(help="One SELECT over the tables of the contract.")],
    format: Annotated[Format, typer.Option(help="How rows are shown.")] = Format.TABLE,
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write to a file instead of stdout.")
    ] = None,
) -> None:
    """Read the warehouse: one SELECT, read-only, without access to files or the network."""
    from resources.query import run_query
    from resources.query_output import write_result
    from resources.settings import Settings
    from resources.workspace import Workspace

    with errors_as_sentences():
        workspace = Workspace(Settings.from_environment())
        write_result(run_query(workspace.warehouse, workspace.settings.staging, sql), format.value, output)


@app.command()
def exposures(
    experiment: Annotated[str, typer.Argument(metavar="EXPERIMENT", help="Its id in the catalog.")],
    start: Annotated[
        str | None,
        typer.Option(metavar="T", help="First instant, in ISO 8601, UTC without a zone; default: its start."),
    ] = None,
    end: Annotated[
        str | None, typer.Option(metavar="T", help="First instant that no longer counts; default: its end.")
    ] = None,
    policy: Annotated[
        str | None, typer.Option(metavar="P", help="exclude or first_seen; default: the experiment's.")
    ] = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Show how the answer came about instead of its rows.")
    ] = False,
    format: Annotated[Format, typer.Option(help="How rows are shown.")] = Format.TABLE,
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the rows to a file instead of stdout.")
    ] = None,
) -> None:
    """Who was exposed between two instants: one row per unit, from what was computed before and what is new.

    The rows are those of a scan over all files as they are now. With --explain and --output the rows go to the file.
    """
    # Not every error of every command: those would import all of Dagster, and this is to be quick.
    from exposure_assets.cli.exposures_command import EXPECTED, run_exposures

    with as_sentences(*EXPECTED):
        run_exposures(experiment, start, end, policy, explain, format.value, output)


@app.command()
def report(
    experiment: Annotated[str, typer.Argument(metavar="EXPERIMENT", help="Its id in the catalog.")],
    output: Annotated[Path, typer.Option(metavar="FILE", help="The page to write, as HTML.")],
    day: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"], metavar="DAY", help="As of the end of this UTC day; default: the last."
        ),
    ] = None,
) -> None:
    """Write the page of an experiment: fit for a decision or not and why, losses, rates, sample ratios, results.

    It is one file without scripts that needs no network, and shows what the tables hold now.
    """
    from exposure_assets.cli.report_command import EXPECTED, run_report

    with as_sentences(*EXPECTED):
        print(run_report(experiment, _day(day), output))


@app.command()
def results(
    experiment: Annotated[str, typer.Argument(metavar="EXPERIMENT", help="Its id in the catalog.")],
    day: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"],
            metavar="DAY",
            help="As of this UTC day; default: the last one with complete units.",
        ),
    ] = None,
    basis: Annotated[
        Basis, typer.Option(help="Which units; only `assigned` compares what was randomised.")
    ] = Basis.ASSIGNED,
    force: Annotated[
        bool,
        typer.Option("--force", help="Show results of data that are not fit for a decision, and say so."),
    ] = False,
    format: Annotated[ResultFormat, typer.Option(help="How results are shown.")] = ResultFormat.TEXT,
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write to a file instead of stdout.")
    ] = None,
) -> None:
    """How every treatment compares with the control, per metric, with intervals and p-values.

    An experiment whose data are not fit for a decision is refused, with the guardrails that it failed.
    """
    # Not every error of every command: those would import all of Dagster, and this is to be quick.
    from exposure_assets.cli.results_command import EXPECTED, run_results

    with as_sentences(*EXPECTED):
        run_results(experiment, _day(day), basis.value, force, format.value, output)


@app.command()
def explain(
    experiment: Annotated[str, typer.Argument(metavar="EXPERIMENT", help="Its id in the catalog.")],
    day: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"],
            metavar="DAY",
            help="The cohort: the UTC day of assignment; default: the last with a drop, or else the last judged.",
        ),
    ] = None,
    format: Annotated[
        ExplanationFormat, typer.Option(help="Text to read, or JSON.")
    ] = ExplanationFormat.TEXT,
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write to a file instead of stdout.")
    ] = None,
) -> None:
    """Why fewer units of a cohort were exposed than usual: the runbook, step by step, and the most likely cause."""
    from exposure_assets.cli.explain_command import EXPECTED, run_explain

    with as_sentences(*EXPECTED):
        run_explain(experiment, _day(day), format.value, output)


@app.command()
def simulate(
    days: Annotated[int, typer.Option(min=1, help="Days of events.")],
    units: Annotated[int, typer.Option(min=1, help="Units in the population.")],
    experiments: Annotated[int, typer.Option(min=1, help="Experiments, overlapping in time and units.")],
    output: Annotated[
        Path, typer.Option(metavar="DIR", help="Where landing/, catalog/ and truth/ are written.")
    ],
    seed: Annotated[int, typer.Option(help="The same seed writes the same rows.")] = 0,
    events: Annotated[
        int | None, typer.Option(min=1, help="About how many event rows; default: by units.")
    ] = None,
    mixed: Annotated[
        bool, typer.Option("--mixed", help="Parquet, JSONL and CSV instead of Parquet alone.")
    ] = False,
    coenrolling: Annotated[
        bool,
        typer.Option(
            "--coenrolling", help="Also experiments with messages, several at a time on the same units."
        ),
    ] = False,
) -> None:
    """Write realistic event streams with planted faults, and the truth beside them."""
    from exposure_assets.simulation import OutputExistsError, PlanError, SimulationPlan
    from exposure_assets.simulation import simulate as write_simulation

    formats = "mixed" if mixed else "parquet"
    try:
        plan = SimulationPlan(
            days, units, experiments, seed, events=events, formats=formats, coenrolling=coenrolling
        )
        with Progress(console=Console(stderr=True), transient=True) as progress:
            task = progress.add_task("simulating", total=days)
            summary = write_simulation(plan, output, lambda done: progress.update(task, completed=done))
    except (PlanError, OutputExistsError) as error:
        print(f"error: {error}", file=sys.stderr)
        raise typer.Exit(1) from error
    print(
        f"{summary.event_rows:,} events and {summary.assignment_rows:,} assignments in {summary.files} files under "
        f"{output / 'landing'}, the catalog in {output / 'catalog'}, the truth in {output / 'truth'}"
    )


def main() -> None:
    """Entry point: stops quietly when the reader of a pipe goes away."""
    try:
        app()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
