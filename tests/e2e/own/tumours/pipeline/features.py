"""YOURS: from raw rows to the contract's inputs, keys and label.

Whatever is computed here for training, callers compute for a request; so a feature must be known when the request
is made. Here that moment is the end of the measurement, before anyone has made a diagnosis.
"""

from __future__ import annotations

import pandas as pd
from gitops_model import Contract


def build(raw: pd.DataFrame, *, contract: Contract) -> pd.DataFrame:
    """One row for each example: the columns that contract.yaml names as keys, inputs, label and slices.

    `raw` is what `load` in source.py returned. The key `keys.request` differs in every row, the label is never missing
    (binary: 0 or 1; multiclass: a name in output.classes; regression: a number), and an input that is not known is
    missing (None or NaN). Other columns are left aside. `prepare` checks all of it and says what does not fit.

    Here: one row for each patient. Those whose diagnosis is still open have no label and are left out.
    """
    table = raw[raw["diagnosis"].notna()].copy()
    table["roundness"] = table["perimeter"] / table["radius"]
    table["malignant"] = (table["diagnosis"] == "malignant").astype(int)
    return table
