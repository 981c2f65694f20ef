"""Writes a seeded landing zone full of edge cases, with the catalog that judges it.
It aims rows at both sides of the contract's bounds; what comes out of them is the reference's to say.
"""

import random
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

from exposure_assets_tests.reference.catalog import read_catalog
from exposure_assets_tests.reference.nasty_catalog import write_catalog
from exposure_assets_tests.reference.nasty_faults import add_faulty_rows, write_broken_files
from exposure_assets_tests.reference.nasty_rows import Row, Zone
from exposure_assets_tests.reference.nasty_units import add_experiment
from exposure_assets_tests.reference.writing import split_by_shape, write_rows

# A turn of the year, a leap day, and a change of the clocks in most zones.
FILE_NAMES = ("part-0", "part-1", "part 2 (copy)", "[3]", "päck", "a=b", "part.4", "100%25", "z")
FIRST_DAYS = (date(2025, 12, 20), date(2024, 2, 10), date(2026, 3, 10))


def write_nasty_zone(
    directory: Path,
    seed: int,
    formats: Sequence[str] = ("parquet", "jsonl", "csv", "jsonl.gz", "csv.gz"),
    units_per_experiment: int = 30,
    is_spread: bool = True,
    has_faulty_rows: bool = True,
    has_broken_files: bool = True,
    has_far_days: bool = False,
) -> None:
    """Write `directory/landing` and `directory/catalog`; the same arguments write the same rows.

    Args:
        directory: Made if absent.
        seed: Decides everything that is chosen.
        formats: Of the files, by what their names end with.
        units_per_experiment: About seventy rows each: eleven experiments share the units.
        is_spread: False puts every row of a stream into one arrival day.
        has_faulty_rows: Also malformed rows and rows of each rejecting bucket.
        has_broken_files: Also files that have to be quarantined; their rows would change every table.
        has_far_days: Also events of 1970 and 2099, which no experiment takes.
    """
    rng = random.Random(seed)
    first_day = FIRST_DAYS[seed % len(FIRST_DAYS)]
    write_catalog(directory / "catalog", first_day)
    catalog = read_catalog(directory / "catalog", horizon_days=28)
    zone = Zone(
        rng,
        unit_count=2 * units_per_experiment,
        arrives_on=None if is_spread else first_day + timedelta(days=30),
    )
    for experiment in catalog.experiments.values():
        add_experiment(zone, experiment, units_per_experiment)
    if has_faulty_rows:
        add_faulty_rows(zone, catalog, has_far_days)
    zone.redeliver()
    _write_files(directory / "landing", zone, formats, rng)
    if has_broken_files:
        write_broken_files(directory / "landing", zone, rng)


def _write_files(landing: Path, zone: Zone, formats: Sequence[str], rng: random.Random) -> None:
    for stream, rows in (("events", zone.events), ("assignments", zone.assignments)):
        by_day: dict[date, list[Row]] = {}
        for day, row in rows:
            by_day.setdefault(day, []).append(row)
        for day, of_day in sorted(by_day.items()):
            folder = landing / stream / f"date={day}"
            rng.shuffle(of_day)
            names = rng.sample(FILE_NAMES, k=len(FILE_NAMES))
            cuts = sorted(rng.randrange(len(of_day) + 1) for _ in range(rng.choice((0, 0, 1, 2))))
            for start, end in zip([0, *cuts], [*cuts, len(of_day)], strict=True):
                # A struct column holds objects of one shape; the rest goes into a file of its own.
                for part in split_by_shape(of_day[start:end]) if rng.random() < 0.5 else (of_day[start:end],):
                    write_rows(folder / f"{names.pop()}.{rng.choice(formats)}", stream, part, rng)
            # What is no data file is not read.
            (folder / "_SUCCESS").write_bytes(b"")
            (folder / "notes.txt").write_text("not,data\n", "utf-8")
