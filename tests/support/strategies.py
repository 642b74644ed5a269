"""What contracts may ask for and what callers may send, for property tests."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from hypothesis import strategies as st

from gitops_model.formats.inputs import FLOAT32_MAX, MISSING

_MISSING = st.sampled_from(["reject", "impute"])
INPUT_RULES = st.one_of(
    st.fixed_dictionaries(
        {"type": st.sampled_from(["number", "integer"])},
        optional={"min": st.integers(-50, 0), "max": st.integers(1, 50), "missing": _MISSING},
    ),
    # Bounds that float32 rounds up, down, and not at all.
    st.fixed_dictionaries(
        {"type": st.just("number")},
        optional={
            "min": st.sampled_from([-0.1, -0.3, -0.5]),
            "max": st.sampled_from([0.1, 0.21, 0.5, 16777219]),
            "missing": _MISSING,
        },
    ),
    st.fixed_dictionaries({"type": st.just("boolean")}, optional={"missing": _MISSING}),
    st.fixed_dictionaries({"type": st.just("category")}, optional={"missing": _MISSING}),
    st.fixed_dictionaries(
        {"type": st.just("category"), "values": st.just(["a", "b"])},
        optional={
            "missing": _MISSING,
            "unknown": st.sampled_from(["reject", "accept"]),
        },
    ),
)
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-60, 60),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False),
    st.floats(-60, 60, width=32),
    st.sampled_from(
        ["a", "b", "A", "", "12.5", "nan", "None", "True", " a", "c" * 1001, MISSING, "a\0"]
    ),
    st.sampled_from([0.1, 0.10000000149011612, 0.21, 0.2099999934434, -0.1, -0.30000001192092896]),
    st.text(max_size=5),
    st.sampled_from([FLOAT32_MAX, 3.5e38, 1e300, -0.0, 2.0, math.inf, -math.inf]),
)

# Texts that files and tables tend to read as something else.
TRICKY = (
    *("nan", "None", "NA", "null", "NULL", "<NA>", "NaT", "inf", "True", "false", "0", "-0", "007"),
    *("12.5", "1e5", "1_000", " a", "a ", " ", "\t", "a,b", 'say "a"', "'", "\\", "\\n", "#", ";"),
    *(
        "a\nb",
        "\n",
        "a\rb",
        "\r",
        "\r\n",
        "\u2028",
        "\x85",
        "\x0b",
        "\x1c",
        "\ufeff",
        "\u200b",
        "é",
    ),
    *("e\u0301", "日本", "🛫", "Ω", "=1+1", "{a}", "[1]", "None ", "(missing) ", "<b>", "|", "`"),
)
_TEXTS = st.one_of(
    st.sampled_from(TRICKY),
    st.text(min_size=1, max_size=6).filter(lambda text: "\0" not in text),
    st.sampled_from(["c" * 1000, "é" * 1000, "\x7f" * 3]),
)
# Above the largest float64 that float32 rounds to its largest.
_TOO_LARGE = [3.4028236e38, 3.5e38, 1e300, math.inf, 10**40]


def allowed_values(rules: Mapping[str, Any]) -> st.SearchStrategy[Any]:
    """Values that an input of these rules accepts, told without asking the library; None where one may be missing."""
    kind = rules["type"]
    if kind == "boolean":
        found: st.SearchStrategy[Any] = st.booleans()
    elif kind == "category":
        closed = "values" in rules and rules.get("unknown") != "accept"
        listed = st.sampled_from(rules.get("values") or ["a"])
        found = listed if closed else st.one_of(listed, _TEXTS)
    else:
        found = _numbers(rules)
    return st.one_of(st.none(), found) if rules.get("missing") == "impute" else found


def _numbers(rules: Mapping[str, Any]) -> st.SearchStrategy[Any]:
    low, high = rules.get("min"), rules.get("max")
    # A bound as it stands in the contract, and as it is once float32 has rounded it.
    edges = [bound for bound in (low, high) if bound is not None]
    least, most = -FLOAT32_MAX if low is None else low, FLOAT32_MAX if high is None else high
    far = [FLOAT32_MAX, 3.4028235e38, 2**70, 2**53 + 1, 16777217, 1e15]
    edges += [value for value in (*far, *(-value for value in far)) if least <= value <= most]
    whole = st.integers(max(math.ceil(least), -(2**100)), min(math.floor(most), 2**100))
    if rules["type"] == "integer":
        exact = st.sampled_from([int(value) for value in edges] or [0])
        return st.one_of(whole, exact, whole.map(float))
    edges += [float(np.float32(bound)) for bound in edges]
    tiny = [value for value in (0.0, -0.0, 1e-45, -1e-45, 1e-300, 0.1) if least <= value <= most]
    return st.one_of(whole, st.sampled_from(edges + tiny), st.floats(least, most))


def refused_values(rules: Mapping[str, Any]) -> st.SearchStrategy[Any]:
    """Values that an input of these rules refuses, told without asking the library."""
    kind, closed = rules["type"], "values" in rules and rules.get("unknown") != "accept"
    wrong: list[Any] = [[1], {}, [None]]
    if rules.get("missing") != "impute":
        wrong.append(None)
    if kind == "boolean":
        wrong += [0, 1, 1.0, "true", "", "a"]
    elif kind == "category":
        wrong += [
            "",
            MISSING,
            "a\0",
            5,
            1.5,
            True,
            "c" * 1001,
            *(["A", "a ", "nan"] if closed else []),
        ]
    else:
        low, high = rules.get("min"), rules.get("max")
        wrong += ["12.5", "", "nan", True, False, *_TOO_LARGE, *(-value for value in _TOO_LARGE)]
        wrong += [] if low is None else [low - 1, low - 0.001]
        wrong += [] if high is None else [high + 1 + abs(high), high * 1.001]
        wrong += [0.5, 1e-9] if kind == "integer" else []
    return st.sampled_from(wrong)
