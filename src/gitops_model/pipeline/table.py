"""Checking a whole table against the contract, column by column, with the row validator's rules."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gitops_model.formats.contract import FLOAT32_MAX, MISSING, Contract, Input, allowed_number


@dataclass(frozen=True, kw_only=True)
class Checked:
    """`columns` are ready for `Model.predict`; `bad` marks refused rows, shape (n,); `problems` says why.

    `imputed` counts the rows whose value was missing, by input.
    """

    columns: dict[str, NDArray[Any]]
    bad: NDArray[np.bool_]
    problems: list[str]
    imputed: dict[str, int]


def check_table(contract: Contract, table: pd.DataFrame) -> Checked:
    """Apply the contract's input rules to each row of `table`. A column that is absent is missing in every row."""
    bad = np.zeros(len(table), dtype=bool)
    columns: dict[str, NDArray[Any]] = {}
    problems: list[str] = []
    imputed: dict[str, int] = {}
    for name, rules in contract.inputs.items():
        values = table[name] if name in table else pd.Series([None] * len(table), dtype=object)
        missing = values.isna().to_numpy()
        if rules.type == "category":
            column, refused = _category(rules, values, missing)
            allowed = f"one of {', '.join(rules.values[:20])}" if rules.values else "a text"
        else:
            column, refused = _number(rules, values, missing)
            allowed = allowed_number(rules)
        if rules.missing == "reject":
            refused = refused | missing
        elif missing.any():
            imputed[name] = int(missing.sum())
        if refused.any():
            first = values[refused].iloc[0]
            shown = "missing" if pd.isna(first) else f"'{first}'"
            problems.append(
                f"{name}: {int(refused.sum())} rows, first {shown}; allowed: {allowed}."
            )
        columns[name] = column
        bad |= refused
    return Checked(columns=columns, bad=bad, problems=problems, imputed=imputed)


_Column = tuple[NDArray[Any], NDArray[np.bool_]]


def _category(rules: Input, values: pd.Series[Any], missing: NDArray[np.bool_]) -> _Column:
    column = values.astype(object).to_numpy(dtype=object, copy=True)
    column[missing] = MISSING
    refused = np.array([type(v) is not str or not v or len(v) > 1000 for v in column], dtype=bool)
    if rules.unknown == "reject" and rules.values is not None:
        refused |= ~np.isin(column.astype(str), rules.values)
    return column, refused & ~missing


def _number(rules: Input, values: pd.Series[Any], missing: NDArray[np.bool_]) -> _Column:
    low = -FLOAT32_MAX if rules.min is None else rules.min
    high = FLOAT32_MAX if rules.max is None else rules.max
    booleans = np.array([isinstance(v, (bool, np.bool_)) for v in values], dtype=bool)
    numeric = pd.to_numeric(values.where(~missing), errors="coerce").to_numpy(
        dtype=np.float64, na_value=np.nan
    )
    if rules.type == "boolean":
        refused = ~booleans
    else:
        texts = (
            np.array([isinstance(v, str) for v in values], dtype=bool)
            if values.dtype == object
            else False
        )
        refused = booleans | texts | ~((numeric >= low) & (numeric <= high))
        if rules.type == "integer":
            with np.errstate(invalid="ignore"):
                refused |= numeric != np.floor(numeric)
    with np.errstate(over="ignore"):
        column = numeric.astype(np.float32)
    return column, refused & ~missing
