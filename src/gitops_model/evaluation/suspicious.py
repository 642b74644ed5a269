"""What cannot be right about rows and scores, before anything is computed from them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]

# Sums of float32 probabilities end a little beyond 1.
SLACK = 1e-5
# A smaller share of copies among the rows moves no bound.
MANY_COPIES = 0.01
# An input with fewer values is a category.
MANY_VALUES = 100


def out_of_range(scores: Array, problem: str) -> str | None:
    """Why these cannot be probabilities, as the end of a sentence; None when they may be, or need not."""
    if problem == "regression":
        return None
    known = scores[np.isfinite(scores)]
    outside = int(np.sum((known < -SLACK) | (known > 1 + SLACK)))
    if not outside:
        return None
    low, high = float(known.min()), float(known.max())
    said = f"gives {outside:,} scores outside 0 to 1 ({low:.4g} to {high:.4g}), where probabilities are asked"
    if low < -SLACK and high > SLACK:
        return (
            f"{said}; they look like logits: answer predict_proba, or apply the sigmoid or softmax"
        )
    if low >= -SLACK and high <= 100 + SLACK:
        return f"{said}; they look like percentages: divide them by 100"
    return said


def copies(inputs: Mapping[str, npt.NDArray[Any]], *others: npt.NDArray[Any]) -> Ints | None:
    """(n,) place of the first row that equals each row in every input and other column; None for hardly any copies.

    Equal rows are copies only where rows differ by nature: one input must be a number that hardly two rows share. A
    few categories repeat without anybody having copied them.
    """
    if not inputs:
        return None
    count = len(next(iter(inputs.values())))
    rows = np.arange(count)
    code = np.zeros(count, dtype=np.intp)
    # Scores come first: they tell most rows apart, and only what is left has to be looked at again.
    for column in (*others, *inputs.values()):
        for part in np.atleast_2d(np.asarray(column).T):
            values = _codes(part[rows])
            code = _codes(code * (values.max() + 1) + values)
            kept = np.bincount(code)[code] > 1
            rows, code = rows[kept], code[kept]
            if len(rows) < MANY_COPIES * count:
                return None
    _, start, place = np.unique(code, return_index=True, return_inverse=True)
    first = np.arange(count)
    first[rows] = rows[start][place.ravel()]
    different = np.unique(first)
    if count - len(different) < MANY_COPIES * count or not _differs(inputs, different):
        return None
    return first


def _differs(inputs: Mapping[str, npt.NDArray[Any]], rows: Ints) -> bool:
    """Whether some numeric input has many values, and one of its own in most of these rows."""
    numeric = (column[rows] for column in inputs.values() if column.dtype.kind in "fiu")
    enough = max(MANY_VALUES, len(rows) / 2)
    return any(len(np.unique(column)) >= enough for column in numeric)


def _codes(values: npt.NDArray[Any]) -> Ints:
    text = values.astype(str) if values.dtype.kind == "O" else values
    found: Ints = np.unique(text, return_inverse=True)[1].astype(np.intp).ravel()
    return found
