"""The figure and tables of the results: every metric of every treatment against the control, with its interval.

How results are computed, and when they are refused, is decided by the transform of the table.
"""

from statistics import median
from typing import Any, NamedTuple

import polars as pl
from markupsafe import Markup

from exposure_assets.reports import wording
from exposure_assets.reports.experiment_data import ExperimentData
from exposure_assets.reports.figure import NARROW, DataTable, Figure, figure, key
from exposure_assets.reports.svg import Area, line, mark, path, round_steps, text

RESULTS = "experiment_results"
# Only this one compares what was randomised: the others choose units by what they did after their assignment.
FIRST_BASIS = "assigned"
BASES = ("assigned", "exposed", "valid_exposed", "not_exposed")
BASIS_TEXTS = {
    "assigned": "all assigned units",
    "exposed": "exposed units",
    "valid_exposed": "validly exposed units",
    "not_exposed": "units not exposed",
}
METHOD_TEXTS = {
    "welch": "means (Welch)",
    "cuped": "means, adjusted (CUPED)",
    "ratio": "ratio of means",
    "ratio_cuped": "ratio of means, adjusted (CUPED)",
}
# One interval up to +900 % would leave nothing to be seen of the others: such ends are cut, and have an arrow.
_FURTHEST_OF_MEDIAN, _LEAST_MEDIAN = 4.0, 0.005


class Results(NamedTuple):
    """The results as of the day of a page.

    Attributes:
        state: none; refused: the experiment is invalid and estimates are withheld; forced: it is invalid and they are
            shown nevertheless; shown.
        rows: The latest ones, metric by metric in the catalog's order.
    """

    state: str
    rows: list[dict[str, Any]]

    def of(self, basis: str) -> list[dict[str, Any]]:
        """The rows of an analysis basis."""
        return [row for row in self.rows if row["analysis_basis"] == basis]


def results(data: ExperimentData) -> Results:
    """The latest results that were known on the day of the page."""
    known = data.rows(RESULTS)
    latest = known.filter(pl.col("as_of_date") == pl.col("as_of_date").max())
    order = {metric: number for number, metric in enumerate(data.experiment.outcomes.metrics)}
    variations = {variation: number for number, variation in enumerate(data.variation_ids)}
    rows = sorted(
        latest.iter_rows(named=True),
        key=lambda row: (
            order.get(row["metric_id"], len(order)),
            row["metric_id"],
            variations.get(row["variation_id"], len(variations)),
            row["variation_id"],
        ),
    )
    if not rows:
        return Results("none", [])
    is_valid, is_forced = rows[0]["is_valid_for_analysis"], rows[0]["is_forced"]
    return Results("shown" if is_valid else "forced" if is_forced else "refused", rows)


def in_a_sentence(found: Results) -> str:
    """What the results say of all assigned units: what differs for certain, and how many comparisons show nothing."""
    rows = [row for row in found.of(FIRST_BASIS) if row["p_value"] is not None]
    if not rows:
        return "No comparison can be made yet." if found.state in ("shown", "forced") else ""
    certain = [row for row in rows if is_certain(row)]
    if not certain:
        several = f"None of the {len(rows)} comparisons shows" if len(rows) > 1 else "The comparison shows no"
        return f"{several} {'a ' if len(rows) > 1 else ''}difference that chance does not explain."
    control = wording.name(certain[0]["control_variation_id"], 40)
    said = wording.listed([f"{wording.name(row['variation_id'], 40)} {_lift(row)}" for row in certain])
    others = len(rows) - len(certain)
    rest = {0: "", 1: " The other comparison shows no certain difference."}
    return f"Against {control}, {said}." + rest.get(
        others, f" The other {others} comparisons show no certain difference."
    )


def is_certain(row: dict[str, Any]) -> bool:
    """Whether a difference is one that chance does not explain, all that is looked at together considered."""
    return row["adjusted_p_value"] is not None and row["adjusted_p_value"] < row["alpha"]


def result_figure(data: ExperimentData, found: Results) -> Figure | None:
    """The relative lifts of all assigned units; None where nothing can be compared."""
    rows = [row for row in found.of(FIRST_BASIS) if row["relative_lift"] is not None]
    if not rows:
        return None
    all_ends = [
        row[name]
        for row in rows
        for name in ("relative_lift", "relative_lift_lower", "relative_lift_upper")
        if row[name] is not None
    ]
    furthest = _FURTHEST_OF_MEDIAN * max(_LEAST_MEDIAN, median(abs(end) for end in all_ends))
    ends = [max(-furthest, min(furthest, end)) for end in all_ends]
    low, high = min(0.0, *ends), max(0.0, *ends)
    pad = max(0.005, (high - low) * 0.06)
    several = len({row["variation_id"] for row in rows}) > 1
    confidence = wording.rate(1 - rows[0]["alpha"], 0)

    def draw(width: int, own: str) -> tuple[Markup, float]:
        is_narrow = width == NARROW
        labels, values, height = (8, 8, 58) if is_narrow else (190, 216, 38)
        area = Area(labels, 6, width - labels - values, height * len(rows), (low - pad, high + pad), (0, 1))
        parts = []
        for step in round_steps(low - pad, high + pad, 4 if is_narrow else 5):
            x = area.at_x(step)
            parts += [
                line(x, area.top, x, area.bottom, "grid"),
                text(
                    x,
                    area.bottom + 17,
                    wording.change(step, 1 if abs(step) < 0.01 else 0) if step else "0",
                    "tick",
                    "middle",
                ),
            ]
        parts.append(line(area.at_x(0), area.top, area.at_x(0), area.bottom, "zero"))
        for number, row in enumerate(rows):
            y = area.top + number * height + (42 if is_narrow else height / 2)
            label = row["metric_id"] + (f" · {row['variation_id']}" if several else "")
            shown = f"{wording.change(row['relative_lift'])}  {_interval(row)}"
            label_at = (0, y - 18) if is_narrow else (labels - 12, y + 4)
            parts.append(
                text(*label_at, label, "label", None if is_narrow else "end", 22 if is_narrow else 27)
            )
            parts.append(
                text(width, y - 18, shown, "value", "end")
                if is_narrow
                else text(area.right + 12, y + 4, shown, "value")
            )
            parts += _whisker(area, row, y)
        return Markup("").join(parts), area.bottom + 24

    keys = [
        key("higher", line(0, 7, 28, 7, "whisker up"), mark(14, 7, 2, "mark up", 4.5)),
        key("lower", line(0, 7, 28, 7, "whisker down"), mark(14, 7, 4, "mark down", 4.5)),
        key("no certain difference", line(0, 7, 28, 7, "whisker level"), mark(14, 7, 0, "mark level", 4.5)),
    ]
    reading = (
        f"Each line is a {confidence} interval of the treatment's mean against the control's, over all assigned units "
        "whose outcome window is over. A line that crosses 0 leaves open whether there is a difference. Triangles mark "
        "differences that also hold when all comparisons are looked at together."
    )
    return figure(
        "results",
        "Differences from the control",
        in_a_sentence(found),
        reading,
        draw,
        result_table(found, FIRST_BASIS),
        keys,
    )


def result_table(found: Results, basis: str) -> DataTable:
    """The numbers of an analysis basis."""
    rows = [
        (
            wording.name(row["metric_id"], 60),
            wording.name(row["variation_id"], 60),
            METHOD_TEXTS[row["method"]],
            wording.count(row["unit_count"]),
            wording.count(row["control_unit_count"]),
            wording.count(row["incomplete_unit_count"]),
            wording.amount(row["mean"]),
            wording.amount(row["control_mean"]),
            _with_interval(row, "absolute_lift"),
            _with_interval(row, "relative_lift"),
            wording.p_value(row["p_value"]),
            wording.p_value(row["adjusted_p_value"]),
        )
        for row in found.of(basis)
    ]
    columns = (
        "metric",
        "variation",
        "compared by",
        "units",
        "of the control",
        "not complete yet",
        "mean",
        "of the control",
        "difference (interval)",
        "relative (interval)",
        "p",
        "p, adjusted",
    )
    return DataTable(f"Compared over {BASIS_TEXTS[basis]}", columns, rows, 3)


def _whisker(area: Area, row: dict[str, Any], y: float) -> list[Markup]:
    look, kind = ("level", 0)
    if is_certain(row):
        look, kind = ("up", 2) if row["relative_lift"] > 0 else ("down", 4)
    parts = []
    if row["relative_lift_lower"] is not None and row["relative_lift_upper"] is not None:
        left, right = area.at_x(row["relative_lift_lower"]), area.at_x(row["relative_lift_upper"])
        parts.append(line(left, y, right, y, f"whisker {look}"))
        for end, is_cut, way in (
            (left, row["relative_lift_lower"] < area.x[0], 1),
            (right, row["relative_lift_upper"] > area.x[1], -1),
        ):
            tip = (
                [(end + way * 6, y - 5), (end, y), (end + way * 6, y + 5)]
                if is_cut
                else [(end, y - 5), (end, y + 5)]
            )
            parts.append(path(tip, f"whisker {look}"))
    if area.x[0] <= row["relative_lift"] <= area.x[1]:
        parts.append(mark(area.at_x(row["relative_lift"]), y, kind, f"mark {look}", 4.5))
    return parts


def _lift(row: dict[str, Any]) -> str:
    """What a treatment does to a metric: `raises orders by 4.2 % (+1.2 % to +7.2 %)`."""
    said = f"{'raises' if row['absolute_lift'] > 0 else 'lowers'} {wording.name(row['metric_id'], 60)} by"
    if row["relative_lift"] is None:
        return f"{said} {wording.amount(abs(row['absolute_lift']))}"
    return f"{said} {wording.rate(abs(row['relative_lift']))}{_interval(row, ' (')}"


def _interval(row: dict[str, Any], opening: str = "(") -> str:
    lower, upper = row["relative_lift_lower"], row["relative_lift_upper"]
    if lower is None or upper is None:
        return ""
    return f"{opening}{wording.change(lower)} to {wording.change(upper)})"


def _with_interval(row: dict[str, Any], name: str) -> str:
    def shown(value: float | None) -> str:
        return wording.change(value) if name == "relative_lift" else wording.amount(value, True)

    lower, upper = row[f"{name}_lower"], row[f"{name}_upper"]
    if lower is None or upper is None:
        return shown(row[name])
    return f"{shown(row[name])} ({shown(lower)} to {shown(upper)})"
