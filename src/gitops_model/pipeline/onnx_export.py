"""From a fitted scikit-learn pipeline to ONNX bytes, and the proof that both answer alike."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gitops_model.errors import BadArtifact, shorten
from gitops_model.formats.contract import Contract
from gitops_model.pipeline import onnx_converters

# Largest accepted difference between the two on any test row. float32 inputs make them agree to about 2e-7.
PARITY = 1e-5


def convert(estimator: Any, contract: Contract) -> bytes:
    """ONNX bytes with one (n, 1) input for each contract input. Raises BadArtifact when skl2onnx cannot convert."""
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import FloatTensorType, StringTensorType

    types = [
        (
            name,
            StringTensorType([None, 1]) if rules.type == "category" else FloatTensorType([None, 1]),
        )
        for name, rules in contract.inputs.items()
    ]
    options = {} if contract.problem == "regression" else {id(estimator): {"zipmap": False}}
    opsets = onnx_converters.register(estimator)
    try:
        model = to_onnx(estimator, initial_types=types, options=options, target_opset=opsets)
    except Exception as error:
        # skl2onnx raises whatever its converters raise; each of them means that there is no ONNX of this estimator.
        raise BadArtifact(
            f"skl2onnx cannot convert the estimator: {shorten(str(error), 200)} Choose another estimator in "
            "pipeline/train.py, or set model.runtime to sklearn in params.yaml.",
            reason="load",
        ) from error
    # skl2onnx lists the operator sets in the order of a Python set, which changes with the hash seed of the process.
    ordered = sorted(model.opset_import, key=lambda opset: opset.domain)
    del model.opset_import[:]
    model.opset_import.extend(ordered)
    data: bytes = model.SerializeToString(deterministic=True)
    return data


def largest_difference(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Largest |a - b| / max(1, |b|) over all scores: absolute for probabilities, relative for large values."""
    if first.shape != second.shape or not (np.isfinite(first).all() and np.isfinite(second).all()):
        return float("inf")
    return float(np.max(np.abs(first - second) / np.maximum(1.0, np.abs(second)), initial=0.0))
