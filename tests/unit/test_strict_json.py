"""JSON without trust: what is deep, large or not quite JSON is refused before it costs anything."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops_model import strict_json
from gitops_model.errors import BadInput

VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(),
    ),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(VALUES)
def test_what_json_writes_is_read(value: Any) -> None:
    data = json.dumps(value).encode()
    assert strict_json.parse(data, name="x", most_bytes=len(data)) == value


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "x is not valid JSON"),
        (b"[NaN]", "x is not valid JSON: NaN is not JSON."),
        (b"[-Infinity]", "x is not valid JSON: -Infinity is not JSON."),
        (b"1e999", "x is not valid JSON: 1e999 is too large a number."),
        (b"1" * 5000, "x is not valid JSON: Exceeds the limit"),
        (b'"\xff"', "x is not UTF-8 text."),
        (b"[" * 101 + b"]" * 101, "x has more than 100 lists and objects inside each other."),
        (b'{"a":' * 101 + b"1" + b"}" * 101, "x has more than 100 lists"),
        (b"[" * 1_000_000, "x has more than 100 lists"),
        (b"]" * 500_000 + b"[" * 500_000, "x is not valid JSON"),
        (b'["' + b"[" * 500_000, "x is not valid JSON"),
        (b" " * 1_000_001, "x has 1,000,001 bytes; allowed: 1,000,000."),
    ],
    ids=lambda value: str(value[:12]),
)
def test_anything_else_is_one_sentence(data: bytes, sentence: str) -> None:
    with pytest.raises(BadInput) as caught:
        strict_json.parse(data, name="x", most_bytes=1_000_000)
    assert str(caught.value).startswith(sentence)


@pytest.mark.parametrize("text", ["[" * 300, "{" * 300, '\\"[' * 300, "\\\\"])
def test_brackets_in_a_text_are_not_nesting(text: str) -> None:
    data = json.dumps([[[text] * 3]] * 50).encode()
    assert strict_json.parse(data, name="x", most_bytes=10**7) == [[[text] * 3]] * 50


def test_a_hundred_levels_are_read() -> None:
    data = b"[" * 100 + b"]" * 100
    assert strict_json.parse(data, name="x", most_bytes=1000)
