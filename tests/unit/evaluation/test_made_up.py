"""The made-up pairs are what they say: their true values, what they share, and which rows they answer."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from gitops_model.evaluation import made_up, metrics
from gitops_model.evaluation.columns import Context
from gitops_model.evaluation.made_up import Pair, Unit

CONTEXTS = {
    "binary": Context(
        problem="binary", threshold=0.2, costs={"false_positive": 1, "false_negative": 4}
    ),
    "multiclass": Context(problem="multiclass", classes=("a", "b", "c")),
    "regression": Context(problem="regression", costs={"over": 1, "under": 3}),
}


def pair(problem: str, *, skill: float = 0.6, unit: Unit = "rows", **more: float) -> Pair:
    found = made_up.ground(problem, rows=4000, unit=unit, units=20, slices={"depot": 4})
    options = {"alike": 0.8, "common": 0.1} | more
    return Pair(ctx=CONTEXTS[problem], ground=found, skill=skill, **options)


@pytest.mark.parametrize("skill", [0.5, 1.0, 2.0])
def test_skill_is_the_distance_of_two_normals(skill: float) -> None:
    found = pair("binary").measure("roc_auc", skill)
    assert found == pytest.approx(stats.norm.cdf(skill / np.sqrt(2)), abs=0.006)
    assert pair("binary").measure("ece", skill) < 0.01


def test_skill_of_a_regression_is_the_correlation_with_the_label() -> None:
    assert pair("regression").measure("r2", 0.6) == pytest.approx(0.36, abs=0.01)


@pytest.mark.parametrize(
    ("problem", "metric", "gain", "relative"),
    [
        ("binary", "roc_auc", -0.02, False),
        ("binary", "expected_cost", -0.05, True),
        ("binary", "roc_auc", 0.02, False),
        ("multiclass", "log_loss", -0.03, True),
        ("regression", "rmse", -0.04, True),
    ],
)
def test_a_candidate_differs_by_what_was_asked(
    problem: str, metric: str, gain: float, relative: bool
) -> None:
    made = pair(problem)
    skill = made.at(metric, gain, relative=relative)
    assert skill is not None
    here, there = made.measure(metric, made.skill), made.measure(metric, skill)
    sign = metrics.CATALOGUE[metric].sign
    assert sign * (there - here) / (here if relative else 1) == pytest.approx(gain, abs=3e-4)


def test_a_loss_that_no_lack_of_skill_makes_is_not_made() -> None:
    assert pair("binary").at("roc_auc", -0.4, relative=False) is None


def test_what_two_models_share() -> None:
    made = pair("regression", alike=0.7)
    generator = np.random.default_rng(0)
    old, new = made.noise(generator, made.ground.draw(generator))
    assert np.var(old) == pytest.approx(1, abs=0.08)
    assert np.corrcoef(old, new)[0, 1] == pytest.approx(0.7, abs=0.03)


def test_what_is_a_models_own_moves_whole_days() -> None:
    made = pair("regression", alike=0.0, common=0.5, unit="days")
    generator = np.random.default_rng(1)
    drawn = made.ground.draw(generator)
    old, _ = made.noise(generator, drawn)
    assert drawn.place is not None
    means = np.array([old[drawn.place == day].mean() for day in range(20)])
    assert 0.2 < np.var(means) < 1.1


def test_days_are_drawn_whole() -> None:
    made = pair("binary", unit="days")
    drawn = made.ground.draw(np.random.default_rng(2))
    assert drawn.place is not None and made.ground.place is not None
    assert len(np.unique(drawn.place)) == made.ground.units == 20
    for day in range(20):
        rows = drawn.rows[drawn.place == day]
        (source,) = np.unique(made.ground.place[rows])
        assert sorted(rows) == np.flatnonzero(made.ground.place == source).tolist()


def test_rounded_scores_have_ties() -> None:
    made = pair("binary")
    rough = Pair(ctx=made.ctx, ground=made.ground, skill=1.0, alike=0.5, common=0.0, decimals=1)
    labels = made.ground.labels
    noise = np.random.default_rng(3).normal(size=len(labels))
    assert len(np.unique(rough.scores(labels, noise, 1.0))) <= 11
