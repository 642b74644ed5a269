"""Small real bundles for tests: a scikit-learn pipeline of a few rows, converted to ONNX, packed like a release."""

from __future__ import annotations

import copy
import functools
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from gitops_model import strict_yaml
from gitops_model.files import canonical_json, sha256_bytes
from gitops_model.formats import bundle
from gitops_model.formats.contract import Contract
from gitops_model.runtime import models
from gitops_model.runtime.answers import golden_line

CLASSES = ("on_time", "late", "very_late")
CARRIERS = ("AA", "B6", "UA")
REQUEST: dict[str, Any] = {"distance": 1089.0, "hour": 17, "carrier": "UA", "weekend": False}

_OUTPUTS: dict[str, dict[str, Any]] = {
    "binary": {"name": "delayed", "threshold": 0.5, "fallback": 0.25},
    "multiclass": {"name": "delay", "classes": list(CLASSES), "fallback": [0.6, 0.3, 0.1]},
    "regression": {"name": "delay_minutes", "unit": "minutes", "fallback": 12.0},
}
_SUCCESS: dict[str, dict[str, Any]] = {
    "binary": {"primary": "roc_auc", "risk": "brier"},
    "multiclass": {"primary": "f1_macro", "risk": "log_loss"},
    "regression": {"primary": "rmse", "risk": "mae"},
}


def contract_dict(problem: str = "binary") -> dict[str, Any]:
    """A contract with one input of each type, as contract.yaml holds it; change it and pass it to make_bundle."""
    return {
        "task": "flight-delay",
        "problem": problem,
        "schema_version": 1,
        "inputs": {
            "distance": {
                "type": "number",
                "min": 0,
                "max": 6000,
                "unit": "miles",
                "missing": "impute",
            },
            "hour": {"type": "integer", "min": 0, "max": 23},
            "carrier": {"type": "category", "values": list(CARRIERS), "missing": "impute"},
            "weekend": {"type": "boolean"},
        },
        "output": copy.deepcopy(_OUTPUTS[problem]),
        "label": {
            "name": "late",
            "definition": "Left 30 minutes late or more.",
            "arrives_after_days": 1,
        },
        "keys": {"request": "flight_id", "time": "scheduled_at", "sticky": "tailnum"},
        "slices": ["carrier"],
        "success": copy.deepcopy(_SUCCESS[problem]),
    }


def make_contract(problem: str = "binary", **overrides: Any) -> Contract:
    """`contract_dict` with top-level keys replaced by `overrides`, parsed."""
    return parse_contract(contract_dict(problem) | overrides)


def with_place(path: str, value: Any, *, problem: str = "binary") -> dict[str, Any]:
    """`contract_dict` with one place set, such as `inputs.distance.max`; the value `...` removes it."""
    data = contract_dict(problem)
    place: Any = data
    *parents, last = path.split(".")
    for key in parents:
        place = place[key]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return data


def parse_contract(data: Mapping[str, Any]) -> Contract:
    """A contract dictionary, parsed. Raises BadInput."""
    return Contract.parse(strict_yaml.dump(dict(data)), name="contract.yaml")


def make_bundle(
    *,
    problem: str = "binary",
    seed: int = 0,
    contract: Mapping[str, Any] | None = None,
    model_runtime: str = "onnx",
    golden: list[dict[str, Any]] | None = None,
    manifest: Mapping[str, Any] | None = None,
    members: Mapping[str, bytes | None] | None = None,
) -> tuple[bytes, str]:
    """Bundle bytes and their sha256. Each seed gives a model with clearly different answers.

    `contract` replaces the whole contract dictionary, `golden` the golden lines (empty: none), `manifest`
    updates its keys, `members` replaces whole members (None removes one). Fitting is cached for each problem
    and seed, so further bundles of one model cost a few milliseconds.
    """
    data = dict(contract) if contract is not None else contract_dict(problem)
    text = strict_yaml.dump(dict(data))
    onnx, skops = _fitted(problem, seed)
    facts = _manifest(data, seed, model_runtime) | dict(manifest or {})
    parts: dict[str, bytes] = {
        "MODEL_CARD.md": b"# A model for tests\n",
        "contract.yaml": text.encode(),
        "manifest.json": canonical_json(facts).encode(),
        "model.onnx": onnx,
        "model.skops": skops,
        "reference.json": b"{}\n",
        "requirements-serving.txt": b"",
    }
    if golden is None:
        golden = _golden(parts["model.onnx"], problem)
    parts["golden.jsonl"] = "".join(
        json.dumps(line, sort_keys=True) + "\n" for line in golden
    ).encode()
    for name, content in (members or {}).items():
        if content is None:
            parts.pop(name)
        else:
            parts[name] = content
    packed = bundle.build(parts)
    return packed, sha256_bytes(packed)


def _golden(onnx: bytes, problem: str) -> list[dict[str, Any]]:
    contract = make_contract(problem)
    requests: list[dict[str, Any]] = [
        REQUEST,
        {"distance": None, "hour": 6, "carrier": "AA", "weekend": True},
        {"distance": 184.0, "hour": 23, "carrier": None, "weekend": True},
    ]
    rows = [contract.row_validator()(request).values for request in requests]
    scores = models.OnnxModel(onnx, contract).predict(models.columns_of(contract, rows))
    return [golden_line(contract, request, scores, i) for i, request in enumerate(requests)]


@functools.cache
def _fitted(problem: str, seed: int) -> tuple[bytes, bytes]:
    """model.onnx and model.skops of a pipeline over the inputs of `contract_dict`, fitted on 80 made-up rows."""
    import pandas as pd
    import skops.io
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import FloatTensorType, StringTensorType
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    rng = np.random.default_rng(seed)
    n = 80
    table = pd.DataFrame(
        {
            "distance": rng.uniform(0, 3000, n).astype(np.float32),
            "hour": rng.integers(0, 24, n).astype(np.float32),
            "carrier": rng.choice(CARRIERS, n),
            "weekend": rng.integers(0, 2, n).astype(np.float32),
        }
    )
    table.loc[::9, "distance"] = np.nan
    minutes = 3 * table["hour"] + 40 * table["weekend"] + rng.normal(0, 20, n) + 9 * (seed % 7)
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    columns = ColumnTransformer(
        [
            ("numbers", numbers, ["distance", "hour", "weekend"]),
            ("categories", OneHotEncoder(handle_unknown="ignore"), ["carrier"]),
        ]
    )
    target: Any = minutes
    if problem == "binary":
        target = (minutes > 60).astype(int)
    elif problem == "multiclass":
        target = np.digitize(minutes, [40, 80])
    last = (
        Ridge() if problem == "regression" else LogisticRegression(C=0.5 + seed % 5, max_iter=500)
    )
    pipeline = make_pipeline(columns, last).fit(table, target)
    types = [
        (name, StringTensorType([None, 1]) if name == "carrier" else FloatTensorType([None, 1]))
        for name in table.columns
    ]
    options = None if problem == "regression" else {id(pipeline): {"zipmap": False}}
    onnx = convert_sklearn(pipeline, initial_types=types, options=options, target_opset=17)
    return onnx.SerializeToString(), skops.io.dumps(pipeline)


def _manifest(contract: Mapping[str, Any], seed: int, model_runtime: str) -> dict[str, Any]:
    return {
        "schema": 1,
        "task": contract["task"],
        "problem": contract["problem"],
        "schema_version": contract["schema_version"],
        "runtime": model_runtime,
        "code": {"sources_sha256": "0" * 64},
        "library": {"version": "0.1.0", "stages": {"train": "3" * 64}},
        "data": {
            "snapshot": "1" * 64,
            "split": {"by": "time", "test_days": 20},
            "timeframe": {
                "train": ["2013-01-01", "2013-03-11"],
                "test": ["2013-03-12", "2013-03-31"],
            },
            "rows": {"train": 60, "test": 20},
            "test_sha256": "2" * 64,
        },
        "params": {},
        "seed": seed,
        "environment": {},
        "metrics": {},
        "slices": [],
        "parity": {},
        "trusted_types": ["numpy.dtype"],
    }
