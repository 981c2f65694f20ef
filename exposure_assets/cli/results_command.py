"""The command `results`: reads what is published of an experiment, refuses what is not fit, and shows it.

How variations are compared stands in `transforms.experiment_results`; how the text looks, in `reports.results_text`.
"""

import sys
from collections.abc import Mapping
from datetime import date
from pathlib import Path

import polars as pl

from exposure_assets.contracts import (
    Catalog,
    Experiment,
    ExperimentQualityReport,
    ExperimentResults,
    MetricMoments,
)
from exposure_assets.contracts.catalog_values import nearest
from exposure_assets.reports.results_text import forced_notice, results_text
from resources.catalog import CatalogError
from resources.data_reach import data_until
from resources.query import QueryError
from resources.query_output import write_text
from resources.query_rows import write_rows
from resources.settings import SettingError, Settings
from resources.warehouse import WarehouseError
from resources.workspace import Workspace


class NoResults(ValueError):
    """There is nothing to show of an experiment, or not on the day that was asked for."""


class ResultsRefused(ValueError):
    """The data of an experiment are not fit for a decision; the message says by which guardrails."""


# What a user can cause.
EXPECTED = (CatalogError, NoResults, QueryError, ResultsRefused, SettingError, WarehouseError)


def run_results(
    experiment_id: str, day: date | None, basis: str, is_forced: bool, format: str, output: Path | None
) -> None:
    """Show the results of one basis as of one day: by default the last day with complete units.

    Raises:
        NoResults: the experiment is not known, or has no results on that day.
        ResultsRefused: it is not valid on that day, and nobody forces it.
        QueryError: the output cannot be written.
    """
    workspace = Workspace(Settings.from_environment())
    catalog = workspace.catalog()
    experiment = _known(catalog, experiment_id)
    rows = _rows(workspace, catalog, experiment, is_forced)
    shown = _of_day(rows.filter(analysis_basis=basis), experiment, day)
    _refuse_invalid(shown, experiment)
    if format == "text":
        write_text(results_text(shown, experiment), output)
    else:
        write_rows(shown, format, output)
    if shown["is_forced"].any() and (format != "text" or output is not None):
        print(f"warning: {forced_notice(shown)}", file=sys.stderr)


def _known(catalog: Catalog, experiment_id: str) -> Experiment:
    if experiment_id in catalog.experiments:
        return catalog.experiments[experiment_id]
    remedy = nearest(experiment_id, catalog.experiments)
    raise NoResults(f"found no experiment {experiment_id[:100]!r} in the catalog; {remedy}")


def _rows(workspace: Workspace, catalog: Catalog, experiment: Experiment, is_forced: bool) -> pl.DataFrame:
    """The published results; where they are forced, computed anew from what is published."""
    if not is_forced:
        published = workspace.warehouse.scan(ExperimentResults)
        return published.filter(experiment_id=experiment.id).collect()
    # Computing imports all of the statistics; reading is to be quick.
    from exposure_assets.transforms.experiment_results import experiment_results

    forced = experiment.model_copy(
        update={"results": experiment.results.model_copy(update={"is_forced": True})}
    )
    of_experiment: Mapping[str, Experiment] = {experiment.id: forced}
    return experiment_results(
        workspace.warehouse.scan(MetricMoments, experiments=[experiment.id]),
        workspace.warehouse.scan(ExperimentQualityReport),
        of_experiment,
        catalog.metrics,
        data_until(workspace.staging),
    )


def _of_day(rows: pl.DataFrame, experiment: Experiment, day: date | None) -> pl.DataFrame:
    if not experiment.outcomes.metrics:
        raise NoResults(
            f"{experiment.id}: found no metrics; list some as [outcomes] metrics in its catalog file"
        )
    if rows.is_empty():
        raise NoResults(
            f"{experiment.id}: found no results, expected some once units are assigned; "
            "run exposure-assets backfill"
        )
    days: list[date] = sorted(rows["as_of_date"].unique())
    if day is None:
        complete = rows.filter(~pl.col("is_provisional") & (pl.col("unit_count") > 0))
        day = max(complete["as_of_date"].to_list(), default=days[-1])
    if day not in days:
        raise NoResults(
            f"{experiment.id}: found no results as of {day}, expected a day from {days[0]} to {days[-1]}"
        )
    return rows.filter(as_of_date=day).sort("metric_id", "variation_id")


def _refuse_invalid(rows: pl.DataFrame, experiment: Experiment) -> None:
    refused = rows.filter(~pl.col("is_valid_for_analysis") & ~pl.col("is_forced"))
    if refused.is_empty():
        return
    failed = refused["refused_by"][0].to_list()
    by = f"by {', '.join(failed)}" if failed else "because no quality report covers that day"
    raise ResultsRefused(
        f"{experiment.id}: results as of {refused['as_of_date'][0]} are refused {by}. The data are not fit for a "
        "decision until that is mended; --force shows them nevertheless, and says so"
    )
