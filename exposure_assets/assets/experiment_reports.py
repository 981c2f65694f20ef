"""The asset of the reports: one page per experiment, written into the folder of reports, and a table of them.

What stands on a page, and how it looks, is decided in `reports`.
"""

from collections.abc import Iterable
from datetime import date
from hashlib import sha256

import dagster as dg
import polars as pl

from exposure_assets.assets.table_asset import groups_by_weight
from exposure_assets.assets.table_metadata import table_metadata, table_tags
from exposure_assets.assets.whole_asset import current_version
from exposure_assets.contracts import Catalog, Experiment, ExperimentReports, columns_of, table_name
from exposure_assets.reports.experiment_data import (
    ExperimentData,
    NoSuchDay,
    day_to_report,
    experiment_data,
    known_experiment,
    report_tables,
)
from exposure_assets.reports.page import experiment_page
from exposure_assets.reports.verdict import verdict
from exposure_assets.transforms.digests import digest_of
from exposure_assets.transforms.whole_versions import WHOLE_TABLES
from resources.dagster_home import WAREHOUSE_POOL
from resources.data_reach import data_until
from resources.report_files import write_report
from resources.warehouse_io_manager import Publication
from resources.workspace import Workspace

# Each has some thousand rows in the tables of its page.
_EXPERIMENTS_PER_BATCH = 100
_VERDICTS = {True: "fit", False: "not fit", None: "not judged"}
_SHOWN = 50


@dg.asset(
    group_name="quality",
    kinds={"html", "duckdb"},
    deps=WHOLE_TABLES[table_name(ExperimentReports)].upstream,
    io_manager_key="warehouse_io_manager",
    pool=WAREHOUSE_POOL,
    tags=table_tags(ExperimentReports),
    metadata=table_metadata(ExperimentReports),
    required_resource_keys={"workspace"},
)
def experiment_reports(context: dg.AssetExecutionContext) -> Publication:
    """One self-contained page per experiment: the verdict first, then results, losses, rates, shares and delays."""
    workspace: Workspace = context.resources.workspace
    version = current_version(workspace, table_name(ExperimentReports))
    rows = _write_pages(workspace)
    folder = workspace.settings.report_folder
    context.add_output_metadata(
        {
            "folder": dg.MetadataValue.path(folder.absolute()),
            "verdicts": dg.MetadataValue.md(_as_markdown(rows)),
        }
    )
    return Publication(frames=lambda: rows, versions=lambda: version)


def page_of(workspace: Workspace, experiment_id: str, day: date | None = None) -> tuple[str, ExperimentData]:
    """The page of an experiment as of a day, by default its last one with data, and the rows that it shows.

    Raises:
        NoSuchExperiment, NoSuchDay: there is nothing to report.
        CatalogError, WarehouseError: as the places say.
    """
    catalog = workspace.catalog()
    experiment = known_experiment(catalog.experiments, experiment_id)
    until = data_until(workspace.staging)
    as_of_date = day_to_report(experiment, until, day)
    tables = _rows_of(workspace, [experiment_id])
    data = experiment_data(experiment, tables, as_of_date, until or as_of_date, _digest(catalog))
    return experiment_page(data), data


def _write_pages(workspace: Workspace) -> pl.DataFrame:
    catalog, until = workspace.catalog(), data_until(workspace.staging)
    days = {e.id: day for e in catalog.experiments.values() if (day := _last_day(e, until)) is not None}
    digest = _digest(catalog)
    rows = []
    for ids in groups_by_weight(dict.fromkeys(days, 1), _EXPERIMENTS_PER_BATCH):
        tables = _rows_of(workspace, ids)
        for id_ in ids:
            data = experiment_data(catalog.experiments[id_], tables, days[id_], until or days[id_], digest)
            page, judged = experiment_page(data), verdict(data)
            file = f"{id_}.html"
            write_report(workspace.settings.report_folder / file, page, may_make_folder=True)
            content = page.encode()
            rows.append(
                {
                    "experiment_id": id_,
                    "as_of_date": days[id_],
                    "is_valid_for_analysis": judged.is_valid,
                    "failed_guardrails": [finding.guardrail for finding in judged.failures],
                    "file": file,
                    "page_bytes": len(content),
                    "page_digest": sha256(content).hexdigest(),
                }
            )
    return pl.DataFrame(rows, schema=columns_of(ExperimentReports))


def _last_day(experiment: Experiment, until: date | None) -> date | None:
    try:
        return day_to_report(experiment, until, None)
    except NoSuchDay:
        return None


def _rows_of(workspace: Workspace, experiments: Iterable[str]) -> dict[str, pl.DataFrame]:
    """The rows of some experiments in every table of a page, and raw rows that name no experiment."""
    ids = list(experiments)
    is_asked = pl.col("experiment_id").is_in(ids) | pl.col("experiment_id").is_null()
    return {
        name: workspace.warehouse.scan(contract, experiments=ids).filter(is_asked).collect()
        for name, contract in report_tables().items()
    }


def _digest(catalog: Catalog) -> str:
    return f"{digest_of(repr(catalog)):016x}"


def _as_markdown(rows: pl.DataFrame) -> str:
    lines = ["| experiment | as of | verdict | page |", "|---|---|---|---|"]
    lines += [
        f"| {row['experiment_id']} | {row['as_of_date']} | {_VERDICTS[row['is_valid_for_analysis']]}"
        f"{': ' if row['failed_guardrails'] else ''}{', '.join(row['failed_guardrails'])} | {row['file']} |"
        for row in rows.head(_SHOWN).iter_rows(named=True)
    ]
    more = rows.height - _SHOWN
    return "\n".join([*lines, f"\nand {more} more, in the table" if more > 0 else ""])
