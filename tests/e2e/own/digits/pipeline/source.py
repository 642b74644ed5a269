"""YOURS: where the raw data comes from (`fetch`), and how it becomes one table (`load`).

Here: an export of the scanners, one row for each digit on a form, with its 8 by 8 pixels.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pandas as pd
from gitops_model import read_csv


def fetch(folder: Path, params: dict[str, Any]) -> None:
    """Write the raw data into `folder`, which is empty. `make data` calls this and makes `folder` the new data/raw.

    Any files will do: what you write here, `load` reads. In a real project this asks a warehouse or copies an export.
    The former data is still in data/raw meanwhile: copy from there what need not be fetched again. Write the same rows
    in the same way each time, because the bytes are the version of the data. `params` is `data:` of params.yaml.
    """
    shutil.copy(params["export"], folder)


def load(folder: Path, params: dict[str, Any]) -> pd.DataFrame:
    """All raw rows as one table, whatever its columns: `build` in features.py gets it.

    `make train` calls this with data/raw. `read_csv` is that of pandas, and says in one sentence what is wrong with a
    file, such as a column that was renamed. `params` is `data:` of params.yaml.
    """
    return read_csv(folder / "digits.csv", columns=["digit_id", "form"], dtype={"digit": str})
