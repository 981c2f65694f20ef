"""How one file of the landing zone becomes typed rows, or is found unreadable.

Which files there are and what they hold as a whole stands in `landing`; what a row means, in the transforms.
"""

import gzip
import mmap
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC as UTC_ZONE
from datetime import datetime
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from resources.atomic import replacing

UTC = pl.Datetime("us", "UTC")
_FIRST_INSTANT, _LAST_INSTANT = (end.replace(tzinfo=UTC_ZONE) for end in (datetime.min, datetime.max))
# What reading damaged content raises. A full disk or a missing file is our trouble and no fault of the file.
UNREADABLE = (pl.exceptions.PolarsError, pl.exceptions.PanicException)
# Arrow reads in blocks and refuses a row that is longer than two of them.
_LONGEST_CSV_ROW = 1 << 24
FORMATS = (".parquet", ".jsonl", ".csv", ".jsonl.gz", ".csv.gz")


class UnreadableFile(Exception):
    """A file that cannot be read as a whole; says why, in words for the person who delivered it."""


@dataclass(frozen=True)
class Stream:
    """The columns of a stream in order: `instant` names the one whose UTC day the row belongs to."""

    name: str
    columns: dict[str, pl.DataType]
    required: tuple[str, ...]
    instant: str

    @property
    def is_broken(self) -> pl.Expr:
        """True where a row lacks what makes it a row: it has no day of its own and cannot be told from others."""
        return pl.any_horizontal(pl.col(name).is_null() for name in self.required)


EVENTS = Stream(
    "events",
    {
        "event_id": pl.String(),
        "event_name": pl.String(),
        "unit_id": pl.String(),
        "occurred_at": UTC,
        "ingested_at": UTC,
        "session_id": pl.String(),
        "value": pl.Float64(),
        "properties": pl.String(),
    },
    required=("event_id", "event_name", "unit_id", "occurred_at"),
    instant="occurred_at",
)
ASSIGNMENTS = Stream(
    "assignments",
    {
        "event_id": pl.String(),
        "experiment_id": pl.String(),
        "unit_id": pl.String(),
        "variation_id": pl.String(),
        "assigned_at": UTC,
        "ingested_at": UTC,
    },
    required=("experiment_id", "unit_id", "variation_id", "assigned_at"),
    instant="assigned_at",
)
STREAMS = {stream.name: stream for stream in (EVENTS, ASSIGNMENTS)}


def scan_parquet(path: Path, stream: Stream, further_columns: tuple[str, ...] = ()) -> pl.LazyFrame:
    """The rows of a Parquet file with the stream's columns and types, read lazily.

    `properties` stays JSON text or a struct, as delivered. `further_columns` that the file lacks are null.

    Raises:
        UnreadableFile: no Parquet, a required column is missing, or a column has another type.
    """
    try:
        rows = pl.scan_parquet(path, glob=False)
        schema = rows.collect_schema()
    except UNREADABLE as error:
        raise UnreadableFile(f"no readable Parquet ({first_line(error)})") from error
    missing = [name for name in stream.required if name not in schema]
    if missing:
        raise UnreadableFile(f"required column missing: {', '.join(missing)}; it has {', '.join(schema)}")
    typed = [_typed(name, schema.get(name), dtype) for name, dtype in stream.columns.items()]
    return rows.select(*typed, *(_further(name, schema.get(name)) for name in further_columns))


def _further(name: str, found: pl.DataType | None) -> pl.Expr:
    return (pl.lit(None) if found is None else pl.col(name)).cast(pl.String).alias(name)


def _typed(name: str, found: pl.DataType | None, wanted: pl.DataType) -> pl.Expr:
    column = pl.col(name)
    if found is None or found == pl.Null:
        return pl.lit(None, wanted).alias(name)
    if isinstance(found, pl.Datetime) and wanted == UTC:
        zoned = column.dt.convert_time_zone("UTC") if found.time_zone else column.dt.replace_time_zone("UTC")
        # A cast from ns rounds towards zero; the contract truncates, also before 1970.
        return _on_the_calendar((zoned.dt.truncate("1us") if found.time_unit == "ns" else zoned).cast(wanted))
    if found == pl.Date and wanted == UTC:
        return _on_the_calendar(column.cast(pl.Datetime("us")).dt.replace_time_zone("UTC"))
    if wanted == pl.String and isinstance(found, pl.String | pl.Categorical | pl.Enum):
        return column.cast(pl.String)
    if wanted == pl.Float64 and found.is_numeric():
        return column.cast(pl.Float64)
    if name == "properties" and isinstance(found, pl.Struct):
        return column
    raise UnreadableFile(f"column {name} has type {found}, expected {_words(wanted, name)}")


def _on_the_calendar(instant: pl.Expr) -> pl.Expr:
    """Null outside the years 1 to 9999: no day of ours is there, such an instant is as good as unreadable."""
    return pl.when(instant.is_between(_FIRST_INSTANT, _LAST_INSTANT)).then(instant)


def _words(dtype: pl.DataType, name: str) -> str:
    if name == "properties":
        return "JSON text or a struct"
    return {pl.String: "text", pl.Float64: "a number"}.get(dtype.base_type(), "a timestamp")


def convert_text(
    path: Path, name: str, stream: Stream, further_columns: tuple[str, ...], target: Path
) -> None:
    """Read a JSONL or CSV file (also gzip) with declared types and write its rows as Parquet to `target`.

    Text is parsed once: every later read is of the Parquet.

    Raises:
        UnreadableFile: not UTF-8, a truncated archive, a line that is no JSON object, a row with too few or too
            many fields, or a required column that is missing.
    """
    parse = _parse_csv if ".csv" in name else _parse_jsonl
    typed = [_parsed(column, dtype) for column, dtype in stream.columns.items()]
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        plain = Path(scratch) / "plain"
        _unpack(path, name, plain)
        try:
            lines = parse(plain, stream, further_columns)
            with replacing(target) as converted:
                rows = lines.select(*typed, *further_columns)
                rows.sink_parquet(converted, compression="zstd", compression_level=1)
        except (*UNREADABLE, pa.ArrowInvalid, UnicodeDecodeError) as error:
            raise UnreadableFile(f"unreadable line ({first_line(error)})") from error


def _unpack(path: Path, name: str, plain: Path) -> None:
    opened = gzip.open if name.endswith(".gz") else open
    try:
        with opened(path, "rb") as packed, plain.open("wb") as unpacked:
            last = b""
            while chunk := packed.read(1 << 22):
                unpacked.write(chunk)
                last = chunk[-1:]
            if last not in (b"", b"\n"):
                # Without it, Arrow takes an empty last field for empty text instead of a missing value.
                unpacked.write(b"\n")
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise UnreadableFile(f"truncated or corrupt gzip ({first_line(error)})") from error


def _parse_jsonl(plain: Path, stream: Stream, further_columns: tuple[str, ...]) -> pl.LazyFrame:
    _check_columns(stream, [name for name in stream.columns if _contains(plain, f'"{name}"'.encode())])
    return pl.scan_ndjson(plain, schema=dict.fromkeys([*stream.columns, *further_columns], pl.String()))


def _contains(path: Path, needle: bytes) -> bool:
    if path.stat().st_size == 0:
        return True
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return content.find(needle) >= 0


def _check_columns(stream: Stream, found: Sequence[str]) -> None:
    missing = [name for name in stream.required if name not in found]
    if missing:
        raise UnreadableFile(
            f"required column missing: {', '.join(missing)}; it has {', '.join(found) or 'none'}"
        )


def _parse_csv(plain: Path, stream: Stream, further_columns: tuple[str, ...]) -> pl.LazyFrame:
    if plain.stat().st_size == 0:
        raise UnreadableFile("an empty file; expected at least the header of a CSV file")
    if sum(chunk.count(b'"') for chunk in _chunks(plain)) % 2:
        raise UnreadableFile("a quoted field is never closed: the file is truncated")
    parsing = pyarrow.csv.ParseOptions(newlines_in_values=True)
    reading = pyarrow.csv.ReadOptions(block_size=_LONGEST_CSV_ROW)
    with pyarrow.csv.open_csv(plain, reading, parsing) as opened:
        header = opened.schema.names
    _check_columns(stream, header)
    if len(set(header)) < len(header):
        raise UnreadableFile(f"a column name occurs twice in the header: {', '.join(header)}")
    converting = pyarrow.csv.ConvertOptions(
        column_types=dict.fromkeys(header, pa.string()),
        # Only an empty field is null, and not when it is quoted: `NULL` and `nan` are ids like any other.
        null_values=[""],
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
    )
    rows = plain.with_name("rows.parquet")
    with (
        pyarrow.csv.open_csv(plain, reading, parsing, converting) as reader,
        pyarrow.parquet.ParquetWriter(rows, reader.schema, compression="lz4") as writer,
    ):
        for batch in reader:
            writer.write_batch(batch)
    absent = [name for name in (*stream.columns, *further_columns) if name not in header]
    return pl.scan_parquet(rows, glob=False).with_columns(
        pl.lit(None, pl.String).alias(name) for name in absent
    )


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(1 << 22):
            yield chunk


def _parsed(name: str, dtype: pl.DataType) -> pl.Expr:
    text = pl.col(name)
    if dtype == UTC:
        return parsed_instant(text).alias(name)
    return text.cast(dtype, strict=False).alias(name)


def parsed_instant(text: pl.Expr) -> pl.Expr:
    """ISO 8601 text as a UTC instant in whole microseconds (truncated); null where it is unreadable.

    Date or date and time, `T` or a space between, an optional fraction, an optional offset; none means UTC.
    """
    parts = text.str.strip_chars().str.extract_groups(
        r"^(?P<day>[0-9]{4}-[0-9]{2}-[0-9]{2})"
        r"(?:[Tt ](?P<minute>[0-9]{2}:[0-9]{2})(?::(?P<second>[0-5][0-9])(?:[.,](?P<fraction>[0-9]+))?)?"
        r"\s*(?P<zone>[Zz]|[+-](?:[01][0-9]|2[0-3])(?::?[0-5][0-9])?)?)?$"
    )

    def part(name: str, default: str) -> pl.Expr:
        return parts.struct.field(name).fill_null(default)

    wall = pl.concat_str(
        parts.struct.field("day"), pl.lit(" "), part("minute", "00:00"), pl.lit(":"), part("second", "00")
    ).str.to_datetime("%Y-%m-%d %H:%M:%S", strict=False, time_unit="us", time_zone="UTC")
    microseconds = (part("fraction", "") + "000000").str.slice(0, 6).cast(pl.Int64)
    zone = part("zone", "Z").str.replace(":", "", literal=True)
    hours = zone.str.slice(1, 2).cast(pl.Int64, strict=False).fill_null(0)
    minutes = zone.str.slice(3, 2).cast(pl.Int64, strict=False).fill_null(0)
    sign = pl.when(zone.str.starts_with("-")).then(-1).otherwise(1)
    ahead_of_utc = pl.duration(minutes=sign * (hours * 60 + minutes), time_unit="us")
    return _on_the_calendar(wall + pl.duration(microseconds=microseconds, time_unit="us") - ahead_of_utc)


def first_line(error: BaseException) -> str:
    """The first line of what a library says, short enough for a report."""
    return str(error).strip().split("\n", 1)[0][:200]
