"""Stage 2, YOURS: the estimator. Any scikit-learn pipeline will do; ONNX serves those that skl2onnx can convert."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

from gitops_model import strict_yaml
from gitops_model.errors import GitopsError
from gitops_model.files import canonical_json, write_atomic
from gitops_model.formats.contract import Contract
from gitops_model.pipeline import prepared
from gitops_model.runtime.estimators import dump
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import GradientBoostingClassifier, GradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder


def estimator(
    contract: Contract, params: dict[str, Any], *, seed: int, verbose: int = 0
) -> Pipeline:
    """An unfitted pipeline from the contract's inputs to the label."""
    numbers = [name for name, rules in contract.inputs.items() if rules.type != "category"]
    categories = [name for name, rules in contract.inputs.items() if rules.type == "category"]
    inputs = ColumnTransformer(
        [
            ("numbers", SimpleImputer(strategy="median"), numbers),
            (
                "categories",
                OneHotEncoder(handle_unknown="ignore", min_frequency=50, dtype="float32"),
                categories,
            ),
        ],
        sparse_threshold=0,
    )
    boosting = (
        GradientBoostingRegressor
        if contract.problem == "regression"
        else GradientBoostingClassifier
    )
    model = boosting(
        n_estimators=params["trees"],
        max_depth=params["depth"],
        learning_rate=params["learning_rate"],
        subsample=params["subsample"],
        random_state=seed,
        verbose=verbose,
    )
    return Pipeline([("inputs", inputs), ("model", model)])


def main() -> None:
    """Fit on build/prepared/train.csv; write build/estimator.skops and build/training_log.json."""
    contract = Contract.load(Path("contract.yaml"))
    params = strict_yaml.load(Path("params.yaml"), "params")
    table = prepared.read(contract, "train")
    labels: Any = prepared.labels(contract, table)
    if contract.problem != "regression":
        labels = labels.astype(int)
    model = estimator(contract, params["model"], seed=params["seed"], verbose=1)
    began = time.monotonic()
    model.fit(table[list(contract.inputs)], labels)
    print(f"train: {len(table):,} rows in {time.monotonic() - began:.1f} s")
    write_atomic(Path("build/estimator.skops"), dump(model))
    # One number a tree: does the loss still fall? Seconds are left out: the log is the same when the model is.
    log = {
        "rows": len(table),
        "inputs": list(contract.inputs),
        "encoded_inputs": int(model["inputs"].transform(table[list(contract.inputs)][:1]).shape[1]),
        "train_loss": [round(float(loss), 10) for loss in model["model"].train_score_],
    }
    write_atomic(Path("build/training_log.json"), canonical_json(log))


if __name__ == "__main__":
    try:
        main()
    except GitopsError as error:
        sys.exit(f"train: {error}")
