"""The figure of how long after their assignment units were first exposed, variation by variation.

How delays are counted stands in the transform of the table.
"""

from itertools import pairwise

import polars as pl
from markupsafe import Markup

from exposure_assets.contracts.exposure_delays import DELAY_STARTS
from exposure_assets.reports import wording
from exposure_assets.reports.experiment_data import ExperimentData
from exposure_assets.reports.figure import NARROW, DataTable, Figure, figure, variation_key
from exposure_assets.reports.svg import Area, line, mark, round_steps, text

_ROW_HEIGHT = 26


def shares(data: ExperimentData) -> dict[str, dict[int, int]]:
    """Per variation with exposed units their number in each range of delay, from the first range to the last used."""
    counts = (
        data.rows("exposure_delays").group_by("variation_id", "from_seconds").agg(pl.col("unit_count").sum())
    )
    found = {(variation, start): units for variation, start, units in counts.iter_rows()}
    used = {start for _, start in found}
    if not used:
        return {}
    ranges = [start for start in DELAY_STARTS if min(used) <= start <= max(used)]
    with_units = {variation for variation, _ in found}
    order = [*data.variation_ids, *sorted(with_units - set(data.variation_ids))]
    return {v: {start: found.get((v, start), 0) for start in ranges} for v in order if v in with_units}


def delay_figure(data: ExperimentData) -> Figure | None:
    """The share of every variation's exposed units by delay; None where nobody was exposed."""
    by_variation = shares(data)
    if not by_variation:
        return None
    ranges = list(next(iter(by_variation.values())))
    totals = {variation: sum(units.values()) for variation, units in by_variation.items()}
    share = {
        (v, start): units / totals[v]
        for v, of_ranges in by_variation.items()
        for start, units in of_ranges.items()
    }
    largest = max(share.values())
    kinds = {variation: number for number, variation in enumerate(by_variation)}

    def draw(width: int, own: str) -> tuple[Markup, float]:
        labels = 104 if width == NARROW else 150
        area = Area(labels, 8, width - labels - 22, _ROW_HEIGHT * len(ranges), (0, largest * 1.04), (0, 1))
        parts = []
        for step in round_steps(0, largest, 4):
            x = area.at_x(step)
            parts += [
                line(x, area.top, x, area.bottom, "grid"),
                text(x, area.bottom + 17, wording.rate(step, 0) if step else "0", "tick", "middle"),
            ]
        for number, start in enumerate(ranges):
            y = area.top + (number + 0.5) * _ROW_HEIGHT
            across = [area.at_x(share[v, start]) for v in by_variation]
            parts.append(text(labels - 10, y + 4, range_text(start), "label", "end"))
            parts.append(line(min(across), y, max(across), y, "join"))
            parts += [
                mark(x, y, kinds[v], f"mark k{kinds[v]}", 4.0)
                for v, x in zip(by_variation, across, strict=True)
            ]
        parts.append(line(area.left, area.top, area.left, area.bottom, "axis"))
        return Markup("").join(parts), area.bottom + 24

    rows = [
        (
            range_text(start),
            *(
                f"{wording.count(u[start])} ({wording.rate(share[v, start])})"
                for v, u in by_variation.items()
            ),
        )
        for start in ranges
    ]
    table = DataTable(
        "Exposed units by delay, and their share of the variation's exposed units",
        ("delay", *(wording.name(v, 60) for v in by_variation)),
        rows,
    )
    keys = [variation_key(wording.name(v, 40), kind) for v, kind in kinds.items()]
    reading = (
        "Each mark is the share of a variation's exposed units whose first exposure came so long after the assignment. "
        "Variations that are exposed alike have their marks close together."
    )
    return figure(
        "delays", "From assignment to first exposure", _said(by_variation), reading, draw, table, keys
    )


def range_text(start: int) -> str:
    """The range of delays that begins there, in words."""
    if start == DELAY_STARTS[0]:
        return "before assignment"
    ends = dict(pairwise(DELAY_STARTS))
    if start not in ends:
        return f"{wording.delay(start)} and later"
    if start == 0:
        return f"under {wording.delay(ends[start])}"
    return f"{wording.delay(start)} to {wording.delay(ends[start])}"


def _said(by_variation: dict[str, dict[int, int]]) -> str:
    """Per variation in which range its median unit is."""
    medians = []
    for variation, units in by_variation.items():
        half, seen = sum(units.values()) / 2, 0
        for start, number in units.items():
            seen += number
            if seen >= half:
                medians.append((wording.name(variation, 40), range_text(start)))
                break
    ranges = {median for _, median in medians}
    if len(ranges) == 1:
        return f"In every variation the median unit is first exposed in the range {medians[0][1]}."
    said = wording.listed([f"{median} in {variation}" for variation, median in medians], 6)
    return f"The median unit is first exposed {said}."
