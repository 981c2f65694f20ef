"""What each guardrail means to who decides, and which numbers of the quality report show it.

When one fails is decided in `transforms.guardrails`, where what to do about it stands too.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from exposure_assets.contracts import Guardrails
from exposure_assets.reports import wording

Show = Callable[[Any], str]


class Number(NamedTuple):
    """A number of the report, as people name it and how it is shown."""

    column: str
    label: str
    show: Show


class GuardrailText(NamedTuple):
    """A guardrail in words: as a headline when it fails, and why it matters.

    Attributes:
        limit: The limit of `[guardrails]` that the last number is held against.
        is_least: The number has to reach the limit; else it may not exceed it.
    """

    title: str
    matters: str
    numbers: tuple[Number, ...]
    limit: str | None = None
    is_least: bool = False


def _srm(stage: str, what: str) -> tuple[Number, ...]:
    return (
        Number(f"{stage}_units", what, wording.count),
        Number(f"srm_{stage}_p_value", "how probable such a split is by chance", wording.p_value),
    )


def _rate(name: str, label: str) -> tuple[Number, ...]:
    return (Number(name, label, wording.rate),)


def _names(ids: list[str]) -> str:
    return wording.listed([wording.name(id_, 60) for id_ in ids])


_DIFFERENT = (
    "Units of the variations are then not comparable, and a difference may come from who was counted."
)
_LOSSES = {
    "no_exposure": "no exposure",
    "crossover": "exposure to several variations",
    "pre_assignment": "exposure before their assignment",
    "outside_window": "exposure after the window",
    "mismatch": "exposure to another variation than theirs",
    "conflicting": "conflicting assignments",
}

GUARDRAIL_TEXTS: Mapping[str, GuardrailText] = {
    "minimum_units": GuardrailText(
        "Too few units",
        "With so few units nearly any difference can be chance.",
        (
            Number(
                "smallest_variation_id",
                "smallest variation",
                lambda v: wording.name(v or wording.NOTHING, 60),
            ),
            Number("smallest_variation_units", "its validly exposed units", wording.count),
        ),
        "minimum_units",
        is_least=True,
    ),
    "srm_assigned": GuardrailText(
        "Units are not assigned in the declared shares", _DIFFERENT, _srm("assigned", "units assigned")
    ),
    "srm_exposed": GuardrailText(
        "Exposed units are not split in the declared shares", _DIFFERENT, _srm("exposed", "units exposed")
    ),
    "srm_valid_exposed": GuardrailText(
        "Validly exposed units are not split in the declared shares",
        _DIFFERENT,
        _srm("valid_exposed", "units validly exposed"),
    ),
    "srm_completed": GuardrailText(
        "Units with a complete outcome window are not split in the declared shares",
        _DIFFERENT,
        _srm("completed", "units with a complete window"),
    ),
    "unexposed_variation": GuardrailText(
        "A variation was never shown",
        "What nobody met can't be compared.",
        (Number("unexposed_variation_ids", "without any exposure", _names),),
    ),
    "conflicting_assignments": GuardrailText(
        "Units are assigned to several variations",
        "They belong to no group, and the groups resemble each other more than they should.",
        _rate("conflicting_rate", "of the assigned units"),
        "conflicting_rate",
    ),
    "mismatches": GuardrailText(
        "Units met another variation than their own",
        "The effect is diluted or turned around.",
        _rate("mismatch_rate", "of the assigned units"),
        "mismatch_rate",
    ),
    "crossovers": GuardrailText(
        "Units met several variations",
        "What they do can't be credited to one of them.",
        _rate("crossover_rate", "of the assigned units"),
        "crossover_rate",
    ),
    "pre_assignment_exposures": GuardrailText(
        "Units were exposed before they were assigned",
        "Part of the effect may lie before the time that is measured.",
        _rate("pre_assignment_rate", "of the assigned units"),
        "pre_assignment_rate",
    ),
    "differential_loss": GuardrailText(
        "One variation loses more units than another",
        "Those that are left are then others than those that were assigned.",
        tuple(
            Number(
                f"{loss}_loss_difference",
                f"difference between variations in units with {reason}",
                wording.rate,
            )
            for loss, reason in _LOSSES.items()
        ),
        "loss_difference",
    ),
    "delay_differences": GuardrailText(
        "One variation is exposed later than another",
        "Their outcome windows then cover other days.",
        (
            Number("delay_effect_size", "Cramér's V of the delays", wording.amount),
            Number("delay_p_value", "how probable that is by chance", wording.p_value),
        ),
        "delay_effect_size",
    ),
    "unassigned_exposures": GuardrailText(
        "Units are exposed without an assignment",
        "They are counted nowhere, and it isn't known why.",
        _rate("unassigned_share", "of the units exposed on a day"),
        "unassigned_share",
    ),
    "early_outcomes": GuardrailText(
        "Units act before their outcome window opens",
        "What they did then is counted in no metric.",
        _rate("early_outcome_rate", "of the assigned units"),
        "early_outcome_rate",
    ),
    "assignment_duplicates": GuardrailText(
        "Assignments are logged again and again",
        "Units are counted once all the same; the log says that something repeats itself.",
        _rate("assignment_duplicate_rate", "of the assignment rows"),
        "assignment_duplicate_rate",
    ),
    "duplicate_rows": GuardrailText(
        "Exposure rows arrive more than once",
        "Units are counted once all the same; the log says that something repeats itself.",
        _rate("duplicate_row_rate", "of the raw rows"),
        "duplicate_row_rate",
    ),
    "final_cohorts": GuardrailText(
        "Some cohorts can still change",
        "Units assigned lately have not had their time for exposure and outcome.",
        _rate("final_cohort_share", "of the units are final"),
        "final_cohort_share",
        is_least=True,
    ),
}


def numbers_in_words(guardrail: str, row: Mapping[str, Any], limits: Guardrails) -> str:
    """The numbers behind a guardrail and its limit, in a line: `3.1 % of the assigned units (limit 2.0 %)`."""
    text = GUARDRAIL_TEXTS[guardrail]
    known = [number for number in text.numbers if row.get(number.column) is not None]
    if guardrail == "differential_loss":
        # The reasons that hit variations differently; if none does, the one that comes nearest.
        largest_first = sorted(known, key=lambda number: -row[number.column])
        known = [number for number in largest_first if _is_lost(number.column, row, limits)] or largest_first[
            :1
        ]
    said = [_said(number, row[number.column]) for number in known]
    if text.limit and said:
        limit = known[-1].show(getattr(limits, text.limit))
        said[-1] += f" (limit: at {'least' if text.is_least else 'most'} {limit})"
    return "; ".join(said)


def _is_lost(difference: str, row: Mapping[str, Any], limits: Guardrails) -> bool:
    p_value = row.get(difference.replace("_difference", "_p_value"))
    return p_value is not None and p_value < limits.alpha and row[difference] >= limits.loss_difference


def _said(number: Number, value: Any) -> str:
    shown = number.show(value)
    if number.show is wording.rate:
        return f"{shown} {number.label}"
    return f"{number.label}: {shown}"
