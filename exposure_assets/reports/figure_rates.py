"""The figure of an experiment's rates by cohort day: exposed and validly exposed, what went wrong, and how many units.

Which rate is alarming is a matter of the guardrails.
"""

from datetime import date
from typing import NamedTuple

import polars as pl
from markupsafe import Markup

from exposure_assets.contracts import ALL_VARIATIONS
from exposure_assets.reports import wording
from exposure_assets.reports.experiment_data import ExperimentData
from exposure_assets.reports.figure import DataTable, Figure, Key, figure, key
from exposure_assets.reports.svg import (
    Area,
    day_axis,
    element,
    hatching,
    horizontal_grid,
    line,
    lines_with_gaps,
    mark,
    rectangle,
    round_steps,
    text,
)

_GOOD = {"exposure_rate": "exposed", "valid_exposure_rate": "validly exposed"}
_BAD = {
    "mismatch_rate": "other variation",
    "crossover_rate": "several variations",
    "pre_assignment_rate": "before assignment",
    "outside_window_rate": "too late",
}
# Below this a scale would show chance as if it were a fault.
_LEAST_BAD_SCALE = 0.02


class Curve(NamedTuple):
    """One rate over the cohorts; a point is hollow where its cohort can still change."""

    label: str
    kind: int
    points: list[tuple[float, float | None, bool]]


def cohort_rates(data: ExperimentData) -> pl.DataFrame:
    """Per cohort its units, its rates as of the day of the page, and whether it has had its time for exposure.

    Exposures until that day alone count for the first two rates: stages know when a unit came to them. What went wrong
    is known of a cohort as a whole, whenever it happened.
    """
    reached = (
        data.rows("stage_counts")
        .group_by("assignment_date")
        .agg(
            pl.col("unit_count").filter(stage=stage).sum().alias(f"{stage}_units")
            for stage in ("assigned", "exposed", "valid_exposed")
        )
    )
    wrong = data.rows("daily_quality").filter(variation_id=ALL_VARIATIONS).select("assignment_date", *_BAD)
    last_judged = data.experiment.last_judged_date(data.as_of_date)
    assigned = pl.col("assigned_units")
    return (
        reached.filter(assigned > 0)
        .join(wrong, on="assignment_date", how="left")
        .with_columns(
            exposure_rate=pl.col("exposed_units") / assigned,
            valid_exposure_rate=pl.col("valid_exposed_units") / assigned,
            is_young=pl.col("assignment_date") > last_judged,
        )
        .select("assignment_date", "assigned_units", *_GOOD, *_BAD, "is_young")
        .sort("assignment_date")
    )


def rates_figure(data: ExperimentData) -> Figure | None:
    """Rates by cohort day; None where no unit is assigned."""
    cohorts = cohort_rates(data)
    if cohorts.is_empty():
        return None
    days = cohorts["assignment_date"].to_list()
    young = [day for day, is_young in zip(days, cohorts["is_young"], strict=True) if is_young]
    good = [_curve(cohorts, name, label, kind) for kind, (name, label) in enumerate(_GOOD.items())]
    bad = [_curve(cohorts, name, label, kind + 2) for kind, (name, label) in enumerate(_BAD.items())]
    worst = max((y or 0.0 for curve in bad for _, y, _ in curve.points), default=0.0)
    bad_scale = max(_LEAST_BAD_SCALE, worst * 1.1)
    most_units = max(cohorts["assigned_units"].to_list())

    def draw(width: int, own: str) -> tuple[Markup, float]:
        first, last = days[0], days[-1]
        left = 46
        # Half a day at both ends, so that the bars of the first and the last one are whole.
        edges = (first.toordinal() - 0.5, last.toordinal() + 0.5)
        room = width - left - 8
        top = Area(left, 26, room, 150, edges, (0.0, 1.0))
        middle = Area(left, top.bottom + 36, room, 90, edges, (0.0, bad_scale))
        lowest = Area(left, middle.bottom + 36, room, 56, edges, (0.0, most_units))
        parts = [hatching(f"{own}-hatch")]
        if young:
            start = top.at_x(young[0].toordinal() - 0.5)
            shade = {"fill": f"url(#{own}-hatch)"}
            parts += [
                rectangle(start, area.top, area.right - start, area.height, "hatched", **shade)
                for area in (top, middle, lowest)
            ]
        parts += _panel(top, "share of the cohort", good, [0, 0.25, 0.5, 0.75, 1])
        parts += _panel(middle, "what went wrong, on its own scale", bad, round_steps(0, bad_scale, 3))
        parts += [text(left, lowest.top - 8, "units assigned on the day", "panel")]
        unit_steps = [step for step in round_steps(0, most_units, 2) if step == int(step)]
        parts.append(horizontal_grid(lowest, unit_steps, [wording.count(step) for step in unit_steps]))
        bar = max(1.0, min(16.0, 0.7 * room / (edges[1] - edges[0])))
        for day, units in cohorts.select("assignment_date", "assigned_units").iter_rows():
            x, y = lowest.at_x(day.toordinal()), lowest.at_y(units)
            parts.append(rectangle(x - bar / 2, y, bar, lowest.bottom - y, "bar plain"))
        parts.append(day_axis(lowest, first, last))
        return Markup("").join(parts), lowest.bottom + 24

    keys = [
        *(_rate_key(label, kind) for kind, label in enumerate([*_GOOD.values(), *_BAD.values()])),
        key(
            "hatched, hollow: can still change", element("rect", x=1, y=1, width=26, height=12, class_="open")
        ),
    ]
    return figure(
        "rates", "Rates by cohort day", _said(cohorts, young), _reading(data), draw, _table(cohorts), keys
    )


def _curve(cohorts: pl.DataFrame, name: str, label: str, kind: int) -> Curve:
    rows = cohorts.select("assignment_date", name, "is_young").iter_rows()
    return Curve(label, kind, [(day.toordinal(), value, is_young) for day, value, is_young in rows])


def _panel(area: Area, title: str, curves: list[Curve], steps: list[float]) -> list[Markup]:
    digits = 0 if all(round(step * 100, 6) == round(step * 100) for step in steps) else 1
    parts = [
        text(area.left, area.top - 8, title, "panel"),
        horizontal_grid(area, steps, [wording.rate(step, digits) if step else "0" for step in steps]),
    ]
    for curve in curves:
        points = [(x, y) for x, y, _ in curve.points]
        last_firm = max((n for n, (_, _, is_young) in enumerate(curve.points) if not is_young), default=-1)
        # A young line starts at the last firm cohort, or there would be a gap between the two.
        parts.append(lines_with_gaps(area, points[: last_firm + 1], f"line k{curve.kind}"))
        parts.append(lines_with_gaps(area, points[max(0, last_firm) :], f"line young k{curve.kind}"))
        for x, y, is_young in curve.points:
            if y is not None:
                class_ = f"mark k{curve.kind}{' hollow' if is_young else ''}"
                parts.append(mark(area.at_x(x), area.at_y(y), curve.kind, class_, 2.6))
    return parts


def _rate_key(label: str, kind: int) -> Key:
    return key(label, line(0, 7, 28, 7, f"line k{kind}"), mark(14, 7, kind, f"mark k{kind}", 3.0))


def _said(cohorts: pl.DataFrame, young: list[date]) -> str:
    firm = cohorts.filter(~pl.col("is_young"))
    if firm.is_empty():
        return f"All {cohorts.height} cohorts can still change: none has had its time for exposure."
    units = pl.col("assigned_units")
    exposed, valid = firm.select((pl.col(name) * units).sum() / units.sum() for name in _GOOD).row(0)
    said = (
        f"Of the units of {firm.height} cohorts that have had their time for exposure, "
        f"{wording.rate(exposed)} were exposed and {wording.rate(valid)} validly."
    )
    return f"{said} {len(young)} younger cohorts can still change." if young else said


def _reading(data: ExperimentData) -> str:
    said = (
        "A point is the units assigned on one UTC day. Cohorts that have not yet had their time for exposure are "
        "hollow and hatched: their rates still rise."
    )
    if data.is_latest:
        return said
    return f"{said} The lower rates count what is known of these cohorts now, also of days after this page's."


def _table(cohorts: pl.DataFrame) -> DataTable:
    rows = [
        (
            wording.day(row["assignment_date"]),
            "can still change" if row["is_young"] else "had its time",
            wording.count(row["assigned_units"]),
            *(wording.rate(row[name]) for name in (*_GOOD, *_BAD)),
        )
        for row in cohorts.iter_rows(named=True)
    ]
    columns = ("cohort day", "state", "assigned units", *_GOOD.values(), *_BAD.values())
    return DataTable("Rates by cohort day, as shares of the assigned units", columns, rows, 2)
