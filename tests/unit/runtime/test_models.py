"""Loading a stranger's model: what its bundle says of itself opens nothing."""

from __future__ import annotations

import contextlib
import functools
import os
import sys
from pathlib import Path

import pytest
import skops.io
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from gitops_model.errors import BadArtifact
from gitops_model.formats.bundle import Bundle
from gitops_model.runtime.models import SklearnModel, columns_of, load_model
from tests.support.factories import REQUEST, make_bundle, make_contract

WANTED = ["builtins.sorted", "functools.partial", "posix.mkdir"]


def hostile_skops() -> bytes:
    """A pipeline that makes folders named like its inputs when it is asked, and could as well run programs."""
    step = FunctionTransformer(functools.partial(sorted, key=os.mkdir))
    last = LogisticRegression().fit([[0.0], [1.0]], [0, 1])
    packed: bytes = skops.io.dumps(make_pipeline(step, last))
    return packed


def _opened(**options: object) -> Bundle:
    data, sha256 = make_bundle(**options)  # type: ignore[arg-type]
    return Bundle.open(data, sha256=sha256, name="model.tar")


def test_the_types_a_bundle_trusts_in_its_own_manifest_are_not_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """C1: the manifest named such types, and `id` ran in service and judge."""
    monkeypatch.chdir(tmp_path)
    bundle = _opened(
        model_runtime="sklearn",
        manifest={"trusted_types": WANTED},
        members={"model.skops": hostile_skops()},
    )
    with pytest.raises(BadArtifact) as caught:
        load_model(bundle, trusted=(), file="serving.yaml")
    assert str(caught.value) == (
        "the estimator needs the types builtins.sorted, functools.partial, posix.mkdir, which nobody vouched for. If "
        "they are yours, add them to trusted_types in serving.yaml."
    )
    # With the host's trust it does what it was made for, so the test above is about something.
    model = load_model(bundle, trusted=WANTED)
    row = make_contract().row_validator()(REQUEST).values
    with contextlib.suppress(Exception):
        model.predict(columns_of(bundle.contract, [row]))
    assert (tmp_path / "distance").is_dir()


def test_a_model_of_plain_scikit_learn_needs_no_list() -> None:
    bundle = _opened(model_runtime="sklearn")
    model = load_model(bundle, trusted=())
    assert isinstance(model, SklearnModel)


def test_an_onnx_bundle_is_loaded_without_reading_its_skops_file(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bundle = _opened(members={"model.skops": b"anything"})
    monkeypatch.setitem(sys.modules, "gitops_model.runtime.estimators", None)
    assert not isinstance(load_model(bundle, trusted=()), SklearnModel)


def test_a_failing_disk_is_not_said_to_be_a_bad_bundle(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr("gitops_model.runtime.models.OnnxModel", fail)
    with pytest.raises(OSError, match="Too many open files"):
        load_model(_opened(), trusted=())
