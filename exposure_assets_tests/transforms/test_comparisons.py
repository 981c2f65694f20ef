"""Comparisons with the control: against scipy on the units themselves, at the edges, and for many at once."""

import warnings

import numpy as np
import pytest
from scipy import stats
from tea_tasting.aggr import Aggregates

from exposure_assets.transforms.comparisons import (
    ComparedColumns,
    Comparison,
    adjust_p_values,
    compare_with_control,
)

Columns = dict[str, np.ndarray]
VALUE = ComparedColumns("value")


def moments(units: Columns) -> Aggregates:
    names = sorted(units)
    varied = len(units[names[0]]) > 1
    pairs = [(a, b) for n, a in enumerate(names) for b in names[n + 1 :]]
    return Aggregates(
        len(units[names[0]]),
        {name: float(units[name].mean()) for name in names},
        {name: float(units[name].var(ddof=1)) for name in names} if varied else {},
        {pair: float(np.cov(units[pair[0]], units[pair[1]])[0, 1]) for pair in pairs} if varied else {},
    )


def compare(
    control: Columns, treatment: Columns, columns: ComparedColumns = VALUE, *, alpha: float = 0.05
) -> Comparison:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return compare_with_control(moments(control), moments(treatment), columns, alpha)


def shown_by_welch(
    found: Comparison, control: np.ndarray, treatment: np.ndarray, alpha: float = 0.05
) -> None:
    welch = stats.ttest_ind(treatment, control, equal_var=False)
    _, p_value = welch
    lower, upper = welch.confidence_interval(1 - alpha)
    assert found.p_value == pytest.approx(p_value, rel=1e-7)
    assert found.absolute_lift == pytest.approx(treatment.mean() - control.mean(), rel=1e-7)
    assert (found.absolute_lift_lower, found.absolute_lift_upper) == pytest.approx((lower, upper), rel=1e-7)


def clicks(clicked: int, units: int) -> np.ndarray:
    return np.repeat([1.0, 0.0], [clicked, units - clicked])


@pytest.mark.parametrize("shift", [0.0, 1e6])
@pytest.mark.parametrize("alpha", [0.05, 0.01])
def test_means_are_compared_as_welch_compares_them_even_far_from_zero(shift: float, alpha: float):
    draw = np.random.default_rng(1)
    control, treatment = shift + draw.gamma(0.3, 10, 400), shift + draw.gamma(0.3, 14, 650)
    found = compare({"value": control}, {"value": treatment}, alpha=alpha)
    shown_by_welch(found, control, treatment, alpha)
    assert found.relative_lift == pytest.approx(treatment.mean() / control.mean() - 1)


def test_a_covariate_adjusts_every_unit_by_the_slope_over_all_units():
    draw = np.random.default_rng(2)
    before = draw.gamma(2, 5, 500), draw.gamma(2, 5, 300)
    after = [b * 0.8 + draw.normal(lift, 3, len(b)) for b, lift in zip(before, (0, 0.5), strict=True)]
    groups = [{"value": a, "before": b} for a, b in zip(after, before, strict=True)]
    found = compare(groups[0], groups[1], ComparedColumns("value", covariate="before"))
    all_before, all_after = np.concatenate(before), np.concatenate(after)
    slope = np.cov(all_before, all_after)[0, 1] / all_before.var(ddof=1)
    adjusted = [a - slope * (b - all_before.mean()) for a, b in zip(after, before, strict=True)]
    shown_by_welch(found, adjusted[0], adjusted[1])


def test_a_ratio_of_means_varies_as_its_linearised_units_do():
    draw = np.random.default_rng(3)
    groups: list[Columns] = []
    linear: list[np.ndarray] = []
    for size, rate in ((400, 3.0), (500, 3.3)):
        sessions = 1.0 + draw.poisson(4, size)
        revenue = sessions * draw.gamma(1, rate, size)
        groups.append({"value": revenue, "sessions": sessions})
        ratio = revenue.mean() / sessions.mean()
        linear.append(ratio + (revenue - ratio * sessions) / sessions.mean())
    shown_by_welch(compare(groups[0], groups[1], ComparedColumns("value", "sessions")), linear[0], linear[1])


def test_published_click_counts_of_a_homepage_test_have_the_lift_that_they_are_known_for():
    control, treatment = clicks(932, 3332), clicks(928, 2996)
    found = compare({"value": control}, {"value": treatment})
    assert (found.control_mean, found.mean) == pytest.approx((0.279712, 0.309746), abs=1e-6)
    shown_by_welch(found, control, treatment)


def test_published_purchaser_counts_have_the_p_value_that_they_are_known_for():
    found = compare({"value": clicks(163, 3304)}, {"value": clicks(223, 3329)})
    assert found.p_value == pytest.approx(0.00212, abs=5e-6)
    assert found.relative_lift == pytest.approx(0.35782, abs=5e-6)


@pytest.mark.parametrize(
    ("control", "treatment"),
    [([], [1.0, 2.0]), ([1.0], [1.0, 2.0]), ([1.0, 2.0], [1.0]), ([3.0, 3.0], [4.0, 4.0])],
)
def test_too_few_units_or_values_that_do_not_vary_are_not_compared(
    control: list[float], treatment: list[float]
):
    groups = [
        Aggregates(
            len(v), {"value": float(np.mean(v)) if v else 0.0}, {"value": float(np.var(v)) if v else 0.0}
        )
        for v in (control, treatment)
    ]
    assert compare_with_control(groups[0], groups[1], VALUE, 0.05) == Comparison()


def test_a_control_whose_mean_is_zero_has_an_absolute_lift_but_no_relative_one():
    found = compare({"value": np.zeros(5)}, {"value": np.array([0.0, 1.0, 2.0])})
    assert found.absolute_lift == 1.0
    assert (found.relative_lift, found.relative_lift_lower, found.relative_lift_upper) == (None, None, None)
    assert found.p_value is not None


def test_a_treatment_whose_mean_is_zero_has_a_relative_lift_without_bounds():
    found = compare({"value": np.array([0.0, 1.0, 2.0])}, {"value": np.zeros(5)})
    assert (found.relative_lift, found.relative_lift_lower, found.relative_lift_upper) == (-1.0, None, None)


def test_a_covariate_that_does_not_vary_changes_nothing():
    draw = np.random.default_rng(4)
    groups = [{"value": draw.normal(size=50), "before": np.zeros(50)} for _ in range(2)]
    assert compare(groups[0], groups[1], ComparedColumns("value", covariate="before")) == compare(
        groups[0], groups[1]
    )


def test_a_ratio_whose_denominator_is_zero_for_all_units_is_not_compared():
    groups = [{"value": np.array([1.0, 2.0]), "sessions": np.zeros(2)} for _ in range(2)]
    assert compare(groups[0], groups[1], ComparedColumns("value", "sessions")) == Comparison()


@pytest.mark.parametrize(
    "columns", [ComparedColumns("value", "other"), ComparedColumns("value", covariate="other")]
)
@pytest.mark.parametrize("covariance", [4.0, 4.0 + 1e-15])
def test_a_ratio_or_a_covariate_that_leaves_no_variance_is_not_compared(
    columns: ComparedColumns, covariance: float
):
    groups = [
        Aggregates(
            10,
            dict.fromkeys(("value", "other"), mean),
            {"value": 4.0, "other": 4.0},
            {("other", "value"): covariance},
        )
        for mean in (2.0, 2.0)
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert compare_with_control(groups[0], groups[1], columns, 0.05) == Comparison()


def test_holm_and_benjamini_hochberg_adjust_a_family_and_leave_missing_values_out():
    family = [0.01, None, 0.04, 0.03, 0.005]
    assert adjust_p_values(family, "holm") == pytest.approx([0.03, None, 0.06, 0.06, 0.02])
    known = stats.false_discovery_control([0.01, 0.04, 0.03, 0.005])
    assert adjust_p_values(family, "benjamini-hochberg") == pytest.approx([known[0], None, *known[1:]])
    assert adjust_p_values(family, "none") == family


def test_a_family_without_p_values_stays_without():
    assert adjust_p_values([None, None], "holm") == [None, None]
    assert adjust_p_values([], "holm") == []
