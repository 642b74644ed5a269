"""skops bytes are the same for the same estimator, in any process; and strangers' types are refused."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from gitops_model.errors import BadArtifact
from gitops_model.pipeline import onnx_export
from gitops_model.runtime import estimators
from gitops_model.runtime.models import OnnxModel
from tests.support.factories import make_contract
from tests.support.places import ROOT

BUILD = """
import sys
from tests.unit.runtime.test_estimators import export, fitted
from gitops_model.files import sha256_bytes
from gitops_model.runtime import estimators
print(sha256_bytes(estimators.dump(fitted())), sha256_bytes(export()))
"""


def fitted() -> Pipeline:
    rng = np.random.default_rng(3)
    rows = rng.normal(size=(200, 3)).astype(np.float32)
    model = Pipeline(
        [
            ("scale", StandardScaler()),
            ("model", GradientBoostingClassifier(n_estimators=4, random_state=1)),
        ]
    )
    return model.fit(rows, rows[:, 0] > 0)


def contract_of_numbers() -> object:
    inputs = {name: {"type": "number"} for name in ("a", "b", "c")}
    return make_contract("binary", inputs=inputs, slices=[])


def export() -> bytes:
    from sklearn.compose import ColumnTransformer

    rng = np.random.default_rng(3)
    import pandas as pd

    table = pd.DataFrame(rng.normal(size=(200, 3)).astype(np.float32), columns=["a", "b", "c"])
    model = Pipeline(
        [
            ("inputs", ColumnTransformer([("numbers", StandardScaler(), ["a", "b", "c"])])),
            ("model", GradientBoostingClassifier(n_estimators=4, random_state=1)),
        ]
    ).fit(table, table["a"] > 0)
    return onnx_export.convert(model, contract_of_numbers())  # type: ignore[arg-type]


@pytest.mark.slow
def test_other_processes_with_other_hash_seeds_write_the_same_bytes() -> None:
    found = {
        subprocess.run(
            [sys.executable, "-c", BUILD],
            cwd=ROOT,
            env={
                "PYTHONHASHSEED": str(seed),
                "PATH": "",
                "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
            },
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        # Seeds 1 and 7 put the two operator sets of an ONNX file into different orders.
        for seed in (1, 7)
    }
    assert len(found) == 1


def test_an_estimator_survives_the_round_trip() -> None:
    model = fitted()
    rows = np.random.default_rng(4).normal(size=(50, 3))
    again = estimators.load(estimators.dump(model), trusted=())
    np.testing.assert_array_equal(again.predict_proba(rows), model.predict_proba(rows))


class Stranger(StandardScaler):
    """A type nobody vouched for."""


def test_a_type_nobody_vouched_for_is_refused_by_name() -> None:
    packed = estimators.dump(Stranger().fit(np.zeros((3, 1))))
    name = f"{Stranger.__module__}.Stranger"
    with pytest.raises(BadArtifact) as caught:
        estimators.load(packed, trusted=())
    assert str(caught.value) == (
        f"the estimator needs the types {name}, which nobody vouched for. If they are yours, add them to trusted_types "
        "in params.yaml."
    )
    assert isinstance(estimators.load(packed, trusted=[name]), Stranger)


@pytest.mark.parametrize("data", [b"", b"PK", b"\x80\x04pickle"], ids=["nothing", "half", "pickle"])
def test_what_is_no_skops_file_is_refused(data: bytes) -> None:
    with pytest.raises(BadArtifact, match="is not a skops file"):
        estimators.load(data, trusted=())


def test_a_zip_that_unpacks_to_more_than_memory_is_refused_before_it_is_unpacked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    packed = estimators.dump(fitted())
    monkeypatch.setattr(estimators, "MOST_UNPACKED", 1000)
    with pytest.raises(BadArtifact, match="model.skops unpacks to"):
        estimators.load(packed, trusted=())


def test_an_estimator_onnx_cannot_express_says_what_to_do() -> None:
    with pytest.raises(BadArtifact, match="set model.runtime to sklearn in params.yaml"):
        onnx_export.convert(Stranger(), contract_of_numbers())  # type: ignore[arg-type]


def test_a_model_whose_inputs_are_not_the_contracts_is_refused() -> None:
    with pytest.raises(
        BadArtifact, match="the model's inputs and its contract disagree about"
    ) as caught:
        OnnxModel(export(), make_contract("binary"))
    assert caught.value.reason == "contract"


def test_the_largest_difference_is_absolute_for_probabilities_and_relative_for_large_values() -> (
    None
):
    assert onnx_export.largest_difference(np.array([0.5]), np.array([0.25])) == pytest.approx(0.25)
    assert onnx_export.largest_difference(np.array([1001.0]), np.array([1000.0])) == pytest.approx(
        0.001
    )
    assert onnx_export.largest_difference(np.array([np.nan]), np.array([1.0])) == float("inf")
    assert onnx_export.largest_difference(np.array([1.0, 2.0]), np.array([1.0])) == float("inf")
