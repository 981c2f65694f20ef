"""Rewrites a landing zone so that it says the same in other files: split, shuffled, repeated, reformatted.
It makes no row up and loses none.
"""

import random
import shutil
from collections import Counter
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from exposure_assets_tests.reference.catalog import Catalog, read_catalog
from exposure_assets_tests.reference.classifying import is_malformed, matching_sources
from exposure_assets_tests.reference.fields import as_object, as_text
from exposure_assets_tests.reference.reading import (
    COLUMNS,
    FORMATS,
    REQUIRED,
    EventRow,
    Unreadable,
    landing_files,
    read_file,
)
from exposure_assets_tests.reference.writing import split_by_shape, write_rows

Row = dict[str, Any]


def permute_zone(source: Path, target: Path, seed: int, repeat: bool = True) -> None:
    """Write `source`'s landing zone and catalog to `target` with the same rows in other files.

    Rows are split over other files, merged, shuffled, moved to other arrival days, written in other formats
    and styles, and some of them twice. A malformed row counts on its arrival day: it stays there and comes
    once. A quarantined file is copied as it is, to the same day.

    What stays equal:
        - always: `exposure_events`, `assignments`, `deduped_exposures`, `exposure_validation`,
          `unit_outcomes`, `daily_quality`, and of `exposure_waterfall` every bucket but `duplicate`;
        - with `repeat=False`: the whole `exposure_waterfall`, and `rejected_events` but for its columns
          `arrival_date` and `file`.
    """
    rng = random.Random(seed)
    catalog = read_catalog(source / "catalog", horizon_days=3660)
    shutil.copytree(source / "catalog", target / "catalog", dirs_exist_ok=True)
    for stream in COLUMNS:
        movable: list[Row] = []
        fixed: list[tuple[date, Row]] = []
        days: list[date] = []
        for day, path in landing_files(source / "landing", stream):
            days.append(day)
            try:
                rows = read_file(path, stream)
            except Unreadable:
                copy = target / path.relative_to(source)
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, copy)
                continue
            for row in rows:
                if _is_fixed(stream, row, catalog):
                    fixed.append((day, row))
                else:
                    movable.append(row)
        if days:
            _write(target / "landing", stream, _rearranged(movable, fixed, days, repeat, rng), rng)


def _is_fixed(stream: str, row: Row, catalog: Catalog) -> bool:
    if any(row[column] is None for column in REQUIRED[stream]):
        return True
    if stream == "assignments":
        return False
    properties = row["properties"]
    fields = {column: value for column, value in row.items() if column != "properties"}
    event = EventRow(
        arrival_date=date.min,
        file="",
        properties_text=as_text(properties),
        properties=as_object(properties),
        **fields,
    )
    return is_malformed(event, matching_sources(event, catalog))


def _rearranged(
    movable: list[Row], fixed: list[tuple[date, Row]], days: list[date], repeat: bool, rng: random.Random
) -> dict[date, list[Row]]:
    # Copies of one event may be ranked by the text of `properties`: theirs may not be rewritten.
    copies = Counter(row["event_id"] for row in movable)
    loose = [
        {**row, "properties": as_object(row["properties"]) or row["properties"]}
        if "properties" in row and copies[row["event_id"]] == 1
        else row
        for row in movable
    ]
    if repeat:
        loose += rng.choices(loose, k=len(loose) // 5) if loose else []
    spread = rng.choice(("one day", "as before", "far"))
    if spread == "one day":
        days = [rng.choice(days)]
    elif spread == "far":
        days = [day + timedelta(days=rng.randint(-3, 40)) for day in days]
    arrivals: dict[date, list[Row]] = {}
    for row in loose:
        arrivals.setdefault(rng.choice(days), []).append(row)
    for day, row in fixed:
        arrivals.setdefault(day, []).append(row)
    return arrivals


def _write(landing: Path, stream: str, arrivals: dict[date, list[Row]], rng: random.Random) -> None:
    for day, rows in arrivals.items():
        rng.shuffle(rows)
        number = 0
        for part in split_by_shape(rows) if rng.random() < 0.5 else (rows,):
            while part:
                size = rng.choice((3, 50, 1000, len(part)))
                name = f"file {number:03d}{rng.choice(FORMATS)}"
                write_rows(landing / stream / f"date={day}" / name, stream, part[:size], rng)
                part = part[size:]
                number += 1
