"""What a contract may say. What an input may be is in test_inputs.py, what breaks callers in test_compatibility.py."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from gitops_model.errors import BadInput
from tests.support.factories import parse_contract, with_place


@pytest.mark.parametrize(
    ("problem", "path", "value", "sentence"),
    [
        ("binary", "output.threshold", ..., "output lacks 'threshold'"),
        ("binary", "output.fallback", 1.5, "output.fallback is 1.5; allowed: a probability"),
        ("binary", "output.name", "probability", "output.name is 'probability'"),
        ("binary", "label.name", "hour", "label.name is 'hour', which is also an input"),
        ("binary", "success.primary", "rmse", "success.primary is 'rmse'"),
        ("binary", "inputs.distance.max", -5, "inputs.distance.min is 0; allowed: at most its max"),
        ("binary", "inputs.carrier.values", ["AA", "(missing)"], "which is what the model gets"),
        ("binary", "inputs.carrier.values", ["AA", "U\0A"], "a text with a NUL character"),
        ("binary", "inputs.distance.max", 1e39, "allowed: a number below 3.4e38"),
        ("binary", "inputs.hour.max", 10**400, "a number has 401 characters; allowed: 60"),
        ("binary", "inputs.hour.max", 10**39, "allowed: a whole number below 3.4e38"),
        ("binary", "success.columns", ["hour"], "success.columns[0] is 'hour', which is an input"),
        ("binary", "success.columns", ["price", "carrier"], "success.columns[1] is 'carrier'"),
        ("binary", "success.columns", ["late"], "success.columns[0] is 'late'"),
        ("binary", "success.columns", ["price", "price"], "holds 'price' more than once"),
        ("binary", "success.weight", "price", "no weights of rows"),
        ("binary", "sample_weights", "price", "no weights of rows"),
        ("multiclass", "output.classes", ..., "output lacks 'classes'"),
        ("multiclass", "output.fallback", [1, 0], "output.fallback"),
        ("regression", "output.threshold", 0.5, "output.threshold is set"),
    ],
)
def test_a_contradiction_is_refused(problem: str, path: str, value: Any, sentence: str) -> None:
    with pytest.raises(BadInput) as caught:
        parse_contract(with_place(path, copy.deepcopy(value), problem=problem))
    assert any(sentence in found for found in caught.value.problems), caught.value.problems


@pytest.mark.parametrize("key", [float("inf"), 5, None, True])
@pytest.mark.parametrize("place", [(), ("success",)])
def test_a_key_that_is_no_text_is_an_unknown_one(key: Any, place: tuple[str, ...]) -> None:
    contract = copy.deepcopy(dict(with_place("task", "other")))
    part = contract[place[0]] if place else contract
    part[key] = 3
    with pytest.raises(BadInput, match=f"unknown key '{key}'"):
        parse_contract(contract)


@pytest.mark.parametrize(
    ("path", "value", "same"),
    [
        ("output.threshold", 0.7, True),
        ("inputs.distance.max", 9000, True),
        ("label.name", "cancelled", False),
    ],
)
def test_models_of_one_question_answer_the_same_label(path: str, value: Any, same: bool) -> None:
    mine, other = (
        parse_contract(with_place("task", "other")),
        parse_contract(with_place(path, value)),
    )
    assert (mine.question == other.question) is same


def test_classes_in_another_order_are_another_question() -> None:
    mine = parse_contract(with_place("task", "other", problem="multiclass"))
    turned = list(mine.output.classes or ())[::-1]
    other = parse_contract(with_place("output.classes", turned, problem="multiclass"))
    assert mine.question != other.question
