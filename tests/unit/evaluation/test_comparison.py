"""Gains are oriented and paired; each method where it belongs; relative gains by ratio."""

import numpy as np
import pytest

from gitops_model.evaluation.columns import Context
from gitops_model.evaluation.comparison import compare, estimate
from gitops_model.evaluation.metrics import applicable, value
from gitops_model.evaluation.resampling import Resampler
from gitops_model.evaluation.rows import Rows
from tests.support import cases

CONTEXTS = {
    "binary": Context(problem="binary", costs={"false_positive": 1, "false_negative": 4}),
    "multiclass": Context(
        problem="multiclass", classes=("a", "b", "c"), costs={"under": 1, "over": 3}
    ),
    "regression": Context(problem="regression", costs={"under": 1, "over": 3}),
}


def rows(problem, *, count=1500, better=0.3, worse=2.0, seed=0):
    world = cases.world(problem, count, seed=seed)
    return Rows(
        labels=world.labels,
        candidate=world.scores(better, draw=1),
        production=world.scores(worse, draw=2),
    )


@pytest.mark.parametrize("problem", CONTEXTS)
def test_a_clearly_better_candidate_has_a_positive_gain_on_every_metric(problem):
    ctx, data = CONTEXTS[problem], rows(problem)
    for metric in applicable(ctx):
        if metric.name == "ece":
            continue
        found = compare(metric.name, data, ctx, Resampler(1500, seed=0), alpha=0.05)
        assert 0 < found.lower < found.gain < found.upper, metric.name
        assert found.gain == pytest.approx(metric.sign * (found.candidate - found.production))


@pytest.mark.parametrize("problem", CONTEXTS)
def test_swapping_the_models_mirrors_gain_and_bounds(problem):
    ctx, data = CONTEXTS[problem], rows(problem)
    swapped = Rows(labels=data.labels, candidate=data.production, production=data.candidate)
    for metric in applicable(ctx):
        one = compare(metric.name, data, ctx, Resampler(1500, seed=0), alpha=0.05)
        other = compare(metric.name, swapped, ctx, Resampler(1500, seed=0), alpha=0.05)
        assert one.gain == pytest.approx(-other.gain)
        assert one.lower == pytest.approx(-other.upper, abs=1e-6), metric.name


@pytest.mark.parametrize("problem", CONTEXTS)
@pytest.mark.parametrize("kind", ["rows", "group", "time"])
def test_a_model_compared_with_itself_gains_exactly_nothing(problem, kind):
    ctx, data = CONTEXTS[problem], rows(problem)
    same = Rows(labels=data.labels, candidate=data.candidate, production=data.candidate)
    options = {
        "rows": {},
        "group": {"group": np.arange(1500) // 3},
        "time": {"time": np.arange(1500)},
    }
    resampler = Resampler(1500, seed=0, **options[kind])
    for metric in applicable(ctx):
        found = compare(metric.name, same, ctx, resampler, alpha=0.05)
        assert found.gain == 0
        if (
            found.method != "Tango"
        ):  # Tango allows for disagreement that these rows happened not to show
            assert (found.lower, found.upper) == (0, 0), metric.name


@pytest.mark.parametrize(
    ("name", "kind", "method"),
    [
        ("roc_auc", {}, "DeLong"),
        ("roc_auc", {"time": np.arange(1500)}, "t interval over blocks"),
        ("accuracy", {}, "Tango"),
        ("accuracy", {"group": np.arange(1500) // 2}, "paired bootstrap of groups"),
        ("log_loss", {}, "paired bootstrap of rows"),
        ("pr_auc", {"time": np.arange(1500)}, "paired bootstrap of blocks"),
    ],
)
def test_methods(name, kind, method):
    resampler = Resampler(1500, seed=0, **kind)
    assert compare(name, rows("binary"), CONTEXTS["binary"], resampler, alpha=0.05).method == method


def test_a_relative_gain_is_a_share_of_production():
    data, ctx = rows("regression"), CONTEXTS["regression"]
    plain = compare("rmse", data, ctx, Resampler(1500, seed=0), alpha=0.05)
    share = compare("rmse", data, ctx, Resampler(1500, seed=0), alpha=0.05, relative=True)
    assert share.gain == pytest.approx(plain.gain / plain.production)
    assert share.lower < share.gain < share.upper


def test_bootstrap_bounds_agree_with_resampling_rows_one_by_one():
    data, ctx = rows("regression", count=150, worse=0.8), CONTEXTS["regression"]
    found = compare("rmse", data, ctx, Resampler(150, seed=0), alpha=0.05)
    generator, gains = np.random.default_rng(9), []
    for _ in range(4000):
        i = generator.integers(150, size=150)
        old = value("rmse", data.labels[i], data.production[i], ctx)
        gains.append(old - value("rmse", data.labels[i], data.candidate[i], ctx))
    assert (found.lower, found.upper) == pytest.approx(
        tuple(np.quantile(gains, [0.05, 0.95])), rel=0.05
    )


def test_linearised_average_precision_agrees_with_ranking_each_resample():
    data, ctx = rows("binary", count=2000, worse=1.0), CONTEXTS["binary"]
    resampler = Resampler(2000, seed=0)
    exact = compare("pr_auc", data, ctx, resampler, alpha=0.05)
    t_interval = compare("pr_auc", data, ctx, resampler, alpha=0.05, resample=False)
    assert (exact.lower, exact.upper) == pytest.approx(
        (t_interval.lower, t_interval.upper), rel=0.1
    )


def test_pairing_is_used():
    world = cases.world("binary", 2000)
    base = world.scores(0.3, draw=1)
    near = np.clip(base + np.random.default_rng(0).normal(0, 0.005, 2000), 0, 1)
    data = Rows(labels=world.labels, candidate=near, production=base)
    _, _, error = cases.delong(world.labels, near, base)
    found = compare("roc_auc", data, CONTEXTS["binary"], Resampler(2000, seed=0), alpha=0.05)
    low, high = estimate("roc_auc", data, CONTEXTS["binary"], Resampler(2000, seed=0), alpha=0.05)[
        1:3
    ]
    assert found.error == pytest.approx(error) and found.upper - found.lower < (high - low) / 10


@pytest.mark.parametrize("unit", [1e-9, 1.0, 1e9])
def test_units_of_the_label_do_not_matter(unit):
    data = rows("regression", count=800, worse=0.5)
    scaled = Rows(
        labels=data.labels * unit,
        candidate=data.candidate * unit,
        production=data.production * unit,
    )
    for name in ("rmse", "mae", "r2"):
        for resample in (True, False):
            one, other = (
                compare(
                    name,
                    r,
                    CONTEXTS["regression"],
                    Resampler(800, seed=0),
                    alpha=0.05,
                    resample=resample,
                )
                for r in (data, scaled)
            )
            factor = 1.0 if name == "r2" else unit
            for field in ("gain", "lower", "upper", "error", "null_error"):
                expected = getattr(one, field) * factor
                assert getattr(other, field) == pytest.approx(expected, rel=1e-5), (name, field)


def test_no_production_and_undefined_scores_are_no_data():
    data, ctx = rows("binary"), CONTEXTS["binary"]
    resampler = Resampler(1500, seed=0)
    alone = Rows(labels=data.labels, candidate=data.candidate, production=None)
    broken = Rows(labels=data.labels, candidate=data.candidate * np.nan, production=data.production)
    for found in (compare("roc_auc", r, ctx, resampler, alpha=0.05) for r in (alone, broken)):
        assert (found.gain, found.lower, found.upper) == (None, None, None)


@pytest.mark.parametrize(
    ("positives", "bounds"), [(19, False), (20, True), (380, True), (381, False)]
)
def test_a_rank_metric_with_19_rows_of_a_class_has_a_gain_without_bounds(positives, bounds):
    data = rows("binary", count=400)
    labels = np.zeros(400)
    labels[:positives] = 1
    few = Rows(labels=labels, candidate=data.candidate, production=data.production)
    found = compare("roc_auc", few, CONTEXTS["binary"], Resampler(400, seed=0), alpha=0.05)
    assert found.gain is not None and (found.lower is not None) == bounds


@pytest.mark.parametrize("problem", CONTEXTS)
def test_estimates_lie_inside_their_bounds_and_those_inside_the_metrics(problem):
    ctx, data = CONTEXTS[problem], rows(problem)
    for metric in applicable(ctx):
        point, low, high, _ = estimate(metric.name, data, ctx, Resampler(1500, seed=0), alpha=0.05)
        assert low <= point <= high
        assert metric.lower is None or low >= metric.lower
        assert metric.upper is None or high <= metric.upper


def test_where_production_is_0_a_gain_is_no_share_and_no_gate_judges_it_as_one():
    kwargs = cases.inputs(production=cases.world().labels)
    found = cases.check(**kwargs)
    risk = cases.gate(found, "risk")
    assert risk.production == 0 and risk.delta is None and risk.state == "no_data"
    assert "production's value is 0, of which there is no share" in risk.sentence


def test_a_slice_that_production_has_at_0_is_proven_by_no_share():
    # Its cost of some hundredths is no share of 0, and must not count as less than 10 %.
    world = cases.world()
    hurt = np.flatnonzero(world.depot == "d01")[:8]
    scores = world.labels.copy()
    scores[hurt] = 1 - scores[hurt]
    margins = {"metric": "expected_cost", "margin": "10%"}
    prove = [{"slice": f"depot={name}", "margin": "10%"} for name in ("d00", "d01")]
    kwargs = cases.inputs(of=world, candidate=scores, production=world.labels)
    kwargs["gates"] = cases.gates(slices=margins | {"min_rows": 100, "prove": prove})
    found = cases.check(**kwargs)
    same, worse = (cases.gate(found, f"prove:depot={name}") for name in ("d00", "d01"))
    assert (same.state, worse.state, worse.delta) == ("pass", "no_data", None)
    assert worse.blocks and "there is no share" in worse.sentence


def test_resamples_are_drawn_once_for_each_way_of_drawing():
    shared, ctx, bounds = rows("binary", count=500), CONTEXTS["binary"], []
    for group in (None, np.arange(500) // 10):
        resampler = Resampler(500, seed=1, group=group)
        found = compare("f1", shared, ctx, resampler, alpha=0.05)
        assert found == compare("f1", rows("binary", count=500), ctx, resampler, alpha=0.05)
        *own, method = estimate("f1", shared, ctx, resampler, alpha=0.05)
        *fresh, _ = estimate("f1", rows("binary", count=500), ctx, resampler, alpha=0.05)
        assert own == pytest.approx(fresh) and resampler.kind in method
        bounds.append(found.lower)
    assert bounds[0] != bounds[1]
