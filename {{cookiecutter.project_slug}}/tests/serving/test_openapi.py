"""The documentation made from the contract says what the validator does."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from modelops.contract import FLOAT32_MAX
from modelops.serving.answers import answer
from modelops.serving.openapi import document, inputs_schema, output_schema
from tests.factories import make_contract
from tests.strategies import INPUT_RULES, VALUES

SCORES: dict[str, Any] = {"binary": 0.5, "multiclass": [0.2, 0.5, 0.3], "regression": -4.0}


def _within_float32(value: Any) -> bool:
    return not isinstance(value, (int, float)) or abs(value) <= FLOAT32_MAX


@given(data=st.data())
@settings(max_examples=300, deadline=None)
def test_the_schema_of_the_inputs_accepts_what_the_validator_accepts(data: st.DataObject) -> None:
    rules = data.draw(st.dictionaries(st.sampled_from("xyz"), INPUT_RULES, min_size=1))
    contract = make_contract(inputs=rules, slices=[])
    values = VALUES.filter(_within_float32)
    row = data.draw(st.fixed_dictionaries({}, optional=dict.fromkeys("wxyz", values)))
    accepted = Draft202012Validator(inputs_schema(contract)).is_valid(row)
    assert accepted == (contract.row_validator()(row).problems == [])


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
