"""Tests the shares of an experiment's units row by row and phase by phase, the sequential test unit by unit.
Units at each stage are counted elsewhere; only the tail of the chi-square distribution is borrowed.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction
from functools import cache
from itertools import product
from typing import Any

from scipy.stats import chi2

from exposure_assets_tests.reference.catalog import Catalog

Row = dict[str, Any]
STAGES = ("assigned", "exposed", "valid_exposed", "completed")
PRIOR_UNITS = (100, 10_000)
SMALLEST_EXPECTED = 5


@dataclass(frozen=True)
class Declared:
    """What an experiment declares: shares from days on, its last day, and what is a mismatch."""

    experiment_id: str
    phases: tuple[tuple[date, Mapping[str, float]], ...]
    last_date: date | None
    alpha: float
    min_deviation: float


def e_value(counts: Sequence[int], shares: Sequence[Fraction]) -> Fraction:
    """The evidence against the shares, exactly: the product of what each unit adds to it, one after the other."""
    of_priors = [math.prod(_added(counts, shares, k)) for k in PRIOR_UNITS]
    return Fraction(sum(of_priors)) / len(PRIOR_UNITS)


def _added(counts: Sequence[int], shares: Sequence[Any], prior_units: int) -> Iterator[Any]:
    """A unit is foretold by the prior and the units before it; the order of units makes no difference."""
    seen = 0
    for count, share in zip(counts, shares, strict=True):
        for of_this in range(count):
            yield (prior_units * share + of_this) / (prior_units + seen) / share
            seen += 1


def sample_ratios_of_all(counts: list[Row], catalog: Catalog, data_until: date | None) -> list[Row]:
    """Rows of `sample_ratios` of every experiment of a catalog.

    Args:
        counts: Rows of `stage_counts`.
        catalog: The experiments.
        data_until: Last day with data.
    """
    rows = []
    for experiment in catalog.experiments.values():
        last = None
        if experiment.end is not None:
            last = experiment.end.date() + timedelta(days=experiment.observe_days) + experiment.window
        declared = Declared(experiment.id, experiment.shares, last, *experiment.srm_rules)
        own = [row for row in counts if row["experiment_id"] == experiment.id]
        rows += sample_ratios(own, declared, data_until)
    return rows


def sample_ratios(counts: list[Row], declared: Declared, data_until: date | None) -> list[Row]:
    """Rows of `sample_ratios` of one experiment.

    Args:
        counts: Its rows of `stage_counts`.
        declared: What it declares.
        data_until: Last day with data.
    """
    rows = []
    for stage, has_conflicts in product(STAGES, (True, False)):
        units = [
            row
            for row in counts
            if row["stage"] == stage and not (row["is_conflicting"] and not has_conflicts)
        ]
        smallest = 1.0
        for day in _days(units, declared, data_until):
            for is_cumulative in (True, False):
                counted = [
                    row
                    for row in units
                    if row["reached_date"] == day or (is_cumulative and row["reached_date"] < day)
                ]
                if not counted:
                    continue
                row = _tested(counted, declared)
                row |= {"sequential_p_value": None, "is_sequential_mismatch": None}
                if is_cumulative:
                    smallest = min(smallest, _inverse_evidence(counted, declared))
                    row["sequential_p_value"] = smallest
                    row["is_sequential_mismatch"] = _is_mismatch(row, smallest, declared)
                key = {"as_of_date": day, "stage": stage, "is_cumulative": is_cumulative}
                rows.append(
                    {
                        "experiment_id": declared.experiment_id,
                        **key,
                        "has_conflicting_units": has_conflicts,
                        **row,
                    }
                )
    return rows


def _days(units: list[Row], declared: Declared, data_until: date | None) -> Iterator[date]:
    if not units or data_until is None:
        return
    day = min(row["reached_date"] for row in units)
    while day <= min(data_until, declared.last_date or data_until):
        yield day
        day += timedelta(days=1)


def _phases(counted: list[Row], declared: Declared) -> Iterator[tuple[dict[str, int], Mapping[str, float]]]:
    """Units per variation of each phase that has some, with the shares it declares."""
    for number, (first, shares) in enumerate(declared.phases):
        after = declared.phases[number + 1][0] if number + 1 < len(declared.phases) else date.max
        units = dict.fromkeys(shares, 0)
        for row in counted:
            if first <= row["assignment_date"] < after:
                units[row["variation_id"]] = units.get(row["variation_id"], 0) + row["unit_count"]
        if sum(units.values()):
            yield units, shares


def _tested(counted: list[Row], declared: Declared) -> Row:
    statistic, degrees, tested_units, unexpected = 0.0, 0, 0, 0
    observed: dict[str, int] = {}
    expected: dict[str, float] = {}
    distance: dict[str, float] = {}
    having_a_share: dict[str, int] = {}
    for units, shares in _phases(counted, declared):
        total = sum(units.values())
        for variation, count in units.items():
            share = shares.get(variation, 0.0)
            observed[variation] = observed.get(variation, 0) + count
            expected[variation] = expected.get(variation, 0.0) + total * share
            distance[variation] = distance.get(variation, 0.0) + abs(count - total * share)
            if share > 0:
                having_a_share[variation] = having_a_share.get(variation, 0) + count
            else:
                unexpected += count
        compared = [variation for variation, share in shares.items() if share > 0]
        found = [units[variation] for variation in compared]
        hoped = [sum(found) * shares[variation] for variation in compared]
        if len(compared) > 1 and min(hoped) >= SMALLEST_EXPECTED:
            statistic += sum((o - e) ** 2 / e for o, e in zip(found, hoped, strict=True))
            degrees += len(compared) - 1
            tested_units += sum(found)
    total = sum(observed.values())
    worst = min(distance, key=lambda variation: (-distance[variation] / total, variation.encode()))
    row: Row = {
        "unit_count": total,
        "variation_count": len(having_a_share),
        "statistic": statistic if degrees else None,
        "degrees_of_freedom": degrees or None,
        "p_value": float(chi2.sf(statistic, degrees)) if degrees else None,
        "effect_size": math.sqrt(statistic / tested_units) if degrees else None,
        "largest_deviation": distance[worst] / total,
        "worst_variation_id": worst,
        "worst_unit_count": observed[worst],
        "worst_expected_unit_count": expected[worst],
        "unexpected_unit_count": unexpected,
        "unseen_variation_count": sum(count == 0 for count in having_a_share.values()),
    }
    return row | {"is_mismatch": _is_mismatch(row, row["p_value"], declared)}


def _is_mismatch(row: Row, p_value: float | None, declared: Declared) -> bool:
    is_improbable = p_value is not None and p_value < declared.alpha
    is_large = row["largest_deviation"] >= declared.min_deviation
    return row["unexpected_unit_count"] > 0 or (is_improbable and is_large)


def _inverse_evidence(counted: list[Row], declared: Declared) -> float:
    evidence = 0.0
    for units, shares in _phases(counted, declared):
        compared = [variation for variation, share in shares.items() if share > 0]
        counts = tuple(units[variation] for variation in compared)
        evidence += log_evidence(counts, tuple(shares[variation] for variation in compared))
    return math.exp(-max(evidence, 0.0))


# Most days and stages bring no new units.
@cache
def log_evidence(
    counts: tuple[int, ...], shares: tuple[float, ...], priors: tuple[int, ...] = PRIOR_UNITS
) -> float:
    """The logarithm of the e-value, of many units: the evidence of each prior is added up, unit by unit."""
    of_priors = [math.fsum(map(math.log, _added(counts, shares, k))) for k in priors]
    largest = max(of_priors)
    return largest + math.log(sum(math.exp(one - largest) for one in of_priors) / len(of_priors))
