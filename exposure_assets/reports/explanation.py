"""Why fewer units of a cohort were exposed, as a page tells it: what is most likely, and every step that led there.

How a drop is explained is decided where `explanations` is computed.
"""

from typing import Any, NamedTuple

from exposure_assets.reports import wording
from exposure_assets.reports.experiment_data import ExperimentData
from exposure_assets.reports.figure import DataTable

EXPLANATIONS = "explanations"
_TARGETS = {"exposed": "exposed", "valid_exposed": "validly exposed"}
_VERDICTS = {
    "ok": "as usual",
    "suspicious": "unusual",
    "cause": "most likely why",
    "unknown": "could not be looked at",
}


class Told(NamedTuple):
    """An explanation in words, and its steps."""

    says: str
    steps: DataTable


def told(data: ExperimentData) -> Told | None:
    """The explanation of the latest cohort that was known on the day of the page; None where there is none."""
    known = data.rows(EXPLANATIONS)
    if known.is_empty():
        return None
    latest = known.filter(assignment_date=known["assignment_date"].max()).sort("step_number")
    rows = latest.rows(named=True)
    steps = [
        (
            str(row["step_number"]),
            row["step"].replace("_", " "),
            _VERDICTS[row["verdict"]],
            wording.name(row["sentence"], 600),
        )
        for row in rows
    ]
    caption = f"What was looked at, in this order, for the cohort of {rows[0]['assignment_date']}"
    return Told(_said(rows[0]), DataTable(caption, ("step", "looked at", "verdict", "found"), steps, 4))


def _said(row: dict[str, Any]) -> str:
    of_units = (
        f"Of the {wording.units(row['assigned_units'])} assigned on {row['assignment_date']}, "
        f"{wording.count(row['found_units'])} were {_TARGETS[row['target']]}"
    )
    if row["expected_units"] is None:
        return f"{of_units}; there are too few units or earlier cohorts to say how many to expect."
    expected = f"{of_units}, where earlier cohorts let expect {wording.count(row['expected_units'])}"
    if not row["missing_units"]:
        return f"{expected}: no drop, and no judged cohort has one."
    about = f" ({wording.name(row['likely_key'], 80)})" if row["likely_key"] else ""
    share = (
        f", which explains {wording.rate(row['explained_share'], 0)} of them"
        if row["explained_share"]
        else ""
    )
    cause = row["likely_cause"].replace("_", " ")
    return (
        f"{expected}: {wording.count(row['missing_units'])} are missing. Most likely: {cause}{about}{share}."
    )
