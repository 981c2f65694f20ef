"""A test of declared shares that may be looked at after every unit, and the shares that it does not rule out.

Which units are compared with which shares stands in `sample_ratios`.

The test is the one of Lindon and Malek, "Anytime-Valid Inference for Multinomial Count Data" (NeurIPS 2022,
https://arxiv.org/abs/2011.03567): the Bayes factor of a Dirichlet prior over the shares against the declared ones is a
martingale with mean 1 while units come as declared, so it exceeds 1 / alpha at any time with probability alpha at most
(Ville's inequality). With counts n of N units, declared shares s and prior parameters a that sum to A,

    e = B(a + n) / (B(a) * product(s ** n)),    B(a) = product(gamma(a)) / gamma(A)

The prior here is even odds between two of them, a = k * s for the two k of `PRIOR_UNITS`.
"""

from collections.abc import Sequence

import numpy as np
from scipy.special import gammaln, logsumexp, xlogy

from exposure_assets.transforms.runs import Floats, Indices

# How many units a prior is worth: a test finds deviations of about 1 / sqrt(k) the soonest. Few, for splits that are
# broken in an experiment without much traffic; many, for a percent in one that has it.
PRIOR_UNITS = (100.0, 10_000.0)
# Halvings of a bracket inside 0..1: the bounds are exact to 2 ** -40.
_HALVINGS = 40


def log_e_values(
    counts: Floats, shares: Floats, starts: Indices, prior_units: Sequence[float] = PRIOR_UNITS
) -> Floats:
    """The evidence against the shares, as the natural logarithm of the e-value of each group.

    Logarithms of gamma functions hold 100 million units to about 1e-6.

    Args:
        counts: Units per variation, group after group.
        shares: The declared share of each, above 0; those of a group sum to 1.
        starts: Where each group begins.
        prior_units: How many units each prior is worth, at even odds.
    """
    totals = np.add.reduceat(counts, starts)
    priors = [
        np.add.reduceat(gammaln(k * shares + counts) - gammaln(k * shares), starts)
        + gammaln(k)
        - gammaln(k + totals)
        for k in prior_units
    ]
    declared = np.add.reduceat(xlogy(counts, shares), starts)
    return logsumexp(priors, axis=0) - np.log(len(prior_units)) - declared


def share_bounds(counts: Floats, shares: Floats, starts: Indices, alpha: Floats) -> tuple[Floats, Floats]:
    """The lowest and the highest share that a variation can have while the test rejects not all shares with it.

    Shares t are not ruled out while product(t ** n) > alpha * e * product(s ** n). The largest such product for a
    given t of one variation has the others at their observed proportions, so its bounds are where N * kl(n / N, t),
    the Kullback-Leibler divergence of that variation against the rest, reaches what is left.

    Args:
        counts: Units per variation, group after group; every group has some.
        shares: The declared share of each, above 0; those of a group sum to 1.
        starts: Where each group begins.
        alpha: Of each group: with this probability at most, true shares are ever outside.
    """
    sizes = np.diff(np.append(starts, len(counts)))
    totals = np.add.reduceat(counts, starts)
    observed = counts / np.repeat(totals, sizes)
    divergence = np.add.reduceat(xlogy(counts, observed) - xlogy(counts, shares), starts)
    allowed = divergence - log_e_values(counts, shares, starts) - np.log(alpha)
    per_unit = np.repeat(allowed / totals, sizes)
    return _bound(observed, per_unit, np.zeros_like(observed)), _bound(
        observed, per_unit, np.ones_like(observed)
    )


def _bound(observed: Floats, allowed: Floats, end: Floats) -> Floats:
    """Between the observed share and an end of 0..1, the first share found whose divergence is too large."""
    inside, outside = observed, end
    for _ in range(_HALVINGS):
        middle = (inside + outside) / 2
        is_allowed = _divergence(observed, middle) <= allowed
        inside, outside = np.where(is_allowed, middle, inside), np.where(is_allowed, outside, middle)
    return outside


def _divergence(observed: Floats, share: Floats) -> Floats:
    """Of two possibilities, the observed share and the rest, from others."""
    with np.errstate(divide="ignore"):
        return (
            xlogy(observed, observed)
            + xlogy(1 - observed, 1 - observed)
            - xlogy(observed, share)
            - xlogy(1 - observed, 1 - share)
        )
