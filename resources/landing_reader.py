"""Reading a file of the landing zone for the first time: its checksum, its index, and its row of the manifest.

Which files have to be read is decided in `landing`; how one is parsed, in `raw_files`.
"""

import os
import shutil
import uuid
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import xxhash
from fsspec import AbstractFileSystem
from fsspec.implementations.local import LocalFileSystem

from resources.atomic import PARTIAL, placing
from resources.landing_index import COPIES, FileIndex, index_file
from resources.landing_manifest import MANIFEST_SCHEMA, PLACE
from resources.raw_files import EVENTS, STREAMS, Stream, UnreadableFile

Row = dict[str, Any]

_ABOUT_THE_CONTENT = (
    "row_count",
    "first_occurred_at",
    "last_occurred_at",
    "status",
    "reason",
    "home_date",
    "other_dates",
    "broken_count",
)
# A file changed within this time of a scan may change again without a new time stamp: it is read anew.
_SETTLED_AFTER = timedelta(seconds=2)
_UNSETTLED = "unsettled "
_NO_CHECKSUM = "0" * 32


_ATTEMPTS = 3


class FileChanging(Exception):
    """A file was written to each time that it was read."""


class FileReader:
    """Reads files of one landing zone, each content once however often it was delivered.

    Args:
        filesystem: Where the landing zone is.
        root: Its folder there.
        folder: Where indexes and copies are kept.
        further_columns: Columns of events beyond the contract's that are read too.
    """

    def __init__(
        self, filesystem: AbstractFileSystem, root: str, folder: Path, further_columns: tuple[str, ...]
    ) -> None:
        self._filesystem = filesystem
        self._root = root
        self._folder = folder
        self._further_columns = further_columns
        self._before: dict[str, Row] = {}
        self._known = pl.DataFrame(schema=MANIFEST_SCHEMA)
        self._position: dict[str, int] = {}
        self._read: dict[str, Row] = {}

    @property
    def is_local(self) -> bool:
        """Whether the files are read where they lie."""
        return isinstance(self._filesystem, LocalFileSystem)

    def remember(self, known: pl.DataFrame, before: pl.DataFrame) -> None:
        """Take note of what earlier scans found out.

        Args:
            known: Rows of the manifest whose content need not be read again.
            before: Rows of the files that will be read, as they were found before.
        """
        self._known = known.filter(pl.col("arrival_date").is_not_null())
        self._position = {key: row for row, key in enumerate(self._known["key"])}
        self._before = {row[PLACE]: row for row in before.iter_rows(named=True)}

    def index(self, key: str, path: str, stream: Stream) -> FileIndex:
        """Where what is derived from a file is kept."""
        return self._index(key, Path(self._root) / path if self.is_local else None, stream)

    def _index(self, key: str, local: Path | None, stream: Stream) -> FileIndex:
        further_columns = self._further_columns if stream is EVENTS else ()
        return FileIndex(self._folder, key, local, stream, further_columns)

    def read(self, listed: Row) -> Row | None:
        """The file's row of the manifest; null where the file is gone.

        Args:
            listed: What the listing says of it.

        Raises:
            FileChanging: it did not keep still; what was derived from it is of no content that it ever had.
        """
        try:
            for _ in range(_ATTEMPTS):
                stamp = self._stamp(listed)
                row = self._row(listed)
                if self._stamp(listed) == stamp:
                    return row
                self._forget(row)
        except FileNotFoundError:
            if self._filesystem.exists(f"{self._root}/{listed[PLACE]}"):
                raise
            return None
        raise FileChanging(f"{listed[PLACE]} was written to while it was read; the next scan reads it again.")

    def _stamp(self, listed: Row) -> tuple[int, ...]:
        """What changes with the content; of a remote file nothing, as its copy is what is read."""
        if not self.is_local or listed["version"] is None:
            return ()
        status = os.stat(f"{self._root}/{listed[PLACE]}")
        return status.st_mtime_ns, status.st_size, status.st_ino

    def _forget(self, row: Row) -> None:
        """Delete what was derived under the name of one content from another one."""
        key = row["key"]
        if self._read.pop(key, None) is not None:
            index = self.index(key, row[PLACE], STREAMS[row["stream"]])
            for path in (index.ids, index.converted):
                path.unlink(missing_ok=True)
            shutil.rmtree(index.parts, ignore_errors=True)

    def _row(self, listed: Row) -> Row:
        started = datetime.now(UTC)
        path, stream = listed["path"], STREAMS[listed["stream"]]
        checksum, local = (
            self._checksum(f"{self._root}/{path}") if listed["version"] else (_NO_CHECKSUM, None)
        )
        # The format decides how the content reads, so it belongs to the key of what was read.
        reading = "\x00".join((stream.name, path.rsplit("/", 1)[-1].split(".", 1)[-1] if local else path))
        key = f"{checksum}-{xxhash.xxh3_64_hexdigest(reading.encode())}"
        before = self._before.get(path)
        is_as_before = before is not None and before["key"] == key
        row = {
            "stream": stream.name,
            "path": path,
            "arrival_date": arrival_date(path.rsplit("/", 1)[0]),
            "size_bytes": listed["size_bytes"],
            "version": _settled_version(listed, started, before if is_as_before else None),
            "checksum": checksum,
            "key": key,
            "seen_at": before["seen_at"] if before is not None and is_as_before else started,
        }
        return row | self._content(row, local)

    def _content(self, row: Row, local: Path | None) -> Row:
        nothing = {"row_count": 0, "other_dates": [], "broken_count": 0, "status": "quarantined"}
        if row["arrival_date"] is None:
            return nothing | {"reason": "its folder names no arrival day; expected date=YYYY-MM-DD"}
        if local is None:
            return nothing | {"reason": "its name, or its folder's, is not UTF-8; give it another name"}
        key = row["key"]
        if key in self._position:
            known = self._known.row(self._position[key], named=True)
            return {name: known[name] for name in _ABOUT_THE_CONTENT}
        if key not in self._read:
            index = self._index(key, local, STREAMS[row["stream"]])
            try:
                self._read[key] = {"status": "ready", **index_file(index, row["path"])}
            except UnreadableFile as unreadable:
                self._read[key] = nothing | {"reason": str(unreadable)}
        return self._read[key]

    def _checksum(self, name: str) -> tuple[str, Path]:
        """The content's checksum, and where the content can be read as a local file."""
        if self.is_local:
            return _checksum_of(Path(name)), Path(name)
        copies = self._folder / COPIES
        copies.mkdir(parents=True, exist_ok=True)
        fetched = copies / f".{uuid.uuid4().hex}{PARTIAL}"
        try:
            self._filesystem.get_file(name, str(fetched))
            checksum = _checksum_of(fetched)
            if not (copies / checksum).exists():
                with placing(copies / checksum) as partial:
                    fetched.rename(partial)
        finally:
            fetched.unlink(missing_ok=True)
        return checksum, copies / checksum


def _checksum_of(path: Path) -> str:
    digest = xxhash.xxh3_128()
    with path.open("rb") as file:
        while chunk := file.read(1 << 22):
            digest.update(chunk)
    return digest.hexdigest()


def arrival_date(folder: str) -> date | None:
    """The day that a folder `date=YYYY-MM-DD` names; null where it names none."""
    name = folder.rstrip("/").rsplit("/", 1)[-1]
    try:
        return date.fromisoformat(name.removeprefix("date="))
    except ValueError:
        return None


def _settled_version(listed: Row, started: datetime, same_before: Row | None) -> str | None:
    """The version to compare the next listing with; one that no listing has where the file has to be read again."""
    version: str | None = listed["version"]
    if listed["modified_at"] is None or version is None:
        return version
    age = started - datetime.fromtimestamp(listed["modified_at"], UTC)
    if age < timedelta(0) and same_before is not None:
        # A clock ahead of ours wrote it. Its time stamp tells nothing, but the content was the same a while ago.
        seen_so = same_before["version"].removeprefix(_UNSETTLED) == version
        return (
            version if seen_so and started - same_before["seen_at"] > _SETTLED_AFTER else _UNSETTLED + version
        )
    return version if age > _SETTLED_AFTER else _UNSETTLED + version
