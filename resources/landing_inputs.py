"""What a UTC day of rows depends on in the landing zone, as one number per day.

What else its staged rows depend on, and whether they are out of date, is decided by whoever asks.
"""

from datetime import date

import polars as pl
import xxhash

from resources.landing import LandingZone, Manifest
from resources.raw_files import STREAMS
from resources.repeated_ids import ids_on_several_days


def day_inputs(zone: LandingZone, manifest: Manifest, first_day: date) -> pl.DataFrame:
    """Digest everything of the landing zone that a staged day depends on.

    Grain out: one row per UTC day on which rows of either stream fall or arrive, in order: `day` and `inputs`.

    A day depends on the files that hold its rows or arrived on it, and on those that hold a row of an earlier day
    with an id of its own: if that row counts, the day's row is a copy. Content decides, by the manifest's keys, so
    that the digests are the same in whatever order files came, and with any version of Polars.

    Args:
        zone: The landing zone.
        manifest: Its content.
        first_day: Of the calendar; it stands for the days before it too.
    """
    held = manifest.file_days.select(
        "day",
        entry=pl.concat_str(pl.lit("file"), "path", "key", pl.col("day").cast(pl.String), separator="\t"),
    )
    entries = pl.concat([held, *(_earlier_places(zone, manifest, stream) for stream in STREAMS)])
    return _digests_by_day(entries.with_columns(pl.max_horizontal("day", pl.lit(first_day))))


def held_inputs(zone: LandingZone, manifest: Manifest, stream: str) -> pl.DataFrame:
    """Digest what of a stream the rows that fall on a day depend on: as `day_inputs`, less what merely arrived then.

    Grain out: one row per UTC day on which rows of the stream fall: `day` and `inputs`.
    """
    is_held = (pl.col("stream") == stream) & pl.col("is_held")
    held = manifest.file_days.filter(is_held).select(
        "day", entry=pl.concat_str("key", pl.col("day").cast(pl.String), separator="\t")
    )
    earlier = _earlier_places(zone, manifest, stream).join(held.select("day").unique(), on="day", how="semi")
    return _digests_by_day(pl.concat([held.unique(), earlier]))


def _digests_by_day(entries: pl.DataFrame) -> pl.DataFrame:
    by_day = (
        entries.sort("day", "entry").group_by("day", maintain_order=True).agg(pl.col("entry").str.join("\n"))
    )
    digests = [xxhash.xxh3_64_intdigest(text.encode()) for text in by_day["entry"]]
    return by_day.select("day", inputs=pl.Series(digests, dtype=pl.UInt64))


def _earlier_places(zone: LandingZone, manifest: Manifest, stream: str) -> pl.DataFrame:
    """Per day the files that hold a row of an earlier day with an id of the day."""
    places = ids_on_several_days(zone, manifest, stream).lazy()
    on_day = places.select("id_hash", on="day").unique()
    earlier = places.join(on_day, on="id_hash").filter(pl.col("day") < pl.col("on"))
    return (
        earlier.select("on", "day", "key")
        .unique()
        .select(
            pl.col("on").cast(pl.Date).alias("day"),
            pl.concat_str(
                pl.lit(f"earlier {stream}"),
                "key",
                pl.col("day").cast(pl.Date).cast(pl.String),
                separator="\t",
            ).alias("entry"),
        )
        .collect()
    )
