"""From the steps to the most likely cause: what explains most of the missing units, or that nothing does.

What a step finds stands in the modules of the steps, the words of causes in `causes`.
"""

from collections.abc import Callable, Iterator

from exposure_assets.contracts.explanations import EXPLAINING_STEPS, STEP_CAUSES
from exposure_assets.explaining.causes import CAUSES
from exposure_assets.explaining.evidence import Evidence
from exposure_assets.explaining.findings import Candidate, Conclusion, Drop, Number, Step, Verdict
from exposure_assets.explaining.steps_of_days import event_name, hours, ingestion
from exposure_assets.explaining.steps_of_rows import rejects
from exposure_assets.explaining.steps_of_units import assignment_volume, segment, statuses, variation

# A cause explains at least half, and causes that explain nearly as much are told apart by the order of the steps.
SMALLEST_SHARE, AS_MUCH = 0.5, 0.1
# Units that are seen to have another verdict, or rows to be rejected, say more than where the loss is: the variation or
# part that carries it is named of any fault that is in one of them.
_AS_MUCH_IF_SEEN = 0.4
# Causes that are told by units whose exposures are there, and those that say that there are none.
_ACCOUNTING = {"event_renamed", *STEP_CAUSES["rejects"], *STEP_CAUSES["statuses"]}
_FOR_WANT_OF_ROWS = {"event_not_seen", *STEP_CAUSES["ingestion"], "outage_of_hours", "assignment_surge"}
# What explains less is not worth a word.
_WORTH_A_WORD = 0.1
Looks = Callable[[Evidence], tuple[list[Number], list[Candidate]]]
_LOOKS: dict[str, Looks] = {
    "event_name": event_name,
    "ingestion": ingestion,
    "rejects": rejects,
    "statuses": statuses,
    "hours": hours,
    "assignment_volume": assignment_volume,
    "variation": variation,
    "segment": segment,
}
_IN_ORDER = {
    "event_name": "the exposure event is in the log as usual",
    "ingestion": "its rows arrived whole and in time",
    "rejects": "no more rows than usual were rejected",
    "statuses": "units have the verdicts that they usually have",
    "hours": "no hours went without exposures",
    "assignment_volume": "about as many units as usual were assigned",
    "variation": "no variation lost more than the others",
    "segment": "no part of the units lost more than the rest",
}


def conclude(evidence: Evidence) -> tuple[list[Step], Conclusion]:
    """Take every step in order and weigh what they found."""
    looked = {step: _LOOKS[step](evidence) for step in EXPLAINING_STEPS}
    found = _without_accounted_units(looked, evidence.drop)
    candidates = [one for _, ones in found.values() for one in ones]
    best = _most_likely(candidates, evidence.drop)
    steps = [
        _step(number, step, *found[step], best, evidence.drop)
        for number, step in enumerate(EXPLAINING_STEPS, start=1)
    ]
    return steps, _conclusion(steps, best, evidence.drop)


def _without_accounted_units(
    looked: dict[str, tuple[list[Number], list[Candidate]]], drop: Drop
) -> dict[str, tuple[list[Number], list[Candidate]]]:
    """Units whose exposure is there, rejected or under another name, are not missing for want of rows."""
    ones = [one for _, candidates in looked.values() for one in candidates]
    accounted = max((one.explained_units for one in ones if one.cause in _ACCOUNTING), default=0.0)
    left = max(0.0, drop.missing_units - accounted)

    def less(one: Candidate) -> Candidate:
        if one.cause not in _FOR_WANT_OF_ROWS:
            return one
        return one.model_copy(update={"explained_units": min(one.explained_units, left)})

    return {
        step: (numbers, [less(one) for one in candidates]) for step, (numbers, candidates) in looked.items()
    }


def without_a_drop(drop: Drop) -> tuple[list[Step], Conclusion]:
    """What there is to say where nothing dropped and the log is not looked at: every step is passed over."""
    steps = [
        Step(
            number=number,
            step=step,
            verdict="unknown",
            sentence="Not looked at: there is no drop to explain.",
        )
        for number, step in enumerate(EXPLAINING_STEPS, start=1)
    ]
    return steps, _conclusion(steps, None, drop)


def _most_likely(candidates: list[Candidate], drop: Drop) -> Candidate | None:
    if not drop.has_dropped or not candidates:
        return None
    most = max(one.explained_units for one in candidates)
    if most < SMALLEST_SHARE * drop.missing_units:
        return None
    as_much = [
        one
        for one in candidates
        if one.explained_units >= most - _margin(one) * drop.missing_units
        and one.explained_units >= SMALLEST_SHARE * drop.missing_units
    ]
    return min(as_much, key=lambda one: (one.priority, -one.explained_units, one.cause, one.key or ""))


def _margin(candidate: Candidate) -> float:
    return _AS_MUCH_IF_SEEN if candidate.cause in _ACCOUNTING else AS_MUCH


def _step(
    number: int,
    step: str,
    numbers: list[Number],
    candidates: list[Candidate],
    best: Candidate | None,
    drop: Drop,
) -> Step:
    ordered = sorted(
        candidates,
        key=lambda one: (one is not best, -one.explained_units, one.priority, one.cause, one.key or ""),
    )
    verdict: Verdict = "ok" if numbers else "unknown"
    if ordered:
        verdict = "cause" if best is not None and ordered[0] is best else "suspicious"
    if verdict == "suspicious":
        sentence = f"{_titled(ordered[0])} It explains {_share_of(ordered[0], drop)}."
        if not drop.has_dropped:
            sentence = _titled(ordered[0])
    elif verdict == "cause":
        sentence = f"{_titled(ordered[0])} It explains {_share_of(ordered[0], drop)}."
    elif verdict == "ok":
        sentence = f"As it should be: {_IN_ORDER[step]}."
    else:
        sentence = "Cannot be looked at: there is nothing to compare with."
    return Step(
        number=number,
        step=step,
        verdict=verdict,
        sentence=sentence,
        numbers=numbers,
        candidates=ordered,
    )


def _titled(candidate: Candidate) -> str:
    title = CAUSES[candidate.cause].title
    return (
        title.replace(": {key}", "").replace(" {key}", "")
        if candidate.key is None
        else title.format(key=candidate.key)
    )


def _share_of(candidate: Candidate, drop: Drop) -> str:
    share = candidate.explained_units / drop.missing_units if drop.missing_units else 0.0
    return f"{candidate.explained_units:.0f} of {drop.missing_units:.0f} missing units ({share:.0%})"


def _conclusion(steps: list[Step], best: Candidate | None, drop: Drop) -> Conclusion:
    others = [one for step in steps for one in step.candidates if one is not best]
    also = sorted(
        _worth_a_word(others, drop), key=lambda one: (-one.explained_units, one.priority, one.cause)
    )
    if best is not None:
        title, cause, key, explained = _titled(best), best.cause, best.key, best.explained_units
        evidence = f"{title} {_sentence(best.evidence)}"
    else:
        cause = (
            "unexplained"
            if drop.has_dropped
            else "no_drop"
            if drop.expected_units is not None
            else "not_judged"
        )
        key, explained = None, 0.0
        evidence = CAUSES[cause].title
    return Conclusion(
        cause=cause,
        key=key,
        explained_units=explained,
        explained_share=min(1.0, explained / drop.missing_units) if drop.missing_units else None,
        evidence=evidence,
        remedy=CAUSES[cause].remedy,
        also=also,
        ruled_out=[_IN_ORDER[step.step] for step in steps if step.verdict == "ok"],
    )


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def _worth_a_word(candidates: list[Candidate], drop: Drop) -> Iterator[Candidate]:
    for one in candidates:
        if not drop.has_dropped or one.explained_units >= _WORTH_A_WORD * drop.missing_units:
            yield one
