"""The model behind all servers of bench_peers, and the same row as each of them wants it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tests.support.factories import contract_dict
from tests.support.server import Ref, Store

# As the example of the template has them.
TEXTS = {
    "origin": ("EWR", "JFK", "LGA"),
    "carrier": ("9E", "AA", "B6", "DL", "EV", "MQ", "UA", "US", "WN"),
    "dest": tuple(f"D{number:02}" for number in range(80)),
    "weekday": ("mon", "tue", "wed", "thu", "fri", "sat", "sun"),
}
NUMBERS = {
    "minute": (0, 1439), "distance": (0, 6000), "traffic": (1, 500), "recent_delay": (-60, 60), "temp": (-60, 140),
    "humid": (0, 100), "wind_speed": (0, 250), "precip": (0, 20), "visib": (0, 20),
}  # fmt: skip
WHOLE = ("minute", "traffic")
ROW: dict[str, Any] = {
    "origin": "JFK", "carrier": "UA", "dest": "D17", "weekday": "thu", "minute": 1065, "distance": 1089.0,
    "traffic": 31, "recent_delay": 12.5, "temp": 71.06, "humid": 55.34, "wind_speed": 9.2062, "precip": 0.01,
    "visib": 10.0,
}  # fmt: skip
_PATHS = {"mlserver": "/v2/models/flight/infer", "mlflow": "/invocations"}


def write_model(folder: Path, store: Store) -> tuple[float, Ref, Ref]:
    """Fit it, and write what the peers need into `folder` and two releases of it into `store`.

    Returns the probability of ROW, and the two.
    """
    import joblib

    pipeline, onnx, probability = _fitted()
    joblib.dump(pipeline, folder / "model.joblib")
    (folder / "model.onnx").write_bytes(onnx)
    (folder / "columns.json").write_text(json.dumps({name: name in TEXTS for name in ROW}))
    refs = []
    for number in (1, 2):
        output = {"delayed": probability >= 0.5, "probability": probability}
        golden = {"inputs": ROW, "score": probability, "output": output}
        data = _contract()
        refs.append(
            store.add(
                number,
                contract=data,
                golden=[golden],
                members={"model.onnx": onnx, "MODEL_CARD.md": f"# {number}\n".encode()},
            )
        )
    return probability, refs[0], refs[1]


def _contract() -> dict[str, Any]:
    inputs: dict[str, Any] = {
        name: {"type": "category"}
        | ({} if name == "dest" else {"values": list(values), "unknown": "accept"})
        for name, values in TEXTS.items()
    }
    for name, (low, high) in NUMBERS.items():
        kind = "integer" if name in WHOLE else "number"
        inputs[name] = {"type": kind, "min": low, "max": high, "missing": "impute"}
    return contract_dict() | {"inputs": inputs, "slices": ["origin"]}


def _fitted() -> tuple[Any, bytes, float]:
    import pandas as pd
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import FloatTensorType, StringTensorType
    from sklearn.compose import ColumnTransformer
    from sklearn.ensemble import GradientBoostingClassifier
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import OneHotEncoder

    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {name: rng.choice(values, 4000) for name, values in TEXTS.items()}
        | {name: rng.uniform(*span, 4000).astype(np.float32) for name, span in NUMBERS.items()}
    )[list(ROW)]
    late = (table["minute"] / 1439 + table["precip"] / 40 + rng.normal(0, 0.3, 4000) > 0.9).astype(
        int
    )
    encode = OneHotEncoder(handle_unknown="ignore", dtype="float32")
    columns = ColumnTransformer(
        [("numbers", SimpleImputer(strategy="median"), list(NUMBERS)), ("categories", encode, list(TEXTS))],
        sparse_threshold=0,
    )  # fmt: skip
    model = GradientBoostingClassifier(n_estimators=100, max_depth=4, random_state=0)
    pipeline = Pipeline([("inputs", columns), ("model", model)]).fit(table, late)
    types = [
        (name, StringTensorType([None, 1]) if name in TEXTS else FloatTensorType([None, 1]))
        for name in table
    ]
    options = {id(pipeline): {"zipmap": False}}
    onnx = convert_sklearn(pipeline, initial_types=types, options=options, target_opset=17)
    row = pd.DataFrame([ROW]).astype(dict.fromkeys(NUMBERS, np.float32))
    return pipeline, onnx.SerializeToString(), float(pipeline.predict_proba(row)[0, 1])


def wire(peer: str, rows: int) -> bytes:
    """A whole request for `rows` rows."""
    body = json.dumps(_body(peer, rows)).encode()
    head = f"POST {_PATHS.get(peer, '/predict')} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body


def _body(peer: str, rows: int) -> Mapping[str, Any]:
    if peer == "mlflow":
        return {"dataframe_split": {"columns": list(ROW), "data": [list(ROW.values())] * rows}}
    if peer == "mlserver":
        tensors = []
        for name, value in ROW.items():
            text = name in TEXTS
            kind = "BYTES" if text else "FP32"
            tensor = {"name": name, "shape": [rows, 1], "datatype": kind, "data": [value] * rows}
            tensors.append(tensor | ({"parameters": {"content_type": "str"}} if text else {}))
        wanted = [{"name": "predict_proba"}]
        return {"parameters": {"content_type": "pd"}, "inputs": tensors, "outputs": wanted}
    return {"inputs": ROW} if rows == 1 else {"rows": [ROW] * rows}


def probability(peer: str, body: str) -> float:
    """The first probability in an answer."""
    at = body.find("{"), body.find("[")
    value: Any = json.loads(
        body[min(place for place in at if place >= 0) :].rpartition("\r\n0\r\n")[0]
        or body[min(place for place in at if place >= 0) :]
    )
    if peer == "mlserver":
        value = value["outputs"][0]["data"][1]
    elif peer == "mlflow":
        value = value["predictions"][0][1]
    while not isinstance(value, float):
        if isinstance(value, list):
            value = value[0]
        else:
            keys = ("probability", "probabilities", "output", "rows")
            value = next(value[key] for key in keys if key in value)
    return value
