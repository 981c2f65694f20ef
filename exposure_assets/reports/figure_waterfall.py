"""Figures of what was lost on the way: raw rows to accepted events, and assigned units to completed ones.

What becomes of a row or a unit is decided by the transforms.
"""

from itertools import pairwise
from typing import Literal, NamedTuple

import polars as pl
from markupsafe import Markup

from exposure_assets.contracts import BUCKETS, STAGES
from exposure_assets.reports import wording
from exposure_assets.reports.experiment_data import ExperimentData
from exposure_assets.reports.figure import NARROW, DataTable, Figure, figure, key
from exposure_assets.reports.svg import Area, hatching, line, rectangle, text

BUCKET_TEXTS = {
    "accepted": "counted",
    "duplicate": "delivered before",
    "malformed": "unreadable",
    "unknown_experiment": "unknown experiment",
    "unknown_variation": "unknown variation",
    "unresolved_template": "name not filled in",
    "ambiguous_attribution": "not certain whose",
    "outside_experiment": "outside its days",
    "unassigned_unit": "unit not assigned",
}
STAGE_TEXTS = {
    "assigned": "assigned",
    "exposed": "exposed",
    "valid_exposed": "validly exposed",
    "completed": "window complete",
}
_LOST_TEXTS = {
    "exposed": "not exposed",
    "valid_exposed": "exposed, not validly",
    "completed": "window still open",
}


class Step(NamedTuple):
    """One bar: what is there, or what was lost of it."""

    label: str
    number: int
    kind: Literal["kept", "lost", "pending"]


def row_steps(data: ExperimentData) -> list[Step]:
    """Raw rows, what was taken out of them and why, and what is left."""
    by_bucket = dict(
        data.rows("exposure_waterfall").group_by("bucket").agg(pl.col("row_count").sum()).iter_rows()
    )
    if not by_bucket:
        return []
    lost = [
        Step(BUCKET_TEXTS[bucket], by_bucket[bucket], "lost") for bucket in BUCKETS[1:] if bucket in by_bucket
    ]
    total, accepted = sum(by_bucket.values()), by_bucket.get(BUCKETS[0], 0)
    return [
        Step("raw exposure rows", total, "kept"),
        *lost,
        Step(BUCKET_TEXTS[BUCKETS[0]], accepted, "kept"),
    ]


def units_by_stage(data: ExperimentData) -> dict[str, dict[str, int]]:
    """Per stage the units of each variation that reached it, the variations in the order of the page."""
    counts = data.rows("stage_counts").group_by("stage", "variation_id").agg(pl.col("unit_count").sum())
    found = {(stage, variation): units for stage, variation, units in counts.iter_rows()}
    known = data.variation_ids
    others = sorted({variation for _, variation in found} - set(known))
    return {stage: {v: found.get((stage, v), 0) for v in [*known, *others]} for stage in STAGES}


def unit_steps(data: ExperimentData) -> list[Step]:
    """Units at every stage, and how many did not come to the next one."""
    units = {stage: sum(by.values()) for stage, by in units_by_stage(data).items()}
    if not units["assigned"]:
        return []
    steps = [Step(STAGE_TEXTS["assigned"], units["assigned"], "kept")]
    for before, stage in pairwise(STAGES):
        lost = units[before] - units[stage]
        if lost:
            steps.append(Step(_LOST_TEXTS[stage], lost, "pending" if stage == "completed" else "lost"))
        steps.append(Step(STAGE_TEXTS[stage], units[stage], "kept"))
    return steps


def row_figure(data: ExperimentData) -> Figure | None:
    """Where the raw rows of the experiment went; None where there are none."""
    steps = row_steps(data)
    if not steps:
        return None
    total, accepted = steps[0].number, steps[-1].number
    share = wording.rate(accepted / total)
    said = f"Of {wording.count(total)} raw exposure rows, {wording.count(accepted)} count ({share})."
    if len(steps) > 2:
        most = max(steps[1:-1], key=lambda step: step.number)
        said += f" The largest loss: {wording.count(most.number)} rows, {most.label}."
    return _waterfall("rows", "From raw rows to exposure events", said, steps, "rows")


def unit_figure(data: ExperimentData) -> Figure | None:
    """How many units came to each stage; None where none is assigned."""
    steps = unit_steps(data)
    if not steps:
        return None
    kept = [step for step in steps if step.kind == "kept"]
    shares = ", ".join(f"{wording.rate(s.number / kept[0].number)} {s.label}" for s in kept[1:])
    said = f"Of {wording.units(kept[0].number)} assigned: {shares}."
    return _waterfall("units", "From assigned units to units with an outcome", said, steps, "units")


def variation_table(data: ExperimentData) -> DataTable:
    """The stages of every variation beside each other."""
    by_stage = units_by_stage(data)
    rows = []
    for variation in by_stage["assigned"]:
        numbers = [by_stage[stage][variation] for stage in STAGES]
        shares = [wording.rate(n / numbers[0] if numbers[0] else None) for n in numbers[1:]]
        cells = [f"{wording.count(n)} ({share})" for n, share in zip(numbers[1:], shares, strict=True)]
        rows.append((wording.name(variation), wording.count(numbers[0]), *cells))
    columns = ("variation", *(STAGE_TEXTS[stage] for stage in STAGES))
    return DataTable("Units by variation, and their share of the assigned ones", columns, rows)


def _waterfall(id_: str, title: str, says: str, steps: list[Step], of: str) -> Figure:
    total = steps[0].number

    def draw(width: int, own: str) -> tuple[Markup, float]:
        is_narrow = width == NARROW
        labels = 0 if is_narrow else 170
        step_height = 44 if is_narrow else 30
        area = Area(
            labels,
            4,
            width - labels - (120 if not is_narrow else 0),
            step_height * len(steps),
            (0, total),
            (0, 1),
        )
        parts, level = [hatching(f"{own}-hatch")], total
        for number, step in enumerate(steps):
            top = area.top + number * step_height
            start = 0 if step.kind == "kept" else level - step.number
            level = step.number if step.kind == "kept" else start
            left, right = area.at_x(start), area.at_x(start + step.number)
            # So wide that one of a million is seen.
            bar_width = max(2.0, right - left) if step.number else 0.0
            said = f"{wording.count(step.number)} ({wording.rate(step.number / total)})"
            if step.kind != "kept":
                said = f"{wording.signed('-')}{said}"
            if is_narrow:
                bar_top = top + 18
                parts += [
                    text(0, top + 13, step.label, "label"),
                    text(width, top + 13, said, "value", "end"),
                ]
            else:
                bar_top = top + 5
                parts += [
                    text(labels - 10, top + 19, step.label, "label", "end"),
                    text(min(left + bar_width + 8, area.right + 8), top + 19, said, "value"),
                ]
            parts.append(
                rectangle(min(left, area.right - bar_width), bar_top, bar_width, 20, f"bar {step.kind}")
            )
            if step.kind == "pending":
                parts.append(rectangle(left, bar_top, bar_width, 20, "hatched", fill=f"url(#{own}-hatch)"))
        if not is_narrow:
            parts.append(line(area.left, area.top, area.left, area.bottom, "axis"))
        return Markup("").join(parts), area.bottom + 4

    rows = [
        (
            s.label,
            f"{wording.signed('-') if s.kind != 'kept' else ''}{wording.count(s.number)}",
            wording.rate(s.number / total),
        )
        for s in steps
    ]
    keys = [
        key("left", rectangle(2, 2, 24, 10, "bar kept")),
        key("lost", rectangle(2, 2, 24, 10, "bar lost")),
    ]
    if any(step.kind == "pending" for step in steps):
        look = [hatching(f"{id_}-key-hatch"), rectangle(2, 2, 24, 10, "bar pending")]
        look.append(rectangle(2, 2, 24, 10, "hatched", fill=f"url(#{id_}-key-hatch)"))
        keys.append(key("not over yet", *look))
    table = DataTable(f"{title}: {of} and their share of the first bar", ("step", of, "share"), rows)
    reading = "A blue bar is what is there, a grey one what was lost of the bar above it; shares are of the first bar."
    return figure(id_, title, says, reading, draw, table, keys)
