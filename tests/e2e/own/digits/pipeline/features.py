"""YOURS: from raw rows to the contract's inputs, keys and label.

Whatever is computed here for training, callers compute for a request.
"""

from __future__ import annotations

import pandas as pd
from gitops_model import Contract

BANDS = range(4)


def build(raw: pd.DataFrame, *, contract: Contract) -> pd.DataFrame:
    """One row for each example: the columns that contract.yaml names as keys, inputs, label and slices.

    `raw` is what `load` in source.py returned. The key `keys.request` differs in every row, the label is never missing
    (binary: 0 or 1; multiclass: a name in output.classes; regression: a number), and an input that is not known is
    missing (None or NaN). Other columns are left aside. `prepare` checks all of it and says what does not fit.

    Here: one row for each digit, and how much ink there is in bands across and in stripes down.
    """
    table = raw[["digit_id", "form", "scanner", "bold", "digit"]].copy()
    ink = raw.filter(regex=r"^p\d\d$").to_numpy().reshape(-1, 4, 2, 4, 2).sum(axis=(2, 4))
    for n in BANDS:
        table[f"band{n}"] = ink.sum(axis=2)[:, n]
        table[f"stripe{n}"] = ink.sum(axis=1)[:, n]
    return table
