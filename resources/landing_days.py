"""The raw rows of one UTC day, gathered from the files that hold them, ready to be judged.

Which files hold them stands in `landing`; which of them count, in the transforms.
"""

from collections.abc import Iterator, Sequence
from datetime import date

import polars as pl

from resources.landing import LandingFile, LandingZone, Manifest, Piece
from resources.raw_files import STREAMS, UNREADABLE, UnreadableFile, first_line


class DamagedFile(UnreadableFile):
    """A file whose damage shows only when all of its columns are read."""

    def __init__(self, file: LandingFile, reason: str) -> None:
        super().__init__(f"{file.path}: {reason}")
        self.file = file
        self.reason = reason


def day_rows(zone: LandingZone, manifest: Manifest, stream: str, day: date) -> pl.DataFrame:
    """The rows that fall on a day, and the rows without a day that arrived on it.

    Adds `file` (relative to the landing zone), `arrival_date`, and `is_broken` for rows without a day.

    Raises:
        DamagedFile: a file's content cannot be read although its index could.
    """
    pieces = list(zone.pieces(manifest, stream, day))
    if not pieces:
        further = zone.further_columns if stream == "events" else ()
        columns = {**STREAMS[stream].columns, **dict.fromkeys(further, pl.String())}
        return pl.DataFrame(
            schema={**columns, "file": pl.String, "arrival_date": pl.Date, "is_broken": pl.Boolean}
        )
    return _gathered(pieces)


def stray_rows(
    zone: LandingZone, manifest: Manifest, stream: str, arrived: tuple[date, date], outside: tuple[date, date]
) -> Iterator[pl.DataFrame]:
    """The rows that arrived on some days and fall on none of others, piece by piece, as `day_rows` gives them."""
    for piece in zone.strays(manifest, stream, arrived, outside):
        yield _gathered([piece])


def rows_of_ids_before(
    zone: LandingZone, manifest: Manifest, places: pl.DataFrame, stream: str, day: date
) -> Iterator[pl.DataFrame]:
    """The raw rows before a day whose ids are suspected to stand on that day or later too, piece by piece.

    Args:
        zone: The landing zone.
        manifest: Its content.
        places: Of `ids_on_several_days`, limited to the ids in question.
        stream: Name of the stream.
        day: The first day that is not read.
    """
    before = places.filter(pl.col("day") < pl.lit(day, pl.Date).cast(pl.Int32))
    files = manifest.with_keys(stream, before["key"])
    for (key, on), ids in before.group_by("key", "day"):
        piece = zone.piece(files[str(key)], pl.Series([on], dtype=pl.Int32).cast(pl.Date).item())
        suspected = pl.col("event_id").hash().is_in(ids["id_hash"].implode())
        yield _gathered([Piece(piece.file, piece.day, piece.rows.filter(suspected))])


def _gathered(pieces: Sequence[Piece]) -> pl.DataFrame:
    """The rows of the pieces in one frame: files are read side by side, one plan for all that are alike."""
    numbered = [piece.rows.with_columns(piece=pl.lit(n, pl.UInt32)) for n, piece in enumerate(pieces)]
    alike: dict[str, list[pl.LazyFrame]] = {}
    for rows in numbered:
        alike.setdefault(str(rows.collect_schema().get("properties")), []).append(rows)
    try:
        frames = [pl.concat(group).collect(engine="streaming") for group in alike.values()]
    except UNREADABLE:
        _find_damage(pieces)
        raise
    if len(frames) > 1:
        frames = [_with_text(frame) for frame in frames]
    origins = pl.DataFrame(
        {
            "file": [piece.file.path for piece in pieces],
            "arrival_date": [piece.file.arrival_date for piece in pieces],
            "is_broken": [piece.day is None for piece in pieces],
        }
    )
    rows = pl.concat(frames)
    return pl.concat([rows.drop("piece"), origins[rows["piece"]]], how="horizontal")


def _find_damage(pieces: Sequence[Piece]) -> None:
    for piece in pieces:
        try:
            piece.rows.collect(engine="streaming")
        except UNREADABLE as error:
            raise DamagedFile(piece.file, f"corrupt content ({first_line(error)})") from error


def _with_text(frame: pl.DataFrame) -> pl.DataFrame:
    """`properties` as JSON text, for days whose files deliver it in different types."""
    if isinstance(frame.schema["properties"], pl.Struct):
        return frame.with_columns(pl.col("properties").struct.json_encode())
    return frame.with_columns(pl.col("properties").cast(pl.String))
