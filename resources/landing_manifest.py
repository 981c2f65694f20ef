"""What is known of every file of the landing zone, as a frame that several processes may keep up to date at once.

How files are found stands in `landing_listing`, how they are read in `landing`.
"""

import fcntl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from pathlib import Path

import polars as pl

from resources.atomic import content_of, replacing
from resources.landing_index import DaySplit
from resources.raw_files import STREAMS, Stream

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
    "seen_at": pl.Datetime("us", "UTC"),
}
# A path names its stream too: it begins with it.
PLACE = "path"


@dataclass(frozen=True)
class LandingFile:
    """One readable file as the manifest knows it."""

    stream: Stream
    path: str
    arrival_date: date
    key: str
    split: DaySplit


class Manifest:
    """What the landing zone held at one scan.

    Args:
        frame: One row per file, with the columns of `MANIFEST_SCHEMA`.
        unread: Files that are new or changed and that the scan had no time to read. A changed one is still there
            as it was before.
    """

    def __init__(self, frame: pl.DataFrame, unread: int = 0) -> None:
        self.frame = frame
        self.unread = unread

    @property
    def is_complete(self) -> bool:
        """Whether every file was read."""
        return self.unread == 0

    @property
    def last_arrival_at(self) -> datetime | None:
        """When content was last seen that had not been seen before at its place; null: there is no file."""
        latest = self.frame["seen_at"].max()
        assert latest is None or isinstance(latest, datetime)
        return latest

    @cached_property
    def files(self) -> dict[str, list[LandingFile]]:
        """The readable files of each stream, by path. Of many files, ask for some: `holding`, `with_keys`."""
        ready = self.ready.sort(PLACE)
        return {name: list(_landing_files(ready.filter(stream=name))) for name in STREAMS}

    @cached_property
    def ready(self) -> pl.DataFrame:
        """The rows of the readable files."""
        return self.frame.filter(status="ready")

    @property
    def quarantined(self) -> pl.DataFrame:
        """The files that could not be read: stream, path, reason."""
        return self.frame.filter(pl.col("status") == "quarantined").select("stream", "path", "reason")

    def days(self, stream: str) -> list[date]:
        """The UTC days on which rows of a stream fall or arrive, ascending."""
        return self.file_days.filter(stream=stream)["day"].unique().sort().to_list()

    def holding(self, stream: str, day: date) -> list[LandingFile]:
        """The files that hold rows of a day or that arrived on it, by path."""
        of_day = self.file_days.filter((pl.col("stream") == stream) & (pl.col("day") == day))
        return list(_landing_files(self.ready.join(of_day, on=PLACE, how="semi").sort(PLACE)))

    def with_keys(self, stream: str, keys: pl.Series) -> dict[str, LandingFile]:
        """The readable files with some keys; of files with the same content, one."""
        found = self.ready.filter((pl.col("stream") == stream) & pl.col("key").is_in(keys.unique().implode()))
        return {file.key: file for file in _landing_files(found.sort(PLACE))}

    def strays(
        self, stream: str, arrived: tuple[date, date], outside: tuple[date, date]
    ) -> Iterator[tuple[LandingFile, list[date]]]:
        """The files that arrived on some days and hold rows of none of others, by path, with those rows' days."""
        elsewhere = self.file_days.filter(
            (pl.col("stream") == stream)
            & pl.col("is_held")
            & pl.col("arrival_date").is_between(*arrived)
            & ~pl.col("day").is_between(*outside)
        )
        files = self.ready.join(elsewhere, on=PLACE, how="semi").sort(PLACE)
        for file in _landing_files(files):
            yield file, [day for day in file.split.dates if not outside[0] <= day <= outside[1]]

    @cached_property
    def file_days(self) -> pl.DataFrame:
        """(stream, path, key, arrival_date, day, is_held): the days on which rows of each readable file fall.

        The arrival day is among them, `is_held` false where no row falls on it.
        """
        about = self.ready.select("stream", PLACE, "key", "arrival_date", "home_date", "other_dates")
        held = pl.concat(
            [
                about.select("stream", PLACE, "key", "arrival_date", day="home_date"),
                about.select("stream", PLACE, "key", "arrival_date", day="other_dates")
                .filter(pl.col("day").list.len() > 0)
                .explode("day"),
            ]
        ).filter(pl.col("day").is_not_null())
        arrived = about.select("stream", PLACE, "key", "arrival_date", day="arrival_date")
        return pl.concat(
            [
                held.with_columns(is_held=pl.lit(True)),
                arrived.join(held, on=[PLACE, "day"], how="anti").with_columns(is_held=pl.lit(False)),
            ]
        )


def _landing_files(rows: pl.DataFrame) -> Iterator[LandingFile]:
    columns = rows.select("stream", "path", "arrival_date", "key", "home_date", "other_dates", "broken_count")
    for stream, path, arrival_date, key, home_date, other_dates, broken_count in columns.iter_rows():
        split = DaySplit(home_date, tuple(other_dates), broken_count)
        yield LandingFile(STREAMS[stream], path, arrival_date, key, split)


class ManifestFile:
    """The manifest as a file that is replaced whole. Writers take turns, each starts from what the last one wrote."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / "manifest.parquet"

    def read(self) -> pl.DataFrame:
        """Every file that any scan knew when the last one ended; nothing where that was of another version."""
        if not self._path.exists():
            return pl.DataFrame(schema=MANIFEST_SCHEMA)
        manifest = pl.read_parquet(content_of(self._path))
        return (
            manifest
            if manifest.schema == pl.Schema(MANIFEST_SCHEMA)
            else pl.DataFrame(schema=MANIFEST_SCHEMA)
        )

    def update(self, read: Sequence[dict[str, object]], gone: pl.DataFrame) -> pl.DataFrame:
        """Put in what was read, take out what is gone, leave what other processes put in meanwhile.

        Where another process has read the same content of the same file, its row stands: it may have been the
        first to see it, and it may have found that it is damaged.

        Args:
            read: Rows of files.
            gone: `path` of files that are no longer there.
        """
        with self._alone():
            known = self.read()
            rows = pl.DataFrame(read, schema=MANIFEST_SCHEMA)
            rows = rows.join(known, on=[PLACE, "key", "version"], how="anti", nulls_equal=True)
            kept = known.join(pl.concat([rows.select(PLACE), gone.select(PLACE)]), on=PLACE, how="anti")
            return self._write(pl.concat([kept, rows]))

    def quarantine(self, stream: str, key: str, reason: str) -> pl.DataFrame:
        """Note of every file with some content that it is damaged."""
        with self._alone():
            damaged = (pl.col("stream") == stream) & (pl.col("key") == key)
            return self._write(
                self.read().with_columns(
                    status=pl.when(damaged).then(pl.lit("quarantined")).otherwise("status"),
                    reason=pl.when(damaged).then(pl.lit(reason)).otherwise("reason"),
                )
            )

    def _write(self, rows: pl.DataFrame) -> pl.DataFrame:
        rows = rows.sort(PLACE)
        with replacing(self._path) as partial:
            rows.write_parquet(partial)
        return rows

    @contextmanager
    def _alone(self) -> Iterator[None]:
        self._folder.mkdir(parents=True, exist_ok=True)
        # The lock ends with the process that holds it, however that ends.
        with open(self._folder / "manifest.lock", "a", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
