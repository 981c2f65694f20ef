"""The results of an experiment as text that a product manager reads: what changed by how much, and how sure that is.

Which rows are shown is decided by the command `results`; what the numbers are, in `transforms.experiment_results`.
"""

from collections.abc import Mapping
from typing import Any

import polars as pl
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from exposure_assets.contracts import Experiment
from exposure_assets.contracts.catalog_values import one_line

_WIDER_THAN_ANY_ROW = 1 << 12
_BASES = {
    "assigned": "all units assigned, as they were randomised",
    "exposed": "units exposed after their assignment; chosen by what happened later, not randomised",
    "valid_exposed": "units with a valid exposure; chosen by what happened later, not randomised",
    "not_exposed": "units never exposed; chosen by what happened later, not randomised",
}
_METHODS = {
    "welch": "",
    "cuped": "adjusted by what units did before their assignment (CUPED)",
    "ratio": "ratio of means (delta method)",
    "ratio_cuped": "ratio of means (delta method), adjusted by what units did before (CUPED)",
}


def results_text(rows: pl.DataFrame, experiment: Experiment) -> str:
    """What is known of one basis as of one day.

    Args:
        rows: Some of `contracts.ExperimentResults`, of one experiment, basis and day; not refused.
        experiment: The experiment.
    """
    first = rows.row(0, named=True)
    lines = [f"{one_line(experiment.name)} ({experiment.id}), as of {first['as_of_date']}"]
    if rows["is_forced"].any():
        lines += ["", f"NOT FIT FOR A DECISION: {forced_notice(rows)}", ""]
    if first["is_provisional"]:
        lines.append(
            f"PROVISIONAL: {rows['incomplete_unit_count'].max():,} units of a treatment have outcome windows that "
            "reach beyond the data; they count with what they did so far."
        )
    lines.append(f"Units: {first['analysis_basis']}: {_BASES[first['analysis_basis']]}.")
    lines.append(
        f"Control: {one_line(first['control_variation_id'])}. "
        f"Intervals of {_percent(1 - first['alpha'], signed=False)}; p-values adjusted: "
        f"{experiment.results.multiple_comparisons}."
    )
    return "\n".join([*lines, "", _table(rows), "", *_notes(rows)]) + "\n"


def forced_notice(rows: pl.DataFrame) -> str:
    """Which guardrails the shown results have failed."""
    failed = sorted({name for names in rows["refused_by"].to_list() for name in names})
    return f"failed guardrails: {', '.join(failed) or 'no quality report covers that day'}; shown because it is forced."


def _table(rows: pl.DataFrame) -> str:
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for name in ("metric", "treatment"):
        table.add_column(name, no_wrap=True)
    for name in ("units", "control units", "control", "mean", "lift", "from", "to", "p", "adjusted p"):
        table.add_column(name, no_wrap=True, justify="right")
    table.add_column("told", no_wrap=True)
    for row in rows.iter_rows(named=True):
        lifts = [_lift(row, end) for end in ("", "_lower", "_upper")]
        table.add_row(
            Text(row["metric_id"]),
            Text(one_line(row["variation_id"])),
            f"{row['unit_count']:,}",
            f"{row['control_unit_count']:,}",
            _number(row["control_mean"]),
            _number(row["mean"]),
            *lifts,
            _probability(row["p_value"]),
            _probability(row["adjusted_p_value"]),
            _told(row),
        )
    console = Console(width=_WIDER_THAN_ANY_ROW, color_system=None, force_terminal=False)
    with console.capture() as captured:
        console.print(table)
    return "\n".join(line.rstrip() for line in captured.get().splitlines())


def _lift(row: Mapping[str, Any], end: str) -> str:
    """Relative where there is a whole relative interval, else absolute: an interval has one unit."""
    is_relative = all(row[f"relative_lift{part}"] is not None for part in ("", "_lower", "_upper"))
    if is_relative:
        return _percent(row[f"relative_lift{end}"])
    value = row[f"absolute_lift{end}"]
    return "-" if value is None else f"{value:+.4g}"


def _percent(share: float, *, signed: bool = True) -> str:
    return f"{share * 100:+.2f} %" if signed else f"{share * 100:g} %"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:,.5g}"


def _probability(value: float | None) -> str:
    if value is None:
        return "-"
    return "< 0.0001" if value < 0.0001 else f"{value:.4f}"


def _told(row: Mapping[str, Any]) -> str:
    if row["adjusted_p_value"] is None:
        return "nothing to compare"
    if row["adjusted_p_value"] >= row["alpha"]:
        return "no difference shown"
    return "higher" if row["absolute_lift"] > 0 else "lower"


def _notes(rows: pl.DataFrame) -> list[str]:
    """What the reader has to know beside the numbers."""
    notes = [
        f"{one_line(metric)}: {_METHODS[method]}."
        for metric, method in rows.select("metric_id", "method").unique(maintain_order=True).iter_rows()
        if _METHODS[method]
    ]
    of_variation = rows.group_by("variation_id", maintain_order=True).agg(
        pl.col("incomplete_unit_count", "conflicting_unit_count").max()
    )
    for variation_id, incomplete, conflicting in of_variation.iter_rows():
        name = one_line(variation_id)
        if incomplete and not rows["is_provisional"][0]:
            notes.append(
                f"{name}: {incomplete:,} units more whose outcome window is not over; they don't count yet."
            )
        if conflicting:
            notes.append(
                f"{name}: {conflicting:,} units were assigned to another variation too; they count nowhere."
            )
    for metric, variation_id, missing in rows.select(
        "metric_id", "variation_id", "missing_unit_count"
    ).iter_rows():
        if missing:
            notes.append(
                f"{metric}, {one_line(variation_id)}: {missing:,} units without an event have no value; the others "
                "are not randomised."
            )
    notes.append(
        "Decide once, on the day that was planned: at daily looks a p below alpha comes by chance far more often."
    )
    return notes
