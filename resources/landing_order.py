"""Judging days of raw rows in their order, so that an event id counts on the first day that has a good row of it.

How a row is judged is the caller's business; how the rows of a day are read stands in `landing_days`.
"""

from collections.abc import Callable, Iterable
from datetime import date

import polars as pl

from resources.landing import LandingZone, Manifest
from resources.landing_days import day_rows, rows_of_ids_before
from resources.repeated_ids import ids_on_several_days


def judge_in_order(
    zone: LandingZone,
    manifest: Manifest,
    stream: str,
    days: tuple[date, date],
    also: Iterable[date],
    counting_ids: Callable[[pl.DataFrame], pl.Series],
    judge: Callable[[pl.DataFrame, date, pl.Series, pl.Series], pl.Series],
) -> None:
    """Hand the rows of every day to `judge`, with the ids that earlier days have settled.

    Args:
        zone: The landing zone.
        manifest: Its content.
        stream: Name of the stream.
        days: The first and the last day that are judged.
        also: Days between them to judge although no row falls on them.
        counting_ids: The ids among raw rows whose rows take part in deduplication.
        judge: Gets a day's rows, the day, the ids settled before and the hashes of ids that stand on several days;
            gives the ids that the day settles.

    Raises:
        DamagedFile: a file's content cannot be read although its index could.
    """
    places = ids_on_several_days(zone, manifest, stream)
    first, last = (pl.lit(day, pl.Date).cast(pl.Int32) for day in days)
    suspects = places.filter(pl.col("day").is_between(first, last))["id_hash"].unique()
    in_question = places.filter(pl.col("id_hash").is_in(suspects.implode()))
    earlier = rows_of_ids_before(zone, manifest, in_question, stream, days[0])
    settled = [pl.Series("event_id", [], dtype=pl.String), *map(counting_ids, earlier)]
    for day in sorted({*manifest.days(stream), *also}):
        if days[0] <= day <= days[1]:
            rows = day_rows(zone, manifest, stream, day)
            settled.append(judge(rows, day, pl.concat(settled), suspects))
