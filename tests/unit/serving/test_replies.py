"""Bodies are read as Python's own JSON parser reads them, whichever parser reads them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops_model.serving import replies
from gitops_model.serving.replies import Problem, parse_json


def _slowly(body: bytes) -> Any:
    """`parse_json` without orjson."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(replies, "BEYOND_64_BITS", replies.re.compile(b""))
        return _outcome(body)


def _outcome(body: bytes) -> Any:
    try:
        return json.dumps(parse_json(body))
    except Problem as problem:
        return problem.status, problem.sentence


_PIECES = st.sampled_from(
    [
        *(b"{", b"}", b"[", b"]", b",", b":", b" ", b"\n", b"null", b"true", b'"a"'),
        *(
            b'"\\ud83d\\ude00"',
            b'"\\ud800"',
            b'"\xed\xa0\x80"',
            b"\xff",
            b"\xef\xbb\xbf",
            b"\x00",
            b"\x0c",
        ),
        *(
            b'"\\u0000"',
            b'"\t"',
            b'"\x7f"',
            b"1e400",
            b"-0",
            b"-0.0",
            b"1E5",
            b"01",
            b"1.",
            b"NaN",
            b"Infinity",
        ),
        *(b"18446744073709551615", b"18446744073709551616", b"-9223372036854775809", b"9" * 400),
        *(b"0.1234567890123456789", b"5e-324", b"1.7976931348623159e308"),
    ]
)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
)


@given(pieces=st.lists(_PIECES, max_size=5))
def test_pieces(pieces: list[bytes]) -> None:
    body = b"".join(pieces)
    assert _outcome(body) == _slowly(body)


@given(value=_JSON, plain=st.booleans())
def test_json(value: Any, plain: bool) -> None:
    body = json.dumps(value, ensure_ascii=plain).encode("utf-8", "surrogatepass")
    assert _outcome(body) == _slowly(body)


@pytest.mark.parametrize("depth", [300, 1100, 200_000])
def test_nesting(depth: int) -> None:
    body = b"[" * depth + b"]" * depth
    assert _outcome(body) == _slowly(body)
