"""An explanation as text of at most 100 columns, and as JSON.

What it says is decided in `concluding`.
"""

import json
from collections.abc import Iterator
from textwrap import wrap

from exposure_assets.explaining.findings import Drop, Explanation, Number, Step

_WIDTH = 98
_MOST_NUMBERS = 4
_MARKS = {"ok": "ok", "suspicious": "look", "cause": "CAUSE", "unknown": "?"}
_TITLES = {
    "event_name": "event name seen",
    "ingestion": "ingestion, partitions",
    "rejects": "rejected rows",
    "statuses": "verdicts of units",
    "hours": "hours of the day",
    "assignment_volume": "assignment volume",
    "variation": "variations",
    "segment": "sessions, segments",
}
_TARGETS = {"exposed": "exposed", "valid_exposed": "validly exposed"}


def as_json(explanation: Explanation) -> str:
    """The explanation as JSON; the same explanation gives the same text."""
    return json.dumps(explanation.model_dump(mode="json"), indent=2, ensure_ascii=False)


def as_text(explanation: Explanation) -> str:
    """The explanation as lines to read."""
    return "\n".join(_lines(explanation))


def _lines(explanation: Explanation) -> Iterator[str]:
    drop, conclusion = explanation.drop, explanation.conclusion
    yield f"{explanation.experiment_id}, cohort of {explanation.assignment_date}"
    yield from _wrapped(_about(explanation))
    yield ""
    for step in explanation.steps:
        yield from _step_lines(step, drop)
    yield ""
    share = conclusion.explained_share
    yield from _wrapped(
        f"Most likely: {conclusion.cause}"
        + (f" ({conclusion.key})" if conclusion.key else "")
        + (f", explains {share:.0%}" if share else "")
    )
    yield from _wrapped(conclusion.evidence, "  ")
    yield from _wrapped(f"What to do: {conclusion.remedy}", "  ")
    for other in conclusion.also[:_MOST_NUMBERS]:
        name = f"{other.cause} ({other.key})" if other.key else other.cause
        yield from _wrapped(f"Also: {name}: {other.evidence}.", "  ")
    if conclusion.cause == "unexplained" and conclusion.ruled_out:
        yield from _wrapped(f"Ruled out: {'; '.join(conclusion.ruled_out)}.", "  ")


def _about(explanation: Explanation) -> str:
    drop = explanation.drop
    what = _TARGETS[drop.target]
    age = (
        f"until {drop.age_days} whole days after their assignment" if drop.age_days else "on their first day"
    )
    found = f"{drop.found_units:,} of {drop.assigned_units:,} units were {what} {age}"
    if drop.expected_units is None:
        return f"{found}; there are too few units or earlier cohorts to say how many to expect."
    by = (
        f"as in {drop.past_cohorts} earlier cohorts at that age"
        if drop.baseline == "past_cohorts"
        else "at the rate below which the experiment's [quality] warns"
    )
    beyond = (
        ""
        if drop.z is None
        else f"; {abs(drop.z):.1f} standard deviations {'below' if drop.z < 0 else 'above'}"
    )
    verdict = f"{drop.missing_units:,.0f} are missing" if drop.has_dropped else "no drop"
    chosen = ""
    if explanation.is_chosen:
        chosen = (
            " It is the last cohort with a drop."
            if drop.has_dropped
            else (" No cohort has dropped; it is the last that can be judged.")
        )
    return f"{found}, {drop.expected_units:,.0f} to expect {by}{beyond}: {verdict}.{chosen}"


def _step_lines(step: Step, drop: Drop) -> Iterator[str]:
    head = f"{step.number}. {_TITLES[step.step]:<22} {_MARKS[step.verdict]:<6}"
    lines = wrap(step.sentence, _WIDTH - len(head))
    yield f"{head}{lines[0]}"
    indent = " " * len(head)
    yield from (f"{indent}{line}" for line in lines[1:])
    if step.verdict in ("cause", "suspicious"):
        for number in step.numbers[:_MOST_NUMBERS]:
            yield from _wrapped(_number(number), indent)


def _number(number: Number) -> str:
    expected = "" if number.expected is None else f", {_short(number.expected)} to expect"
    return f"{number.name}: {_short(number.found)}{expected}"


def _short(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) or abs(value) >= 100 else f"{value:.3g}"


def _wrapped(text: str, indent: str = "") -> Iterator[str]:
    yield from wrap(text, _WIDTH, initial_indent=indent, subsequent_indent=indent)
