"""What breaks for many units at once, on some days: a client that stops sending, a file that never came, a wrong clock.

Each is planted into the files of a simulated zone, Parquet only; faults of single rows and units are planted elsewhere.
"""

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import polars as pl


class BreakdownError(ValueError):
    """A breakdown is asked for that there is none of."""


@dataclass(frozen=True)
class Breakdown:
    """What breaks, in which experiment, and from which day to which, both included.

    Attributes:
        fault: One of `BREAKDOWNS`.
        experiment: Id of the experiment.
        event: Its exposure event.
        first_day: UTC day.
        last_day: UTC day.
        variation: The variation that is hit where only one is, or that is shown where the wrong one is.
    """

    fault: str
    experiment: str
    event: str
    first_day: date
    last_day: date
    variation: str


Rows = Callable[[pl.DataFrame, Breakdown], pl.DataFrame]


def break_down(landing: Path, breakdown: Breakdown) -> None:
    """Plant a breakdown into the files of a landing zone.

    Raises:
        BreakdownError: there is no such fault.
    """
    if breakdown.fault not in BREAKDOWNS:
        raise BreakdownError(f"fault {breakdown.fault}: expected one of {', '.join(BREAKDOWNS)}")
    if breakdown.fault == "partition_missing":
        for folder in _folders(landing, "events", breakdown):
            shutil.rmtree(folder)
        return
    if breakdown.fault == "late_data":
        _delay(landing, breakdown)
    stream = "assignments" if breakdown.fault == "assignment_surge" else "events"
    change = BREAKDOWNS[breakdown.fault]
    for file in sorted((landing / stream).glob("date=*/*.parquet")):
        rows = pl.read_parquet(file)
        changed = change(rows, breakdown)
        if changed.height == rows.height and changed.equals(rows):
            continue
        file.unlink() if changed.is_empty() else changed.write_parquet(file, compression="zstd")


def _folders(landing: Path, stream: str, breakdown: Breakdown) -> list[Path]:
    days = (breakdown.last_day - breakdown.first_day).days + 1
    wanted = [breakdown.first_day + timedelta(days=n) for n in range(days)]
    return [path for day in wanted if (path := landing / stream / f"date={day}").exists()]


def _is_hit(breakdown: Breakdown) -> pl.Expr:
    """The exposure events of the experiment on the days, told by what their properties say."""
    day = pl.col("occurred_at").dt.date()
    names_it = pl.col("properties").str.contains(json.dumps(breakdown.experiment), literal=True)
    return (
        (pl.col("event_name") == breakdown.event)
        & day.is_between(breakdown.first_day, breakdown.last_day)
        & names_it
    ).fill_null(False)


def _without(condition: Callable[[Breakdown], pl.Expr]) -> Rows:
    return lambda rows, breakdown: rows.filter(~(_is_hit(breakdown) & condition(breakdown)))


def _with(column: str, value: Callable[[Breakdown], pl.Expr]) -> Rows:
    def change(rows: pl.DataFrame, breakdown: Breakdown) -> pl.DataFrame:
        return rows.with_columns(
            pl.when(_is_hit(breakdown)).then(value(breakdown)).otherwise(column).alias(column)
        )

    return change


def _replaced(what: Callable[[Breakdown], tuple[str, str]]) -> Rows:
    return _with("properties", lambda b: pl.col("properties").str.replace(*what(b), literal=True))


def _variation(id_: str) -> str:
    return f'"variation": {json.dumps(id_)}'


def _event_gone(rows: pl.DataFrame, breakdown: Breakdown) -> pl.DataFrame:
    day = pl.col("occurred_at").dt.date()
    is_event = pl.col("event_name") == breakdown.event
    return rows.filter(~(is_event & day.is_between(breakdown.first_day, breakdown.last_day)).fill_null(False))


def _lot() -> pl.Expr:
    return (pl.col("event_id").hash(seed=1) % 10).fill_null(9)


def _delay(landing: Path, breakdown: Breakdown) -> None:
    """Three tenths of the days' rows come a day late."""
    is_late = _is_hit(breakdown) & (_lot() >= 5) & (_lot() < 8)
    days = (breakdown.last_day - breakdown.first_day).days + 1
    for day in (breakdown.first_day + timedelta(days=n) for n in range(days)):
        late = []
        for file in sorted((landing / "events" / f"date={day}").glob("*.parquet")):
            rows = pl.read_parquet(file)
            late.append(rows.filter(is_late))
            rows.filter(~is_late).write_parquet(file, compression="zstd")
        folder = landing / "events" / f"date={day + timedelta(days=1)}"
        folder.mkdir(parents=True, exist_ok=True)
        if late:
            pl.concat(late).write_parquet(folder / "late-00000.parquet", compression="zstd")


def _late(rows: pl.DataFrame, breakdown: Breakdown) -> pl.DataFrame:
    """Half of the days' rows are still on their way."""
    return rows.filter(~(_is_hit(breakdown) & (_lot() < 5)))


def _shown_both(rows: pl.DataFrame, breakdown: Breakdown) -> pl.DataFrame:
    extra = rows.filter(
        _is_hit(breakdown), ~pl.col("properties").str.contains(_variation(breakdown.variation), literal=True)
    ).with_columns(
        pl.col("event_id") + "x",
        pl.col("properties").str.replace(r'"variation": "[^"]*"', _variation(breakdown.variation)),
        pl.col("occurred_at") + pl.duration(minutes=1),
    )
    day = pl.col("occurred_at").dt.date()
    return pl.concat([rows, extra.filter(day.is_between(breakdown.first_day, breakdown.last_day))])


def _surge(rows: pl.DataFrame, breakdown: Breakdown) -> pl.DataFrame:
    """Twice as many units more, whom nobody ever sees again."""
    mine = rows.filter(
        pl.col("experiment_id") == breakdown.experiment,
        pl.col("assigned_at").dt.date().is_between(breakdown.first_day, breakdown.last_day),
    )
    bots = [
        mine.with_columns(pl.col("unit_id") + f"-{n}", pl.col("event_id") + f"-{n}") for n in ("b0", "b1")
    ]
    return pl.concat([rows, *bots])


BREAKDOWNS: Mapping[str, Rows] = {
    "event_not_seen": _event_gone,
    "event_renamed": _with("event_name", lambda b: pl.lit(f"{b.event}_v2")),
    "partition_missing": lambda rows, _: rows,
    "late_data": _late,
    "malformed_rows": _with("properties", lambda _: pl.col("properties").str.slice(0, 20)),
    "unknown_variation": _replaced(lambda b: (_variation(b.variation), _variation(b.variation.upper()))),
    "unknown_experiment": _replaced(lambda b: (b.experiment, b.experiment.replace("-", "_"))),
    "unresolved_template": _replaced(lambda b: (json.dumps(b.experiment), '"{experiment}"')),
    "duplicate_event_ids": _with("event_id", lambda b: pl.lit(f"constant-{b.first_day}")),
    "filtered_out": _replaced(lambda _: ('"split"', '"SPLIT"')),
    "crossover": _shown_both,
    "pre_assignment": _with("occurred_at", lambda _: pl.col("occurred_at") - pl.duration(hours=3)),
    "variation_mismatch": _with(
        "properties",
        lambda b: pl.col("properties").str.replace(r'"variation": "[^"]*"', _variation(b.variation)),
    ),
    "other_unit_ids": _with("unit_id", lambda _: "anonymous-" + pl.col("unit_id")),
    "outage_of_hours": _without(lambda _: pl.col("occurred_at").dt.hour().is_between(6, 19)),
    "assignment_surge": _surge,
    "one_variation_unexposed": _without(
        lambda b: pl.col("properties").str.contains(_variation(b.variation), literal=True)
    ),
    "segment": _without(lambda _: pl.col("properties").str.contains('"platform": "android"', literal=True)),
}
