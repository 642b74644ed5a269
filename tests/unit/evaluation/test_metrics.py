"""Values against scikit-learn on the same rows; what is undefined is None."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from gitops_model.evaluation import columns, metrics, ranks
from gitops_model.evaluation.columns import Context
from gitops_model.evaluation.metrics import CATALOGUE
from tests.support import cases

BINARY = Context(problem="binary", threshold=0.4, costs={"false_positive": 1, "false_negative": 5})
CLASSES = Context(problem="multiclass", classes=("a", "b", "c"), costs={"under": 2, "over": 1})
NUMBERS = Context(problem="regression", costs={"under": 2, "over": 1})


def binary(rows=500, seed=0, digits=2):
    generator = np.random.default_rng(seed)
    labels = (generator.random(rows) < 0.3).astype(float)
    return labels, np.round(np.clip(0.3 * labels + 0.7 * generator.random(rows), 0, 1), digits)


def multiclass(rows=500, seed=0):
    generator = np.random.default_rng(seed)
    labels = generator.integers(3, size=rows).astype(float)
    scores = generator.dirichlet([1, 1, 1], size=rows) + 0.5 * np.eye(3)[labels.astype(int)]
    return labels, scores / scores.sum(axis=1, keepdims=True)


def regression(rows=500, seed=0):
    generator = np.random.default_rng(seed)
    labels = 1e4 + generator.normal(size=rows)
    return labels, labels + generator.normal(size=rows)


def answered(scores):
    return (scores >= 0.4).astype(float)


@pytest.mark.parametrize(
    ("name", "oracle"),
    [
        ("roc_auc", sk.roc_auc_score),
        ("pr_auc", sk.average_precision_score),
        ("f1", lambda y, s: sk.f1_score(y, answered(s))),
        ("precision", lambda y, s: sk.precision_score(y, answered(s))),
        ("recall", lambda y, s: sk.recall_score(y, answered(s))),
        ("accuracy", lambda y, s: sk.accuracy_score(y, answered(s))),
        ("log_loss", sk.log_loss),
        ("brier", sk.brier_score_loss),
        (
            "expected_cost",
            lambda y, s: np.sum(sk.confusion_matrix(y, answered(s)) * [[0, 1], [5, 0]]) / len(y),
        ),
    ],
)
@pytest.mark.parametrize("seed", range(3))
def test_binary_metrics_agree_with_scikit_learn(name, oracle, seed):
    labels, scores = binary(seed=seed)
    assert metrics.value(name, labels, scores, BINARY) == pytest.approx(
        oracle(labels, scores), rel=1e-12
    )


@pytest.mark.parametrize(
    ("name", "oracle"),
    [
        ("accuracy", lambda y, s: sk.accuracy_score(y, s.argmax(1))),
        ("f1_macro", lambda y, s: sk.f1_score(y, s.argmax(1), average="macro")),
        ("log_loss", sk.log_loss),
        (
            "expected_cost",
            lambda y, s: (
                np.sum(sk.confusion_matrix(y, s.argmax(1)) * [[0, 1, 2], [2, 0, 1], [4, 2, 0]])
                / len(y)
            ),
        ),
    ],
)
def test_multiclass_metrics_agree_with_scikit_learn(name, oracle):
    labels, scores = multiclass()
    assert metrics.value(name, labels, scores, CLASSES) == pytest.approx(
        oracle(labels, scores), rel=1e-12
    )


@pytest.mark.parametrize(
    ("name", "oracle"),
    [
        ("rmse", sk.root_mean_squared_error),
        ("mae", sk.mean_absolute_error),
        ("r2", sk.r2_score),
        (
            "expected_cost",
            lambda y, s: np.mean(np.where(s < y, 2 * (y - s), s - y)),
        ),
    ],
)
def test_regression_metrics_agree_with_scikit_learn(name, oracle):
    labels, scores = regression()
    assert metrics.value(name, labels, scores, NUMBERS) == pytest.approx(
        oracle(labels, scores), rel=1e-9
    )


def test_costs_may_be_a_matrix_of_true_by_answered_class():
    costs = {"matrix": [[0, 1, 9], [2, 0, 1], [7, 3, 0]]}
    ctx = Context(problem="multiclass", classes=("a", "b", "c"), costs=costs)
    labels, scores = multiclass()
    table = sk.confusion_matrix(labels, scores.argmax(1))
    expected = np.sum(table * costs["matrix"]) / len(labels)
    assert metrics.value("expected_cost", labels, scores, ctx) == pytest.approx(expected)


def test_calibration_error_is_the_weighted_gap_of_ten_equal_bins():
    labels, scores = binary(rows=1000, digits=6)
    order = np.argsort(scores)
    gaps = [abs(scores[i].mean() - labels[i].mean()) * len(i) for i in np.array_split(order, 10)]
    assert metrics.value("ece", labels, scores, BINARY) == pytest.approx(sum(gaps) / 1000, rel=1e-9)


def test_calibration_error_sees_a_shift():
    labels, _ = binary(rows=4000, digits=6)
    honest = metrics.value("ece", labels, labels * 0 + labels.mean(), BINARY)
    assert honest == pytest.approx(0, abs=1e-12)
    assert metrics.value("ece", labels, labels * 0 + labels.mean() + 0.2, BINARY) == pytest.approx(
        0.2
    )


ONES, MIXED = np.ones(5), np.array([1.0, 0, 1, 0, 0])


@pytest.mark.parametrize(
    ("name", "labels", "scores"),
    [
        ("roc_auc", ONES, np.linspace(0, 1, 5)),
        ("roc_auc", 0 * ONES, np.linspace(0, 1, 5)),
        ("pr_auc", 0 * ONES, np.linspace(0, 1, 5)),
        ("precision", MIXED, 0 * ONES),
        ("recall", 0 * ONES, ONES),
        ("f1", 0 * ONES, 0 * ONES),
        ("accuracy", np.array([]), np.array([])),
        ("log_loss", MIXED, np.array([0.1, np.nan, 0.2, 0.3, 0.4])),
        ("brier", MIXED, np.array([0.1, np.inf, 0.2, 0.3, 0.4])),
        ("accuracy", np.array([1.0, np.nan, 1, 0, 0]), ONES),
    ],
)
def test_undefined_is_no_data_and_neither_nan_nor_zero(name, labels, scores):
    assert metrics.value(name, labels, scores, BINARY) is None


def test_r2_of_a_constant_label_is_no_data():
    assert metrics.value("r2", ONES, np.arange(5.0), NUMBERS) is None


def test_zero_is_a_value_where_it_is_one():
    assert metrics.value("f1", MIXED, 0 * ONES, BINARY) == 0
    assert metrics.value("recall", MIXED, 0 * ONES, BINARY) == 0


BETTER_BINARY = (
    np.array([1.0, 1, 0, 0]),
    np.array([0.9, 0.8, 0.1, 0.2]),
    np.array([0.6, 0.3, 0.7, 0.2]),
)
BETTER_CLASSES = (
    np.array([0.0, 1, 2]),
    np.eye(3) * 0.9 + 0.03,
    np.full((3, 3), 1 / 3) + 0.1 * np.eye(3)[[1, 2, 0]],
)
BETTER_NUMBERS = (np.array([1.0, 2, 3]), np.array([1.1, 2.0, 3.1]), np.array([2.0, 4.0, 0.0]))


@pytest.mark.parametrize(
    ("ctx", "labels", "good", "bad"),
    [
        (BINARY, *BETTER_BINARY),
        (CLASSES, *BETTER_CLASSES),
        (NUMBERS, *BETTER_NUMBERS),
    ],
)
def test_every_metric_knows_which_way_is_better(ctx, labels, good, bad):
    for metric in metrics.applicable(ctx):
        if metric.name == "ece":
            continue
        better = metrics.value(metric.name, labels, good, ctx)
        worse = metrics.value(metric.name, labels, bad, ctx)
        assert metric.sign * (better - worse) > 0, metric.name


def test_calibration_error_is_better_when_lower():
    assert not CATALOGUE["ece"].higher_is_better


def test_cost_metrics_need_costs():
    names = [m.name for m in metrics.applicable(Context(problem="regression"))]
    assert names == ["rmse", "mae", "r2"]


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(sorted(m.name for m in metrics.applicable(BINARY))))
def test_the_order_of_rows_changes_nothing(seed, name):
    labels, scores = binary(rows=60, seed=seed)
    order = np.random.default_rng(seed).permutation(60)
    one, other = (metrics.value(name, labels[i], scores[i], BINARY) for i in (np.arange(60), order))
    assert one == pytest.approx(other) or (one is None and other is None)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6))
def test_rank_metrics_with_many_ties_agree_with_scikit_learn(seed):
    labels, scores = binary(rows=80, seed=seed, digits=1)
    if 0 < labels.sum() < 80:
        assert ranks.roc_auc(labels, scores)[0] == pytest.approx(sk.roc_auc_score(labels, scores))
        found = ranks.average_precision(labels, scores)[0]
        assert found == pytest.approx(sk.average_precision_score(labels, scores))


@pytest.mark.parametrize(
    "name", sorted(m.name for m in metrics.applicable(BINARY) if m.rank is None)
)
def test_influence_is_the_derivative_by_the_weight_of_a_row(name):
    labels, scores = binary(rows=40, digits=6)
    found = metrics.linear(CATALOGUE[name], labels, scores, BINARY)
    step, influence = 1e-5, found.influence()
    for row in (0, 7, 23):
        weights = np.ones(40)
        weights[row] += step
        moved = found.combine(np.average(found.columns, axis=0, weights=weights))
        assert (moved - found.value) / step * 40 == pytest.approx(
            influence[row], rel=1e-2, abs=1e-3
        )


def test_influence_of_average_precision_is_its_derivative():
    labels, scores = binary(rows=60, digits=1)
    value, influence = ranks.average_precision(labels, scores)
    weights = np.ones((60, 60)) + 1e-6 * np.eye(60)
    moved = ranks.weighted_average_precision(labels, scores, weights)
    np.testing.assert_allclose((moved - value) / 1e-6 * 60, influence, atol=1e-4)


def test_influence_of_auc_gives_delongs_standard_error():
    labels, scores = binary(rows=3000, digits=6)
    _, influence = ranks.roc_auc(labels, scores)
    _, _, error = cases.delong(labels, scores, labels * 0)
    assert np.sqrt(np.sum(influence**2)) / 3000 == pytest.approx(error, rel=1e-3)


def test_log_loss_of_a_certain_mistake_is_finite():
    assert metrics.value("log_loss", np.array([1.0, 0]), np.array([0.0, 0]), BINARY) < 20


def test_decisions_include_the_threshold_itself():
    assert columns.decisions(np.array([0.39, 0.4, 0.41]), BINARY).tolist() == [0, 1, 1]
