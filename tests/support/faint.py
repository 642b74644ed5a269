"""A model that gives no finite number where the distance is missing, so that its contract's fallback is answered."""

from __future__ import annotations

from typing import Any

import numpy as np

from gitops_model.runtime import models
from gitops_model.runtime.answers import golden_line
from tests.support.factories import REQUEST, make_contract


def onnx_bytes() -> bytes:
    """Probability sigmoid(hour / 10 + distance / 1000 - 2); NaN where distance is."""
    import onnx
    from onnx import TensorProto as T
    from onnx import helper as h

    def number(name: str, value: float) -> Any:
        return h.make_tensor(name, T.FLOAT, [1], [value])

    nodes = [
        h.make_node("Mul", ["hour", "tenth"], ["a"]),
        h.make_node("Mul", ["distance", "thousandth"], ["b"]),
        h.make_node("Add", ["a", "b"], ["c"]),
        h.make_node("Add", ["c", "two"], ["d"]),
        h.make_node("Sigmoid", ["d"], ["yes"]),
        h.make_node("Sub", ["one", "yes"], ["no"]),
        h.make_node("Concat", ["no", "yes"], ["probabilities"], axis=1),
    ]
    inputs = [
        h.make_tensor_value_info(name, T.STRING if name == "carrier" else T.FLOAT, [None, 1])
        for name in ("distance", "hour", "carrier", "weekend")
    ]
    outputs = [h.make_tensor_value_info("probabilities", T.FLOAT, [None, 2])]
    constants = [number("tenth", 0.1), number("thousandth", 0.001), number("two", -2), number("one", 1)]  # fmt: skip
    graph = h.make_graph(nodes, "faint", inputs, outputs, constants)
    made = h.make_model(graph, opset_imports=[h.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(made)
    return bytes(made.SerializeToString())


def options() -> dict[str, Any]:
    """For make_bundle."""
    onnx, contract = onnx_bytes(), make_contract()
    row = contract.row_validator()(REQUEST).values
    scores = models.OnnxModel(onnx, contract).predict(models.columns_of(contract, [row]))
    golden = [golden_line(contract, REQUEST, np.asarray(scores), 0)]
    return {"members": {"model.onnx": onnx}, "golden": golden}
