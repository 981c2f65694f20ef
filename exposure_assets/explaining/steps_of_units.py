"""The steps about units: their verdicts, how many were assigned, and which part of them carries the loss.

The log is looked at in `steps_of_days` and `steps_of_rows`.
"""

from collections.abc import Iterator
from typing import NamedTuple

import polars as pl
from scipy import stats

from exposure_assets.explaining.evidence import Evidence
from exposure_assets.explaining.findings import Candidate, Number
from exposure_assets.transforms.quality_shifts import volume_shifts

_STATUSES = {
    "crossover": "crossover",
    "pre_assignment_exposure": "pre_assignment",
    "exposure_outside_window": "outside_window",
    "variation_mismatch": "variation_mismatch",
}
_FLAGS = {
    "crossover": "has_crossover",
    "pre_assignment": "is_pre_assignment_exposure",
    "outside_window": "is_exposure_outside_window",
    "variation_mismatch": "is_variation_mismatch",
}
# Without known weekdays the last days say how many units to expect; so many more are a surge where units are missing.
_DAYS_OF_VOLUME, _SURGE = 7, 0.3
# A surge leaves the exposed units as they were, within what days of a week differ by.
_TOLERANCE = 0.15
_MOST_NUMBERS = 12
# All that were found, or those already found on the day of their assignment.
_ALL, _FIRST_DAY = "all", "first day"
# A value that grew by more than so many times has taken units from others: a new release, not a loss of the old one.
_GROWN = 1.3


def statuses(evidence: Evidence) -> tuple[list[Number], list[Candidate]]:
    """Have more units than usual another verdict than none at all, or exposures no assigned unit?"""
    marked = evidence.units.select("unit_id", mark="status").filter(pl.col("mark").is_in(list(_STATUSES)))
    candidates = [
        Candidate(
            cause=_STATUSES[str(row["mark"])],
            explained_units=evidence.missing(row["units"] - row["expected"]),
            evidence=f"{row['units']:.0f} of the missing units are {row['mark']}, {row['expected']:.1f} to expect",
            priority=4.0,
        )
        for row in evidence.excesses(marked, among=evidence.undisturbed).iter_rows(named=True)
    ]
    if evidence.is_held_against_the_past:
        # Where units are missing, others come to their exposure later than else, and more verdicts are unusual.
        candidates += () if evidence.drop.has_dropped else _unusual_flags(evidence)
        candidates += _other_units(evidence)
    numbers = [
        Number(
            name=f"share of units with {cause}",
            found=_share(evidence.cohort, flag),
            expected=_share(evidence.past, flag) if evidence.past.height else None,
        )
        for cause, flag in _FLAGS.items()
    ]
    return numbers, candidates


def _share(units: pl.DataFrame, flag: str) -> float:
    return int(units[flag].sum()) / max(1, units.height)


def _unusual_flags(evidence: Evidence) -> Iterator[Candidate]:
    """Flags that more units than usual have without being missing: no cause of the drop, but not as it should be."""
    flags = evidence.units.group_by("assignment_date").agg(
        pl.len().cast(pl.Int64).alias("assigned_units"),
        *(pl.col(flag).sum().cast(pl.Int64).alias(cause) for cause, flag in _FLAGS.items()),
    )
    counts = flags.unpivot(
        list(_FLAGS), index=["assignment_date", "assigned_units"], variable_name="mark", value_name="hits"
    )
    for row in evidence.rises(counts).iter_rows(named=True):
        yield Candidate(
            cause=str(row["mark"]),
            explained_units=0.0,
            evidence=f"{row['units']:.0f} units with {row['mark']}, {row['expected']:.1f} to expect",
            priority=4.0,
        )


def _other_units(evidence: Evidence) -> Iterator[Candidate]:
    """Exposed on the cohort day under ids that nobody assigned: such exposures find no unit."""
    counts = evidence.quality.filter(pl.col("assigned_units") > 0).select(
        "assignment_date",
        "assigned_units",
        hits=pl.min_horizontal("unassigned_exposed_units", "assigned_units"),
        mark=pl.lit("other_unit_ids"),
    )
    for row in evidence.rises(counts).iter_rows(named=True):
        yield Candidate(
            cause="other_unit_ids",
            explained_units=evidence.missing(row["units"] - row["expected"]),
            evidence=f"{row['units']:.0f} units were exposed on {evidence.case.day} without any assignment, "
            f"{row['expected']:.1f} to expect",
            priority=4.5,
        )


def assignment_volume(evidence: Evidence) -> tuple[list[Number], list[Candidate]]:
    """Were far more units assigned than usual, and no more of them exposed?"""
    day, drop = evidence.case.day, evidence.drop
    cohorts = evidence.quality.filter(pl.col("assignment_date") <= day).select(
        "experiment_id", "assignment_date", "assigned_units"
    )
    quality = evidence.case.experiment.quality
    limits = pl.LazyFrame(
        {
            "experiment_id": [evidence.case.experiment.id],
            "baseline_days": [min(quality.baseline_days, _DAYS_OF_VOLUME)],
            "min_units": [quality.min_units],
            "volume_factor": [quality.volume_factor],
            "shift_z": [quality.shift_z],
        }
    )
    shift = volume_shifts(cohorts.lazy(), limits).filter(pl.col("assignment_date") == day).collect()
    if shift.is_empty() or shift["past_units"][0] is None or not drop.expected_units:
        return [Number(name="assigned units", found=drop.assigned_units)], []
    usual = shift["past_units"][0]
    numbers = [
        Number(name="assigned units", found=drop.assigned_units, expected=usual),
        Number(
            name="found units",
            found=drop.found_units,
            expected=usual * drop.expected_units / drop.assigned_units,
        ),
    ]
    extra = drop.assigned_units - usual
    if not drop.has_dropped or extra < _SURGE * usual or shift["z"][0] < quality.shift_z:
        return numbers, []
    rate = drop.expected_units / drop.assigned_units
    # Had the new units been exposed too, the drop would be another's.
    beyond = max(0.0, abs(drop.found_units - usual * rate) - _TOLERANCE * usual * rate)
    candidate = Candidate(
        cause="assignment_surge",
        explained_units=evidence.missing(min(extra * rate, drop.missing_units) - beyond),
        evidence=f"{drop.assigned_units} units were assigned, {usual:.0f} to expect, and {drop.found_units} exposed, "
        f"{usual * rate:.0f} to expect without the surge",
        priority=6.0,
    )
    return numbers, [candidate]


class _Part(NamedTuple):
    """A part of the units: how many of it were found, and how many were to be expected."""

    key: str
    found: float
    expected: float


def variation(evidence: Evidence) -> tuple[list[Number], list[Candidate]]:
    """Is the loss in one variation?"""
    by_age = {age: _by_variation(evidence, age) for age in (_ALL, _FIRST_DAY)}
    numbers = [
        Number(name=f"found units of {part.key}", found=part.found, expected=part.expected)
        for part in by_age[_ALL]
    ]
    return numbers, _candidates(evidence, [by_age], "one_variation_unexposed", 7.0)


def segment(evidence: Evidence) -> tuple[list[Number], list[Candidate]]:
    """Is the loss in the units of one value of a property of their exposures, or in those without a session?"""
    if evidence.past.is_empty() or evidence.drop.expected_units is None:
        return [], []
    if not evidence.is_held_against_the_past:
        return [], []
    by_trait: dict[str, dict[str, list[_Part]]] = {}
    for age in (_ALL, _FIRST_DAY):
        for trait, parts in _by_value(evidence, age).items():
            by_trait.setdefault(trait, {})[age] = parts
    numbers = [
        Number(name=f"found units with {part.key}", found=part.found, expected=part.expected)
        for by_age in by_trait.values()
        if len(by_age.get(_ALL, [])) > 1
        for part in by_age[_ALL]
    ]
    numbers.sort(key=lambda n: (n.found - (n.expected or 0.0), n.name))
    return numbers[:_MOST_NUMBERS], _candidates(evidence, list(by_trait.values()), "segment", 8.0)


def _found(units: pl.DataFrame, age: str) -> pl.DataFrame:
    is_early = pl.col("first_exposure_at").dt.date() <= pl.col("assignment_date")
    return units.filter(pl.col("is_found") & is_early if age == _FIRST_DAY else pl.col("is_found"))


def _by_variation(evidence: Evidence, age: str) -> list[_Part]:
    """Of every variation as many as its own past lets expect; what is to be expected of all is said by the drop."""
    past = evidence.past if evidence.is_held_against_the_past else evidence.past.clear()
    assigned = dict(evidence.cohort.group_by("variation_id").agg(pl.len()).iter_rows())
    found = dict(_found(evidence.cohort, age).group_by("variation_id").agg(pl.len()).iter_rows())
    before = dict(past.group_by("variation_id").agg(pl.len()).iter_rows())
    found_before = dict(_found(past, age).group_by("variation_id").agg(pl.len()).iter_rows())
    level = _level(evidence, past)
    rate = (evidence.drop.expected_units or 0.0) / max(1, evidence.drop.assigned_units)
    return [
        _Part(
            id_,
            found.get(id_, 0),
            assigned[id_] * (found_before.get(id_, 0) / before[id_] * level if id_ in before else rate),
        )
        for id_ in sorted(assigned)
    ]


def _level(evidence: Evidence, past: pl.DataFrame) -> float:
    """What is to be expected of the cohort, as a multiple of the plain rate of the cohorts before it."""
    rate = int(past["is_found"].sum()) / max(1, past.height)
    expected = (evidence.drop.expected_units or 0.0) / max(1, evidence.drop.assigned_units)
    return expected / rate if rate else 1.0


def _by_value(evidence: Evidence, age: str) -> dict[str, list[_Part]]:
    """Per trait its values, with the exposed units that had them: of a unit never exposed the value is unknown."""
    past = evidence.past.filter(pl.col("assignment_date").is_in(evidence.days_before))
    scale = _level(evidence, past) * evidence.cohort.height / max(1, past.height)
    now = _values(evidence, _found(evidence.cohort, age))
    then = _values(evidence, _found(past, age))
    return {
        trait: [
            _Part(f"{name} = {value}", now.get((name, value), 0), then.get((name, value), 0) * scale)
            for name, value in sorted(then | now)
            if name == trait
        ]
        for trait in sorted({name for name, _ in then})
    }


def _values(evidence: Evidence, units: pl.DataFrame) -> dict[tuple[str, str], int]:
    counts = (
        evidence.traits.join(units.select("unit_id"), on="unit_id").group_by("trait", "value").agg(pl.len())
    )
    return {(trait, value): count for trait, value, count in counts.iter_rows()}


def _candidates(
    evidence: Evidence, groups: list[dict[str, list[_Part]]], cause: str, priority: float
) -> list[Candidate]:
    """Parts that lost more than the rest, beyond chance, with their share of the missing units.

    The share is taken where the loss shows most: units that were missed on their first day may be exposed later, and
    whom they belonged to is blurred then. Of parts that explain as much the smaller one comes first: it says more.
    """
    found = []
    for by_age in groups:
        age = max(by_age, key=lambda one: (sum(p.expected - p.found for p in by_age[one]), one))
        parts = by_age[age]
        lost = sum(part.expected - part.found for part in parts)
        for part, more in _carrying_the_loss(evidence, parts):
            explained = evidence.missing(evidence.drop.missing_units * more / lost) if lost > 0 else 0.0
            if explained > 0:
                when = " on their first day" if age == _FIRST_DAY else ""
                found.append(
                    Candidate(
                        cause=cause,
                        key=part.key,
                        explained_units=explained,
                        evidence=f"{part.found:.0f} units of {part.key} were found{when}, {part.expected:.0f} to "
                        "expect; the others lost less",
                        priority=priority + part.expected / (1 + part.expected) * 0.1,
                    )
                )
    return found


def _carrying_the_loss(evidence: Evidence, parts: list[_Part]) -> list[tuple[_Part, float]]:
    """Parts that have lost more than the rest of the units, beyond chance, with how many more."""
    found, expected = sum(p.found for p in parts), sum(p.expected for p in parts)
    chance = stats.norm.sf(evidence.case.experiment.quality.shift_z)
    gained = sum(p.found - p.expected for p in parts if p.found > _GROWN * p.expected + 1)
    carrying = []
    for part in parts:
        rest_expected = expected - part.expected
        if found < 1 or rest_expected <= 0 or not 0 < part.expected < expected:
            continue
        rest_lost = max(0.0, 1 - (found - part.found) / rest_expected)
        more = part.expected * (1 - rest_lost) - part.found - gained
        test = stats.binomtest(round(part.found), round(found), part.expected / expected, alternative="less")
        if more > 0 and test.pvalue <= chance:
            carrying.append((part, more))
    return carrying
