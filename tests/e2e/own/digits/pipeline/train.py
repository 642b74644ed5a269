"""YOURS: the estimator. Any scikit-learn pipeline will do; ONNX serves those that skl2onnx can convert."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from gitops_model import Contract
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder


def fit(
    rows: pd.DataFrame,
    labels: np.ndarray[Any, Any],
    *,
    contract: Contract,
    params: dict[str, Any],
    seed: int,
) -> Pipeline:
    """A fitted estimator with `predict` (regression) or `predict_proba` (binary, multiclass).

    `rows` (n rows) has one column for each input of contract.yaml, in its order: float32 for numbers, integers and
    booleans, NaN where missing; texts for categories, "(missing)" where missing. `labels` (n,) are 0 and 1, the places
    in `output.classes`, or numbers. `params` is `model:` of params.yaml. The same arguments must give the same model:
    pass `seed` to whatever is random. What is printed shows while it trains.
    """
    categories = [name for name, rules in contract.inputs.items() if rules.type == "category"]
    numbers = [name for name in contract.inputs if name not in categories]
    encode = OneHotEncoder(handle_unknown="ignore", dtype="float32")
    inputs = ColumnTransformer(
        [
            ("numbers", SimpleImputer(strategy="median"), numbers),
            ("categories", encode, categories),
        ],
        sparse_threshold=0,
    )
    model = ExtraTreesClassifier(
        params["trees"], min_samples_leaf=params["leaf"], random_state=seed
    )
    return Pipeline([("inputs", inputs), ("model", model)]).fit(rows, labels)
