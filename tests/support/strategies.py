"""What contracts may ask for and what callers may send, for property tests."""

from __future__ import annotations

import math

from hypothesis import strategies as st

from gitops_model.formats.contract import FLOAT32_MAX

INPUT_RULES = st.one_of(
    st.fixed_dictionaries(
        {"type": st.sampled_from(["number", "integer"])},
        optional={
            "min": st.integers(-50, 0),
            "max": st.integers(1, 50),
            "missing": st.sampled_from(["reject", "impute"]),
        },
    ),
    st.fixed_dictionaries({"type": st.just("boolean")}, optional={"missing": st.just("impute")}),
    st.fixed_dictionaries(
        {"type": st.just("category")}, optional={"missing": st.sampled_from(["reject", "impute"])}
    ),
    st.fixed_dictionaries(
        {"type": st.just("category"), "values": st.just(["a", "b"])},
        optional={
            "missing": st.sampled_from(["reject", "impute"]),
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
    st.sampled_from(["a", "b", "A", "", "12.5", "nan", "None", "True", " a", "c" * 1001]),
    st.text(max_size=5),
    st.sampled_from([FLOAT32_MAX, 3.5e38, 1e300, -0.0, 2.0, math.inf, -math.inf]),
)
