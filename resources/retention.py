"""What may go because nothing needs it any more: derived files of the landing zone, and leftovers of killed writers.

Nothing here touches what a table is computed from: neither the landing zone's own files nor staged rows.
"""

import os
import shutil
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from resources.atomic import PARTIAL
from resources.landing import LandingZone, Manifest
from resources.landing_index import CONVERTED, COPIES, INDEX_FOLDER, INDEX_FOLDERS, PARTS, derived_names
from resources.repeated_ids import COMPARED, forget_files, segments_in_use

# Another process may be about to write the row of the manifest that names a file.
_NEEDED_SOON = timedelta(days=1)
_KILLED_BY_NOW = timedelta(hours=1)


@dataclass(frozen=True)
class Removed:
    """What was deleted: files and their bytes; a folder counts as its files."""

    files: int = 0
    bytes: int = 0

    def __add__(self, other: "Removed") -> "Removed":
        return Removed(self.files + other.files, self.bytes + other.bytes)


def sweep_landing_caches(zone: LandingZone, manifest: Manifest, now: datetime) -> Removed:
    """Delete what was derived from files that the landing zone no longer holds, once it is a day old.

    Indexes, converted texts, parts and copies of other content than the manifest's, indexes of other versions of
    Polars, and what was compared of files that are gone. All of it is a cache: at worst a file is read again.

    Args:
        zone: The landing zone.
        manifest: All of its content.
        now: Decides what is a day old.

    Raises:
        ValueError: files of the landing zone have not been read.
    """
    if not manifest.is_complete:
        raise ValueError(
            f"{manifest.unread} files are unread; expected a complete manifest, so refresh without a limit."
        )
    forget_files(zone, manifest)
    needed = derived_names(manifest.frame, zone.further_columns)
    in_use = segments_in_use(zone.folder)
    old = now - _NEEDED_SOON
    index = zone.folder / INDEX_FOLDER
    unneeded = [
        *_unneeded(index, needed["ids"], lambda path: path.name.startswith(COMPARED)),
        *_unneeded(zone.folder / PARTS, needed["part"]),
        *_unneeded(zone.folder / CONVERTED, needed["converted"]),
        *_unneeded(zone.folder / COPIES, needed["copy"]),
        *(path for path in index.glob(f"{COMPARED}*/*") if path not in in_use),
        *(path for path in zone.folder.glob(f"{INDEX_FOLDERS}*") if path != index),
    ]
    # Names that begin with a dot are still being written, or leftovers.
    return _remove(path for path in unneeded if not path.name.startswith(".") and _is_older(path, old))


def sweep_leftovers(staging: Path, now: datetime) -> Removed:
    """Delete what writers that were killed have left half-written in the staging folder, once it is an hour old."""
    old = now - _KILLED_BY_NOW
    found: list[Path] = []
    for folder, folders, files in os.walk(staging):
        leftovers = [name for name in (*folders, *files) if _is_leftover(Path(folder), name)]
        found += [Path(folder, name) for name in leftovers]
        folders[:] = [name for name in folders if name not in leftovers]
    return _remove(path for path in found if _is_older(path, old))


def _is_leftover(folder: Path, name: str) -> bool:
    # A text is unpacked into a folder of Python's naming beside its rows.
    is_scratch = folder.name == CONVERTED and name.startswith("tmp")
    return is_scratch or (name.startswith(".") and name.endswith(PARTIAL))


def _unneeded(
    folder: Path, needed: pl.Series, is_kept: Callable[[Path], bool] = lambda _: False
) -> list[Path]:
    names = pl.Series(os.listdir(folder) if folder.is_dir() else [], dtype=pl.String)
    paths = (folder / name for name in names.filter(~names.is_in(needed.implode())))
    return [path for path in paths if not is_kept(path)]


def _is_older(path: Path, than: datetime) -> bool:
    """Whether nothing in a file or folder was written since."""
    try:
        times = [path.stat().st_mtime, *(inside.stat().st_mtime for inside in path.rglob("*"))]
    except FileNotFoundError:
        return False
    return datetime.fromtimestamp(max(times), UTC) < than


def _remove(paths: Iterable[Path]) -> Removed:
    removed = Removed()
    for path in paths:
        removed += remove(path)
    return removed


def remove(path: Path) -> Removed:
    """Delete a file or folder; one that is gone is nothing."""
    with suppress(FileNotFoundError):
        if not path.is_dir():
            size = path.stat().st_size
            path.unlink()
            return Removed(1, size)
        sizes = [file.stat().st_size for file in path.rglob("*") if file.is_file()]
        shutil.rmtree(path)
        return Removed(len(sizes), sum(sizes))
    return Removed()
