"""The `[guardrails]` section of an experiment: what keeps its results from being read, and what is only a warning.

How the numbers come about stands in `transforms.experiment_quality_report`; what to do about each, in
`transforms.guardrails`.
"""

from collections import Counter
from typing import Annotated

from pydantic import AfterValidator, Field

from exposure_assets.contracts.catalog_model import CatalogModel
from exposure_assets.contracts.catalog_values import Fault, nearest, refusal

# In the order in which data are looked at: the first one that fails is the one to look into.
GUARDRAILS = (
    "minimum_units",
    "srm_assigned",
    "srm_exposed",
    "srm_valid_exposed",
    "srm_completed",
    "unexposed_variation",
    "conflicting_assignments",
    "mismatches",
    "crossovers",
    "pre_assignment_exposures",
    "differential_loss",
    "delay_differences",
    "unassigned_exposures",
    "early_outcomes",
    "assignment_duplicates",
    "duplicate_rows",
    "final_cohorts",
)


def _known_once(names: tuple[str, ...]) -> tuple[str, ...]:
    faults = [
        Fault(repr(name[:100]), "a guardrail", nearest(name, GUARDRAILS))
        for name in dict.fromkeys(names)
        if name not in GUARDRAILS
    ]
    faults += [
        Fault(f"{name!r} {count} times", "every guardrail once", "remove the repetition")
        for name, count in Counter(names).items()
        if count > 1
    ]
    if faults:
        raise refusal(*faults)
    return names


_Names = Annotated[tuple[str, ...], Field(strict=False), AfterValidator(_known_once)]
_Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class Guardrails(CatalogModel):
    """From when on a number keeps an experiment from being read. Rates and shares are fractions of 1.

    A rate is too high when it is above its limit and, besides, so high with probability below `alpha` if it were at the
    limit: 3 units of 5 say nothing. Variations differ when that is less probable than `alpha` by chance and, besides,
    the difference is large enough to matter.
    """

    minimum_units: int = Field(default=100, ge=0, le=10**9, examples=["minimum_units = 100"])
    conflicting_rate: _Share = Field(default=0.01, examples=["conflicting_rate = 0.01"])
    mismatch_rate: _Share = Field(default=0.02, examples=["mismatch_rate = 0.02"])
    crossover_rate: _Share = Field(default=0.05, examples=["crossover_rate = 0.05"])
    pre_assignment_rate: _Share = Field(default=0.05, examples=["pre_assignment_rate = 0.05"])
    unassigned_share: _Share = Field(default=0.05, examples=["unassigned_share = 0.05"])
    early_outcome_rate: _Share = Field(default=0.05, examples=["early_outcome_rate = 0.05"])
    assignment_duplicate_rate: _Share = Field(default=0.05, examples=["assignment_duplicate_rate = 0.05"])
    duplicate_row_rate: _Share = Field(default=0.1, examples=["duplicate_row_rate = 0.1"])
    final_cohort_share: _Share = Field(default=1.0, examples=["final_cohort_share = 1.0"])
    loss_difference: _Share = Field(default=0.01, examples=["loss_difference = 0.01"])
    delay_effect_size: _Share = Field(default=0.1, examples=["delay_effect_size = 0.1"])
    alpha: float = Field(default=0.001, gt=0, lt=1, allow_inf_nan=False, examples=["alpha = 0.001"])
    only_warn: _Names = Field(
        default=(
            "delay_differences",
            "unassigned_exposures",
            "early_outcomes",
            "assignment_duplicates",
            "duplicate_rows",
            "final_cohorts",
        ),
        examples=['only_warn = ["final_cohorts"]'],
    )
    off: _Names = Field(default=(), examples=['off = ["duplicate_rows"]'])
