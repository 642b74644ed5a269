"""Reading JSON without trust: bounded in size and depth before it is parsed, and without NaN or infinity."""

from __future__ import annotations

import json
import math
import re
from typing import Any, NoReturn

from gitops_model.errors import BadInput

DEEPEST = 100
# A text, or a bracket outside of one. In what is no JSON an open quote swallows the rest, which the parser refuses.
_TOKENS = re.compile(rb'"(?:[^"\\]|\\.)*+"?|[\[{]|[\]}]', re.DOTALL)


def parse(data: bytes, *, name: str, most_bytes: int) -> Any:
    """The value in `data`; `name` is what messages call it. Raises BadInput, with one problem."""
    if len(data) > most_bytes:
        raise BadInput(f"{name} has {len(data):,} bytes; allowed: {most_bytes:,}.")
    if _depth(data) > DEEPEST:
        raise BadInput(f"{name} has more than {DEEPEST} lists and objects inside each other.")
    try:
        return _decoder.decode(data.decode("utf-8"))
    except UnicodeError:
        raise BadInput(f"{name} is not UTF-8 text.") from None
    except ValueError as error:
        raise BadInput(f"{name} is not valid JSON: {str(error)[:200]}.") from None


def _depth(data: bytes) -> int:
    """How deep lists and objects lie inside each other; an upper bound, told without parsing."""
    if data.count(b"[") + data.count(b"{") <= DEEPEST:
        return 0
    depth = deepest = 0
    for match in _TOKENS.finditer(data):
        token = match[0]
        if token in (b"[", b"{"):
            depth += 1
            if depth > DEEPEST:
                return depth
            deepest = max(deepest, depth)
        elif token in (b"]", b"}"):
            depth -= 1
            if depth < 0:
                break  # no JSON, as the parser will say
    return deepest


def _constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:40]} is too large a number")
    return value


_decoder = json.JSONDecoder(parse_constant=_constant, parse_float=_finite)
