"""Allocations of the catalog: shares that sum to 1, and the days from which others are declared.

The variations themselves stand in `catalog`; whether units came as declared is tested in `transforms.sample_ratios`.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, time
from typing import Annotated, NamedTuple

from pydantic import Field, field_validator

from exposure_assets.contracts.catalog_model import CatalogModel
from exposure_assets.contracts.catalog_values import Fault, UtcDatetime, nearest, refusal

ALLOCATION_TOLERANCE = 1e-9

Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class DeclaredShares(NamedTuple):
    """The share of every variation for the cohorts from `first_date` (included) on."""

    first_date: date
    shares: Mapping[str, float]


class AllocationPhase(CatalogModel):
    """From `start`, a UTC midnight, on new units are shared in other parts (0..1) among the same variations."""

    start: UtcDatetime = Field(examples=["start = 2026-01-08T00:00:00Z"])
    allocations: dict[str, Share] = Field(examples=["allocations = { control = 0.5, treatment = 0.5 }"])

    def __hash__(self) -> int:
        return hash((self.start, tuple(sorted(self.allocations.items()))))

    @field_validator("start")
    @classmethod
    def _starts_with_a_cohort(cls, value: datetime) -> datetime:
        if value.time() != time():
            expected = (
                "midnight in UTC: a cohort is a UTC day, and all of it is compared with the same allocations"
            )
            remedy = "take the midnight from which on whole days were allocated so"
            raise refusal(Fault(value.isoformat(), expected, remedy))
        return value


def sum_faults(shares: Sequence[float], *key: str) -> list[Fault]:
    """What is wrong with shares that have to make a whole: at most one fault."""
    total = math.fsum(shares)
    if abs(total - 1) <= ALLOCATION_TOLERANCE:
        return []
    found = f"{' + '.join(map(repr, shares[:10]))}{' + …' if len(shares) > 10 else ''}, which is {total!r}"
    almost = abs(total - 1) < 0.02
    remedy = f"write the shares in full, such as {1 / 3!r}" if almost else "correct the shares"
    return [Fault(found, "allocations that sum to 1", remedy, key)]


def phase_faults(
    phases: Iterable[AllocationPhase], variation_ids: Sequence[str], first_date: date, last_date: date | None
) -> list[Fault]:
    """What is wrong with the phases of an experiment.

    Args:
        phases: The phases in the order of the file.
        variation_ids: The experiment's variations.
        first_date: First UTC day of enrollment.
        last_date: Last one; null where it has no end.
    """
    faults = []
    earlier: datetime | None = None
    for number, phase in enumerate(phases):
        faults += [
            fault._replace(key=(number, *fault.key))
            for fault in (
                *_start_faults(phase.start, earlier, first_date, last_date),
                *_share_faults(phase.allocations, variation_ids),
            )
        ]
        earlier = phase.start
    return faults


def _start_faults(
    start: datetime, earlier: datetime | None, first_date: date, last_date: date | None
) -> list[Fault]:
    day = start.date()
    if day < first_date or (last_date is not None and day > last_date):
        until = "" if last_date is None else f" to {last_date}"
        expected = f"a day of enrollment: {first_date}{until}"
        return [Fault(start.isoformat(), expected, "correct the day, or remove the phase", ("start",))]
    if earlier is not None and start <= earlier:
        expected = f"an instant after the start of the phase before it, which is {earlier.isoformat()}"
        return [Fault(start.isoformat(), expected, "put the phases in order, one for each start", ("start",))]
    return []


def _share_faults(allocations: Mapping[str, float], variation_ids: Sequence[str]) -> list[Fault]:
    missing = [id_ for id_ in variation_ids if id_ not in allocations]
    unknown = [id_ for id_ in allocations if id_ not in variation_ids]
    expected = "an id of [[variations]]"
    faults = [Fault("an unknown variation", expected, nearest(id_, variation_ids), (id_,)) for id_ in unknown]
    if missing:
        found = f"no share of {', '.join(map(repr, missing[:10]))}{', …' if len(missing) > 10 else ''}"
        remedy = "write 0 for a variation that gets no units in this phase"
        faults.append(Fault(found, "a share of every variation", remedy))
    faults = faults or sum_faults(list(allocations.values()))
    return [fault._replace(key=("allocations", *fault.key)) for fault in faults]
