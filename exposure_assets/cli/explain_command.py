"""The command `explain`: explains a cohort and writes text or JSON.

How it is explained stands in `exposure_assets.explaining`.
"""

from datetime import date
from pathlib import Path

from exposure_assets.explaining import ExplainError, as_json, as_text, explain
from resources.atomic import DiskFull, replacing
from resources.catalog import CatalogError
from resources.landing import LandingError
from resources.raw_files import UnreadableFile
from resources.settings import SettingError, Settings
from resources.warehouse import WarehouseError
from resources.workspace import Workspace

# What a user can cause.
EXPECTED = (
    CatalogError,
    DiskFull,
    ExplainError,
    LandingError,
    SettingError,
    UnreadableFile,
    WarehouseError,
)


def run_explain(experiment: str, day: date | None, format: str, output: Path | None) -> None:
    """Explain, and show it or write it to a file.

    Raises:
        ExplainError: there is nothing to explain, or the file cannot be written.
    """
    explanation = explain(Workspace(Settings.from_environment()), experiment, day)
    text = as_json(explanation) if format == "json" else as_text(explanation)
    if output is None:
        print(text)
        return
    try:
        with replacing(output) as partial:
            partial.write_text(f"{text}\n", encoding="utf-8")
    except OSError as error:
        raise ExplainError(
            f"--output {output}: {error.strerror or error}, expected a file that can be written; give another one."
        ) from error
