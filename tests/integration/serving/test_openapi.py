"""The documentation made from the contract says what the validator does."""

from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft202012Validator

from gitops_model.runtime.answers import answer
from gitops_model.serving.openapi import document, inputs_schema, output_schema
from tests.support.factories import REQUEST, make_contract

SCORES: dict[str, Any] = {"binary": 0.5, "multiclass": [0.2, 0.5, 0.3], "regression": -4.0}


def test_the_schema_of_a_row_is_its_inputs_and_nothing_more() -> None:
    contract = make_contract()
    schema = Draft202012Validator(inputs_schema(contract))
    assert schema.is_valid(REQUEST)
    assert schema.is_valid({name: REQUEST[name] for name in ("hour", "weekend")})
    assert not schema.is_valid({name: REQUEST[name] for name in ("hour", "carrier")})
    assert not schema.is_valid(REQUEST | {"colour": 1})


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
