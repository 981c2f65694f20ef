"""The sequential test: published figures, exact fractions, what holds at 100 million units, and what bounds exclude."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exposure_assets.transforms.sequential_multinomial import log_e_values, share_bounds
from exposure_assets_tests.reference.ratios import e_value

ALPHA = 0.001


def evidence(counts: list[int], shares: list[float]) -> float:
    """The logarithm of the e-value of one group."""
    (found,) = log_e_values(np.array(counts, float), np.array(shares), np.array([0]))
    return float(found)


def bounds(counts: list[int], shares: list[float], alpha: float = ALPHA) -> list[tuple[float, float]]:
    one = np.array(counts, float), np.array(shares), np.array([0])
    return list(zip(*share_bounds(*one, np.array([alpha])), strict=True))


def test_ten_units_have_the_figures_that_the_authors_package_publishes():
    # The regression test of ssrm-test 0.1: shares 0.1, 0.5, 0.4, a prior worth 10,000 units, unit after unit.
    arrived = [2, 2, 2, 2, 0, 2, 2, 0, 1, 2]
    counts = np.eye(3)[arrived].cumsum(axis=0)
    starts = np.arange(0, 30, 3)
    found = log_e_values(counts.ravel(), np.tile([0.1, 0.5, 0.4], 10), starts, (10_000.0,))
    assert np.exp(found[-1]) == pytest.approx(1.0017496120131435, rel=1e-12)
    assert np.exp(-found.max()) == pytest.approx(0.9980534145723241, rel=1e-12)


SHARES = st.sampled_from([(1, 1), (1, 3), (1, 1, 2), (1, 9), (2, 3, 5), (1,)])


@given(SHARES.flatmap(lambda parts: st.tuples(st.just(parts), st.tuples(*[st.integers(0, 60)] * len(parts)))))
def test_the_e_value_is_the_product_of_what_each_unit_adds(
    case: tuple[tuple[int, ...], tuple[int, ...]],
):
    parts, counts = case
    shares = [Fraction(part, sum(parts)) for part in parts]
    exact = e_value(counts, shares)
    assert np.exp(evidence(list(counts), [float(share) for share in shares])) == pytest.approx(
        float(exact), rel=1e-10
    )


def test_before_the_first_unit_there_is_no_evidence():
    assert evidence([0, 0], [0.5, 0.5]) == pytest.approx(0.0, abs=1e-12)


def test_groups_are_told_apart_by_where_they_begin():
    counts, shares = np.array([60.0, 40, 5, 0, 0, 7, 3]), np.array([0.5, 0.5, 0.2, 0.3, 0.5, 0.9, 0.1])
    found = log_e_values(counts, shares, np.array([0, 2, 5]))
    alone = [
        evidence([60, 40], [0.5, 0.5]),
        evidence([5, 0, 0], [0.2, 0.3, 0.5]),
        evidence([7, 3], [0.9, 0.1]),
    ]
    assert found == pytest.approx(alone, rel=1e-12)


def test_a_hundred_million_units_are_told_from_a_deviation_of_a_tenth_of_a_percent():
    half = 50_000_000
    as_declared = evidence([half, half], [0.5, 0.5])
    # Units exactly as declared cost a prior the root of its worth over the units: here 1 / 1000 and 1 / 100.
    assert as_declared == pytest.approx(np.log((1 / 1000 + 1 / 100) / 2), rel=1e-3)
    # Half of the squared standard score: a tenth of a percent is 20 standard deviations here.
    assert evidence([half + 100_000, half - 100_000], [0.5, 0.5]) == pytest.approx(
        200 + as_declared, rel=0.01
    )
    assert evidence([10**8, 0], [0.5, 0.5]) == pytest.approx(1e8 * np.log(2), rel=1e-3)


@pytest.mark.parametrize(
    "counts", [[600, 400], [0, 40], [40, 0], [50_010_000, 49_990_000], [3, 1], [1, 0]], ids=str
)
def test_of_two_variations_the_bounds_are_where_the_test_just_rejects(counts: list[int]):
    shares = [0.5, 0.5]
    total, threshold = sum(counts), np.log(1 / ALPHA)
    marginal = evidence(counts, shares) + total * np.log(0.5)

    def rejected(share: float) -> bool:
        likelihood = sum(n * np.log(s) for n, s in zip(counts, (share, 1 - share), strict=True) if n)
        return bool(marginal - likelihood > threshold)

    lower, upper = bounds(counts, shares)[0]
    assert lower <= counts[0] / total <= upper
    step = 1e-6 * min(1.0, upper - lower)
    for bound, outwards in ((lower, -step), (upper, step)):
        if 0 < bound < 1:
            assert rejected(bound + outwards)
            assert not rejected(bound - outwards)
    mirrored = bounds(counts, shares)[1]
    assert mirrored == pytest.approx((1 - upper, 1 - lower), abs=1e-9)


def test_of_three_variations_a_bound_is_the_farthest_share_among_all_that_are_not_rejected():
    counts, shares = [30, 50, 20], [0.2, 0.5, 0.3]
    marginal = evidence(counts, shares) + float(np.dot(counts, np.log(shares)))
    grid = np.linspace(0.0005, 0.9995, 1000)
    first, second = np.meshgrid(grid, grid)
    third = 1 - first - second
    with np.errstate(invalid="ignore", divide="ignore"):
        likelihood = counts[0] * np.log(first) + counts[1] * np.log(second) + counts[2] * np.log(third)
        kept = (third > 0) & (marginal - likelihood <= np.log(1 / ALPHA))
    for (lower, upper), share in zip(bounds(counts, shares), (first, second, third), strict=True):
        assert (lower, upper) == pytest.approx((share[kept].min(), share[kept].max()), abs=0.002)


def test_a_smaller_alpha_gives_wider_bounds():
    wide, narrow = bounds([600, 400], [0.5, 0.5], 0.0001)[0], bounds([600, 400], [0.5, 0.5], 0.05)[0]
    assert wide[0] < narrow[0] < 0.6 < narrow[1] < wide[1]


def test_no_groups_have_no_evidence_and_no_bounds():
    none = np.array([], float), np.array([], float), np.array([], np.int64)
    assert log_e_values(*none).size == 0
    assert [bound.size for bound in share_bounds(*none, np.array([], float))] == [0, 0]


def test_of_right_splits_looked_at_after_every_tenth_unit_no_more_than_alpha_are_ever_rejected():
    experiments, looks, shares = 2_000, 200, np.array([0.5, 0.3, 0.2])
    arrived = np.random.default_rng(1).multinomial(10, shares, (experiments, looks)).cumsum(axis=1)
    starts = np.arange(0, arrived.size, shares.size)
    found = log_e_values(arrived.astype(float).ravel(), np.tile(shares, experiments * looks), starts).reshape(
        experiments, looks
    )
    for alpha in (0.2, 0.05, 0.01):
        is_rejected = (found > np.log(1 / alpha)).any(axis=1)
        assert 0 < is_rejected.mean() <= alpha
