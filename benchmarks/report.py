"""Results as Markdown tables, on the terminal and in the README.

What was measured stands in `suite`.
"""

from collections.abc import Mapping
from pathlib import Path

from benchmarks.engines.engine import STAGES
from benchmarks.measuring import WHOLE
from benchmarks.suite import FLOORS, PEERS, Results, machine

README = Path(__file__).parent / "README.md"
_NAMES = {
    "ours": "ours",
    "duckdb": "DuckDB, `row_number()`",
    "duckdb_argmin": "DuckDB, `min(struct)`",
    "chdb": "ClickHouse (chdb)",
}
_TINY = "300 x 5"
_NONE = "-"
_SUM = "all stages, one after another"


def tables(results: Results) -> str:
    """Everything that was measured at one size."""
    parts = [
        f"{results.events:,} events, {results.landing_mb:,.0f} MB of Parquet; {machine()}; "
        f"median of {results.runs} run{'s' if results.runs > 1 else ''}.",
        _times("seconds", results, results.seconds),
        _times("seconds of all cores together", results, results.cpu_seconds),
        _memory(results),
        _whole(results),
        "\n".join(f"- {note}" for note in results.notes),
    ]
    return "\n\n".join(part for part in parts if part)


def write_readme(results: Results) -> None:
    """Replace the section of this size in the README, between its two marks."""
    begin, end = (f"<!-- {word} {results.events} -->" for word in ("begin", "end"))
    text = README.read_text(encoding="utf-8")
    before, _, rest = text.partition(begin)
    if not rest:
        before, rest = f"{text.rstrip()}\n\n### {results.events:,} events\n\n", f"{end}\n"
    _, _, after = rest.partition(end)
    README.write_text(f"{before}{begin}\n{tables(results)}\n{end}{after}", encoding="utf-8")


def _engines(results: Results) -> list[str]:
    return [engine for engine in _NAMES if any(engine in by_engine for by_engine in results.seconds.values())]


def _times(what: str, results: Results, measured: Mapping[str, Mapping[str, float]]) -> str:
    engines = _engines(results)
    header = [what, *(_NAMES[engine] for engine in engines), "ours / best peer"]
    lines = [_row(header), _rule(len(header))]
    by_stage = {stage: dict(measured.get(stage, {})) for stage in (*STAGES, WHOLE)}
    staged = [by_stage[stage] for stage in STAGES if by_stage[stage]]
    if len(staged) == len(STAGES):
        complete = [engine for engine in engines if all(engine in seconds for seconds in staged)]
        by_stage[_SUM] = {engine: sum(seconds[engine] for seconds in staged) for engine in complete}
    for stage in (*STAGES, _SUM, WHOLE):
        seconds = by_stage.get(stage, {})
        if not any(engine in seconds for engine in engines):
            continue
        best = min((seconds[peer] for peer in PEERS if peer in seconds), default=None)
        ratio = f"{seconds['ours'] / best:.2f}" if best and "ours" in seconds else _NONE
        cells = [f"{seconds[engine]:.2f}" if engine in seconds else _NONE for engine in engines]
        lines.append(_row([stage, *cells, ratio]))
    return "\n".join(lines) if len(lines) > 2 else ""


def _memory(results: Results) -> str:
    engines = _engines(results)
    lines = [_row(["peak memory, MB", *(_NAMES[engine] for engine in engines)]), _rule(len(engines) + 1)]
    for stage in (*STAGES, WHOLE):
        peaks = results.peak_mb.get(stage, {})
        if any(engine in peaks for engine in engines):
            lines.append(_row([stage, *(f"{peaks[e]:,.0f}" if e in peaks else _NONE for e in engines)]))
    return "\n".join(lines) if len(lines) > 2 else ""


def _whole(results: Results) -> str:
    """The whole against the decode floor, and what Dagster adds."""
    lines = [_row(["", "seconds", "peak memory, MB", "x decode floor"]), _rule(4)]
    floors = {floor: results.seconds.get("floor", {}).get(floor) for floor in FLOORS}
    lowest = min((seconds for seconds in floors.values() if seconds), default=None)
    whole, peaks = results.seconds.get(WHOLE, {}), results.peak_mb.get(WHOLE, {})
    rows = [
        ("decode floor, " + floor.removeprefix("floor_"), seconds, None) for floor, seconds in floors.items()
    ]
    rows += [(f"whole, {_NAMES[e]}", whole.get(e), peaks.get(e)) for e in _engines(results)]
    rows.append(
        (
            "whole, our assets and warehouse without Dagster",
            whole.get("ours_in_warehouse"),
            peaks.get("ours_in_warehouse"),
        )
    )
    rows.append(("whole, `exposure-assets backfill`", whole.get("backfill"), peaks.get("backfill")))
    for name, seconds, peak in rows:
        if seconds:
            times = f"{seconds / lowest:.1f}" if lowest else _NONE
            lines.append(_row([name, f"{seconds:.2f}", f"{peak:,.0f}" if peak else _NONE, times]))
    tiny = results.seconds.get(_TINY, {})
    said = []
    if "backfill" in whole and "ours_in_warehouse" in whole:
        overhead = whole["backfill"] - whole["ours_in_warehouse"]
        said.append(
            f"Orchestration (Dagster, its checks, the start of the process): {overhead:.1f} s, "
            f"{overhead / whole['backfill']:.0%} of the whole."
        )
    if "backfill" in tiny and "ours_in_warehouse" in tiny:
        said.append(
            f"300 partitions x 5 tables with next to no rows: {tiny['backfill']:.1f} s end to end, "
            f"{tiny['backfill'] - tiny['ours_in_warehouse']:.1f} s of it orchestration."
        )
    return "\n".join(lines) + ("\n\n" + " ".join(said) if said else "") if len(lines) > 2 else ""


def _row(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _rule(columns: int) -> str:
    return "|---" + "|---:" * (columns - 1) + "|"
