"""The team's functions: pipeline/source.py (fetch, load), features.py (build), train.py (fit).

Called by `data`, `prepare` and `train`, and by nothing that judges, serves or deploys. Each raises BadInput, with one
sentence, when the function raises or returns something that cannot be used.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gitops_model.errors import BadInput
from gitops_model.formats.contract import Contract
from gitops_model.formats.params import Params

# Not used here. What a team's code may call takes part in the stages that call it, see stages.py.
from gitops_model.pipeline import csv_files as csv_files
from gitops_model.pipeline import prepared
from gitops_model.pipeline.team_code import call
from gitops_model.pipeline.team_code import require_declared as require_declared

FIT = "pipeline/train.py: fit"


def fetch(folder: Path, params: Params) -> None:
    """Let `fetch` write the raw data into `folder`."""
    call("source", "fetch", folder, dict(params.data), wanted="def fetch(folder, params)")
    if not any(path.is_file() for path in folder.rglob("*")):
        raise BadInput(
            "pipeline/source.py: fetch wrote no file; allowed: at least one file in the folder it is given."
        )


def load(folder: Path, params: Params) -> pd.DataFrame:
    """The raw rows in `folder`."""
    raw = call("source", "load", folder, dict(params.data), wanted="def load(folder, params)")
    return _table(raw, "pipeline/source.py: load", "one row for each raw row")


def build(raw: pd.DataFrame, contract: Contract) -> pd.DataFrame:
    """The examples made of the raw rows, not checked yet."""
    wanted = "def build(raw, *, contract)"
    built = call("features", "build", raw, contract=contract, wanted=wanted)
    return _table(built, "pipeline/features.py: build", "one row for each example")


def fit(table: pd.DataFrame, contract: Contract, params: Params) -> Any:
    """The estimator fitted to a prepared table."""
    rows = pd.DataFrame(prepared.columns(contract, table))
    labels: Any = prepared.labels(contract, table)
    if contract.problem != "regression":
        labels = labels.astype(int)
    fitted = call(
        "train",
        "fit",
        rows,
        labels,
        contract=contract,
        params=dict(params.model),
        seed=params.seed,
        wanted="def fit(rows, labels, *, contract, params, seed)",
    )
    _require_answers(fitted, rows.head(3), contract)
    return fitted


def _table(value: Any, who: str, rows: str) -> pd.DataFrame:
    if not isinstance(value, pd.DataFrame):
        what = "nothing (None)" if value is None else f"a {type(value).__name__}"
        raise BadInput(f"{who} returned {what}; allowed: a pandas DataFrame with {rows}.")
    if len(value) == 0:
        raise BadInput(
            f"{who} returned a table without rows; allowed: at least one row to train on and one to test with."
        )
    return value


def _require_answers(fitted: Any, rows: pd.DataFrame, contract: Contract) -> None:
    """Ask for a few rows what will be asked for many: an estimator that is not fitted is found here, by its name."""
    name = "predict" if contract.problem == "regression" else "predict_proba"
    allowed = f"allowed for a {contract.problem} problem: a fitted estimator with {name}"
    what = "nothing (None)" if fitted is None else f"a {type(fitted).__name__}"
    if not callable(getattr(fitted, name, None)):
        raise BadInput(f"{FIT} returned {what}, which has no {name}; {allowed}.")
    try:
        found = np.asarray(getattr(fitted, name)(rows))
    except Exception as error:
        said = f"{type(error).__name__}: {str(error).strip().splitlines()[0][:200] if str(error) else ''}"
        raise BadInput(
            f"{FIT} returned {what} that cannot answer ({said.rstrip('. :')}); {allowed}."
        ) from error
    classes = len(contract.output.classes or (0, 1))
    if contract.problem != "regression" and found.shape != (len(rows), classes):
        known = found.shape[1] if found.ndim == 2 else 1
        raise BadInput(
            f"{FIT} returned {what} that knows {known} class{'' if known == 1 else 'es'}, but contract.yaml promises "
            f"{classes}; are there training rows of each?"
        )
