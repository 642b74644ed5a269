"""Checking a whole table against the contract: pandas in front of the rule in `formats.inputs`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gitops_model.formats.contract import Contract
from gitops_model.formats.inputs import check_column


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
    """Apply the contract's input rules to each row of `table`, which holds rows as callers send them.

    That is bool for a boolean, text for a category, None or NaN for what is missing; a column that is absent is
    missing in every row.
    """
    bad = np.zeros(len(table), dtype=bool)
    columns: dict[str, NDArray[Any]] = {}
    problems: list[str] = []
    imputed: dict[str, int] = {}
    for name, rules in contract.inputs.items():
        values = table[name] if name in table else pd.Series([None] * len(table), dtype=object)
        missing = values.isna().to_numpy(dtype=bool)
        # Dates would turn into whole numbers on the way to numpy; as objects they stay what they are.
        plain = values if values.dtype.kind in "biuf" else values.astype(object)
        found = check_column(rules, plain.to_numpy(), missing)
        columns[name] = found.values
        bad |= found.refused
        if found.problem:
            problems.append(found.problem)
        if rules.missing == "impute" and missing.any():
            imputed[name] = int(missing.sum())
    return Checked(columns=columns, bad=bad, problems=problems, imputed=imputed)
