"""Which event ids stand on more than one UTC day: the only ones that a day cannot judge alone.

Copies on one day are found when the day is staged; which copy counts is decided by the transforms.
"""

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from resources.atomic import replacing
from resources.landing import LandingZone, Manifest

_SCHEMA = {"id_hash": pl.UInt64, "day": pl.Int32, "key": pl.String}
_ROWS_AT_ONCE = 1 << 24


def ids_on_several_days(zone: LandingZone, manifest: Manifest, stream: str) -> pl.DataFrame:
    """Where suspicious ids stand: (id_hash, day, key of the file), every place of an id that is on several days.

    A hash is a suspicion, not a proof: two ids may share one, so whoever uses the answer compares the ids. Files
    are compared once: the answer is kept, and a new file is only compared with the hashes of the others.
    """
    files = {file.key: zone.index_of(file).ids for file in manifest.files[stream]}
    path = (
        zone.folder / next(iter(files.values())).parent.name / f"repeated-{stream}.parquet" if files else None
    )
    if path is None:
        return pl.DataFrame(schema=_SCHEMA)
    compared: set[str] = set()
    known = pl.DataFrame(schema=_SCHEMA)
    if path.exists():
        compared = set(pl.read_parquet_metadata(path).get("files", "").split("\n"))
        known = pl.read_parquet(path)
    new = [key for key in files if key not in compared]
    if new:
        old = [key for key in files if key in compared]
        found = _places({key: files[key] for key in new}, {key: files[key] for key in old})
        known = pl.concat([known, found]).unique(maintain_order=False)
        with replacing(path) as partial:
            known.write_parquet(partial, metadata={"files": "\n".join(sorted({*compared, *new}))})
    return known.filter(pl.col("key").is_in(list(files)))


def _places(new: Mapping[str, Path], old: Mapping[str, Path]) -> pl.DataFrame:
    """All places of the ids of `new` files that stand on several days, in new and old files."""
    keys = pl.Enum([*new, *old])
    new_rows = _scan(new, keys)
    count = new_rows.select(pl.len()).collect().item()
    shares = -(-count // _ROWS_AT_ONCE) or 1
    old_rows = _scan(old, keys) if old else None
    return pl.concat([_places_of_share(new_rows, old_rows, share, shares) for share in range(shares)])


def _places_of_share(
    new_rows: pl.LazyFrame, old_rows: pl.LazyFrame | None, share: int, shares: int
) -> pl.DataFrame:
    width = (1 << 64) // shares
    low = share * width
    high = (1 << 64) - 1 if share == shares - 1 else low + width - 1
    in_share = pl.col("id_hash").is_between(pl.lit(low, pl.UInt64), pl.lit(high, pl.UInt64))
    rows = new_rows.filter(in_share).collect(engine="streaming")
    if old_rows is not None:
        hashes = rows.lazy().select("id_hash").unique()
        known = old_rows.filter(in_share).join(hashes, on="id_hash", how="semi").collect(engine="streaming")
        rows = pl.concat([rows, known])
    rows = rows.sort("id_hash")
    on_another_day = (pl.col("id_hash") == pl.col("id_hash").shift()) & (
        pl.col("day") != pl.col("day").shift()
    )
    several = rows.filter(on_another_day).select("id_hash").unique()
    return rows.join(several, on="id_hash", how="semi").with_columns(pl.col("key").cast(pl.String)).unique()


def _scan(files: Mapping[str, Path], keys: pl.Enum) -> pl.LazyFrame:
    scans = [
        pl.scan_parquet(path, glob=False).with_columns(key=pl.lit(key, keys)) for key, path in files.items()
    ]
    return pl.concat(scans)
