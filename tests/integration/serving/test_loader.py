"""A bundle that is not exactly what was promised never becomes a model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skops.io
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from gitops_model.errors import BadArtifact
from gitops_model.formats.bundle import Bundle
from gitops_model.formats.pointer import Ref
from gitops_model.formats.store import Layout
from gitops_model.runtime.answers import golden_line
from gitops_model.runtime.models import columns_of, load_model
from gitops_model.serving.loader import load
from tests.support.factories import REQUEST, contract_dict, make_bundle
from tests.support.server import Store


@pytest.mark.parametrize("problem", ["binary", "multiclass", "regression"])
@pytest.mark.parametrize("model_runtime", ["onnx", "sklearn"])
def test_a_good_bundle_loads(problem: str, model_runtime: str, tmp_path: Path) -> None:
    store = Store(tmp_path)
    ref = Ref(**store.add(1, problem=problem, model_runtime=model_runtime))
    loaded = load(Layout(tmp_path), ref)
    assert loaded.sha256 == ref.sha256
    assert loaded.example == REQUEST
    assert 0 < loaded.row_seconds < 1


def _truncated(data: bytes) -> bytes:
    return data[: len(data) // 2]


def _flipped(data: bytes) -> bytes:
    return data[:5000] + bytes([data[5000] ^ 1]) + data[5001:]


def _swapped(_data: bytes) -> bytes:
    return make_bundle(seed=2)[0]


@pytest.mark.parametrize("damage", [_truncated, _flipped, _swapped, lambda _: b""])
def test_bytes_that_are_not_the_promised_ones_are_refused_before_they_are_opened(
    damage: Callable[[bytes], bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path)
    ref = Ref(**store.add(1))
    path = store.bundle(ref.sha256)
    path.write_bytes(damage(path.read_bytes()))
    monkeypatch.setattr("gitops_model.formats.archive.unpack", _must_not_run)
    with pytest.raises(BadArtifact, match="was promised") as caught:
        load(Layout(tmp_path), ref)
    assert caught.value.reason == "sha256"


def _must_not_run(*_args: Any, **_kwargs: Any) -> None:
    raise AssertionError("a bundle was opened before it was verified")


def test_a_bundle_that_is_not_there_is_missing(tmp_path: Path) -> None:
    with pytest.raises(BadArtifact, match="cannot be read") as caught:
        load(Layout(tmp_path), Ref(model="flight-delay-v1", sha256="0" * 64))
    assert caught.value.reason == "missing"


GOLDEN = {"inputs": REQUEST, "score": 0.5, "output": {"delayed": True, "probability": 0.5}}


@pytest.mark.parametrize(
    ("options", "reason", "sentence"),
    [
        ({"members": {"model.onnx": b"not a model"}}, "load", "cannot be loaded"),
        ({"members": {"model.onnx": None}}, "format", "no model.onnx"),
        ({"members": {"manifest.json": b"{}"}}, "format", "lacks"),
        ({"members": {"contract.yaml": b"task: 7"}}, "contract", "contract.yaml"),
        ({"golden": []}, "format", "golden.jsonl has 0 lines"),
        ({"golden": [GOLDEN]}, "golden", "answers 0.261726, but 0.5 was recorded"),
        ({"golden": [{"inputs": REQUEST}]}, "format", "line 1 lacks inputs, score or output"),
        ({"golden": [GOLDEN | {"inputs": {}}]}, "contract", "breaks the bundle's own contract"),
        ({"golden": [GOLDEN | {"score": [0.5, 0.5]}]}, "golden", "was recorded"),
        ({"golden": [GOLDEN | {"score": "high"}]}, "golden", "but high was recorded"),
    ],
)
def test_a_bundle_that_breaks_its_promise_is_refused(
    options: dict[str, Any], reason: str, sentence: str, tmp_path: Path
) -> None:
    store = Store(tmp_path)
    ref = Ref(**store.add(1, **{"seed": 0, **options}))
    with pytest.raises(BadArtifact, match=sentence) as caught:
        load(Layout(tmp_path), ref)
    assert caught.value.reason == reason


def test_a_recorded_output_that_contradicts_its_score_is_refused(tmp_path: Path) -> None:
    store = Store(tmp_path)
    good = load(Layout(tmp_path), Ref(**store.add(1)))
    contract = contract_dict()
    contract["output"]["threshold"] = 0.01
    assert good.contract.output.threshold == 0.5
    ref = Ref(**store.add(1, contract=contract))
    with pytest.raises(BadArtifact, match="contradict") as caught:
        load(Layout(tmp_path), ref)
    assert caught.value.reason == "golden"


def test_a_contract_that_names_other_inputs_than_the_model_is_refused(tmp_path: Path) -> None:
    contract = contract_dict()
    contract["inputs"]["gate"] = {"type": "category", "missing": "impute"}
    ref = Ref(**Store(tmp_path).add(1, contract=contract))
    with pytest.raises(BadArtifact, match="disagree about: gate") as caught:
        load(Layout(tmp_path), ref)
    assert caught.value.reason == "contract"


def test_the_example_in_the_docs_has_numbers_as_a_person_writes_them(tmp_path: Path) -> None:
    """/docs showed 0.20999999344348907, which is what float32 makes of 0.21."""
    rounded = REQUEST | {"distance": float(np.float32(0.21))}
    data, sha256 = make_bundle(seed=1)
    first = Bundle.open(data, sha256=sha256, name="model.tar")
    row = first.contract.row_validator()(rounded).values
    model = load_model(first, trusted=())
    scores = model.predict(columns_of(first.contract, [row]))
    golden = golden_line(first.contract, rounded, scores, 0)
    ref = Ref(**Store(tmp_path).add(1, golden=[golden]))
    assert load(Layout(tmp_path), ref).example == REQUEST | {"distance": 0.21}


def test_a_bundle_that_needs_types_is_loaded_when_the_settings_list_them(tmp_path: Path) -> None:
    estimator = make_pipeline(Own(), LogisticRegression()).fit([[0.0], [1.0]], [0, 1])
    members = {"model.skops": skops.io.dumps(estimator)}
    ref = Ref(**Store(tmp_path).add(1, model_runtime="sklearn", members=members))
    with pytest.raises(
        BadArtifact, match=r"Own, which nobody vouched for.*in serving.yaml"
    ) as caught:
        load(Layout(tmp_path), ref)
    assert caught.value.reason == "load"
    # Listed, it is loaded; that it does not answer the golden requests is another matter.
    with pytest.raises(BadArtifact) as caught:
        load(Layout(tmp_path), ref, trusted=[f"{Own.__module__}.Own"])
    assert caught.value.reason == "golden"


class Own(StandardScaler):
    """A type of the team's own."""
