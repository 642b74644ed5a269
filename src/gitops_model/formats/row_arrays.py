"""The row check of `inputs`, fast: values that are plainly good go straight into the arrays a model takes.

What is not plainly good is not judged here. `inputs.row_validator` then checks it and finds the words, so there is one
source of messages; where both accept, they give the model the same bytes (tests/unit/formats/test_row_arrays.py).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gitops_model.formats.inputs import MISSING, Input, bounds, is_category

# From here on a float64 cannot tell every whole number from the next.
_EXACT = 2.0**53
# Beyond it a float may be what orjson made of a whole number of more than 64 bits.
_LONGEST = 9.2e18
_NONE = type(None)
_BOOLEANS, _NUMBERS, _TEXTS = {bool, _NONE}, {float, int, _NONE}, {str, _NONE}

Cells = Mapping[str, NDArray[Any]]
# The names that were missing and imputed, or None when `inputs.row_validator` must look at the row.
RowWriter = Callable[[Mapping[str, Any]], list[str] | None]


def row_writer(inputs: Mapping[str, Input], cells: Cells) -> RowWriter:
    """A function that writes a row into `cells`, arrays of shape (1, 1) by input: float32, or object for categories."""
    steps = [(name, cells[name], *_rule(rules)) for name, rules in inputs.items()]
    known = frozenset(inputs)

    def write(row: Mapping[str, Any]) -> list[str] | None:
        imputed: list[str] = []
        get = row.get
        for name, cell, kind, impute, empty, low, high, listed in steps:
            value: Any = get(name)
            found = type(value)
            if found is float or found is int:
                # The comparison refuses whatever is no number in the range; for a category or a boolean `low` is NaN.
                if not low <= value <= high or (kind == "integer" and value != int(value)):
                    return None
                cell[0, 0] = value
            elif found is str:
                if value not in listed and (kind != "any text" or not is_category(value)):
                    return None
                cell[0, 0] = value
            elif value is None and impute:
                cell[0, 0] = empty
                imputed.append(name)
            elif found is bool and kind == "boolean":
                cell[0, 0] = value
            else:
                return None
        if len(row) + len(imputed) > len(known) and not known.issuperset(row):
            return None
        return imputed

    return write


def _rule(rules: Input) -> tuple[str, bool, float | str, float, float, frozenset[str]]:
    """Kind, whether a missing value is imputed and by what, the range of a number, the values of a category."""
    low, high = bounds(rules) if rules.type in ("number", "integer") else (math.nan, math.nan)
    kind: str = rules.type
    if kind == "category" and not rules.values:
        kind = "any text"
    # A category that is not listed is counted, so it is left to the other check even where it is accepted.
    low, high = max(low, -_LONGEST), min(high, _LONGEST)
    empty: float | str = MISSING if rules.type == "category" else math.nan
    return kind, rules.missing == "impute", empty, low, high, frozenset(rules.values or ())


Columns = tuple[dict[str, NDArray[Any]], list[list[str]]]
ColumnWriter = Callable[[Sequence[Mapping[str, Any]]], Columns | None]


def column_writer(inputs: Mapping[str, Input]) -> ColumnWriter:
    """A function that turns n rows into columns of shape (n,) and the imputed names of each row, or gives None."""
    known = frozenset(inputs)

    def write(rows: Sequence[Mapping[str, Any]]) -> Columns | None:
        columns: dict[str, NDArray[Any]] = {}
        imputed: list[list[str]] = [[] for _ in rows]
        complete = True
        for name, rules in inputs.items():
            values = [row.get(name) for row in rows]
            kinds = set(map(type, values))
            if _NONE in kinds:
                if rules.missing != "impute":
                    return None
                complete = False
                for place, value in enumerate(values):
                    if value is None:
                        imputed[place].append(name)
            check = _category if rules.type == "category" else _number
            column = check(rules, values, kinds)
            if column is None:
                return None
            columns[name] = column
        exact = complete and sum(map(len, rows)) == len(known) * len(rows)
        if not exact and not all(map(known.issuperset, rows)):
            return None
        return columns, imputed

    return write


def _category(rules: Input, values: list[Any], kinds: set[type]) -> NDArray[Any] | None:
    if not kinds <= _TEXTS:
        return None
    texts = set(values) - {None}
    if rules.values:
        if not texts <= set(rules.values):
            return None
    elif not all(map(is_category, texts)):
        return None
    column = np.array(values, dtype=object)
    if _NONE in kinds:
        column[[value is None for value in values]] = MISSING
    return column


def _number(rules: Input, values: list[Any], kinds: set[type]) -> NDArray[Any] | None:
    if not kinds <= (_BOOLEANS if rules.type == "boolean" else _NUMBERS):
        return None
    try:
        # None becomes NaN, which JSON has no word for.
        numbers = np.array(values, dtype=np.float64)
    except OverflowError:
        return None
    if rules.type != "boolean":
        low, high = bounds(rules)
        there = numbers[~np.isnan(numbers)] if _NONE in kinds else numbers
        if int in kinds and (np.abs(there) >= _EXACT).any():
            return None
        if not ((there >= low) & (there <= high)).all():
            return None
        if rules.type == "integer" and (there != np.floor(there)).any():
            return None
    return numbers.astype(np.float32)
