"""Tail probabilities against scipy, which the monitor itself does without."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from gitops_model.monitoring import tails


@given(st.floats(0, 40), st.integers(1, 60))
def test_student_is_exact(t: float, degrees: int) -> None:
    assert tails.student_tail(t, degrees=degrees) == pytest.approx(
        2 * stats.t.sf(t, degrees), rel=1e-6, abs=1e-12
    )


@pytest.mark.parametrize("degrees", [1, 2, 3, 9, 30, 1000])
@pytest.mark.parametrize("alpha", [0.5, 0.01, 1e-4, 1e-6])
def test_the_limit_of_student_is_the_quantile(alpha: float, degrees: int) -> None:
    found = tails.student_limit(alpha, degrees=degrees)
    assert found == pytest.approx(stats.t.isf(alpha / 2, degrees), rel=1e-4)


@given(st.floats(0, 500), st.integers(1, 60))
def test_the_bound_of_chi_square_is_one(statistic: float, degrees: int) -> None:
    bound = tails.chi_square_bound(statistic, degrees=degrees)
    assert stats.chi2.sf(statistic, degrees) <= bound * (1 + 1e-9) <= 1 + 1e-9


def test_the_bound_of_chi_square_is_not_idle() -> None:
    # At the level at which forty columns are judged it asks for an eighth more than the exact test.
    exact = stats.chi2.isf(7e-5, 10)
    assert tails.chi_square_bound(exact * 1.25, degrees=10) < 7e-5


@given(st.integers(0, 300), st.integers(1, 300), st.floats(0, 1, allow_subnormal=False))
def test_the_bound_of_the_binomial_is_one(count: int, rows: int, share: float) -> None:
    count = min(count, rows)
    bound = tails.binomial_bound(count, rows=rows, share=share)
    assert stats.binom.sf(count - 1, rows, share) <= bound * (1 + 1e-9)
