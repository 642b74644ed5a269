"""Stage 3: how good is the model on the test rows? Metrics, slices, plots, and one prediction a row."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gitops_model.errors import BadArtifact
from gitops_model.evaluation import metrics
from gitops_model.files import canonical_json, write_atomic
from gitops_model.formats.contract import Contract
from gitops_model.formats.params import Params
from gitops_model.pipeline import plots, prepared, stages
from gitops_model.runtime import estimators
from gitops_model.runtime.models import SklearnModel

Array = NDArray[np.float64]
REPORTS = Path("reports")


def run() -> int:
    """Write reports/metrics.json, slices.csv, plots/*.csv and build/predictions.csv."""
    stages.require_installed("evaluate")
    contract = Contract.load(Path("contract.yaml"))
    params = Params.load(Path("params.yaml"))
    table = prepared.read(contract, "test")
    packed = Path("build/estimator.skops").read_bytes()
    model = SklearnModel(
        estimators.load(packed, trusted=estimators.TREES.union(params.trusted_types)), contract
    )
    scores = model.predict(prepared.columns(contract, table))
    silent = ~np.isfinite(scores.reshape(len(scores), -1)).all(axis=1)
    if silent.any():
        raise BadArtifact(
            f"the model answers NaN or infinity for {int(silent.sum()):,} of {len(scores):,} test rows; "
            "nothing of it can be measured. Look at pipeline/train.py and its inputs."
        )
    labels = prepared.labels(contract, table)
    context = metrics.context(contract)
    values = {
        m.name: metrics.value(m.name, labels, scores, context) for m in metrics.applicable(context)
    }
    write_atomic(REPORTS / "metrics.json", canonical_json({"rows": len(table), **values}))
    slices = slice_table(contract, table, labels, scores)
    write_atomic(REPORTS / "slices.csv", _csv(slices))
    for name, plot in plots.tables(contract, labels, scores).items():
        write_atomic(REPORTS / "plots" / name, _csv(plot))
    write_atomic(Path("build/predictions.csv"), _csv(_predictions(contract, table, scores)))
    for name, value in values.items():
        print(f"evaluate: {name} {'no data' if value is None else format(value, '.4f')}")
    return 0


def slice_table(
    contract: Contract, table: pd.DataFrame, labels: Array, scores: Array
) -> pd.DataFrame:
    """Primary and risk metric of each value of each declared slice, with its rows; empty where undefined."""
    context = metrics.context(contract)
    names = list(dict.fromkeys([contract.success.primary, contract.success.risk]))
    rows: list[dict[str, Any]] = []
    for name in contract.slices:
        values = prepared.slice_values(table, name)
        for value in sorted(set(values)):
            inside = values == value
            found = {m: metrics.value(m, labels[inside], scores[inside], context) for m in names}
            rows.append({"slice": name, "value": value, "rows": int(inside.sum()), **found})
    return pd.DataFrame(rows, columns=["slice", "value", "rows", *names])


def _predictions(contract: Contract, table: pd.DataFrame, scores: Array) -> pd.DataFrame:
    keys = [contract.keys.request, contract.keys.time, contract.label.name, *contract.slices]
    out = table[list(dict.fromkeys(key for key in keys if key is not None))].copy()
    matrix = scores.reshape(len(scores), -1)
    classes = contract.output.classes
    names = [f"score_{name}" for name in classes] if classes else ["score"]
    for place, name in enumerate(names):
        out[name] = matrix[:, place]
    return out


def _csv(table: pd.DataFrame) -> str:
    return table.to_csv(index=False, lineterminator="\n", float_format="%.9g")
