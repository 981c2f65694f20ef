"""The verdict of a page: whether the data allow a decision, why not, since when, and what to do.

The judging is done in `transforms.guardrails`; here its outcome is put into words.
"""

from collections.abc import Mapping
from datetime import date
from typing import Any, Literal, NamedTuple

import polars as pl

from exposure_assets.contracts import GUARDRAILS
from exposure_assets.reports import wording
from exposure_assets.reports.experiment_data import ExperimentData
from exposure_assets.reports.figure import DataTable
from exposure_assets.reports.guardrail_texts import GUARDRAIL_TEXTS, numbers_in_words
from exposure_assets.transforms.guardrails import REMEDIES

State = Literal["fit", "warned", "unfit", "unknown"]
REPORT = "experiment_quality_report"


class Finding(NamedTuple):
    """A guardrail that fails: what it is, why it matters, its numbers, since when, and what to do."""

    guardrail: str
    title: str
    matters: str
    numbers: str
    since: str
    remedy: str


class DayVerdict(NamedTuple):
    """The verdict as of one day, for the strip of days."""

    day: date
    state: State


class Verdict(NamedTuple):
    """Whether an experiment is fit for a decision.

    Attributes:
        state: fit; warned: fit, with warnings; unfit; unknown: the report has not been computed.
        headline: The verdict in a few words.
        sentence: What it rests on.
        failures: What keeps results from being read, the first to look into first.
        warnings: What does not, and should be known.
        days: The verdict of every day until then.
        checks: Every guardrail with its state and its numbers; null where nothing is known.
    """

    state: State
    headline: str
    sentence: str
    failures: list[Finding]
    warnings: list[Finding]
    days: list[DayVerdict]
    checks: DataTable | None = None

    @property
    def is_valid(self) -> bool | None:
        """Null where nothing is known."""
        return None if self.state == "unknown" else self.state != "unfit"


def verdict(data: ExperimentData) -> Verdict:
    """The verdict as of the day of the page."""
    report = data.rows(REPORT).sort("as_of_date")
    if report.is_empty():
        return Verdict(
            "unknown",
            "No verdict yet",
            "The data have not been judged: the table experiment_quality_report has no row of this experiment.",
            [],
            [],
            [],
            None,
        )
    row = report.row(-1, named=True)
    failures = _findings(data, report, "failed_guardrails")
    warnings = _findings(data, report, "warnings")
    days = [
        DayVerdict(day, _state(is_valid, bool(warned)))
        for day, is_valid, warned in report.select(
            "as_of_date", "is_valid_for_analysis", "warnings"
        ).iter_rows()
    ]
    state = _state(row["is_valid_for_analysis"], bool(warnings))
    headline, sentence = _headline(state, failures, warnings), _sentence(state, row)
    return Verdict(state, headline, sentence, failures, warnings, days, _checks(data, row))


def _checks(data: ExperimentData, row: Mapping[str, Any]) -> DataTable:
    limits = data.experiment.guardrails
    states = dict.fromkeys(limits.off, "off") | dict.fromkeys(row["failed_guardrails"], "fails")
    states |= dict.fromkeys(row["warnings"], "warns")
    rows = [
        (
            name.replace("_", " "),
            states.get(name, "passes"),
            numbers_in_words(name, row, limits) or wording.NOTHING,
        )
        for name in GUARDRAILS
    ]
    return DataTable(
        "Every check of the data, in the order in which they are made", ("check", "state", "found"), rows, 3
    )


def _state(is_valid: bool, is_warned: bool) -> State:
    if not is_valid:
        return "unfit"
    return "warned" if is_warned else "fit"


def _headline(state: State, failures: list[Finding], warnings: list[Finding]) -> str:
    if state == "fit":
        return "Fit for a decision"
    if state == "warned":
        only_young = [finding.guardrail for finding in warnings] == ["final_cohorts"]
        return "Fit so far, and not final" if only_young else "Fit for a decision, with reservations"
    return f"Not fit for a decision: {_as_clause(failures[0].title)}"


def _as_clause(title: str) -> str:
    return title[0].lower() + title[1:]


def _sentence(state: State, row: Mapping[str, Any]) -> str:
    units = (
        f"{wording.units(row['assigned_units'])} assigned, {wording.count(row['valid_exposed_units'])} of them validly "
        f"exposed, {wording.count(row['completed_units'])} with a complete outcome window."
    )
    if state == "unfit":
        return f"The results must not be read as they are. {units}"
    return f"No check of the data speaks against reading the results. {units}"


def _findings(data: ExperimentData, report: pl.DataFrame, column: str) -> list[Finding]:
    row = report.row(-1, named=True)
    found = []
    for guardrail in row[column]:
        text = GUARDRAIL_TEXTS[guardrail]
        days = report.select("as_of_date", fails=pl.col(column).list.contains(guardrail)).iter_rows()
        since = None
        for day, fails in days:
            since = (since or day) if fails else None
        found.append(
            Finding(
                guardrail,
                text.title,
                text.matters,
                numbers_in_words(guardrail, row, data.experiment.guardrails),
                wording.day(since),
                REMEDIES[guardrail],
            )
        )
    return found
