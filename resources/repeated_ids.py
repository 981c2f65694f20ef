"""Which event ids stand on more than one UTC day: the only ones that a day cannot judge alone.

Copies on one day are found when the day is staged; which copy counts is decided by the transforms.
"""

import uuid
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from resources.atomic import content_of, replacing
from resources.landing import LandingZone, Manifest
from resources.landing_index import INDEX_FOLDER
from resources.raw_files import STREAMS

# How names of what is kept of the comparison begin, in the folder of the index.
COMPARED = "repeated-"
_ROWS_AT_ONCE = 1 << 24
_ID_ROW = {"id_hash": pl.UInt64, "day": pl.Int32, "number": pl.UInt32}
_SCHEMA = {**_ID_ROW, "key": pl.String, "segment": pl.String}


def ids_on_several_days(zone: LandingZone, manifest: Manifest, stream: str) -> pl.DataFrame:
    """Where suspicious ids stand: (id_hash, day, key of the file), every place of an id that is on several days.

    A hash is a suspicion, not a proof: two ids may share one, so whoever uses the answer compares the ids. Files
    are compared once: the answer is kept, and a new file is only compared with the hashes of the others.
    """
    files = manifest.ready.filter(stream=stream).select("key", "row_count").unique("key")
    compared = _Compared.read(zone.folder, stream)
    new = files.join(compared.files, on="key", how="anti").sort("key")
    if not new.is_empty():
        if not all(path.exists() for path in compared.segments.values()):
            # A cache that is no longer whole is none.
            compared, new = _Compared.nothing(zone.folder, stream), files.sort("key")
        batch = (pl.col("row_count").cum_sum() // _ROWS_AT_ONCE).alias("batch")
        for part in new.with_columns(batch).partition_by("batch", maintain_order=True):
            compared = compared.with_files(part["key"])
        compared.write()
    places = compared.places.join(compared.files.join(files, on="key", how="semi"), on="number")
    # The files that are gone may have been what made an id stand on several days.
    return places.filter(pl.col("day").n_unique().over("id_hash") > 1).select("id_hash", "day", "key")


def forget_files(zone: LandingZone, manifest: Manifest) -> None:
    """Forget what was compared of files that are gone, so that the next files are not compared with them."""
    for stream in STREAMS:
        compared = _Compared.read(zone.folder, stream)
        gone = compared.files.join(manifest.ready.filter(stream=stream), on="key", how="anti")
        if not gone.is_empty() and all(path.exists() for path in compared.segments.values()):
            compared.without_files(gone).write()


def segments_in_use(landing_folder: Path) -> set[Path]:
    """The files that hold the ids compared so far; others beside them have been merged into these."""
    return {path for stream in STREAMS for path in _Compared.read(landing_folder, stream).segments.values()}


@dataclass(frozen=True)
class _Compared:
    """The files compared so far, the places found, and the ids of all those files gathered in a few segments.

    A new file's ids are compared with the segments, because opening every file of a large landing zone takes longer
    than reading all of their ids. Segments are never changed, so another process may go on reading those that this
    one has merged.
    """

    folder: Path
    stream: str
    files: pl.DataFrame
    places: pl.DataFrame

    @classmethod
    def nothing(cls, landing_folder: Path, stream: str) -> "_Compared":
        rows = pl.DataFrame(schema=_SCHEMA)
        return cls(
            landing_folder / INDEX_FOLDER,
            stream,
            rows.select("key", "number", "segment"),
            rows.select(*_ID_ROW),
        )

    @classmethod
    def read(cls, landing_folder: Path, stream: str) -> "_Compared":
        path = _kept_in(landing_folder / INDEX_FOLDER, stream)
        if not path.exists():
            return cls.nothing(landing_folder, stream)
        kept = pl.read_parquet(content_of(path))
        if kept.schema != pl.Schema(_SCHEMA):
            return cls.nothing(landing_folder, stream)
        is_place = pl.col("segment").is_null()
        files = kept.filter(~is_place).select("key", "number", "segment")
        return cls(path.parent, stream, files, kept.filter(is_place).select(*_ID_ROW))

    def write(self) -> None:
        """Keep files and places in one file: one without the other would be wrong."""
        kept = pl.concat([self.places, self.files], how="diagonal").select(*_SCHEMA)
        with replacing(_kept_in(self.folder, self.stream)) as partial:
            kept.write_parquet(partial, compression="lz4")

    @property
    def segments(self) -> dict[str, Path]:
        """Name and path of the segments."""
        return {name: self._segment(name) for name in self.files["segment"].unique().sort()}

    def with_files(self, keys: pl.Series) -> "_Compared":
        """Compare further files with those compared and with each other."""
        first = 0 if self.files.is_empty() else self.files.select(pl.col("number").max() + 1).item()
        numbers = pl.DataFrame({"key": keys}).with_row_index("number", offset=first)
        rows = self._ids(numbers)
        places = pl.concat([self.places, self._places(rows)]).unique()
        merged = []
        sizes = {name: _count(path) for name, path in self.segments.items()}
        for name, size in sorted(sizes.items(), key=lambda named: named[1]):
            # Each row is merged a few times only, however many small segments come.
            if size > 2 * rows.height or size + rows.height > _ROWS_AT_ONCE:
                break
            rows = pl.concat([rows, pl.read_parquet(self._segment(name))])
            merged.append(name)
        segment = self._written(rows)
        is_merged = pl.col("segment").is_in(merged)
        before = self.files.with_columns(
            pl.when(is_merged).then(pl.lit(segment)).otherwise("segment").alias("segment")
        )
        files = pl.concat([before, numbers.select("key", "number", segment=pl.lit(segment))])
        return _Compared(self.folder, self.stream, files, places)

    def without_files(self, gone: pl.DataFrame) -> "_Compared":
        """Leave some files out, and their ids."""
        files = self.files.join(gone, on="number", how="anti")
        for name in gone["segment"].unique():
            rows = pl.scan_parquet(self._segment(name)).join(gone.lazy(), on="number", how="anti")
            segment = self._written(rows.collect(engine="streaming"))
            files = files.with_columns(pl.col("segment").replace(name, segment))
        return _Compared(self.folder, self.stream, files, self.places.join(gone, on="number", how="anti"))

    def _ids(self, numbers: pl.DataFrame) -> pl.DataFrame:
        paths = [str(self.folder / f"{key}.parquet") for key in numbers["key"]]
        named = numbers.lazy().select("number", path=pl.Series(paths))
        rows = pl.scan_parquet(paths, glob=False, include_file_paths="path", hive_partitioning=False)
        return rows.join(named, on="path").select(*_ID_ROW).collect(engine="streaming")

    def _places(self, rows: pl.DataFrame) -> pl.DataFrame:
        """All places, in these and in the segments, of those ids of the rows that stand on several days."""
        if segments := list(self.segments.values()):
            hashes = rows.lazy().select("id_hash").unique()
            known = pl.scan_parquet(segments, glob=False, hive_partitioning=False)
            same = known.join(hashes, on="id_hash", how="semi").collect(engine="streaming")
            rows = pl.concat([rows, same])
        rows = rows.sort("id_hash")
        is_repeated = (pl.col("id_hash") == pl.col("id_hash").shift()) & (
            pl.col("day") != pl.col("day").shift()
        )
        several = rows.filter(is_repeated).select("id_hash").unique()
        return rows.join(several, on="id_hash", how="semi").unique()

    def _written(self, rows: pl.DataFrame) -> str:
        name = uuid.uuid4().hex
        with replacing(self._segment(name)) as partial:
            rows.write_parquet(partial, compression="lz4")
        return name

    def _segment(self, name: str) -> Path:
        return self.folder / f"{COMPARED}{self.stream}" / f"{name}.parquet"


def _kept_in(folder: Path, stream: str) -> Path:
    return folder / f"{COMPARED}{stream}.parquet"


def _count(path: Path) -> int:
    return pl.scan_parquet(path, glob=False).select(pl.len()).collect().item()
