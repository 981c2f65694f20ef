"""What a simulation with coenrolling features came to: credit, windows, segments, and planted against found.

For `make demo`; the tables are computed by `backfill`, and the truth is written by `simulate`.
"""

import sys
from pathlib import Path

import polars as pl
from rich.console import Console
from rich.table import Table

from exposure_assets.cli.app import errors_as_sentences
from exposure_assets.contracts import WAREHOUSE_TABLES
from exposure_assets.contracts.credit_ledger import UNATTRIBUTABLE_BUCKETS
from resources.query import run_query
from resources.query_output import write_result
from resources.settings import Settings
from resources.workspace import Workspace

_SECTIONS = {
    "Units by experiment: assigned, exposed after it, and exposed validly (daily_quality)": """
        SELECT experiment_id, sum(assigned_units) AS assigned_units, sum(exposed_units) AS exposed_units,
            sum(valid_exposed_units) AS valid_exposed_units
        FROM daily_quality WHERE variation_id = '*' GROUP BY experiment_id ORDER BY experiment_id""",
    "Displays that several experiments compete for: whom they credit (credit_ledger)": """
        SELECT coalesce(experiment_id, '(none named)') AS experiment, sum(display_count) AS displays,
            sum(credited_count) AS credited, sum(credited_by_slug_count) AS by_slug,
            sum(credited_by_part_id_count) AS by_part_id, sum(credited_by_message_count) AS by_message,
            sum(unattributable_count) AS unattributable
        FROM credit_ledger GROUP BY experiment_id ORDER BY experiment_id NULLS LAST""",
    "Why displays could not be credited (credit_ledger)": " UNION ALL ".join(
        f"SELECT '{reason}' AS reason, sum({reason}_count) AS displays FROM credit_ledger"
        for reason in UNATTRIBUTABLE_BUCKETS
    ),
    "Units exposed by window, over the whole observation (exposure_windows)": """
        SELECT experiment_id, exposure_window_id AS exposure_window, count(*) AS units,
            count(*) FILTER (WHERE is_exposed_in_window) AS exposed_units,
            round(avg(is_exposed_in_window::INT), 3) AS exposed_share, sum(exposure_count) AS exposures
        FROM exposure_windows WHERE analysis_window_id = 'overall' GROUP BY ALL ORDER BY ALL""",
    "Purchases of messaging-tips by what units did before it: who had searched buys more anyway (unit_outcomes)": """
        SELECT is_in_searched_before AS searched_before, variation_id, count(*) AS units,
            round(avg(purchases), 3) AS purchases_per_unit
        FROM unit_outcomes WHERE experiment_id = 'messaging-tips' GROUP BY ALL ORDER BY ALL""",
}

_TOLD = {
    "exposure_waterfall": "waterfall",
    "credit_ledger": "credit_ledger",
    "exposure_windows": "exposure_windows",
    "unit_segments": "unit_segments",
}


def show_demo(workspace: Workspace, truth: Path) -> int:
    """Print the summary of a simulation; returns how many rows of the tables differ from its truth.

    Args:
        workspace: Where the tables are.
        truth: The folder `truth` of the simulation.
    """
    console = Console()
    for title, sql in _SECTIONS.items():
        print(f"\n{title}\n", flush=True)
        write_result(run_query(workspace.warehouse, workspace.settings.staging, sql))
    console.print("\nWhat was planted, and what was found of it (truth/*.parquet)\n")
    lines, different = [], 0
    for name, file in _TOLD.items():
        planted = pl.read_parquet(truth / f"{file}.parquet").rename({"rows": "row_count"}, strict=False)
        found = workspace.warehouse.scan(WAREHOUSE_TABLES[name]).select(planted.columns).collect()
        if name == "exposure_waterfall":
            for bucket in planted["bucket"].unique().sort():
                rows = [frame.filter(bucket=bucket)["row_count"].sum() for frame in (planted, found)]
                lines.append((f"rows {bucket}", *rows))
        differing = _differing(planted, found) + _differing(found, planted)
        lines.append((f"rows of {name}", planted.height, found.height, differing))
        different += differing
    table = Table("", "planted", "found", "rows that differ")
    for column in table.columns[1:]:
        column.justify = "right"
    for title, *counts in lines:
        table.add_row(title, *(f"{count:,}" for count in counts))
    console.print(table)
    return different


def _differing(rows: pl.DataFrame, others: pl.DataFrame) -> int:
    return rows.join(others, on=rows.columns, how="anti", nulls_equal=True).height


def main() -> None:
    """Show the simulation whose truth lies in the folder given; exits with 1 if the tables differ from it."""
    with errors_as_sentences():
        different = show_demo(Workspace(Settings.from_environment()), Path(sys.argv[1]))
    if different:
        print(f"error: {different} rows differ from what was planted, expected none", file=sys.stderr)
        raise SystemExit(1)


if __name__ == "__main__":
    main()
