"""The figure of the sample ratios: how far the variations' shares are from the declared ones, stage by stage.

When a deviation is a mismatch is decided by the transform of the sample ratios.
"""

from datetime import date
from typing import NamedTuple

import polars as pl
from markupsafe import Markup

from exposure_assets.contracts import STAGES
from exposure_assets.reports import wording
from exposure_assets.reports.experiment_data import ExperimentData
from exposure_assets.reports.figure import NARROW, DataTable, Figure, figure, key, variation_key
from exposure_assets.reports.figure_waterfall import STAGE_TEXTS
from exposure_assets.reports.svg import (
    Area,
    day_axis,
    horizontal_grid,
    line,
    lines_with_gaps,
    mark,
    path,
    rectangle,
    round_steps,
    text,
)

# The first days' intervals are so wide that beside them nothing is seen: the scale is that of the later ones.
_SCALED_BY_LAST = 0.6


class Band(NamedTuple):
    """A variation's share minus its declared one, in one phase of allocation: (day, observed, lower, upper)."""

    variation_id: str
    kind: int
    points: list[tuple[float, float, float, float]]


class Stage(NamedTuple):
    """The bands of a stage, and since when its shares are a mismatch; null: they are none."""

    name: str
    bands: list[Band]
    mismatch_since: date | None


def stages(data: ExperimentData) -> list[Stage]:
    """The stages that any unit has reached. Of two variations only the treatment: the control mirrors it."""
    intervals = data.rows("sample_ratio_intervals").filter("has_conflicting_units")
    known = data.variation_ids
    shown = known[1:] if len(known) == 2 else known
    tests = data.rows("sample_ratios").filter("is_cumulative", "has_conflicting_units")
    found = []
    for name in STAGES:
        of_stage = intervals.filter(stage=name)
        if of_stage.is_empty():
            continue
        by_phase = of_stage.partition_by("variation_id", "phase_start_date", as_dict=True)
        bands = [
            Band(str(variation), known.index(str(variation)), _differences(rows))
            for (variation, _), rows in sorted(
                by_phase.items(), key=lambda item: (str(item[0][0]), item[0][1])
            )
            if variation in shown
        ]
        found.append(Stage(name, bands, _mismatch_since(tests.filter(stage=name))))
    return found


def ratio_figure(data: ExperimentData) -> Figure | None:
    """Shares over time at every stage, with their confidence sequences; None where there are none."""
    found = [stage for stage in stages(data) if stage.bands]
    if not found:
        return None
    days = [x for stage in found for band in stage.bands for x, *_ in band.points]
    first, last = date.fromordinal(int(min(days))), date.fromordinal(int(max(days)))

    def draw(width: int, own: str) -> tuple[Markup, float]:
        columns = 1 if width == NARROW else 2
        panel_width, panel_height = width / columns, 196
        parts = []
        for number, stage in enumerate(found):
            across, down = number % columns, number // columns
            largest = _scale(stage)
            area = Area(
                across * panel_width + 58,
                down * panel_height + 30,
                panel_width - 58 - 24,
                panel_height - 66,
                (first.toordinal(), last.toordinal()),
                (-largest, largest),
            )
            parts += _panel(area, stage, first, last)
        return Markup("").join(parts), -(-len(found) // columns) * panel_height

    known = data.variation_ids
    shown = {band.variation_id: band.kind for stage in found for band in stage.bands}
    keys = [
        *(variation_key(wording.name(v, 40), shown[v]) for v in known if v in shown),
        key("what is not ruled out", rectangle(0, 2, 28, 10, "band k0")),
        key("as declared", line(0, 7, 28, 7, "zero")),
    ]
    return figure(
        "ratios", "Shares of the variations over time", said(found), _reading(data), draw, _table(data), keys
    )


def said(found: list[Stage]) -> str:
    """Whether units came to the variations as declared, and from which stage and day on they did not."""
    wrong = [stage for stage in found if stage.mismatch_since is not None]
    if not wrong:
        return "At every stage the units are split as declared, as far as chance allows."
    since = wording.listed([f"{STAGE_TEXTS[stage.name]} since {stage.mismatch_since}" for stage in wrong], 4)
    return f"The units are not split as declared: {since}. The first stage named is where to look."


def _differences(rows: pl.DataFrame) -> list[tuple[float, float, float, float]]:
    declared = pl.col("declared_share")
    shifted = rows.select(
        "as_of_date", *(pl.col(name) - declared for name in ("observed_share", "lower_share", "upper_share"))
    )
    return [(day.toordinal(), observed, lower, upper) for day, observed, lower, upper in shifted.iter_rows()]


def _mismatch_since(tests: pl.DataFrame) -> date | None:
    """The first of the latest days in a row that are a mismatch."""
    latest = None
    for day, is_mismatch in tests.select("as_of_date", "is_sequential_mismatch").iter_rows():
        latest = (latest or day) if is_mismatch else None
    return latest


def _scale(stage: Stage) -> float:
    sizes = []
    for band in stage.bands:
        late = band.points[int(len(band.points) * (1 - _SCALED_BY_LAST)) :]
        sizes += [max(abs(lower), abs(upper), abs(observed)) for _, observed, lower, upper in late]
    return min(1.0, max(0.01, *sizes) * 1.05)


def _panel(area: Area, stage: Stage, first: date, last: date) -> list[Markup]:
    largest = area.y[1]
    steps = round_steps(-largest, largest, 4)
    verdict = (
        f"mismatch since {wording.short_day(stage.mismatch_since)}" if stage.mismatch_since else "as declared"
    )
    parts = [
        text(
            area.left,
            area.top - 12,
            f"{STAGE_TEXTS[stage.name]}: {verdict}",
            "panel wrong" if stage.mismatch_since else "panel",
        ),
        horizontal_grid(area, steps, [wording.points(step) if step else "0" for step in steps]),
    ]
    for band in stage.bands:
        upper = [(area.at_x(x), area.at_y(high)) for x, _, _, high in band.points]
        lower = [(area.at_x(x), area.at_y(low)) for x, _, low, _ in band.points]
        parts.append(
            path(
                [*upper, *reversed(lower)],
                f"band k{band.kind}{' many' if len(stage.bands) > 2 else ''}",
                is_closed=True,
            )
        )
    parts.append(line(area.left, area.at_y(0), area.right, area.at_y(0), "zero"))
    for band in stage.bands:
        parts.append(lines_with_gaps(area, [(x, y) for x, y, _, _ in band.points], f"line k{band.kind}"))
        x, y, *_ = band.points[-1]
        parts.append(mark(area.at_x(x), area.at_y(y), band.kind, f"mark k{band.kind}"))
    if stage.mismatch_since:
        start = area.at_x(stage.mismatch_since.toordinal())
        parts.append(rectangle(start, area.bottom - 3, max(2.0, area.right - start), 3, "alarm"))
    parts.append(day_axis(area, first, last))
    return parts


def _reading(data: ExperimentData) -> str:
    alpha = data.experiment.quality.srm_alpha
    mirrored = " The control mirrors the treatment and is not drawn." if len(data.variation_ids) == 2 else ""
    return (
        "The line is a variation's share of the units so far minus its declared share, in percentage points; the band "
        f"is what the data do not rule out. With {wording.rate(1 - alpha)} confidence the truth is inside it on every "
        f"day, so it may be looked at daily. A band that leaves 0 is a mismatch.{mirrored}"
    )


def _table(data: ExperimentData) -> DataTable:
    tests = data.rows("sample_ratios").filter("is_cumulative")
    is_last = pl.col("as_of_date") == pl.col("as_of_date").max().over("stage")
    rows = [
        (
            STAGE_TEXTS[row["stage"]],
            "all" if row["has_conflicting_units"] else "without conflicting ones",
            "mismatch" if row["is_sequential_mismatch"] else "as declared",
            wording.day(row["as_of_date"]),
            wording.count(row["unit_count"]),
            wording.name(row["worst_variation_id"], 60),
            f"{wording.count(row['worst_unit_count'])} of {wording.amount(row['worst_expected_unit_count'])}",
            wording.p_value(row["sequential_p_value"]),
            wording.p_value(row["p_value"]),
        )
        for stage in STAGES
        for row in tests.filter(is_last).filter(stage=stage).iter_rows(named=True)
    ]
    columns = (
        "stage",
        "units counted",
        "verdict",
        "as of",
        "units",
        "furthest off",
        "found of expected",
        "p, any day",
        "p, one look",
    )
    return DataTable("The test of every stage as of its last day", columns, rows, 3)
