"""What is known of a landing file without reading it again: its days, its event ids, its rows split by day.

Which files there are stands in `landing`; how a file is parsed, in `raw_files`.
"""

import json
import os
import shutil
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import polars as pl
import xxhash

from resources.atomic import placing
from resources.raw_files import (
    EVENTS,
    UNREADABLE,
    Stream,
    UnreadableFile,
    convert_text,
    first_line,
    scan_parquet,
)

# Hashes are only comparable within one version of Polars, so its version is part of where they are kept.
INDEX_FOLDERS = "index-polars-"
INDEX_FOLDER = f"{INDEX_FOLDERS}{pl.__version__}"
CONVERTED, PARTS, COPIES = "converted", "parts", "copies"
_DAY = "__day__"
_BROKEN = "__broken__"


@dataclass(frozen=True)
class DaySplit:
    """How a file's rows are split: most on its home day, the others in parts beside it."""

    home_date: date | None
    other_dates: tuple[date, ...]
    broken_count: int

    @property
    def dates(self) -> tuple[date, ...]:
        """All days on which rows of the file fall."""
        return (*((self.home_date,) if self.home_date else ()), *self.other_dates)


@dataclass(frozen=True)
class FileIndex:
    """Where the derived files of one landing file are, and how its rows are read."""

    folder: Path
    key: str
    local: Path | None
    stream: Stream
    further_columns: tuple[str, ...]

    @property
    def ids(self) -> Path:
        """(id_hash UInt64, day Int32), distinct and sorted, of the rows that have an id and a day."""
        return self.folder / INDEX_FOLDER / f"{self.key}.parquet"

    @property
    def converted(self) -> Path:
        """The rows of a text file as Parquet."""
        return self.folder / CONVERTED / f"{self.key}{columns_mark(self.further_columns)}.parquet"

    @property
    def readable(self) -> Path:
        """The file as Parquet: converted from text, copied from an object store, or itself."""
        if self.converted.exists():
            return self.converted
        copy = self.folder / COPIES / self.key.split("-", 1)[0]
        return copy if self.local is None else self.local

    @property
    def parts(self) -> Path:
        """The rows that are not of the file's home day, in a folder per day."""
        return self.folder / PARTS / f"{self.key}{columns_mark(self.further_columns)}"

    def part(self, day: date | None) -> Path:
        """The rows of a day that is not the file's home day; `None`: the rows without a day."""
        return self.parts / f"{_DAY}={'__HIVE_DEFAULT_PARTITION__' if day is None else day.isoformat()}"

    def part_files(self, day: date | None) -> list[Path]:
        """The files of a part; none where the file was never split."""
        return sorted(self.part(day).glob("*.parquet"))

    def scan(self) -> pl.LazyFrame:
        """All rows, typed, with their day (null where the row is broken)."""
        rows = scan_parquet(self.readable, self.stream, self.further_columns)
        return rows.with_columns(self.stream.is_broken.alias(_BROKEN)).with_columns(
            pl.when(~pl.col(_BROKEN)).then(pl.col(self.stream.instant).dt.date()).alias(_DAY)
        )

    def rows(self, split: DaySplit, day: date | None) -> pl.LazyFrame:
        """The rows of a day, or those without one, with the stream's columns."""
        if day is None or day != split.home_date:
            return pl.scan_parquet(self.part_files(day), glob=False, hive_partitioning=False)
        if not split.other_dates and not split.broken_count:
            return scan_parquet(self.readable, self.stream, self.further_columns)
        return self.scan().filter(pl.col(_DAY) == day).drop(_DAY, _BROKEN)


def columns_mark(further_columns: tuple[str, ...]) -> str:
    """What tells derived rows with some further columns from those with others; an ending of their names."""
    return f"+{xxhash.xxh3_64_hexdigest(json.dumps(further_columns).encode())}" if further_columns else ""


def derived_names(files: pl.DataFrame, further_columns: tuple[str, ...]) -> pl.DataFrame:
    """The names of what may be derived from each file of a manifest: `ids`, `part`, `converted` and `copy`."""
    mark = (
        pl.when(pl.col("stream") == EVENTS.name)
        .then(pl.lit(columns_mark(further_columns)))
        .otherwise(pl.lit(""))
    )
    return files.select(
        ids=pl.col("key") + ".parquet",
        part=pl.col("key") + mark,
        converted=pl.col("key") + mark + ".parquet",
        copy="checksum",
    )


def is_indexed(folder: Path, files: pl.DataFrame, further_columns: tuple[str, ...]) -> pl.Series:
    """Whether what was derived from each file of a manifest is still there.

    It is not after an upgrade of Polars or, for text and for parts, when the catalog names further columns of events.
    A quarantined file has no index and needs none.
    """

    def is_in(place: str, name: str) -> pl.Expr:
        with suppress(FileNotFoundError):
            return pl.col(name).is_in(pl.Series(os.listdir(folder / place), dtype=pl.String).implode())
        return pl.lit(False)

    is_split = (pl.col("other_dates").list.len() > 0) | (pl.col("broken_count") > 0)
    is_text = ~pl.col("path").str.ends_with(".parquet")
    named = pl.concat([files, derived_names(files, further_columns)], how="horizontal")
    return named.select(
        (pl.col("status") != "ready")
        | (
            is_in(INDEX_FOLDER, "ids")
            & (~is_split | is_in(PARTS, "part"))
            & (~is_text | is_in(CONVERTED, "converted"))
        )
    ).to_series()


def index_file(index: FileIndex, path: str) -> dict[str, object]:
    """Read a new file once: its days and ids; split off the rows that are not of its home day.

    A day's rows are then in files whose home day it is and in small parts, so that staging a day reads no file of
    another day, however late its rows arrived.

    Returns the manifest's columns that only the content knows.

    Raises:
        UnreadableFile: the file as a whole cannot be read.
    """
    if not path.endswith(".parquet") and not index.converted.exists():
        assert index.local is not None
        with placing(index.converted) as partial:
            convert_text(index.local, path.rsplit("/", 1)[-1], index.stream, index.further_columns, partial)
    days = pl.col(_DAY).cast(pl.Int32)
    try:
        rows = index.scan().select(
            pl.col("event_id").hash().alias("id_hash"),
            pl.col("event_id").is_not_null().alias("has_id"),
            days.alias("day"),
            pl.col(index.stream.instant).alias("at"),
        )
        held = rows.collect(engine="streaming")
        found = held.group_by("day").agg(pl.len().alias("rows")).sort("rows", "day", descending=[True, False])
        dated = found.filter(pl.col("day").is_not_null())["day"].cast(pl.Date).to_list()
        broken_count = int(found.filter(pl.col("day").is_null())["rows"].sum())
        split = DaySplit(dated[0] if dated else None, tuple(sorted(dated[1:])), broken_count)
        _write_ids(index, held)
        _split(index, split)
    except UNREADABLE as error:
        raise UnreadableFile(f"corrupt content ({first_line(error)})") from error
    return {
        "row_count": held.height,
        "first_occurred_at": held["at"].min(),
        "last_occurred_at": held["at"].max(),
        "home_date": split.home_date,
        "other_dates": list(split.other_dates),
        "broken_count": broken_count,
    }


def _write_ids(index: FileIndex, held: pl.DataFrame) -> None:
    ids = held.filter(pl.col("has_id") & pl.col("day").is_not_null()).select("id_hash", "day").sort("id_hash")
    with placing(index.ids) as partial:
        ids.write_parquet(partial, compression="lz4", row_group_size=1 << 17)


def _split(index: FileIndex, split: DaySplit) -> None:
    days = [*split.other_dates, *([None] if split.broken_count else [])]
    is_there = index.parts.exists()
    # Never a second time: somebody may be reading them.
    if all(index.part_files(day) for day in days):
        return
    is_elsewhere = pl.lit(True) if split.home_date is None else pl.col(_DAY).ne_missing(split.home_date)
    elsewhere = index.scan().filter(is_elsewhere).drop(_BROKEN)
    if is_there:
        # Somebody removed a file from it.
        shutil.rmtree(index.parts)
    with placing(index.parts) as partial:
        by_day = pl.PartitionBy(partial, key=_DAY, include_key=False)
        elsewhere.sink_parquet(by_day, mkdir=True, compression="lz4")
