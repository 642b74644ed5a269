"""The bets are fair under their claim: expectations are computed exactly, over all outcomes of a bucket."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops_model.serving.evidence import (
    ENOUGH,
    EQUAL_WEIGHTS,
    Evidence,
    against_equal,
    against_worse,
    unspent,
)

MARGINS = (0.0001, 0.002, 0.1, 0.5)


@pytest.mark.parametrize("margin", MARGINS)
@pytest.mark.parametrize(("n_c", "n_s"), [(1, 1), (1, 9), (5, 45), (7, 2)])
@pytest.mark.parametrize("k", [0, 1, 3])
def test_a_bucket_of_equal_arms_wins_nothing_on_average(
    n_c: int, n_s: int, k: int, margin: float
) -> None:
    # Whichever k requests fail, and however they hang together: each is the canary's by lottery.
    k = min(k, n_c + n_s)
    places = list(combinations(range(n_c + n_s), k))
    factors = [
        against_equal(n_c, sum(p < n_c for p in which), n_s, sum(p >= n_c for p in which), margin)
        for which in places
    ]
    assert (np.mean(factors, axis=0) <= 1 + 1e-12).all()


@pytest.mark.parametrize("margin", MARGINS)
@pytest.mark.parametrize(("n_c", "n_s"), [(1, 1), (1, 9), (3, 5)])
@pytest.mark.parametrize("rate", [0.0, 0.01, 0.3])
def test_a_canary_at_the_margin_wins_nothing_on_average(
    n_c: int, n_s: int, margin: float, rate: float
) -> None:
    # Each request of the canary fails with the common rate, or by the further share that the margin allows.
    worse = rate + margin
    if worse > 1:
        return
    total = np.zeros(8)
    for c, s in product(range(n_c + 1), range(n_s + 1)):
        total += (
            _binomial(c, n_c, worse)
            * _binomial(s, n_s, rate)
            * against_equal(n_c, c, n_s, s, margin)
        )
    assert (total <= 1 + 1e-12).all()


@pytest.mark.parametrize("margin", MARGINS)
@pytest.mark.parametrize("burst", [1.0, 0.5])
def test_a_burst_of_the_margins_size_wins_nothing_either(margin: float, burst: float) -> None:
    # All further failures come at once, with a small chance: `margin` on average, and no two are independent.
    n_c, n_s = 8, 40
    hit = round(n_c * burst)
    chance = margin * n_c / hit
    if chance > 1:
        return
    mean = chance * against_equal(n_c, hit, n_s, 0, margin) + (1 - chance) * against_equal(
        n_c, 0, n_s, 0, margin
    )
    assert (mean <= 1 + 1e-12).all()


@pytest.mark.parametrize("margin", MARGINS)
def test_a_canary_worse_by_the_margin_is_not_cleared_on_average(margin: float) -> None:
    n_c, n_s, rate = 3, 5, 0.2
    total = np.zeros(4)
    for c, s in product(range(n_c + 1), range(n_s + 1)):
        weight = _binomial(c, n_c, rate + margin) * _binomial(s, n_s, rate)
        total += weight * against_worse(n_c, c, n_s, s, margin)
    assert (total <= 1 + 1e-12).all()


def _binomial(k: int, n: int, p: float) -> float:
    from math import comb

    return comb(n, k) * p**k * (1 - p) ** (n - k)


counts = st.integers(0, 60)


@given(counts, counts, counts, counts, st.sampled_from(MARGINS))
def test_capital_never_goes_below_nothing(n_c: int, k_c: int, n_s: int, k_s: int, m: float) -> None:
    k_c, k_s = min(k_c, n_c), min(k_s, n_s)
    for way in (against_equal, against_worse):
        factors = way(n_c, k_c, n_s, k_s, m)
        assert (factors >= 0).all() and np.isfinite(factors).all()
        if n_c == 0 or n_s == 0:
            assert (factors == 1).all()


def test_the_capital_is_one_as_long_as_nothing_is_won_or_lost() -> None:
    purse = Evidence(EQUAL_WEIGHTS)
    for _ in range(1000):
        purse.add(np.ones(8))
        assert float(purse.value) == pytest.approx(1)


@given(st.lists(st.lists(st.floats(0, 9), min_size=2, max_size=2), max_size=50))
def test_it_is_the_average_over_all_starts(factors: list[list[float]]) -> None:
    purse = Evidence(np.array([0.5, 0.5]))
    for one in factors:
        purse.add(np.array(one))
    expected = unspent(len(factors))
    for start in range(len(factors)):
        part = unspent(start) - unspent(start + 1)
        grown = np.prod(np.array(factors[start:]), axis=0)
        expected += part * float(grown.mean())
    assert (
        float(purse.value) == pytest.approx(min(expected, 2 * ENOUGH), rel=1e-6)
        or expected > ENOUGH
    )


def test_some_capital_is_left_after_a_week() -> None:
    week = 7 * 24 * 3600 * 2
    assert unspent(0) == 1 and unspent(1) == pytest.approx(0.2)
    assert unspent(week) > 0.001
    assert all(unspent(n + 1) < unspent(n) for n in range(1, 1000))
