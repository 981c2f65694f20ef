"""The raw rows of one UTC day, gathered from the files that hold them, ready to be judged.

Which files hold them stands in `landing`; which of them count, in the transforms.
"""

from collections.abc import Callable, Iterator
from datetime import date

import polars as pl

from resources.landing import LandingFile, LandingZone, Manifest, Piece
from resources.raw_files import STREAMS, UNREADABLE, UnreadableFile

# A day may bring the rows of many days with it; they pass in portions, and hardly any stays.
_OTHER_ROWS_AT_ONCE = 500_000

OtherDayFilter = Callable[[pl.DataFrame], pl.DataFrame]


class DamagedFile(UnreadableFile):
    """A file whose damage shows only when all of its columns are read."""

    def __init__(self, file: LandingFile, reason: str) -> None:
        super().__init__(f"{file.path}: {reason}")
        self.file = file
        self.reason = reason


def day_rows(
    zone: LandingZone, manifest: Manifest, stream: str, day: date, keep_of_other_days: OtherDayFilter
) -> pl.DataFrame:
    """The rows that fall on a day, and of the other rows that arrived on it those that `keep_of_other_days` keeps.

    Adds `file` (relative to the landing zone), `arrival_date`, `is_of_day`, and `is_broken` for rows without a day.

    Raises:
        DamagedFile: a file's content cannot be read although its index could.
    """
    frames: list[pl.DataFrame] = []
    others: list[pl.DataFrame] = []
    for piece in zone.pieces(manifest, stream, day):
        of_day = piece.day == day or piece.day is None
        (frames if of_day else others).append(_collected(piece))
        if sum(frame.height for frame in others) > _OTHER_ROWS_AT_ONCE:
            frames.append(keep_of_other_days(pl.concat(_alike(others))))
            others = []
    if others:
        frames.append(keep_of_other_days(pl.concat(_alike(others))))
    if not frames:
        further = list(zone.further_columns) if stream == "events" else []
        columns = {**STREAMS[stream].columns, **dict.fromkeys(further, pl.String())}
        frames = [_described(pl.DataFrame(schema=columns), "", day, None).clear()]
    return pl.concat(_alike(frames)).with_columns(is_of_day=pl.col("falls_on").eq_missing(day)).drop("falls_on")


def rows_of_ids_before(
    zone: LandingZone, manifest: Manifest, places: pl.DataFrame, stream: str, day: date
) -> Iterator[pl.DataFrame]:
    """The raw rows before a day whose ids are suspected to stand on that day or later too, piece by piece.

    Args:
        places: Of `ids_on_several_days`, limited to the ids in question.
    """
    files = {file.key: file for file in manifest.files[stream]}
    before = places.filter(pl.col("day") < pl.lit(day, pl.Date).cast(pl.Int32))
    for (key, on), ids in before.group_by("key", "day"):
        piece = zone.piece(files[str(key)], pl.Series([on], dtype=pl.Int32).cast(pl.Date).item())
        suspected = pl.col("event_id").hash().is_in(ids["id_hash"].implode())
        yield _collected(Piece(piece.file, piece.day, piece.rows.filter(suspected)))


def _collected(piece: Piece) -> pl.DataFrame:
    try:
        rows = piece.rows.collect(engine="streaming")
    except UNREADABLE as error:
        raise DamagedFile(piece.file, f"corrupt content ({str(error).strip().splitlines()[0][:200]})") from error
    return _described(rows, piece.file.path, piece.file.arrival_date, piece.day)


def _described(rows: pl.DataFrame, path: str, arrival_date: date, day: date | None) -> pl.DataFrame:
    return rows.with_columns(
        file=pl.lit(path),
        arrival_date=pl.lit(arrival_date, pl.Date),
        falls_on=pl.lit(day, pl.Date),
        is_broken=pl.lit(day is None),
    )


def _alike(frames: list[pl.DataFrame]) -> list[pl.DataFrame]:
    """Frames that can be put together: `properties` as JSON text where files deliver it in different types."""
    if len({frame.schema.get("properties") for frame in frames}) < 2:
        return frames
    return [
        frame.with_columns(pl.col("properties").struct.json_encode())
        if isinstance(frame.schema["properties"], pl.Struct)
        else frame
        for frame in frames
    ]
