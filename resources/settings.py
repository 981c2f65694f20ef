"""The settings, read from the environment once and passed on as a plain object.

What the places hold and how they are read stands in the resource of each.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

DEFAULT_HORIZON_DAYS = 28
DEFAULT_OWNER = "team:experimentation"
DEFAULT_DAGSTER_HOME = "data/dagster_home"


class SettingError(ValueError):
    """A setting of the environment has a value that cannot be used."""


@dataclass(frozen=True)
class Settings:
    """Where things are.

    `landing` may be any fsspec URL, `warehouse` a DuckDB file or a `ducklake:` URL;
    `catalog` and `staging` are folders.
    `horizon_days` bounds every window of an experiment. `alerts` are apprise URLs, `ui_url` is where alerts link to,
    and a landing zone without a new file for `silent_hours` is silent. `owner` owns the assets in Dagster's page.
    `reports` is the folder of the pages of experiments; without, it lies beside `staging`.
    """

    landing: str
    catalog: Path
    warehouse: str
    staging: Path
    horizon_days: int
    # Not shown: the URLs hold passwords.
    alerts: tuple[str, ...] = field(default=(), repr=False)
    ui_url: str = "http://127.0.0.1:3000"
    silent_hours: int = 36
    owner: str = DEFAULT_OWNER
    reports: Path | None = None

    @property
    def report_folder(self) -> Path:
        """Where the pages of experiments are written."""
        return self.reports or self.staging.parent / "reports"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "Settings":
        """Read `EXPOSURES_*`; what is unset or empty lies under `./data`, the catalog in `./catalog`.

        Raises:
            SettingError: a value cannot be used; the message names the setting.
        """

        def setting(name: str, default: str) -> str:
            return environment.get(name) or default

        reports = setting("EXPOSURES_REPORTS", "")
        return cls(
            landing=setting("EXPOSURES_LANDING", "data/landing"),
            catalog=Path(setting("EXPOSURES_CATALOG", "catalog")),
            warehouse=setting("EXPOSURES_WAREHOUSE", "data/warehouse.duckdb"),
            staging=_folder("EXPOSURES_STAGING", setting("EXPOSURES_STAGING", "data/staging")),
            horizon_days=_positive(
                "EXPOSURES_HORIZON_DAYS", setting("EXPOSURES_HORIZON_DAYS", "28"), "days", 365
            ),
            alerts=tuple(url for url in re.split(r"[\s,]+", setting("EXPOSURES_ALERTS", "")) if url),
            owner=_owner("EXPOSURES_OWNER", setting("EXPOSURES_OWNER", DEFAULT_OWNER)),
            ui_url=setting("EXPOSURES_UI_URL", "http://127.0.0.1:3000").rstrip("/"),
            silent_hours=_positive(
                "EXPOSURES_SILENT_HOURS", setting("EXPOSURES_SILENT_HOURS", "36"), "hours", 8760
            ),
            reports=_folder("EXPOSURES_REPORTS", reports, "pages") if reports else None,
        )


def _folder(name: str, text: str, what: str = "staged files") -> Path:
    if "://" in text and not text.startswith("file://"):
        raise SettingError(
            f"{name}={text}: found a URL, expected a folder; {what} rely on atomic renames, "
            "so give a local or mounted folder."
        )
    return Path(text.removeprefix("file://"))


def _owner(name: str, text: str) -> str:
    if not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+|team:[A-Za-z0-9_.-]+", text):
        raise SettingError(f"{name}={text}: found {text!r}, expected an email address or team:name.")
    return text


def _positive(name: str, text: str, of: str, most: int) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= most:
        raise SettingError(
            f"{name}={text}: found {text!r}, expected a whole number of {of} from 1 to {most}."
        )
    return int(text)
