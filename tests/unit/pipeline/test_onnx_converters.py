"""Converters that skl2onnx lacks: histogram gradient boosting as it is, and sentences for what is not installed."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from gitops_model.errors import BadArtifact
from gitops_model.pipeline import onnx_converters, onnx_export
from gitops_model.runtime import estimators
from gitops_model.runtime.models import OnnxModel, SklearnModel
from tests.support.factories import make_contract


class Foreign(BaseEstimator):
    """Stands for a class of another package; keeps bytes, as boosters do."""

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed
        self.booster = bytearray(b"trees")


@pytest.fixture
def foreign(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> type[Foreign]:
    monkeypatch.setattr(Foreign, "__module__", request.param)
    return Foreign


@pytest.mark.parametrize("problem", ["binary", "multiclass", "regression"])
def test_histogram_gradient_boosting_answers_alike(problem: str) -> None:
    random = np.random.default_rng(2)
    rows = pd.DataFrame(random.normal(size=(400, 3)).astype(np.float32), columns=["a", "b", "c"])
    rows.loc[::9, "a"] = np.nan
    value = rows["a"].fillna(0) + rows["b"] * rows["c"]
    labels: Any = (
        value
        if problem == "regression"
        else pd.cut(value, 2 if problem == "binary" else 3, labels=False)
    )
    kind = (
        HistGradientBoostingRegressor if problem == "regression" else HistGradientBoostingClassifier
    )
    inputs = {name: {"type": "number", "missing": "impute"} for name in rows}
    contract = make_contract(problem, inputs=inputs, slices=[])
    scale = ColumnTransformer([("numbers", "passthrough", list(rows))])
    model = Pipeline([("inputs", scale), ("model", kind(max_iter=10, random_state=0))]).fit(
        rows, labels
    )
    columns = {name: rows[name].to_numpy() for name in rows}
    served = OnnxModel(onnx_export.convert(model, contract), contract).predict(columns)
    expected = SklearnModel(model, contract).predict(columns)
    assert onnx_export.largest_difference(served, expected) <= onnx_export.PARITY


@pytest.mark.parametrize("foreign", ["lightgbm.sklearn"], indirect=True)
def test_a_part_of_another_library_is_found_wherever_it_stands(foreign: type[Foreign]) -> None:
    inputs = ColumnTransformer([("numbers", foreign(), ["a"])])
    for model in (foreign(), Pipeline([("model", foreign())]), Pipeline([("inputs", inputs)])):
        assert "lightgbm" in onnx_converters.libraries(model)
    assert "lightgbm" not in onnx_converters.libraries(Pipeline([("scale", StandardScaler())]))
    assert "lightgbm" not in onnx_converters.libraries(SimpleNamespace())


@pytest.mark.parametrize("foreign", ["lightgbm.sklearn", "xgboost.sklearn"], indirect=True)
def test_a_converter_that_is_not_installed_is_named(
    foreign: type[Foreign], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxmltools", None)
    with pytest.raises(
        BadArtifact, match="onnxmltools: add it to requirements.in and run `make lock setup`"
    ):
        onnx_converters.register(foreign())


@pytest.mark.parametrize("foreign", ["catboost.core"], indirect=True)
def test_catboost_says_what_to_choose(foreign: type[Foreign]) -> None:
    with pytest.raises(
        BadArtifact, match="Set model.runtime to sklearn in params.yaml, and name catboost.core"
    ):
        onnx_converters.register(Pipeline([("model", foreign())]))


def test_an_estimator_that_keeps_bytes_is_stored_the_same_each_time() -> None:
    packed = estimators.dump(Foreign())
    assert packed == estimators.dump(Foreign())
    again = estimators.load(packed, trusted=estimators.untrusted(packed))
    assert bytes(again.booster) == b"trees"
