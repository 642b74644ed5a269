"""Reading the prepared tables back, with the types they were written with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gitops_model.formats.contract import Contract

PREPARED = Path("build/prepared")


def read(contract: Contract, part: str, *, folder: Path = PREPARED) -> pd.DataFrame:
    """build/prepared/<part>.csv with float32 numbers and text categories; `part` is train or test."""
    numbers = [name for name, rules in contract.inputs.items() if rules.type != "category"]
    texts = [contract.keys.request, *(name for name in contract.inputs if name not in numbers)]
    # Only the empty field is missing: 'NA' and 'null' are ordinary texts in somebody's categories.
    return pd.read_csv(
        folder / f"{part}.csv",
        dtype={**dict.fromkeys(numbers, "float32"), **dict.fromkeys(texts, "str")},
        keep_default_na=False,
        na_values=dict.fromkeys([*numbers, contract.label.name], [""]),
    )


def columns(contract: Contract, table: pd.DataFrame) -> dict[str, NDArray[Any]]:
    """The arrays `Model.predict` takes, each of length n."""
    return {
        name: table[name].to_numpy(dtype=object if rules.type == "category" else np.float32)
        for name, rules in contract.inputs.items()
    }


def labels(contract: Contract, table: pd.DataFrame) -> NDArray[np.float64]:
    """Labels as numbers, shape (n,): 0 or 1, the class's place in `output.classes`, or the value itself."""
    values = table[contract.label.name]
    if contract.output.classes:
        places = {name: place for place, name in enumerate(contract.output.classes)}
        values = values.map(places)
    return np.asarray(values, dtype=np.float64)
