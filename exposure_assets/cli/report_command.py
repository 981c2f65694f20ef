"""The command `report`: writes the page of an experiment into a file and says its verdict.

What stands on the page is decided in `reports`.
"""

from datetime import date
from pathlib import Path

from exposure_assets.assets.experiment_reports import page_of
from exposure_assets.reports.experiment_data import NoSuchDay, NoSuchExperiment
from exposure_assets.reports.verdict import verdict
from resources.atomic import DiskFull
from resources.catalog import CatalogError
from resources.report_files import ReportNotWritten, write_report
from resources.settings import SettingError, Settings
from resources.warehouse import WarehouseError
from resources.workspace import Workspace

# What a user can cause.
EXPECTED = (
    CatalogError,
    DiskFull,
    NoSuchDay,
    NoSuchExperiment,
    ReportNotWritten,
    SettingError,
    WarehouseError,
)


def run_report(experiment: str, day: date | None, output: Path) -> str:
    """Write the page; the sentence says what it begins with.

    Raises:
        NoSuchExperiment, NoSuchDay: there is nothing to report.
        ReportNotWritten, DiskFull: the file cannot be written.
        CatalogError, SettingError, WarehouseError: as the places say.
    """
    page, data = page_of(Workspace(Settings.from_environment()), experiment, day)
    write_report(output, page)
    return f"{output}: {experiment} as of {data.as_of_date}: {verdict(data).headline}"
