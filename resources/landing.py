"""The landing zone: which of its files have to be read, and the rows of a day out of them.

How files are found stands in `landing_listing`, how one is read for the first time in `landing_reader`, what is known
of all of them in `landing_manifest`; what a row means, in the transforms.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import fsspec
import polars as pl
import xxhash

from resources.landing_index import FileIndex, is_indexed
from resources.landing_listing import listing, local_files, remote_files
from resources.landing_manifest import PLACE, LandingFile, Manifest, ManifestFile
from resources.landing_reader import FileChanging, FileReader, Row, arrival_date
from resources.raw_files import STREAMS

__all__ = ["LandingError", "LandingFile", "LandingZone", "Manifest", "Piece"]

# How much reading a killed scan loses at most.
_KEPT_EVERY_SECONDS = 5.0


class LandingError(Exception):
    """The landing zone as a whole cannot be read."""


@dataclass(frozen=True)
class Piece:
    """The rows of one file that belong to one day, or, with `day` null, its rows without a day."""

    file: LandingFile
    day: date | None
    rows: pl.LazyFrame


class LandingZone:
    """Files under `<url>/<stream>/date=YYYY-MM-DD/`, with a manifest and an index kept in the staging folder.

    Manifest and index are caches of the files' content: deleting them costs a scan and changes no table. Several
    processes may scan at once; at worst each reads a new file.
    """

    def __init__(self, url: str, staging: Path, further_columns: Sequence[str] = ()) -> None:
        self.url = url
        self.further_columns = tuple(sorted(further_columns))
        self._folder = staging / "landing"
        self._manifest = ManifestFile(self._folder)
        self._filesystem, self._root = fsspec.url_to_fs(url)

    def refresh(self, seconds: float | None = None) -> Manifest:
        """Scan the landing zone: read what is new or changed, forget what is gone, keep what is known.

        Args:
            seconds: Begin with no further file once reading has taken this long; one is read in any case. What was
                read is kept, and the manifest says how many files are left. Without, every file is read.

        Raises:
            LandingError: there is no landing zone at the place given.
        """
        before = self._manifest.read()
        listed = self._listed()
        has_index = is_indexed(self._folder, before, self.further_columns)
        known = before.filter(has_index)
        wanted = listed.join(
            known, on=[PLACE, "version"], how="anti", nulls_equal=True, maintain_order="left"
        )
        gone = before.join(listed, on=PLACE, how="anti").select(PLACE)
        if wanted.is_empty() and gone.is_empty():
            return Manifest(known)
        reader = self._reader()
        reader.remember(known, before.join(wanted, on=PLACE, how="semi"))
        now_known, left = self._read(reader, wanted, gone, seconds)
        # What lost its index and was not read again cannot be used, and what vanished meanwhile is not there.
        unusable = before.filter(~has_index).join(left, on=PLACE, how="semi")
        usable = now_known.join(listed, on=PLACE, how="semi", maintain_order="left")
        return Manifest(usable.join(unusable, on=PLACE, how="anti", maintain_order="left"), left.height)

    def _read(
        self, reader: FileReader, wanted: pl.DataFrame, gone: pl.DataFrame, seconds: float | None
    ) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Read files while there is time; gives what every scan knows in the end, and the files left."""
        rows: list[Row] = []
        vanished: list[str] = []
        changing: list[str] = []
        started = kept = time.monotonic()
        count = 0
        for file in wanted.iter_rows(named=True):
            count += 1
            try:
                row = reader.read(file)
                rows.append(row) if row is not None else vanished.append(file[PLACE])
            except FileChanging:
                changing.append(file[PLACE])
            now = time.monotonic()
            if seconds is not None and now - started >= seconds:
                break
            if now - kept >= _KEPT_EVERY_SECONDS:
                self._manifest.update(rows, gone)
                rows.clear()
                kept = time.monotonic()
        no_more = pl.concat([gone, pl.DataFrame({PLACE: vanished}, schema={PLACE: pl.String})])
        is_left = pl.col(PLACE).is_in(changing) | (pl.int_range(pl.len()) >= count)
        return self._manifest.update(rows, no_more), wanted.filter(is_left)

    def fingerprint(self) -> str:
        """What files there are, in which state, as one text, without opening any: equal while no file changed.

        Raises:
            LandingError: there is no landing zone at the place given.
        """
        files = self._listed().select(pl.concat_str("path", "version", separator="\t", ignore_nulls=True))
        return xxhash.xxh3_128_hexdigest("\n".join(files.to_series()).encode())

    def quarantine(self, file: LandingFile, reason: str) -> Manifest:
        """Exclude a file whose damage only showed when all of its columns were read."""
        self._manifest.quarantine(file.stream.name, file.key, reason)
        return self.refresh()

    def pieces(self, manifest: Manifest, stream: str, day: date) -> Iterator[Piece]:
        """The rows that fall on a day, and the rows without a day that arrived on it, piece by piece."""
        for file in manifest.holding(stream, day):
            if day in file.split.dates:
                yield self.piece(file, day)
            if file.arrival_date == day and file.split.broken_count:
                yield Piece(file, None, self.index_of(file).rows(file.split, None))

    def strays(
        self, manifest: Manifest, stream: str, arrived: tuple[date, date], outside: tuple[date, date]
    ) -> Iterator[Piece]:
        """The rows that arrived on some days and fall on none of others, piece by piece."""
        for file, days in manifest.strays(stream, arrived, outside):
            for day in days:
                yield self.piece(file, day)

    def piece(self, file: LandingFile, day: date) -> Piece:
        """The rows of one file that fall on a day."""
        return Piece(file, day, self.index_of(file).rows(file.split, day))

    def index_of(self, file: LandingFile) -> FileIndex:
        """The index of a readable file."""
        return self._reader().index(file.key, file.path, file.stream)

    @property
    def folder(self) -> Path:
        """Where manifest and index are kept."""
        return self._folder

    def arrival_days(self) -> list[date]:
        """The arrival days for which there are folders, without looking at any file."""
        folders = [f for stream in STREAMS for f in listing(self._filesystem, f"{self._root}/{stream}")]
        return sorted({day for folder in folders if (day := arrival_date(str(folder["name"])))})

    def why_out_of_reach(self) -> str | None:
        """What is found instead of a landing zone, and what is expected; null where there is one.

        Where files are known and not even the folders of the streams are left, a disk is likelier to be unmounted than
        a landing zone to be emptied: taking the files for removed would take all rows with them.
        """
        self._filesystem.invalidate_cache()
        expected = "events/date=YYYY-MM-DD/ and assignments/date=YYYY-MM-DD/ in it"
        if not self._filesystem.isdir(self._root):
            return f"there is no such folder; expected {expected}."
        known = self._manifest.read().height
        if known and not any(self._filesystem.isdir(f"{self._root}/{stream}") for stream in STREAMS):
            return (
                f"the folder is empty, although {known} files of it are known; expected {expected}. Mount it; "
                "if it was emptied on purpose, make an empty events/ in it."
            )
        return None

    def _reader(self) -> FileReader:
        return FileReader(self._filesystem, self._root, self._folder, self.further_columns)

    def _listed(self) -> pl.DataFrame:
        if reason := self.why_out_of_reach():
            raise LandingError(f"EXPOSURES_LANDING={self.url}: {reason}")
        if self._reader().is_local:
            return local_files(self._root)
        return remote_files(self._filesystem, self._root)
