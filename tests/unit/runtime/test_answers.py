"""From scores to answers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from gitops_model.runtime.answers import answer, golden_line, score_difference, score_of
from tests.support.factories import REQUEST, make_contract


@pytest.mark.parametrize(
    ("problem", "score", "output"),
    [
        ("binary", 0.5, {"delayed": True, "probability": 0.5}),
        ("binary", 0.499, {"delayed": False, "probability": 0.499}),
        ("regression", -3.25, {"delay_minutes": -3.25, "unit": "minutes"}),
        (
            "multiclass",
            [0.1, 0.7, 0.2],
            {"delay": "late", "probabilities": {"on_time": 0.1, "late": 0.7, "very_late": 0.2}},
        ),
        (
            "multiclass",
            [0.4, 0.4, 0.2],
            {"delay": "on_time", "probabilities": {"on_time": 0.4, "late": 0.4, "very_late": 0.2}},
        ),
    ],
)
def test_each_problem_has_its_form_of_answer(problem: str, score: Any, output: Any) -> None:
    assert answer(make_contract(problem), score) == output


def test_a_regression_without_a_unit_answers_the_bare_value() -> None:
    contract = make_contract("regression", output={"name": "delay_minutes"})
    assert answer(contract, 3.0) == {"delay_minutes": 3.0}


@pytest.mark.parametrize(
    ("problem", "score"),
    [
        ("binary", math.nan),
        ("regression", math.inf),
        ("binary", [0.5, 0.5]),
        ("multiclass", 0.5),
        ("multiclass", [0.5, 0.5]),
        ("multiclass", [0.5, 0.5, math.nan]),
    ],
)
def test_a_score_that_is_none_is_refused(problem: str, score: Any) -> None:
    with pytest.raises(ValueError, match="the score"):
        answer(make_contract(problem), score)


def test_golden_lines_hold_inputs_score_and_output_as_json_does() -> None:
    scores = np.array([[0.1, 0.7, 0.2]])
    line = golden_line(make_contract("multiclass"), REQUEST, scores, 0)
    assert line["inputs"] == REQUEST
    assert line["score"] == [0.1, 0.7, 0.2]
    assert line["output"] == answer(make_contract("multiclass"), score_of(scores, 0))


@pytest.mark.parametrize(
    ("score", "expected", "difference"),
    [
        (0.5, 0.5, 0),
        ([0.1, 0.9], [0.2, 0.8], 0.1),
        (1_000_001.0, 1_000_000.0, 1e-6),
        (0.5, [0.5], 0),
        ([0.5, 0.5], [0.5], math.inf),
        (math.nan, 0.5, math.inf),
        (0.5, math.nan, math.inf),
    ],
)
def test_score_difference_is_absolute_below_one_and_relative_above(
    score: Any, expected: Any, difference: float
) -> None:
    assert score_difference(score, expected) == pytest.approx(difference, abs=1e-9)
