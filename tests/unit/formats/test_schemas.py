"""The schemas themselves, and what they check: whole texts, bounded work."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import resources
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from gitops_model import validation
from gitops_model.errors import BadInput
from gitops_model.formats import record
from gitops_model.formats.pointer import Pointer

FOLDER = resources.files("gitops_model.formats.schemas")
KINDS = sorted(
    path.name.removesuffix(".schema.json")
    for path in FOLDER.iterdir()
    if path.name.endswith(".schema.json")
)


def _patterns(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        if isinstance(schema.get("pattern"), str):
            yield schema["pattern"]
        for value in schema.values():
            yield from _patterns(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from _patterns(value)


PATTERNS = sorted({pattern for kind in KINDS for pattern in _patterns(validation.schema(kind))})


def test_there_are_schemas_and_patterns_to_test() -> None:
    assert len(KINDS) >= 8
    assert len(PATTERNS) >= 5


@pytest.mark.parametrize("kind", KINDS)
def test_a_schema_is_a_schema(kind: str) -> None:
    Draft202012Validator.check_schema(validation.schema(kind))


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_pattern_means_the_whole_text_in_an_editor_too(pattern: str) -> None:
    assert pattern.startswith("^")
    assert pattern.endswith("$")


@pytest.mark.parametrize("pattern", PATTERNS)
@given(data=st.data())
@settings(max_examples=10, deadline=None)
def test_a_text_with_a_newline_behind_it_is_another_text(pattern: str, data: st.DataObject) -> None:
    """`$` also matches before a final newline: "x-v1\\n" used to be an id."""
    text = data.draw(st.from_regex(pattern, fullmatch=True))
    schema = {"type": "string", "pattern": pattern}
    validator = validation.validator_class()(schema)
    # from_regex knows that `$` allows the newline, and now and then takes it.
    assert validator.is_valid(text.removesuffix("\n"))
    assert not validator.is_valid(text.removesuffix("\n") + "\n")
    assert re.search(pattern, text.removesuffix("\n") + "\n")


def test_an_id_with_a_newline_is_refused_wherever_it_stands() -> None:
    nothing = "previous: null\ncanary: null\nshadow: null\nfreeze: null\n"
    text = 'stable: {model: "flight-delay-v1\\n", sha256: %s}\n' + nothing
    with pytest.raises(BadInput, match="stable.model"):
        Pointer.parse(text % ("a" * 64))
    with pytest.raises(BadInput):
        record.parse_id("flight-delay-v1\n")
    assert not record.is_id("flight-delay-v1\n")


def test_many_unknown_keys_are_counted_and_few_are_named() -> None:
    data = {f"metric{n}": 1 for n in range(50_000)} | {"port": 1}
    found = validation.problems(data, kind="serving", name="serving.yaml")
    [sentence] = [problem for problem in found if "unknown key" in problem]
    assert "'metric0', 'metric1'," in sentence
    assert "and 49,995 more" in sentence
    assert len(sentence) < 500


def test_many_problems_are_cut_off() -> None:
    data = {"host": "h", "port": 1, "trusted_types": list(range(150))}
    found = validation.problems(data, kind="serving", name="serving.yaml")
    assert len(found) == validation.MOST_PROBLEMS + 1
    assert found[-1] == "serving.yaml: has more problems, not listed here."


def test_equal_values_are_found_and_true_is_not_one() -> None:
    schema = validation.validator_class()({"uniqueItems": True})
    assert schema.is_valid(["a", "b", 1, True, "1", [1], [1]])
    assert not schema.is_valid(["a", "b", "a"])
