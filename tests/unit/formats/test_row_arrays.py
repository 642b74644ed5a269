"""The fast row checks say what `inputs.row_validator` says, or nothing."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from gitops_model.formats.inputs import parse, row_validator
from gitops_model.formats.row_arrays import column_writer, row_writer

INPUTS = {
    name: parse(name, rules)
    for name, rules in {
        "number": {"type": "number", "min": -5, "max": 0.3, "missing": "impute"},
        "open": {"type": "number"},
        "whole": {"type": "integer", "min": 0, "max": 16777217},
        "boundless": {"type": "integer", "missing": "impute"},
        "listed": {"type": "category", "values": ["a", "b"], "missing": "impute"},
        "known": {"type": "category", "values": ["a", "b"], "unknown": "accept"},
        "text": {"type": "category", "missing": "impute"},
        "boolean": {"type": "boolean"},
        "maybe": {"type": "boolean", "missing": "impute"},
    }.items()
}
GOOD = {"number": -1.5, "open": 2, "whole": 3.0, "boundless": 4, "listed": "a", "known": "b", "text": "é",
        "boolean": True, "maybe": False}  # fmt: skip
_VALUES = st.one_of(
    st.sampled_from([None, True, False, 0, -0.0, 0.3, 0.30000001, 0.3000001]),
    st.sampled_from([16777217, 16777218.0, 2**53 + 1, -5.0000002]),
    st.integers(),
    st.floats(allow_nan=False),
    st.sampled_from(["a", "c", "", "(missing)", "a\0", "x" * 1001]),
    st.text(max_size=3),
    st.sampled_from([[], {}, [1.0]]),
)  # fmt: skip


def _row(change: dict[str, Any], gone: set[str], more: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in (GOOD | change).items() if k not in gone} | more


ROWS = st.builds(
    _row,
    st.dictionaries(st.sampled_from(list(GOOD)), _VALUES, max_size=3),
    st.sets(st.sampled_from(list(GOOD)), max_size=2),
    st.dictionaries(st.just("odd"), _VALUES, max_size=1),
)
CELLS = {
    name: np.zeros((1, 1), object if rules.type == "category" else np.float32)
    for name, rules in INPUTS.items()
}
WRITE, COLUMNS, VALIDATE = row_writer(INPUTS, CELLS), column_writer(INPUTS), row_validator(INPUTS)


def _same(name: str, ours: Any, theirs: Any) -> bool:
    if INPUTS[name].type == "category":
        return type(ours) is str and ours == theirs
    return struct.pack("f", ours) == struct.pack("f", np.float32(theirs))


@example(row=GOOD)
@example(row=GOOD | {"odd": None})
@example(row={k: v for k, v in GOOD.items() if k != "text"} | {"odd": 1})
@given(row=ROWS)
def test_one_row(row: dict[str, Any]) -> None:
    imputed, slow = WRITE(row), VALIDATE(row)
    if imputed is None:
        return
    assert not slow.problems and imputed == slow.imputed
    assert all(_same(name, CELLS[name][0, 0], slow.values[name]) for name in INPUTS)


@example(rows=[GOOD, GOOD | {"number": 0.31}])
@example(rows=[GOOD, GOOD | {"number": -5.1}])
@example(rows=[GOOD, GOOD | {"whole": 1.5}])
@given(rows=st.lists(ROWS | st.just(GOOD), min_size=1, max_size=4))
def test_many_rows(rows: list[dict[str, Any]]) -> None:
    found, slow = COLUMNS(rows), [VALIDATE(row) for row in rows]
    if found is None:
        return
    columns, imputed = found
    assert not any(row.problems for row in slow)
    assert imputed == [row.imputed for row in slow]
    for name, column in columns.items():
        assert column.shape == (len(rows),)
        assert all(_same(name, ours, row.values[name]) for ours, row in zip(column, slow, strict=True))  # fmt: skip


def test_ordinary_rows_are_not_left_to_the_other_check() -> None:
    """A check that always declined would agree, too."""
    missing = {k: v for k, v in GOOD.items() if INPUTS[k].missing == "reject"}
    nulls = GOOD | {k: None for k in GOOD if INPUTS[k].missing == "impute"}
    for row in (GOOD, missing, nulls):
        assert WRITE(row) is not None
    assert COLUMNS([GOOD, missing, nulls]) is not None


def test_what_orjson_may_have_rounded_is_left_to_the_other_check() -> None:
    assert WRITE(GOOD | {"open": 1e19}) is None and WRITE(GOOD | {"open": -1e19}) is None
    assert WRITE(GOOD | {"open": 1e18}) is not None
