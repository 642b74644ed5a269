"""Stage 3: how good is it on the test days? Metrics, slices, plots, and one prediction a row."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gitops_model.errors import BadArtifact, GitopsError
from gitops_model.evaluation import metrics
from gitops_model.files import canonical_json, write_atomic
from gitops_model.formats.contract import Contract
from gitops_model.pipeline import plots, prepared
from gitops_model.runtime.estimators import load
from gitops_model.runtime.models import SklearnModel

Array = NDArray[np.float64]


def main() -> None:
    """Write reports/metrics.json, reports/slices.csv, reports/plots/*.png and build/predictions.csv."""
    contract = Contract.load(Path("contract.yaml"))
    table = prepared.read(contract, "test")
    # The pipeline wrote these bytes itself a moment ago, or DVC restored them by their hash.
    model = SklearnModel(load(Path("build/estimator.skops").read_bytes()), contract)
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
    write_atomic(Path("reports/metrics.json"), canonical_json({"rows": len(table), **values}))
    slices = slice_table(contract, table, labels, scores)
    write_atomic(
        Path("reports/slices.csv"),
        slices.to_csv(index=False, lineterminator="\n", float_format="%.6f"),
    )
    write_atomic(Path("build/predictions.csv"), _predictions(contract, table, scores))
    for path in plots.draw(contract, labels, scores, slices, folder=Path("reports/plots")):
        print(f"evaluate: {path}")
    for name, value in values.items():
        print(f"evaluate: {name} {'no data' if value is None else format(value, '.4f')}")


def slice_table(
    contract: Contract, table: pd.DataFrame, labels: Array, scores: Array
) -> pd.DataFrame:
    """Primary and risk metric of each value of each declared slice, with its rows; empty where undefined."""
    context = metrics.context(contract)
    names = list(dict.fromkeys([contract.success.primary, contract.success.risk]))
    rows: list[dict[str, Any]] = []
    for name in contract.slices:
        values = table[name].astype(str).to_numpy()
        for value in sorted(set(values)):
            inside = values == value
            found = {m: metrics.value(m, labels[inside], scores[inside], context) for m in names}
            rows.append({"slice": name, "value": value, "rows": int(inside.sum()), **found})
    return pd.DataFrame(rows, columns=["slice", "value", "rows", *names])


def _predictions(contract: Contract, table: pd.DataFrame, scores: Array) -> str:
    keys = dict.fromkeys(
        [contract.keys.request, contract.keys.time, contract.label.name, *contract.slices]
    )
    out = table[list(keys)].copy()
    matrix = scores.reshape(len(scores), -1)
    names = (
        [f"score_{name}" for name in contract.output.classes]
        if contract.output.classes
        else ["score"]
    )
    for place, name in enumerate(names):
        out[name] = matrix[:, place]
    return out.to_csv(index=False, lineterminator="\n", float_format="%.9g")


if __name__ == "__main__":
    try:
        main()
    except GitopsError as error:
        sys.exit(f"evaluate: {error}")
