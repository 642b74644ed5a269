"""Holm, what is judged, and what is only shown."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops_model.evaluation import slices
from gitops_model.evaluation.columns import Context
from gitops_model.evaluation.rows import Rows
from gitops_model.formats.check import SliceRow


# Worked by hand: sorted p = .01, .02, .03, .04 against alpha/4, alpha/3, alpha/2, alpha.
@pytest.mark.parametrize(
    ("p_values", "rejected"),
    [
        ([0.01, 0.04, 0.03, 0.02], [True, False, False, False]),
        ([0.012, 0.016, 0.02, 0.04], [True, True, True, True]),
        ([0.013, 0.001], [True, True]),
        ([0.03, 0.03], [False, False]),
        ([0.05], [True]),
        ([], []),
    ],
)
def test_holm(p_values, rejected):
    assert slices.holm(p_values, alpha=0.05) == rejected


@given(st.lists(st.floats(0, 1), max_size=30))
def test_holm_is_between_bonferroni_and_no_correction(p_values):
    rejected = slices.holm(p_values, alpha=0.05)
    for p, found in zip(p_values, rejected, strict=True):
        assert found or p > 0.05 / len(p_values)
        assert not found or p <= 0.05


def numbers(**known):
    row = SliceRow(
        slice="depot=a", rows=1000, candidate=0.8, production=0.8, delta=0.0, lower=-0.01, upper=0.01, error=0.006,
        degrees=999.0, wins=None, losses=None, rows_needed=None, method="t",
    )  # fmt: skip
    return replace(row, **known)


def states(rows, **rules):
    return [row.state for row in slices.guarded(rows, **{"margin": 0.05, "alpha": 0.05} | rules)]


LOST = {"delta": -0.2, "lower": -0.21, "upper": -0.19}


@pytest.mark.parametrize(
    ("known", "state"),
    [
        ({}, "pass"),
        (LOST, "fail"),
        (LOST | {"rows": 99}, "too_small"),
        (LOST | {"rows": 100}, "fail"),
        ({"candidate": None, "delta": None}, "no_data"),
        ({"production": None, "delta": None}, "no_data"),
        ({"candidate": None, "production": None, "delta": None}, "too_small"),
        ({"lower": None, "upper": None}, "too_small"),
        (
            {"delta": -0.049, "lower": -0.05, "upper": -0.04},
            "undecided",
        ),  # significant, too small to matter, and just not shown to stay above the margin
        ({"delta": -0.04, "lower": -0.049, "upper": -0.03}, "pass"),
        (
            {"delta": -0.06, "error": 0.05, "lower": -0.16, "upper": 0.04},
            "undecided",
        ),  # large, may be chance
        ({"delta": -0.05}, "pass"),  # exactly the margin is not more than it
        ({"delta": -0.06, "wins": 1, "losses": 4, "lower": -0.11, "upper": -0.01}, "undecided"),
        ({"delta": -0.2, "wins": 10, "losses": 210, "lower": -0.22, "upper": -0.18}, "fail"),
    ],
)
def test_states(known, state):
    assert states([numbers(**known)], min_rows=100) == [state]


def test_a_borderline_slice_fails_alone_but_not_among_many():
    # One-sided p of about 0.01: significant alone, not among twenty.
    borderline = numbers(delta=-0.07, error=0.03, lower=-0.12, upper=-0.02)
    assert states([borderline], min_rows=1) == ["fail"]
    many = [borderline] + [numbers()] * 19
    assert states(many, min_rows=1) == ["undecided"] + ["pass"] * 19


def test_every_declared_value_is_measured_and_none_is_dropped():
    generator = np.random.default_rng(0)
    depot = np.array(["large"] * 390 + ["tiny"] * 10)
    labels = (generator.random(400) < 0.5).astype(float)
    scores = generator.random(400)
    table = slices.compare_each(
        {"depot": depot, "express": np.arange(400) % 2 == 0},
        Rows(labels=labels, candidate=scores, production=scores),
        Context(problem="binary"),
        metric="accuracy",
        alpha=0.05,
        relative=False,
        margin=0.05,
        seed=0,
    )
    assert [(row.slice, row.rows) for row in table] == [
        ("depot=large", 390), ("depot=tiny", 10), ("express=False", 200), ("express=True", 200),
    ]  # fmt: skip
    assert all(row.lower < 0 < row.upper for row in table)


def perfect_production(*, errors):
    """Two depots of 250 rows; production is right everywhere, the candidate wrong on `errors` rows of the second."""
    labels = np.tile([0.0, 1.0], 250)
    depot = np.repeat(["a", "b"], 250)
    wrong = np.arange(500) >= 500 - errors
    return {"depot": depot}, Rows(
        labels=labels, candidate=np.where(wrong, 1 - labels, labels), production=labels
    )


@pytest.mark.parametrize(("errors", "state"), [(60, "fail"), (1, "undecided"), (0, "pass")])
def test_a_share_of_nothing_allows_no_loss_that_is_no_accident(errors, state):
    columns, rows = perfect_production(errors=errors)
    table = slices.compare_each(
        columns,
        rows,
        Context(problem="binary", costs={"false_positive": 1, "false_negative": 4}),
        metric="expected_cost",
        alpha=0.05,
        relative=True,
        margin=0.1,
        seed=0,
    )
    judged = slices.guarded(table, margin=0.1, min_rows=200, alpha=0.05, relative=True)
    assert [row.state for row in judged] == ["pass", state]


def test_a_slice_with_both_values_and_no_gain_is_not_called_too_small():
    row = numbers(production=0.0, candidate=0.4, delta=None, lower=None, upper=None, error=None)
    assert states([row], min_rows=100) == ["no_data"]
