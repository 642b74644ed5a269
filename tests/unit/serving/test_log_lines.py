"""The log's lines of a batch are those of its rows, byte for byte."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gitops_model.formats.pointer import Ref
from gitops_model.serving.prediction_log import batch_lines, row_line
from gitops_model.serving.predictor import RowAnswer
from gitops_model.serving.shadow_account import Copy

AT = "2026-11-22T23:31:57.123Z"
_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
_NUMBER = st.floats(allow_nan=False, allow_infinity=False)
# Whole numbers beyond 64 bits are written by another writer.
_VALUE = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | _NUMBER | _TEXT
_ROWS = st.lists(st.dictionaries(_TEXT, _VALUE, max_size=4), min_size=1, max_size=5)
_ANSWER = st.builds(
    RowAnswer,
    output=st.fixed_dictionaries({"delayed": st.booleans(), "probability": _NUMBER}),
    imputed=st.lists(_TEXT, max_size=3),
    fell_back=st.booleans(),
)


@st.composite
def _copies(draw: Any) -> Copy:
    rows = draw(_ROWS)
    count = draw(st.integers(0, len(rows)))
    return Copy(
        epoch=0.0,
        request_id=draw(_TEXT),
        key=draw(st.none() | _TEXT),
        rows=rows,
        ref=Ref(model=f"m%d-{draw(_TEXT)}", sha256="a" * 64),
        route=draw(st.sampled_from(["stable", "canary", "pinned"])),
        answers=draw(st.lists(_ANSWER, min_size=count, max_size=count)),
        seconds=draw(st.floats(0, 100)),
    )


@given(copy=_copies())
def test_a_batch_is_written_as_its_rows_are(copy: Copy) -> None:
    lines = [row_line(AT, copy, number) for number in range(len(copy.answers))]
    assert bytes(batch_lines(AT, copy)) == b"".join(lines)


@given(copy=_copies())
def test_a_line_says_all_that_is_known_of_its_row(copy: Copy) -> None:
    for number, answer in enumerate(copy.answers):
        found = json.loads(row_line(AT, copy, number))
        assert found["inputs"] == copy.rows[number] and found["row"] == number
        assert (found["output"], found["imputed"]) == (answer.output, answer.imputed)
        assert found["route"] == ("fallback" if answer.fell_back else copy.route)
        assert (found["key"], found["request_id"]) == (copy.key, copy.request_id)
