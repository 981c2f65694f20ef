"""A landing zone of very many very small files, for measuring what a scan costs when almost nothing is new.

`python -m benchmarks.many_files FOLDER [FILES] [DAYS]` writes one to `FOLDER`; its rows mean nothing to any catalog.
"""

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

FIRST_DAY = datetime(2026, 1, 1, tzinfo=UTC)
_ROWS_PER_FILE = 4
_LATE_EVERY, _REPEATED_EVERY = 50, 500


def deliver_many_files(landing: Path, files: int, days: int) -> None:
    """Write `files` Parquet files over `days` arrival days and both streams, no two with the same content.

    Of 50 files one holds a row of the day before, and of 500 one repeats an id of that day.
    """
    for day in range(days):
        for stream in ("events", "assignments"):
            (landing / stream / f"date={(FIRST_DAY + timedelta(days=day)).date()}").mkdir(parents=True)
    for number in range(files):
        stream = ("events", "assignments")[number % 2]
        arrived = FIRST_DAY + timedelta(days=number // 2 % days)
        folder = landing / stream / f"date={arrived.date()}"
        _rows(stream, number, arrived, days).write_parquet(
            folder / f"part-{number:06}.parquet", statistics=False
        )


def _rows(stream: str, number: int, arrived: datetime, days: int) -> pl.DataFrame:
    numbers = range(number * _ROWS_PER_FILE, (number + 1) * _ROWS_PER_FILE)
    ids = [f"{stream}-{n}" for n in numbers]
    instants = [arrived + timedelta(seconds=n % 86_400) for n in numbers]
    if number % _LATE_EVERY < 2:
        instants[0] -= timedelta(days=1)
    if number % _REPEATED_EVERY < 2 and number >= 2 * days:
        # The file of the other stream stands between two of the same stream.
        ids[1] = f"{stream}-{(number - 2) * _ROWS_PER_FILE + 1}"
    shared = {"event_id": ids, "unit_id": [f"unit-{n}" for n in numbers]}
    if stream == "events":
        return pl.DataFrame({**shared, "event_name": "purchase", "occurred_at": instants})
    return pl.DataFrame(
        {**shared, "experiment_id": "none", "variation_id": "control", "assigned_at": instants}
    )


if __name__ == "__main__":
    deliver_many_files(
        Path(sys.argv[1]),
        int(sys.argv[2]) if len(sys.argv) > 2 else 100_000,
        int(sys.argv[3]) if len(sys.argv) > 3 else 400,
    )
