"""The example's train.py as a team may keep it for data of its own."""

from __future__ import annotations

import runpy
from typing import Any

import numpy as np
import pandas as pd
import pytest

from gitops_model.pipeline import onnx_export
from gitops_model.runtime.models import OnnxModel, SklearnModel
from tests.support.factories import make_contract
from tests.support.places import TEMPLATE

PARAMS = {"trees": 3, "depth": 2, "learning_rate": 0.1, "subsample": 0.5}


@pytest.mark.parametrize("categories", [0, 1, 2])
def test_it_is_converted_whatever_the_number_of_categories(categories: int) -> None:
    inputs: dict[str, Any] = {"size": {"type": "number", "missing": "impute"}}
    inputs |= {f"kind{n}": {"type": "category"} for n in range(categories)}
    contract = make_contract(inputs=inputs, slices=[])
    random = np.random.default_rng(0)
    size = random.normal(size=200).astype("float32")
    rows = pd.DataFrame({"size": size})
    for n in range(categories):
        # Two values stand in few rows.
        rows[f"kind{n}"] = random.permutation(["a"] * 120 + ["b"] * 70 + ["c"] * 9 + ["d"])
    fit = runpy.run_path(str(TEMPLATE / "pipeline/train.py"))["fit"]
    fitted = fit(rows, (size > 0).astype(int), contract=contract, params=PARAMS, seed=1)
    columns = {name: rows[name].to_numpy() for name in rows}
    served = OnnxModel(onnx_export.convert(fitted, contract), contract).predict(columns)
    expected = SklearnModel(fitted, contract).predict(columns)
    assert onnx_export.largest_difference(served, expected) < onnx_export.PARITY
