"""How each number of a page is made: which table it comes from, what the contract says of it, and the query for it.

What is computed stands in the transforms; what columns mean, in the contracts.
"""

from typing import NamedTuple

from exposure_assets.contracts import WAREHOUSE_TABLES
from exposure_assets.reports.experiment_data import ExperimentData

GLOSSARY = (
    ("unit", "What was randomised: an account, a device, a visitor."),
    ("variation", "The control or a treatment of the experiment."),
    ("assignment", "The decision which variation a unit gets."),
    ("exposure", "A unit meets its variation; one raw record of that is an exposure event."),
    ("valid exposure", "In time after the assignment, and to the unit's own variation alone."),
    ("crossover", "A unit exposed to more than one variation."),
    ("cohort", "The units assigned on one UTC day."),
    ("outcome window", "The days after a unit's first exposure or assignment in which its metrics count."),
    ("completed", "Validly exposed, and the outcome window is over."),
    ("analysis basis", "Whose units are compared. Only `assigned` compares what was randomised."),
    (
        "confidence interval",
        "The differences that the data do not rule out. It holds at one planned look at the results.",
    ),
    ("confidence sequence", "The same for shares, and it holds at every look."),
    ("guardrail", "A limit on the quality of the data; where one fails, results are withheld."),
)


class Source(NamedTuple):
    """Where some numbers come from."""

    what: str
    table: str
    meaning: str
    query: str


_SOURCES = (
    (
        "The verdict and its numbers",
        "experiment_quality_report",
        "*",
        "as_of_date <= {day} ORDER BY as_of_date DESC LIMIT 1",
    ),
    (
        "Raw rows and what became of them",
        "exposure_waterfall",
        "bucket, sum(row_count) AS row_count",
        "exposure_date <= {day} GROUP BY bucket ORDER BY row_count DESC",
    ),
    (
        "Units at every stage, and the two upper rates",
        "stage_counts",
        "variation_id, stage, sum(unit_count) AS unit_count",
        "reached_date <= {day} GROUP BY ALL ORDER BY ALL",
    ),
    (
        "The lower rates",
        "daily_quality",
        "assignment_date, mismatch_rate, crossover_rate, pre_assignment_rate, outside_window_rate",
        "variation_id = '*' AND assignment_date <= {day} ORDER BY assignment_date",
    ),
    (
        "The tests of the shares",
        "sample_ratios",
        "*",
        "is_cumulative AND as_of_date <= {day} ORDER BY as_of_date DESC, stage",
    ),
    (
        "The bands around the shares",
        "sample_ratio_intervals",
        "*",
        "has_conflicting_units AND as_of_date <= {day} ORDER BY ALL",
    ),
    (
        "Delays",
        "exposure_delays",
        "variation_id, from_seconds, sum(unit_count) AS unit_count",
        "exposed_date <= {day} GROUP BY ALL ORDER BY ALL",
    ),
    (
        "Drops of exposure",
        "explanations",
        "*",
        "assignment_date <= {day} ORDER BY assignment_date DESC, step_number",
    ),
    (
        "Results",
        "experiment_results",
        "*",
        "as_of_date <= {day} ORDER BY as_of_date DESC, analysis_basis, metric_id",
    ),
)


def sources(data: ExperimentData) -> list[Source]:
    """One entry per table that the page shows, with a query that anybody with the warehouse can run."""
    day = f"DATE '{data.as_of_date}'"
    return [
        Source(
            what,
            table,
            _first_paragraph(WAREHOUSE_TABLES[table].__doc__),
            f"SELECT {columns} FROM {table} WHERE experiment_id = '{data.experiment.id}' AND {rest.format(day=day)}",
        )
        for what, table, columns, rest in _SOURCES
    ]


def _first_paragraph(docstring: str | None) -> str:
    return " ".join((docstring or "").strip().split("\n\n")[0].split())
