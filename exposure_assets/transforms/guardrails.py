"""When a number keeps results from being read, and what to do about it: the guardrails of the quality report.

How the numbers come about stands in `experiment_quality_report`; the limits are the catalog's `[guardrails]`.
"""

from collections.abc import Mapping
from typing import NamedTuple

import polars as pl
from scipy.stats import binom

from exposure_assets.contracts import GUARDRAILS, LOSSES, STAGES, Experiment, Guardrails

# A chi-square is no test to look at every day: its alpha is shared out among so many looks.
LOOKS = 100
# Of sample ratios, looked at while units still come. Looks at all units until a day hardly differ from one another:
# 60 of them at alpha / 20 call fewer right splits wrong than alpha (`benchmarks.sample_ratio`).
RATIO_LOOKS = 20

_NAMED = ("only_warn", "off")


class Rate(NamedTuple):
    """A rate with a limit: `part / whole`, both counts of the report."""

    guardrail: str
    name: str
    part: str
    whole: str


RATES = (
    Rate("conflicting_assignments", "conflicting_rate", "conflicting_units", "assigned_units"),
    Rate("mismatches", "mismatch_rate", "mismatch_units", "assigned_units"),
    Rate("crossovers", "crossover_rate", "crossover_units", "assigned_units"),
    Rate("pre_assignment_exposures", "pre_assignment_rate", "pre_assignment_units", "assigned_units"),
    Rate("unassigned_exposures", "unassigned_share", "unassigned_exposed_units", "exposed_on_day_units"),
    Rate("early_outcomes", "early_outcome_rate", "early_outcome_units", "assigned_units"),
    Rate(
        "assignment_duplicates", "assignment_duplicate_rate", "repeated_assignment_count", "assignment_count"
    ),
    Rate("duplicate_rows", "duplicate_row_rate", "duplicate_row_count", "row_count"),
)

REMEDIES = {
    "minimum_units": "Wait for more units, or lower minimum_units if so few are enough.",
    "srm_assigned": "Units are not split as declared: compare what happens before an assignment is logged (redirects, "
    "bot filters, caches) between the variations, or declare [[allocation_phases]].",
    "srm_exposed": "Assignments are as declared, exposures are not: look for what keeps units of one variation from "
    "being exposed, or their exposures from being logged.",
    "srm_valid_exposed": "Exposures are as declared, valid ones are not: differential_loss says which verdict takes "
    "units of one variation out.",
    "srm_completed": "Valid exposures are as declared: compare on which days the variations were exposed.",
    "unexposed_variation": "Nobody of a variation was exposed: check that its code is live and logs its exposures "
    "under the variation id of the catalog.",
    "conflicting_assignments": "Units are assigned to several variations: look for an assignment that isn't kept "
    "(another salt, lost cookies, two services that assign), and make it a function of the unit.",
    "mismatches": "Units see another variation than they are assigned to: compare the variation that the feature reads "
    "with the one that is logged (stale caches, a default that is shown to everybody).",
    "crossovers": "Units see several variations: look for caches shared by units, a changed split, or a unit id that "
    "several people share.",
    "pre_assignment_exposures": "Exposures come before assignments: log the assignment first, compare the clocks of "
    "what logs, or raise grace_minutes if they only differ by minutes.",
    "differential_loss": "A reason for losing units hits one variation more than another: the columns `..._loss_...` "
    "say which; daily_quality shows on which days. Until it is found, compare by analysis basis `assigned`.",
    "delay_differences": "One variation is exposed later than another: look at exposure_delays for where, and use "
    'anchor = "assignment" if the variation itself delays what logs the exposure.',
    "unassigned_exposures": "Units are exposed without an assignment: look for assignments that were lost or arrive "
    "late, and for units outside the experiment that see it.",
    "early_outcomes": "Units do what is measured after their assignment and before their anchor, where no window "
    'counts it: log the exposure when it happens, or use anchor = "assignment".',
    "assignment_duplicates": "Assignments are logged again and again: log only the first, or keep it as it is (units "
    "are counted once).",
    "duplicate_rows": "Exposure rows arrive more than once: look for a retry that never ends or a file delivered twice "
    "(units are counted once).",
    "final_cohorts": "Some cohorts can still change: read results again when their windows are over.",
}


def with_verdicts(numbers: pl.DataFrame, experiments: Mapping[str, Experiment]) -> pl.DataFrame:
    """Add `is_valid_for_analysis`, `failed_guardrails` and `warnings` to the numbers of the report.

    Args:
        numbers: The columns of `contracts.ExperimentQualityReport` without these; and per stage `is_srm_<stage>`,
            whether its shares are a mismatch.
        experiments: By id; their `guardrails` say what is too much.
    """
    limits = pl.DataFrame(
        [{"experiment_id": e.id, **_limits(e.guardrails)} for e in experiments.values()],
        schema={
            "experiment_id": pl.String,
            **{_limit(name): pl.Float64 for name in Guardrails.model_fields if name not in _NAMED},
            **dict.fromkeys(_NAMED, pl.List(pl.String)),
        },
    )
    judged = numbers.join(limits, on="experiment_id", maintain_order="left")
    fails = _failures(judged)
    only_warns = {name: pl.col("only_warn").list.contains(name) for name in GUARDRAILS}
    return judged.with_columns(
        failed_guardrails=_names({name: fails[name] & ~only_warns[name] for name in GUARDRAILS}),
        warnings=_names({name: fails[name] & only_warns[name] for name in GUARDRAILS}),
    ).with_columns(is_valid_for_analysis=pl.col("failed_guardrails").list.len() == 0)


def _limits(rules: Guardrails) -> dict[str, object]:
    values = rules.model_dump()
    names = {name: list(values.pop(name)) for name in _NAMED}
    return {**names, **{_limit(name): float(value) for name, value in values.items()}}


def _limit(name: str) -> str:
    return f"limit_{name}"


def _failures(numbers: pl.DataFrame) -> dict[str, pl.Expr]:
    alpha = pl.col(_limit("alpha"))
    is_delayed = pl.col("delay_effect_size") >= pl.col(_limit("delay_effect_size"))
    losses = [name.removesuffix("_units") for name in LOSSES]
    fails = {
        "minimum_units": pl.col("smallest_variation_units") < pl.col(_limit("minimum_units")),
        **{f"srm_{stage}": pl.col(f"is_srm_{stage}") for stage in STAGES},
        "unexposed_variation": pl.col("unexposed_variation_ids").list.len() > 0,
        **{rate.guardrail: pl.lit(_is_too_high(numbers, rate)) for rate in RATES},
        "differential_loss": pl.any_horizontal(
            (pl.col(f"{loss}_loss_p_value") < alpha)
            & (pl.col(f"{loss}_loss_difference") >= pl.col(_limit("loss_difference")))
            for loss in losses
        ),
        "delay_differences": is_delayed & (pl.col("delay_p_value") < alpha / LOOKS),
        "final_cohorts": pl.col("final_cohort_share") < pl.col(_limit("final_cohort_share")),
    }
    is_on = {name: ~pl.col("off").list.contains(name) for name in GUARDRAILS}
    return {name: fails[name].fill_null(False) & is_on[name] for name in GUARDRAILS}


def _is_too_high(numbers: pl.DataFrame, rate: Rate) -> pl.Series:
    """Whether a rate is above its limit, and by more than chance would have it if the limit were the rate."""
    limit = numbers[_limit(rate.name)]
    counts = numbers[rate.part].to_numpy(), numbers[rate.whole].to_numpy()
    chance = pl.Series(binom.sf(counts[0] - 1, counts[1], limit.to_numpy()), dtype=pl.Float64)
    return (numbers[rate.name] > limit) & (chance < numbers[_limit("alpha")])


def _names(fails: Mapping[str, pl.Expr]) -> pl.Expr:
    named = [pl.when(condition).then(pl.lit(name)) for name, condition in fails.items()]
    return pl.concat_list(named).list.drop_nulls()
