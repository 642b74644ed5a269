"""Evidence that may be looked at as often as one likes: betting against a claim, bucket by bucket of time.

The claim is "the canary is worse by at most `margin`" (`against_equal`), or "it is worse by at least `margin`"
(`against_worse`). Betting against a true claim hardly ever makes rich: a capital that starts at 1 and, under the claim,
is expected not to grow, ever reaches 1/alpha with a probability of at most alpha (Ville 1939), however often and
whenever one looks. So a capital of 1/alpha is the verdict.

Sources. I. Waudby-Smith and A. Ramdas, "Estimating means of bounded random variables by betting", JRSS-B 86 (2024):
for X in [0, 1] with a mean of at most m given the past, the capital prod(1 + l_i (X_i - m)) with 0 <= l_i <= 1/m,
chosen before X_i, is a supermartingale; for X >= -1 the bound of l becomes 1/(1 + m). So is the average over a grid of
constant fractions (their "grid Kelly"). S. Howard, A. Ramdas, J. McAuliffe and J. Sekhon, "Time-uniform, nonparametric,
nonasymptotic confidence sequences", Annals of Statistics 49 (2021), for why looking every second spoils other tests.

What is bet on, in one bucket with `n` requests and `k` events in each arm:

1. The difference of shares, d = k_c/n_c - k_s/n_s, which lies in [-1, 1]: 1 + l (d - margin).
2. Whose the events are. Of k = k_c + k_s > 0 events the canary has the share v, and with p = n_c/(n_c + n_s) the gain
   is f = v/p - 1, else 0. If the arms are alike, each event is the canary's with probability p, so f has mean 0 given
   n_c, n_s and k, whatever the dependence between the requests of the bucket. Let the canary have m further events, on
   average at most margin * n_c of them. They lift v by at most min(1, m), so f by at most m/p, on average by margin *
   (n_c + n_s). That is subtracted: 1 + l (f - margin (n_c + n_s)). An event that stable hardly has multiplies the
   capital by up to 1/p; by the difference alone it at most doubles.

Both are bounded and count a bucket once, so a burst within it weighs no more than one event; between buckets nothing is
assumed but the mean given the past. Bursts, days and nights, and errors that remember each other cancel, because both
arms meet them in the same bucket. What does not cancel is a difference between the callers of the two arms: the lottery
is by key, so it is fair where keys are many.

A canary may go bad after a day. Most of the capital is bet at once; the rest follows slowly, a share in each bucket, so
that some of it was never lost before. This, too, is an average of supermartingales, one for each start.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
Counts = Any  # a number, or an array: for each signal, and for each canary that is simulated

# How much of what may be lost in one bucket is bet.
FRACTIONS = np.array([0.1, 0.3, 0.6, 0.9])
# Of the two ways to bet against equality the second is the faster, but for events that are frequent at stable, too.
EQUAL_WEIGHTS = np.repeat([0.2, 0.8], len(FRACTIONS)) / len(FRACTIONS)
WORSE_WEIGHTS = np.full(len(FRACTIONS), 1 / len(FRACTIONS))
FIRST = 0.8
SLOW = 120.0
POWER = 0.25
# Capital beyond this proves nothing more; a capped supermartingale is one.
ENOUGH = 1e12


def unspent(buckets: int) -> float:
    """The part of the capital that has not been bet before bucket number `buckets`, counted from 0."""
    return 1.0 if buckets == 0 else (1 - FIRST) * (1 + (buckets - 1) / SLOW) ** -POWER


class Evidence:
    """The capital of somebody who bets against a claim. One number, or an array of `shape` in simulations."""

    def __init__(self, weights: Numbers, shape: tuple[int, ...] = ()) -> None:
        self._weights = weights
        self._bets: Numbers = np.zeros((*shape, len(weights)))
        self._buckets = 0

    def add(self, factors: Numbers) -> None:
        """A bucket is over: its factors, one for each weight, along the last axis."""
        new = unspent(self._buckets) - unspent(self._buckets + 1)
        self._buckets += 1
        self._bets = np.minimum((self._bets + new * self._weights) * factors, ENOUGH)

    @property
    def value(self) -> Numbers:
        """The capital; 1/alpha of it refutes the claim with an error of at most alpha."""
        total: Numbers = unspent(self._buckets) + self._bets.sum(axis=-1)
        return total


def against_equal(
    canary: Counts, canary_events: Counts, stable: Counts, stable_events: Counts, margin: Counts
) -> Numbers:
    """Factors of bets that the canary is worse by more than `margin`. Without requests in both arms nothing is bet."""
    n_c, k_c, n_s, k_s = _floats(canary, canary_events, stable, stable_events)
    paired = (n_c > 0) & (n_s > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        difference = k_c / n_c - k_s / n_s - margin
        events, all_requests = k_c + k_s, n_c + n_s
        gain = np.where(events > 0, k_c / events * all_requests / n_c - 1, 0.0)
        share = gain - margin * all_requests
        factors = np.concatenate(
            [
                _factors(difference, 1 / (1 + margin)),
                _factors(share, 1 / (1 + margin * all_requests)),
            ],
            axis=-1,
        )
    return np.where(paired[..., None], factors, 1.0)


def against_worse(
    canary: Counts, canary_events: Counts, stable: Counts, stable_events: Counts, margin: Counts
) -> Numbers:
    """Factors of bets that the canary is worse by less than `margin`, or better."""
    n_c, k_c, n_s, k_s = _floats(canary, canary_events, stable, stable_events)
    paired = (n_c > 0) & (n_s > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        difference = margin - (k_c / n_c - k_s / n_s)
    return np.where(paired[..., None], _factors(difference, 1 / (1 - margin)), 1.0)


def _factors(gain: Numbers, largest: Any) -> Numbers:
    bets = np.asarray(largest)[..., None] * FRACTIONS
    factors: Numbers = 1 + bets * np.asarray(gain)[..., None]
    return factors


def _floats(*counts: Counts) -> list[Numbers]:
    return [np.asarray(count, dtype=np.float64) for count in counts]
