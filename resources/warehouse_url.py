"""What the warehouse setting means: a DuckDB file, or a DuckLake catalog with its data path.

How either is opened stands in the module of its kind.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from resources.warehouse_errors import WarehouseUrlError

_ALLOWED = (
    "expected a path (a DuckDB file), `ducklake:sqlite:PATH` or `ducklake:postgres:DSN`, the last two optionally "
    "with `?data_path=FOLDER_OR_URL` at the end"
)


@dataclass(frozen=True)
class FileLocation:
    """A DuckDB file."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)


@dataclass(frozen=True)
class LakeLocation:
    """A DuckLake: `catalog` as DuckLake's ATTACH takes it, `data_path` where its Parquet files lie.

    `catalog_file` is the SQLite file; null for PostgreSQL. `data_path` ends in a slash.
    """

    catalog: str
    data_path: str
    catalog_file: Path | None

    def __str__(self) -> str:
        return f"ducklake:{without_password(self.catalog)}"

    @property
    def data_protocol(self) -> str | None:
        """`s3`, `gs`, ... for an object store, null for a folder."""
        return self.data_path.partition("://")[0] if "://" in self.data_path else None


def parse_location(url: str) -> FileLocation | LakeLocation:
    """Read the setting.

    Raises:
        WarehouseUrlError: it names neither a file nor a DuckLake, or a data path is missing or unusable.
    """
    if url.startswith("ducklake:"):
        return _lake(url.removeprefix("ducklake:"))
    if not url or "://" in url or re.match(r"(md|motherduck|postgres|sqlite|mysql):", url):
        raise WarehouseUrlError(f"warehouse {without_password(url)!r}: {_ALLOWED}.")
    return FileLocation(_absolute(url))


def _lake(rest: str) -> LakeLocation:
    # The data path stands last and runs to the end, so that none of its characters needs an escape.
    catalog, _, data_path = (
        rest.partition("?data_path=") if "?data_path=" in rest else rest.partition("&data_path=")
    )
    kind, _, place = catalog.partition(":")
    if kind not in ("sqlite", "postgres") or not place:
        raise WarehouseUrlError(f"warehouse {without_password(f'ducklake:{rest}')!r}: {_ALLOWED}.")
    if kind == "postgres":
        if not data_path:
            raise WarehouseUrlError(
                f"warehouse {without_password(f'ducklake:{rest}')!r}: found no data path, expected "
                "`?data_path=FOLDER_OR_URL` at the end: PostgreSQL holds the catalog, not the rows."
            )
        return LakeLocation(catalog, _data_path(data_path), None)
    file = _absolute(place)
    return LakeLocation(
        f"sqlite:{file}", _data_path(data_path or str(file.parent / f"{file.stem}.files")), file
    )


def _data_path(text: str) -> str:
    if any(wildcard in text for wildcard in "*?["):
        raise WarehouseUrlError(
            f"data_path {text!r}: found one of the wildcards * ? [, which DuckLake would expand; "
            "expected a plain folder or URL."
        )
    if "://" in text and not text.startswith("file://"):
        return text.rstrip("/") + "/"
    return f"{_absolute(text.removeprefix('file://'))}/"


def _absolute(text: str) -> Path:
    return Path(os.path.abspath(Path(text).expanduser()))


def without_password(text: str) -> str:
    """The text of a setting or a message, fit to be shown: a password in it becomes `***`."""
    text = re.sub(r"(password\s*=\s*)('(?:[^'\\]|\\.)*'|[^\s&]+)", r"\1***", text, flags=re.IGNORECASE)
    return re.sub(r"(://[^:/@\s]*:)[^@\s]+(@)", r"\1***\2", text)
