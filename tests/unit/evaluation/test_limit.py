"""The one comparison of a number with a limit."""

import pytest

from gitops_model.evaluation.limit import against_limit


@pytest.mark.parametrize(
    ("lower", "upper", "limit", "better", "state"),
    [
        (-0.004, 0.02, -0.005, "higher", "pass"),
        (-0.005, 0.02, -0.005, "higher", "inconclusive"),  # exactly on the limit does not pass
        (-0.006, 0.02, -0.005, "higher", "inconclusive"),
        (-0.02, -0.006, -0.005, "higher", "fail"),
        (-0.02, -0.005, -0.005, "higher", "inconclusive"),  # and does not fail
        (0.01, 0.02, 0.0, "higher", "pass"),
        (0.0, 0.0, 0.0, "higher", "inconclusive"),
        (0.03, 0.04, 0.05, "lower", "pass"),
        (0.03, 0.05, 0.05, "lower", "inconclusive"),
        (0.06, 0.07, 0.05, "lower", "fail"),
        (0.05, 0.07, 0.05, "lower", "inconclusive"),
        (None, None, 0.5, "higher", "inconclusive"),
        (0.6, None, 0.5, "higher", "pass"),
        (None, 0.4, 0.5, "higher", "fail"),
        (0.6, None, 0.5, "lower", "fail"),
        (None, 0.4, 0.5, "lower", "pass"),
    ],
)
def test_a_number_against_a_limit(lower, upper, limit, better, state):
    found = against_limit(value=0.0, lower=lower, upper=upper, limit=limit, better=better)
    assert found == state


@pytest.mark.parametrize("value", [None, float("nan")])
def test_nothing_is_never_a_pass(value):
    assert against_limit(value=value, lower=1, upper=2, limit=0, better="higher") == "no_data"
