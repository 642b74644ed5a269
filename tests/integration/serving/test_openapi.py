"""The documentation made from the contract says what the validator does."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given, settings
from jsonschema import Draft202012Validator

from gitops_model.formats.contract import FLOAT32_MAX
from gitops_model.runtime.answers import answer
from gitops_model.serving.openapi import document, inputs_schema, output_schema
from tests.support.factories import make_contract
from tests.support.strategies import INPUT_RULES, VALUES

SCORES: dict[str, Any] = {"binary": 0.5, "multiclass": [0.2, 0.5, 0.3], "regression": -4.0}


def _within_float32(value: Any) -> bool:
    return not isinstance(value, (int, float)) or abs(value) <= FLOAT32_MAX


@given(rules=INPUT_RULES, value=VALUES.filter(_within_float32))
@example(rules={"type": "category"}, value="")
@example(rules={"type": "category"}, value="c" * 1001)
@example(rules={"type": "category", "values": ["a", "b"], "missing": "impute"}, value=None)
@settings(max_examples=300, deadline=None)
def test_the_schema_of_an_input_accepts_what_the_validator_accepts(
    rules: dict[str, Any], value: Any
) -> None:
    contract = make_contract(inputs={"x": rules}, slices=[])
    schema = Draft202012Validator(inputs_schema(contract))
    validate = contract.row_validator()
    for row in ({"x": value}, {}, {"y": value}, {"x": value, "y": value}):
        assert schema.is_valid(row) == (validate(row).problems == [])


@pytest.mark.parametrize("problem", ["binary", "multiclass", "regression"])
def test_the_schema_of_the_output_describes_the_answer_and_nothing_more(problem: str) -> None:
    contract = make_contract(problem)
    validator = Draft202012Validator(output_schema(contract))
    output = answer(contract, SCORES[problem])
    assert validator.is_valid(output)
    for name in output:
        assert not validator.is_valid({k: v for k, v in output.items() if k != name})
    assert not validator.is_valid(output | {"more": 1})


def test_without_a_model_there_is_a_document_too() -> None:
    text = document(None, model=None, example={}, max_rows=5)
    assert text["info"]["description"] == "No model is loaded yet."
    assert "/predict" in text["paths"]
