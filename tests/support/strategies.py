"""What contracts may ask for and what callers may send, for property tests."""

from __future__ import annotations

import math

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
    st.sampled_from(["a", "b", "A", "", "12.5", "nan", "None", "True", " a", "c" * 1001, MISSING]),
    st.sampled_from([0.1, 0.10000000149011612, 0.21, 0.2099999934434, -0.1, -0.30000001192092896]),
    st.text(max_size=5),
    st.sampled_from([FLOAT32_MAX, 3.5e38, 1e300, -0.0, 2.0, math.inf, -math.inf]),
)
