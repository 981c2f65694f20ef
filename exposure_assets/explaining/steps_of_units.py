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
# A surge leaves the exposed units as they were, within what days of a week differ by.
_TOLERANCE = 0.15
_MOST_NUMBERS = 12
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
        for row in evidence.excesses(marked).iter_rows(named=True)
    ]
    if evidence.is_held_against_the_past:
        candidates += _unusual_flags(evidence, {one.cause for one in candidates})
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


def _unusual_flags(evidence: Evidence, known: set[str]) -> Iterator[Candidate]:
    """Flags that more units than usual have without being missing: no cause of the drop, but not as it should be."""
    flags = evidence.units.group_by("assignment_date").agg(
        pl.len().cast(pl.Int64).alias("assigned_units"),
        *(pl.col(flag).sum().cast(pl.Int64).alias(cause) for cause, flag in _FLAGS.items()),
    )
    counts = flags.unpivot(
        list(_FLAGS), index=["assignment_date", "assigned_units"], variable_name="mark", value_name="hits"
    )
    for row in evidence.rises(counts).iter_rows(named=True):
        if row["mark"] not in known:
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
            "baseline_days": [quality.baseline_days],
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
    if not shift["has_shifted"][0] or extra <= 0:
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
    """A part of the units: how many of it were found, and how many the others let expect."""

    key: str
    found: float
    expected: float


def variation(evidence: Evidence) -> tuple[list[Number], list[Candidate]]:
    """Is the loss in one variation?"""
    assigned = evidence.cohort.group_by("variation_id").agg(units=pl.len(), found=pl.col("is_found").sum())
    past = evidence.past if evidence.is_held_against_the_past else evidence.past.clear()
    rates = dict(past.group_by("variation_id").agg(pl.col("is_found").mean()).iter_rows())
    overall = past["is_found"].mean()
    expected_rate = (evidence.drop.expected_units or 0.0) / max(1, evidence.drop.assigned_units)
    parts = []
    for id_, units, found in assigned.sort("variation_id").iter_rows():
        # As the past of the variation is to the past of all; what is to be expected of all is said by the drop.
        factor = rates.get(id_, overall) / overall if overall and rates.get(id_) is not None else 1.0
        parts.append(_Part(id_, float(found), units * expected_rate * factor))
    numbers = [
        Number(name=f"found units of {part.key}", found=part.found, expected=part.expected) for part in parts
    ]
    best = _carrying_the_loss(evidence, parts)
    return numbers, _as_candidates(evidence, best, "one_variation_unexposed", 7.0)


def segment(evidence: Evidence) -> tuple[list[Number], list[Candidate]]:
    """Is the loss in the units of one value of a property of their exposures, or in those without a session?"""
    found_now = evidence.cohort.filter("is_found").select("unit_id")
    cohorts = pl.col("assignment_date").is_in(evidence.days_before)
    past = evidence.past.filter(cohorts, "is_found").select("unit_id")
    expected = evidence.drop.expected_units
    if past.is_empty() or expected is None or not evidence.is_held_against_the_past:
        return [], []
    now = _by_value(evidence, found_now)
    then = _by_value(evidence, past)
    scale = expected / past.height
    numbers: list[Number] = []
    best: list[tuple[_Part, float]] = []
    for trait in sorted({trait for trait, _ in then}):
        values = sorted(value for name, value in then | now if name == trait)
        parts = [
            _Part(f"{trait} = {value}", now.get((trait, value), 0), then.get((trait, value), 0) * scale)
            for value in values
        ]
        best += _carrying_the_loss(evidence, parts)
        numbers += [
            Number(name=f"found units with {p.key}", found=p.found, expected=p.expected) for p in parts
        ]
    numbers.sort(key=lambda n: (n.found - (n.expected or 0.0), n.name))
    return numbers[:_MOST_NUMBERS], _as_candidates(evidence, best, "segment", 8.0)


def _by_value(evidence: Evidence, units: pl.DataFrame) -> dict[tuple[str, str], int]:
    counts = evidence.traits.join(units, on="unit_id").group_by("trait", "value").agg(pl.len())
    return {(trait, value): count for trait, value, count in counts.iter_rows()}


def _carrying_the_loss(evidence: Evidence, parts: list[_Part]) -> list[tuple[_Part, float]]:
    """Parts that have lost more than the rest of the units, beyond chance, with how many more."""
    found, expected = sum(p.found for p in parts), sum(p.expected for p in parts)
    chance = stats.norm.sf(evidence.case.experiment.quality.shift_z)
    carrying = []
    for part in parts:
        rest_expected = expected - part.expected
        if found < 1 or rest_expected <= 0 or not 0 < part.expected < expected:
            continue
        rest_lost = max(0.0, 1 - (found - part.found) / rest_expected)
        gained = sum(
            other.found - other.expected for other in parts if other.found > _GROWN * other.expected + 1
        )
        more = part.expected * (1 - rest_lost) - part.found - gained
        share = part.expected / expected
        test = stats.binomtest(round(part.found), round(found), share, alternative="less")
        if more > 0 and test.pvalue <= chance:
            carrying.append((part, more))
    return carrying


def _as_candidates(
    evidence: Evidence, parts: list[tuple[_Part, float]], cause: str, priority: float
) -> list[Candidate]:
    """Of parts that explain as much the smaller one comes first: it says more."""
    return [
        Candidate(
            cause=cause,
            key=part.key,
            explained_units=evidence.missing(more),
            evidence=f"{part.found:.0f} units of {part.key} were found, {part.expected:.0f} to expect; the others "
            "lost less",
            priority=priority + (part.expected / (1 + part.expected)) * 0.1,
        )
        for part, more in parts
        if evidence.missing(more) > 0
    ]
