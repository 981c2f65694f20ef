"""What a staged day was made of: a digest of everything that its rows depend on.

Whether a day is staged anew because of it is decided by whoever asks.
"""

import json
from collections.abc import Mapping
from datetime import date

import polars as pl
import xxhash

from exposure_assets.contracts import Catalog
from resources.atomic import replacing
from resources.landing import LandingZone, Manifest
from resources.repeated_ids import ids_on_several_days

# Raised whenever the same input is staged in another way.
_STAGING_VERSION = 1


def day_versions(zone: LandingZone, manifest: Manifest, catalog: Catalog, first_day: date) -> dict[date, str]:
    """Per day that holds rows a digest of its files, of the other places of its ids, and of the catalog.

    Args:
        zone: The landing zone.
        manifest: Its content.
        catalog: The catalog, every part of which may decide what is accepted.
        first_day: Of the calendar; it stands for the days before it too.
    """
    common = f"{_STAGING_VERSION} {pl.__version__} {first_day} {catalog.model_dump_json()}"
    digests: dict[date, xxhash.xxh3_128] = {}
    for stream in manifest.files:
        places = _places_by_day(ids_on_several_days(zone, manifest, stream))
        for day in manifest.days(stream):
            digest = digests.setdefault(max(day, first_day), xxhash.xxh3_128(common.encode()))
            files = [(file.path, file.key) for file in manifest.holding(stream, day)]
            digest.update(json.dumps([stream, day.isoformat(), sorted(files), places.get(day, "")]).encode())
    return {day: digest.hexdigest() for day, digest in digests.items()}


def _places_by_day(places: pl.DataFrame) -> dict[date, str]:
    """Per day a digest of where else the ids of its rows stand."""
    on_day = places.lazy().select("id_hash", on="day").unique()
    joined = places.lazy().join(on_day, on="id_hash").filter(pl.col("day") != pl.col("on")).sort(pl.all())
    by_day = joined.select(pl.col("on").cast(pl.Date), pl.struct("id_hash", "day").hash().alias("place"))
    digests = by_day.group_by("on", maintain_order=True).agg("place").collect()
    return {on: xxhash.xxh3_64_hexdigest(str(place).encode()) for on, place in digests.iter_rows()}


def read_versions(zone: LandingZone) -> dict[date, str]:
    """The versions of the days that are known to be staged and deduped."""
    path = zone.folder / "day_versions.json"
    recorded = json.loads(path.read_text()) if path.exists() else {}
    return {date.fromisoformat(day): version for day, version in recorded.items()}


def write_versions(zone: LandingZone, versions: Mapping[date, str]) -> None:
    """Record the versions of the days that are staged and deduped."""
    with replacing(zone.folder / "day_versions.json") as partial:
        partial.write_text(
            json.dumps({day.isoformat(): version for day, version in sorted(versions.items())})
        )


def days_with_rows(zone: LandingZone, manifest: Manifest) -> set[date]:
    """The days that hold rows, and those that did when they were last staged: a removed file leaves one to redo."""
    return {day for stream in manifest.files for day in manifest.days(stream)} | set(read_versions(zone))
