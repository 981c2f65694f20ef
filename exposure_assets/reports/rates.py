"""A plot of an experiment's rates and assignments over its cohort days, as a small picture for Dagster's pages.

Which rate is alarming is a matter of the checks.
"""

import struct
import zlib
from base64 import b64encode
from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any

import dagster as dg
import polars as pl

from exposure_assets.contracts import ALL_VARIATIONS, Catalog, Experiment

MOST_PLOTS = 3
_MOST_DAYS = 120
_RATES = {
    "exposure_rate": "exposed",
    "valid_exposure_rate": "validly exposed",
    "mismatch_rate": "mismatch",
    "crossover_rate": "crossover",
}
# Readable on white and on black: mid-tones, and no colour told from another by hue alone.
_COLOURS = ["#3b82f6", "#10a37f", "#e8772e", "#a855f7"]
_INK, _GRID = "#808895", "#80889540"
_WIDTH = 560
_DAYS = {
    "field": "assignment_date",
    "type": "temporal",
    "title": None,
    "axis": {"format": "%b %d", "tickCount": 8, "labelOverlap": True},
}


def quality_metadata(
    daily_quality: pl.LazyFrame, experiments: Sequence[str], catalog: Catalog, data_until: date | None
) -> dict[str, dg.MetadataValue]:
    """The plots of a run's experiments as metadata of its asset, `rates of <experiment>`.

    About 40 kB each: metadata of one partition of the run, the last. As metadata of the output every partition's event
    would repeat them.

    Args:
        daily_quality: Obeys `contracts.DailyQuality`; of these experiments every cohort to be shown.
        experiments: Those of the run; the first few get a plot, and a note says how many don't.
        catalog: The experiments there are; one that has left it has no plot.
        data_until: The last UTC day with data, `resources.data_reach.data_until`: tells cohorts that had their time
            for exposure from young ones. Null without data: all are young.
    """
    known = [catalog.experiments[id_] for id_ in sorted(experiments) if id_ in catalog.experiments]
    shown = [experiment.id for experiment in known[:MOST_PLOTS]]
    if not shown:
        return {}
    totals = daily_quality.filter(
        pl.col("variation_id") == ALL_VARIATIONS,
        pl.col("experiment_id").is_in(shown),
        pl.col("assigned_units") > 0,
    ).select("experiment_id", "assignment_date", "assigned_units", *_RATES)
    cohorts = totals.collect().partition_by("experiment_id", as_dict=True)
    metadata: dict[str, dg.MetadataValue] = {}
    for experiment in known[:MOST_PLOTS]:
        rows = cohorts.get((experiment.id,))
        if rows is not None:
            png = rates_plot(rows, experiment, data_until)
            text = f"Rates of {experiment.id} by cohort day; dashed and hollow: too young to be judged"
            metadata[f"rates of {experiment.id}"] = dg.MetadataValue.md(as_markdown_image(png, text))
    if metadata and len(known) > MOST_PLOTS:
        metadata["rates"] = dg.MetadataValue.md(
            f"Plots of {MOST_PLOTS} of the {len(known)} experiments of this run; a run of one experiment shows its own."
        )
    return metadata


def rates_plot(cohorts: pl.DataFrame, experiment: Experiment, data_until: date | None) -> bytes:
    """The latest 120 days of cohorts as a PNG: rates above, assignments per day below.

    Args:
        cohorts: The `*` rows of one experiment in `daily_quality`, in any order.
        experiment: Says from when on a cohort is judged; younger ones are hollow and dashed.
        data_until: The last UTC day with data.
    """
    # Imported here: drawing brings a JavaScript engine of its own, which only runs that draw have to load.
    import vl_convert

    last_judged = experiment.last_judged_date(data_until) if data_until else date.min
    newest = pl.col("assignment_date").max()
    shown = (
        cohorts.sort("assignment_date")
        .filter(pl.col("assignment_date") > newest - pl.duration(days=_MOST_DAYS))
        .with_columns(is_young=pl.col("assignment_date") > pl.lit(last_judged, pl.Date))
    )
    chart = {
        "vconcat": [_rates(shown), _volume(shown)],
        "spacing": 6,
        "config": {
            "background": "transparent",
            "font": "sans-serif",
            "view": {"stroke": None},
            "axis": {
                "labelColor": _INK,
                "titleColor": _INK,
                "titleFontWeight": 400,
                **dict.fromkeys(("gridColor", "domainColor", "tickColor"), _GRID),
            },
            "legend": {"labelColor": _INK, "title": None, "orient": "top", "symbolStrokeWidth": 2},
        },
    }
    return _packed(vl_convert.vegalite_to_png(chart))


def as_markdown_image(png: bytes, text: str) -> str:
    """The picture inside Markdown itself: nothing else has to serve it, and it lasts as long as its event."""
    return f"![{text}](data:image/png;base64,{b64encode(png).decode('ascii')})"


def _rates(cohorts: pl.DataFrame) -> dict[str, Any]:
    """The chart of the rates, as Vega-Lite."""
    rates = cohorts.rename(_RATES).unpivot(
        list(_RATES.values()), index=["assignment_date", "is_young"], variable_name="rate", value_name="share"
    )
    # A young line starts at the last judged cohort, or there would be a gap between the two.
    judged, young = rates.filter(~pl.col("is_young")), rates.filter("is_young")
    joint = judged.filter(pl.col("assignment_date") == pl.col("assignment_date").max())
    joined = pl.concat([joint, young]) if young.height else young
    return {
        "width": _WIDTH,
        "height": 150,
        "encoding": {
            "x": _DAYS,
            "y": {
                "field": "share",
                "type": "quantitative",
                "title": None,
                "axis": {"format": "%"},
                "scale": {"domain": [0, 1]},
            },
            "color": {
                "field": "rate",
                "type": "nominal",
                "scale": {"domain": list(_RATES.values()), "range": _COLOURS},
            },
        },
        "layer": [
            {"data": _data(judged), "mark": {"type": "line", "strokeWidth": 1.6}},
            {
                "data": _data(joined),
                "mark": {"type": "line", "strokeWidth": 1.4, "strokeDash": [3, 3], "opacity": 0.8},
            },
            {"data": _data(judged), "mark": {"type": "point", "size": 14, "filled": True, "opacity": 1}},
            {"data": _data(young), "mark": {"type": "point", "size": 16, "filled": False, "opacity": 0.9}},
        ],
    }


def _volume(cohorts: pl.DataFrame) -> dict[str, Any]:
    """The chart of the assignments, as Vega-Lite."""
    width = max(1.0, min(14.0, 0.7 * _WIDTH / max(1, cohorts.height)))
    units = {"field": "assigned_units", "type": "quantitative", "title": "assigned"}
    return {
        "width": _WIDTH,
        "height": 50,
        "data": _data(cohorts.select("assignment_date", "assigned_units")),
        "mark": {"type": "bar", "color": _INK, "opacity": 0.7, "width": width},
        "encoding": {"x": _DAYS, "y": {**units, "axis": {"tickCount": 3, "format": "~s"}}},
    }


def _data(rows: pl.DataFrame) -> dict[str, Any]:
    """Rows as a chart takes them; a day with slashes is local to the chart, one with dashes would be moved."""
    days = pl.col("assignment_date").dt.strftime("%Y/%m/%d")
    return {"values": rows.with_columns(days, pl.selectors.float().round(4)).to_dicts()}


def _packed(png: bytes) -> bytes:
    """The same picture in a quarter of the bytes: the renderer compresses for speed, and events keep it for long."""
    chunks = list(_chunks(png))
    pixels = zlib.decompress(b"".join(content for kind, content in chunks if kind == b"IDAT"))
    others = [chunk for chunk in chunks if chunk[0] != b"IDAT"]
    packed = [*others[:-1], (b"IDAT", zlib.compress(pixels, 9)), others[-1]]
    return png[:8] + b"".join(
        struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in packed
    )


def _chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 8
    while at < len(png):
        (length,) = struct.unpack(">I", png[at : at + 4])
        yield png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        at += length + 12
