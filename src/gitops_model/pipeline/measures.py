"""What `evaluate` says about a model: metrics, slices, and one prediction a row."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gitops_model.errors import BadArtifact
from gitops_model.evaluation import metrics as catalogue
from gitops_model.files import canonical_json, write_atomic
from gitops_model.formats.contract import Contract
from gitops_model.pipeline import prepared
from gitops_model.runtime.models import SklearnModel

Array = NDArray[np.float64]
METRICS = Path("reports/metrics.json")
SLICES = Path("reports/slices.csv")
PREDICTIONS = Path("build/predictions.csv")


def scores(contract: Contract, fitted: Any, table: pd.DataFrame) -> Array:
    """Scores of n rows, see `Model.predict`. Raises BadArtifact when one is NaN or infinite."""
    found = SklearnModel(fitted, contract).predict(prepared.columns(contract, table))
    silent = ~np.isfinite(found.reshape(len(found), -1)).all(axis=1)
    if silent.any():
        raise BadArtifact(
            f"the model answers NaN or infinity for {int(silent.sum()):,} of {len(found):,} test rows, so nothing of "
            "it can be measured. Look at pipeline/train.py and at the inputs it gets."
        )
    return found


def metrics(contract: Contract, labels: Array, found: Array) -> dict[str, float | None]:
    """Every metric that fits the problem, by name; None where it is undefined."""
    context = catalogue.context(contract)
    return {
        metric.name: catalogue.value(metric.name, labels, found, context)
        for metric in catalogue.applicable(context)
    }


def slices(contract: Contract, table: pd.DataFrame, labels: Array, found: Array) -> pd.DataFrame:
    """Primary and risk metric of each value of each declared slice, with its rows; empty where undefined."""
    context = catalogue.context(contract)
    names = list(dict.fromkeys([contract.success.primary, contract.success.risk]))
    rows: list[dict[str, Any]] = []
    for name in contract.slices:
        values = prepared.slice_values(table, name)
        for value in sorted(set(values)):
            inside = values == value
            measured = {
                m: catalogue.value(m, labels[inside], found[inside], context) for m in names
            }
            rows.append({"slice": name, "value": value, "rows": int(inside.sum()), **measured})
    return pd.DataFrame(rows, columns=["slice", "value", "rows", *names])


def predictions(contract: Contract, table: pd.DataFrame, found: Array) -> pd.DataFrame:
    """One row for each test row: keys, label, slices, and the score or one score for each class."""
    keys = [contract.keys.request, contract.keys.time, contract.label.name, *contract.slices]
    out = table[list(dict.fromkeys(key for key in keys if key is not None))].copy()
    matrix = found.reshape(len(found), -1)
    classes = contract.output.classes
    names = [f"score_{name}" for name in classes] if classes else ["score"]
    for place, name in enumerate(names):
        out[name] = matrix[:, place]
    return out


def write_metrics(values: Mapping[str, float | None], *, rows: int) -> None:
    """Write reports/metrics.json, what `dvc metrics diff` compares."""
    write_atomic(METRICS, canonical_json({"rows": rows, **values}))


def write_csv(path: Path, table: pd.DataFrame) -> None:
    """Write a table of numbers and texts in one step, nine digits a number."""
    write_atomic(path, table.to_csv(index=False, lineterminator="\n", float_format="%.9g"))
