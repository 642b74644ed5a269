"""Copied rows and scores that are no probabilities are seen."""

import numpy as np
import pytest

from gitops_model.evaluation import suspicious
from tests.support import cases


@pytest.mark.parametrize(
    ("scores", "problem", "said"),
    [
        ([-4.2, 0.3, 6.1], "binary", "(-4.2 to 6.1), where probabilities are asked; they look like logits"),
        ([[-1.0, 3.0], [0.2, 0.8]], "multiclass", "look like logits"),
        ([3.0, 97.5], "binary", "look like percentages"),
        ([-3.0, -0.2], "binary", "gives 2 scores outside 0 to 1"),
        ([0.5, 250.0], "binary", "gives 1 scores outside 0 to 1"),
    ],
)  # fmt: skip
def test_scores_that_are_no_probabilities_are_named(scores, problem, said):
    assert said in suspicious.out_of_range(np.array(scores), problem)


@pytest.mark.parametrize(
    ("scores", "problem"),
    [([0.0, 1.0, 1.000001], "binary"), ([0.2, np.nan], "binary"), ([-4.2, 900.0], "regression")],
)
def test_probabilities_and_predictions_are_left_alone(scores, problem):
    assert suspicious.out_of_range(np.array(scores), problem) is None


def test_logits_of_the_candidate_are_refused_and_those_of_production_are_said():
    kwargs = cases.inputs()
    scores = kwargs["production"].scores
    logits = np.log(scores / (1 - scores))
    refused = cases.refused(cases.change(kwargs, "candidate", scores=logits))
    assert refused.startswith("the candidate gives") and "logits" in refused
    found = cases.check(**cases.change(kwargs, "production", scores=logits))
    assert any(
        warning.startswith("Production (parcel-delay-v3) gives") for warning in found.warnings
    )


def copied(times, *, rows=500):
    """A test set of which each row stands there `times` times under keys of its own."""
    world = cases.world(rows=rows)
    weight = np.random.default_rng(3).normal(size=rows)
    scores = {"candidate": world.scores(1.0, draw=2), "production": world.scores(0.9, draw=1)}
    kwargs = cases.inputs(rows=rows * times)
    kwargs = cases.change(
        kwargs,
        "test",
        labels=np.tile(world.labels, times),
        slices={"depot": np.tile(world.depot, times)},
        explore={"weight": np.tile(weight, times)},
    )
    for who, given in scores.items():
        kwargs = cases.change(kwargs, who, scores=np.tile(given, times))
    return cases.check(**kwargs)


def test_rows_copied_20_times_under_new_keys_prove_nothing_more():
    once, often = (cases.gate(copied(times), "risk") for times in (1, 20))
    assert often.lower == pytest.approx(once.lower, abs=0.02)
    assert (often.units, often.rows) == (500, 10_000)
    found = copied(20)
    assert found.warnings[0].startswith("9,500 of 10,000 test rows are copies of others")
    assert found.test_set.unit == "rows"
    assert copied(1).warnings == ()


def test_a_few_categories_repeat_without_a_copy():
    generator = np.random.default_rng(0)
    kind = generator.choice(["a", "b"], size=1000).astype(object)
    size = generator.integers(3, size=1000)
    assert suspicious.copies({"kind": kind, "size": size}, np.ones(1000)) is None
    assert suspicious.copies({}, np.ones(1000)) is None
    weight = generator.normal(size=1000)
    weight[900:] = weight[:100]
    kind[900:] = kind[:100]
    first = suspicious.copies({"kind": kind, "weight": weight}, np.ones(1000))
    assert first[:900].tolist() == list(range(900)) and first[900:].tolist() == list(range(100))
