"""The landing zone: which files there are, what each holds, and the rows of a day out of them.

How one file is parsed stands in `raw_files`; what a row means, in the transforms.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import fsspec
import polars as pl
import xxhash
from fsspec.implementations.local import LocalFileSystem

from resources.atomic import replacing
from resources.landing_index import DaySplit, FileIndex, index_file
from resources.raw_files import FORMATS, STREAMS, Stream, UnreadableFile

MANIFEST_SCHEMA: dict[str, pl.DataType] = {
    "stream": pl.String(),
    "path": pl.String(),
    "arrival_date": pl.Date(),
    "size_bytes": pl.Int64(),
    "version": pl.String(),
    "checksum": pl.String(),
    "row_count": pl.Int64(),
    "first_occurred_at": pl.Datetime("us", "UTC"),
    "last_occurred_at": pl.Datetime("us", "UTC"),
    "status": pl.String(),
    "reason": pl.String(),
    "key": pl.String(),
    "home_date": pl.Date(),
    "other_dates": pl.List(pl.Date()),
    "broken_count": pl.Int64(),
}
_ABOUT_THE_FILE = ("stream", "path", "arrival_date", "size_bytes", "version", "checksum", "key")
# A file changed within this time of a scan may change again without a new time stamp: it is read anew.
_SETTLED_AFTER = timedelta(seconds=2)


class LandingError(Exception):
    """The landing zone as a whole cannot be read."""


@dataclass(frozen=True)
class LandingFile:
    """One readable file as the manifest knows it."""

    stream: Stream
    path: str
    arrival_date: date
    key: str
    split: DaySplit


@dataclass(frozen=True)
class Piece:
    """The rows of one file that belong to one day, or, with `day` null, its rows without a day."""

    file: LandingFile
    day: date | None
    rows: pl.LazyFrame


class Manifest:
    """What the landing zone held at one scan."""

    def __init__(self, frame: pl.DataFrame) -> None:
        self.frame = frame

    @cached_property
    def files(self) -> dict[str, list[LandingFile]]:
        """The readable files of each stream."""
        found: dict[str, list[LandingFile]] = {name: [] for name in STREAMS}
        for row in (
            self.frame.filter(pl.col("status") == "ready").sort("stream", "path").iter_rows(named=True)
        ):
            found[row["stream"]].append(
                LandingFile(
                    stream=STREAMS[row["stream"]],
                    path=row["path"],
                    arrival_date=row["arrival_date"],
                    key=row["key"],
                    split=DaySplit(row["home_date"], tuple(row["other_dates"]), row["broken_count"]),
                )
            )
        return found

    @property
    def quarantined(self) -> pl.DataFrame:
        """The files that could not be read: stream, path, reason."""
        return self.frame.filter(pl.col("status") == "quarantined").select("stream", "path", "reason")

    def days(self, stream: str) -> list[date]:
        """The UTC days on which rows of a stream fall or arrive, ascending."""
        days = {day for file in self.files[stream] for day in file.split.dates}
        return sorted(days | {file.arrival_date for file in self.files[stream]})

    def holding(self, stream: str, day: date) -> list[LandingFile]:
        """The files that hold rows of a day or that arrived on it."""
        return self._by_day[stream].get(day, [])

    @cached_property
    def _by_day(self) -> dict[str, dict[date, list[LandingFile]]]:
        by_day: dict[str, dict[date, list[LandingFile]]] = {name: {} for name in STREAMS}
        for stream, files in self.files.items():
            for file in files:
                for day in {*file.split.dates, file.arrival_date}:
                    by_day[stream].setdefault(day, []).append(file)
        return by_day


class LandingZone:
    """Files under `<url>/<stream>/date=YYYY-MM-DD/`, with a manifest and an index kept in the staging folder.

    Manifest and index are caches of the files' content: deleting them costs a scan and changes no table.
    """

    def __init__(self, url: str, staging: Path, further_columns: Sequence[str] = ()) -> None:
        self.url = url
        self.further_columns = tuple(sorted(further_columns))
        self._folder = staging / "landing"
        self._filesystem, self._root = fsspec.url_to_fs(url)

    def refresh(self) -> Manifest:
        """Scan the landing zone: read what is new or changed, forget what is gone, keep what is known.

        Raises:
            LandingError: there is no landing zone at the place given.
        """
        rows_before = filter(self._is_indexed, self._read_manifest().iter_rows(named=True))
        known = {(row["stream"], row["path"]): row for row in rows_before}
        read_before = {row["key"]: row for row in known.values()}
        rows: list[dict[str, object]] = []
        changed = False
        for stream, path, info in self._listed():
            row = known.pop((stream.name, path), None)
            if row is None or row["version"] != info["version"]:
                row = self._scanned(stream, path, info, read_before)
                read_before[row["key"]] = row
                changed = True
            rows.append(row)
            if changed and len(rows) % 200 == 0:
                self._write_manifest(rows + list(known.values()))
        if changed or known:
            self._write_manifest(rows)
        return Manifest(pl.DataFrame(rows, schema=MANIFEST_SCHEMA))

    def quarantine(self, file: LandingFile, reason: str) -> Manifest:
        """Exclude a file whose damage only showed when all of its columns were read."""
        manifest = self._read_manifest()
        damaged = (pl.col("stream") == file.stream.name) & (pl.col("key") == file.key)
        rows = manifest.with_columns(
            status=pl.when(damaged).then(pl.lit("quarantined")).otherwise("status"),
            reason=pl.when(damaged).then(pl.lit(reason)).otherwise("reason"),
        )
        self._write_manifest(rows.rows(named=True))
        return Manifest(rows)

    def pieces(self, manifest: Manifest, stream: str, day: date) -> Iterator[Piece]:
        """The rows that fall on a day, and the rows without a day that arrived on it, piece by piece."""
        for file in manifest.holding(stream, day):
            if day in file.split.dates:
                yield Piece(file, day, self._index(file).rows(file.split, day))
            if file.arrival_date == day and file.split.broken_count:
                yield Piece(file, None, self._index(file).rows(file.split, None))

    def strays(
        self, manifest: Manifest, stream: str, arrived: tuple[date, date], outside: tuple[date, date]
    ) -> Iterator[Piece]:
        """The rows that arrived on some days and fall on none of others, piece by piece."""
        for file in manifest.files[stream]:
            if arrived[0] <= file.arrival_date <= arrived[1]:
                for day in file.split.dates:
                    if not outside[0] <= day <= outside[1]:
                        yield Piece(file, day, self._index(file).rows(file.split, day))

    def piece(self, file: LandingFile, day: date) -> Piece:
        """The rows of one file that fall on a day."""
        return Piece(file, day, self._index(file).rows(file.split, day))

    def index_of(self, file: LandingFile) -> FileIndex:
        """The index of a readable file."""
        return self._index(file)

    @property
    def folder(self) -> Path:
        """Where manifest and index are kept."""
        return self._folder

    def arrival_days(self) -> list[date]:
        """The arrival days for which there are folders, without looking at any file."""
        folders = [f for stream in STREAMS for f in self._listing(f"{self._root}/{stream}")]
        return sorted({day for folder in folders if (day := _arrival_date(str(folder["name"])))})

    def _index(self, file: LandingFile) -> FileIndex:
        local = Path(self._root) / file.path if self._is_local else None
        return FileIndex(self._folder, file.key, local, file.stream, self.further_columns)

    @property
    def _is_local(self) -> bool:
        return isinstance(self._filesystem, LocalFileSystem)

    def _listing(self, folder: str) -> list[dict[str, object]]:
        self._filesystem.invalidate_cache()
        return self._filesystem.ls(folder, detail=True) if self._filesystem.isdir(folder) else []

    def _listed(self) -> Iterator[tuple[Stream, str, dict[str, object]]]:
        if not self._filesystem.isdir(self._root):
            raise LandingError(
                f"EXPOSURES_LANDING={self.url}: there is no such folder; expected "
                "events/date=YYYY-MM-DD/ and assignments/date=YYYY-MM-DD/ in it."
            )
        for stream in STREAMS.values():
            for folder in sorted(self._listing(f"{self._root}/{stream.name}"), key=lambda f: str(f["name"])):
                folder_name = str(folder["name"]).rstrip("/").rsplit("/", 1)[-1]
                if folder["type"] != "directory" or not folder_name.startswith("date="):
                    continue
                for file in sorted(self._listing(str(folder["name"])), key=lambda f: str(f["name"])):
                    name = str(file["name"]).rsplit("/", 1)[-1]
                    if file["type"] == "file" and name.endswith(FORMATS) and not name.startswith((".", "_")):
                        yield stream, f"{stream.name}/{folder_name}/{name}", self._described(file)

    def _described(self, file: dict[str, object]) -> dict[str, object]:
        version = next(
            (file[tag] for tag in ("ETag", "etag", "mtime", "LastModified", "created") if tag in file), ""
        )
        return {
            "name": file["name"],
            "size": file["size"],
            "version": f"{version}:{file['size']}:{file.get('ino', '')}",
        }

    def _scanned(
        self, stream: Stream, path: str, info: dict[str, object], read_before: dict[Any, dict[str, Any]]
    ) -> dict[str, Any]:
        started = datetime.now(UTC)
        row: dict[str, Any] = dict.fromkeys(MANIFEST_SCHEMA)
        arrival = _arrival_date(path.rsplit("/", 1)[0])
        checksum, local = self._checksum(str(info["name"]))
        # The format and the further columns decide how the content reads, so they belong to the key of what was read.
        reading = "\x00".join((stream.name, path.rsplit("/", 1)[-1].split(".", 1)[-1], *self.further_columns))
        key = f"{checksum}-{xxhash.xxh3_64_hexdigest(reading.encode())}"
        row |= {
            "stream": stream.name,
            "path": path,
            "arrival_date": arrival,
            "size_bytes": info["size"],
            "version": self._settled_version(info, started),
            "checksum": checksum,
            "row_count": 0,
            "key": key,
            "other_dates": [],
            "broken_count": 0,
        }
        if arrival is not None and (same := read_before.get(key)) and same["arrival_date"] is not None:
            return {name: row[name] if name in _ABOUT_THE_FILE else same[name] for name in MANIFEST_SCHEMA}
        try:
            if arrival is None:
                raise UnreadableFile("its folder names no arrival day; expected date=YYYY-MM-DD")
            holds = index_file(FileIndex(self._folder, key, local, stream, self.further_columns), path)
        except UnreadableFile as unreadable:
            return row | {"status": "quarantined", "reason": str(unreadable)}
        return row | {"status": "ready"} | holds

    def _settled_version(self, info: dict[str, object], started: datetime) -> object:
        modified = str(info["version"]).split(":", 1)[0]
        try:
            changed_at = datetime.fromtimestamp(float(modified), UTC)
        except ValueError:
            return info["version"]
        return info["version"] if started - changed_at > _SETTLED_AFTER else f"unsettled {info['version']}"

    def _checksum(self, name: str) -> tuple[str, Path]:
        """The content's checksum, and where the content can be read as a local file."""
        digest = xxhash.xxh3_128()
        if self._is_local:
            with open(name, "rb") as file:
                while chunk := file.read(1 << 22):
                    digest.update(chunk)
            return digest.hexdigest(), Path(name)
        with self._filesystem.open(name, "rb") as remote:
            while chunk := remote.read(1 << 22):
                digest.update(chunk)
        copy = self._folder / "copies" / digest.hexdigest()
        if not copy.exists():
            with replacing(copy) as partial:
                self._filesystem.get_file(name, str(partial))
        return digest.hexdigest(), copy

    def _is_indexed(self, row: dict[str, Any]) -> bool:
        """Whether what was derived from a file is still there; it is not after an upgrade of Polars."""
        index = FileIndex(self._folder, row["key"], None, STREAMS[row["stream"]], self.further_columns)
        needed = [index.ids]
        needed += [index.parts] if row["other_dates"] or row["broken_count"] else []
        needed += [] if row["path"].endswith(".parquet") else [index.converted]
        return row["status"] != "ready" or all(path.exists() for path in needed)

    def _read_manifest(self) -> pl.DataFrame:
        path = self._folder / "manifest.parquet"
        if not path.exists():
            return pl.DataFrame(schema=MANIFEST_SCHEMA)
        manifest = pl.read_parquet(path)
        # A manifest of another version of this module is no longer a cache of anything.
        return (
            manifest
            if manifest.schema == pl.Schema(MANIFEST_SCHEMA)
            else pl.DataFrame(schema=MANIFEST_SCHEMA)
        )

    def _write_manifest(self, rows: Sequence[dict[str, object]]) -> None:
        with replacing(self._folder / "manifest.parquet") as partial:
            pl.DataFrame(rows, schema=MANIFEST_SCHEMA).write_parquet(partial)


def _arrival_date(folder: str) -> date | None:
    name = folder.rstrip("/").rsplit("/", 1)[-1]
    try:
        return date.fromisoformat(name.removeprefix("date="))
    except ValueError:
        return None
