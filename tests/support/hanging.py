"""An ONNX model with the inputs of `factories.contract_dict` that loads at once and never answers."""

from __future__ import annotations

from collections.abc import Sequence

from onnx import NodeProto, TensorProto, helper


def model() -> bytes:
    """A loop of 2^62 rounds before the answer."""
    number = TensorProto.FLOAT
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["go_on"]),
            helper.make_node("Mul", ["carried", "carried"], ["next"]),
        ],
        "round",
        [
            helper.make_tensor_value_info("round", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("carried", number, [None, 1]),
        ],
        [
            helper.make_tensor_value_info("go_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("next", number, [None, 1]),
        ],
    )
    return _written(
        [
            helper.make_node("Loop", ["rounds", "yes", "distance"], ["looped"], body=body),
            helper.make_node("Concat", ["looped", "looped"], ["scores"], axis=1),
        ],
        [
            helper.make_tensor("rounds", TensorProto.INT64, [], [2**62]),
            helper.make_tensor("yes", TensorProto.BOOL, [], [True]),
        ],
    )


def hungry(numbers: int = 2**31) -> bytes:
    """Answers once it has made as many numbers of four bytes."""
    return _written(
        [
            helper.make_node("Expand", ["distance", "size"], ["wide"]),
            helper.make_node("ReduceSum", ["wide"], ["sum"], keepdims=1),
            helper.make_node("Concat", ["sum", "sum"], ["scores"], axis=1),
        ],
        [helper.make_tensor("size", TensorProto.INT64, [2], [1, numbers])],
    )


def _written(nodes: Sequence[NodeProto], constants: Sequence[TensorProto]) -> bytes:
    """A model that makes `scores` of the contract's inputs."""
    inputs = [
        helper.make_tensor_value_info(
            name, TensorProto.STRING if name == "carrier" else TensorProto.FLOAT, [None, 1]
        )
        for name in ("distance", "hour", "carrier", "weekend")
    ]
    scores = helper.make_tensor_value_info("scores", TensorProto.FLOAT, [None, 2])
    graph = helper.make_graph(nodes, "scores", inputs, [scores], constants)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    made.ir_version = 8
    return bytes(made.SerializeToString())
