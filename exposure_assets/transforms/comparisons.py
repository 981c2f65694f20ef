"""How one variation compares with the control, from moments of their units, and what many comparisons do to p-values.

Which units are compared, and how their moments come about, is for who calls; the statistics are tea-tasting's.
"""

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
import tea_tasting as tt
from tea_tasting.aggr import Aggregates
from tea_tasting.experiment import ExperimentResult
from tea_tasting.metrics.mean import MeanResult

Corrections = Literal["holm", "benjamini-hochberg", "none"]


class ComparedColumns(NamedTuple):
    """Which columns of the moments a metric is made of.

    Attributes:
        value: The metric, or the numerator of a ratio.
        denominator: The denominator of a ratio of means.
        covariate: The metric before the assignment (CUPED), or the numerator of its ratio.
        denominator_covariate: The denominator before the assignment; only beside `denominator` and `covariate`.
    """

    value: str
    denominator: str | None = None
    covariate: str | None = None
    denominator_covariate: str | None = None


class Comparison(NamedTuple):
    """A treatment compared with the control; a field is None where it can't be told.

    Attributes:
        control_mean: Mean of the control, or its ratio of means; adjusted where there is a covariate.
        mean: The same of the treatment.
        absolute_lift: mean - control_mean, with the bounds of its confidence interval (Welch).
        relative_lift: absolute_lift / control_mean, with the bounds of its confidence interval (delta method on the
            logarithm). All three are None where the control's mean is 0; the bounds alone where the treatment's is 0 or
            the means have different signs, for then there is no logarithm.
        p_value: Two-sided, of no absolute lift. Not anytime-valid: it keeps its level at one look that was planned.
    """

    control_mean: float | None = None
    mean: float | None = None
    absolute_lift: float | None = None
    absolute_lift_lower: float | None = None
    absolute_lift_upper: float | None = None
    relative_lift: float | None = None
    relative_lift_lower: float | None = None
    relative_lift_upper: float | None = None
    p_value: float | None = None


def compare_with_control(
    control: Aggregates, treatment: Aggregates, columns: ComparedColumns, alpha: float
) -> Comparison:
    """Compare a treatment's mean, or ratio of means, with the control's.

    Fewer than two units in a group, values that don't vary in either, or a denominator whose mean is 0 leave nothing to
    compare: every field is None. So does a ratio, or a covariate, that leaves no variance. A covariate
    that doesn't vary explains nothing, and is left out.

    Args:
        control: Count, means, variances and covariances (per unit, ddof 1) of `columns` over the control's units.
        treatment: The same over the treatment's units.
        columns: What the metric is made of.
        alpha: The intervals are of confidence 1 - alpha.
    """
    if min(control.count(), treatment.count()) < 2:
        return Comparison()
    if columns.denominator and 0 in (control.mean(columns.denominator), treatment.mean(columns.denominator)):
        return Comparison()
    used = without_idle_covariates(control, treatment, columns)
    metric = tt.RatioOfMeans(*used, confidence_level=1 - alpha)
    values = [c for c in (columns.value, columns.denominator) if c]
    if all(group.var(column) == 0 for group in (control, treatment) for column in values):
        return Comparison()
    try:
        with np.errstate(invalid="ignore", divide="ignore"):
            found = metric.analyze_aggregates(control, treatment)
    except ValueError:  # The square root of a variance that is 0 but for rounding, below it.
        return Comparison()
    if not found.effect_size_ci_lower < found.effect_size_ci_upper:
        return Comparison()
    return _comparison(found)


def without_idle_covariates(
    control: Aggregates, treatment: Aggregates, columns: ComparedColumns
) -> ComparedColumns:
    """The columns that explain anything: without covariates that don't vary, or whose denominator's mean is 0."""
    covariate, denominator = columns.covariate, columns.denominator_covariate
    without = ComparedColumns(columns.value, columns.denominator)
    if covariate is None or all(group.var(covariate) == 0 for group in (control, treatment)):
        return without
    if denominator and 0 in (control.mean(denominator), treatment.mean(denominator)):
        return without
    return columns


def adjust_p_values(p_values: Sequence[float | None], correction: Corrections) -> list[float | None]:
    """Adjust p-values for being looked at together; None stays None and counts for nothing.

    Args:
        p_values: Of all comparisons of one family.
        correction: holm: the chance of any false positive is held, however the metrics depend on each other;
            benjamini-hochberg: the share of false ones among the positives, for metrics that depend positively.
    """
    if correction == "none":
        return list(p_values)
    family = {str(n): p for n, p in enumerate(p_values) if p is not None}
    if not family:
        return [None] * len(p_values)
    results = ExperimentResult({n: {"pvalue": p} for n, p in family.items()})
    if correction == "holm":
        adjusted = tt.adjust_fwer(results, arbitrary_dependence=True, method="bonferroni")
    else:
        adjusted = tt.adjust_fdr(results, arbitrary_dependence=False)
    found = {str(row["metric"]): float(str(row["pvalue_adj"])) for row in adjusted.to_dicts()}
    return [found.get(str(n)) for n in range(len(p_values))]


def _comparison(found: MeanResult) -> Comparison:
    absolute = found.effect_size, found.effect_size_ci_lower, found.effect_size_ci_upper
    relative = found.rel_effect_size, found.rel_effect_size_ci_lower, found.rel_effect_size_ci_upper
    if found.control == 0:
        relative = (math.nan, math.nan, math.nan)
    elif found.treatment / found.control <= 0:
        relative = (found.rel_effect_size, math.nan, math.nan)
    figures = (found.control, found.treatment, *absolute, *relative, found.pvalue)
    return Comparison(*(float(figure) if math.isfinite(figure) else None for figure in figures))
