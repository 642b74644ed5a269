"""Stage 4: everything a release needs in one file, build/model.tar, whose sha256 is the model's identity."""

from __future__ import annotations

import csv
import json
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from gitops_model import strict_yaml
from gitops_model.errors import BadArtifact, GitopsError
from gitops_model.files import canonical_json, sha256_bytes, sha256_file, write_atomic
from gitops_model.formats import bundle
from gitops_model.formats.contract import MISSING, Contract
from gitops_model.pipeline import card, onnx_export, prepared
from gitops_model.runtime import estimators
from gitops_model.runtime.answers import golden_line
from gitops_model.runtime.models import OnnxModel, SklearnModel

GOLDEN_ROWS = 24
LIBRARIES = ("numpy", "scikit-learn", "skl2onnx", "onnx", "onnxruntime", "skops")


def main() -> None:
    """Convert, compare, describe, pack. Raises BadArtifact when ONNX and scikit-learn disagree."""
    contract = Contract.load(Path("contract.yaml"))
    params = strict_yaml.load(Path("params.yaml"), "params")
    data = json.loads(Path("build/prepared/data.json").read_text())
    packed = Path("build/estimator.skops").read_bytes()
    trusted = sorted(params["model"].get("trusted_types", []))
    estimator = estimators.load(packed, trusted=estimators.TREES.union(trusted))
    test = prepared.read(contract, "test")
    columns = prepared.columns(contract, test)
    reference = SklearnModel(estimator, contract)
    scores = reference.predict(columns)
    members: dict[str, bytes] = {"model.skops": packed}
    parity: dict[str, Any] = {
        "rows": len(test),
        "largest_difference": 0.0,
        "allowed": onnx_export.PARITY,
    }
    served: OnnxModel | SklearnModel = reference
    if params["model"]["runtime"] == "onnx":
        members["model.onnx"] = onnx_export.convert(estimator, contract)
        served = OnnxModel(members["model.onnx"], contract)
        difference = onnx_export.largest_difference(served.predict(columns), scores)
        if difference > onnx_export.PARITY:
            raise BadArtifact(
                f"ONNX and scikit-learn differ by {difference:.2g} on the test rows; allowed: {onnx_export.PARITY:g}. "
                "Choose another estimator, or set model.runtime to sklearn in params.yaml."
            )
        # Two digits: enough to see trouble coming, few enough to be the same on every processor.
        parity["largest_difference"] = float(f"{difference:.1e}")
    manifest = {
        "schema": 1,
        "task": contract.task,
        "problem": contract.problem,
        "schema_version": contract.schema_version,
        "runtime": params["model"]["runtime"],
        "code": {"sources_sha256": sources_sha256()},
        "data": {
            key: data[key] for key in ("snapshot", "window", "timeframe", "rows", "test_sha256")
        },
        "params": {key: value for key, value in params.items() if key != "seed"},
        "seed": params["seed"],
        "environment": {
            "lock_sha256": sha256_file(Path("requirements.lock")),
            "libraries": {name: version(name) for name in LIBRARIES},
        },
        "metrics": json.loads(Path("reports/metrics.json").read_text()),
        "slices": _slices(Path("reports/slices.csv")),
        "parity": parity,
        "trusted_types": trusted,
    }
    strict_yaml.check(manifest, kind="manifest", name="manifest.json")
    train = prepared.columns(contract, prepared.read(contract, "train"))
    golden = [
        golden_line(contract, inputs, served.predict(columns), row)
        for row, inputs in _golden_rows(contract, test)
    ]
    members |= {
        "contract.yaml": contract.text.encode(),
        "manifest.json": canonical_json(manifest).encode(),
        "reference.json": canonical_json(reference.build(contract, train, scores)).encode(),
        "golden.jsonl": "".join(
            json.dumps(line, sort_keys=True) + "\n" for line in golden
        ).encode(),
        "MODEL_CARD.md": card.render(contract, manifest).encode(),
        "requirements-serving.lock": Path("requirements-serving.lock").read_bytes(),
    }
    packed_bundle = bundle.build(members)
    write_atomic(Path("build/model.tar"), packed_bundle)
    digest = sha256_bytes(packed_bundle)
    bundle.Bundle.open(packed_bundle, sha256=digest, name="build/model.tar")
    print(f"package: build/model.tar, {len(packed_bundle) / 1e6:.1f} MB, sha256 {digest}")


def sources_sha256() -> str:
    """Identity of the code: sha256 over every source file and lock that dvc.yaml names as a dependency.

    The Git commit is not in the bundle, because it does not exist yet when the bundle is built, and because the same
    code in two commits must give the same bytes. The release record holds it.
    """
    stages = yaml.safe_load(Path("dvc.yaml").read_text())["stages"]
    paths = sorted(
        {
            p
            for stage in stages.values()
            for p in stage["deps"]
            if p.endswith((".py", ".lock", ".yaml"))
        }
    )
    return sha256_bytes("".join(f"{path} {sha256_file(Path(path))}\n" for path in paths).encode())


def _slices(path: Path) -> list[dict[str, Any]]:
    with path.open(newline="") as stream:
        return [
            {
                "slice": row.pop("slice"),
                "value": row.pop("value"),
                "rows": int(row.pop("rows")),
                "metrics": {name: float(value) if value else None for name, value in row.items()},
            }
            for row in csv.DictReader(stream)
        ]


def _golden_rows(contract: Contract, test: pd.DataFrame) -> list[tuple[int, dict[str, Any]]]:
    """Rows spread over the test days, and after them the first row that lacks something, if there is one."""
    places = np.linspace(0, len(test) - 1, min(GOLDEN_ROWS, len(test))).astype(int).tolist()
    gaps = np.flatnonzero(test[list(contract.inputs)].isna().any(axis=1).to_numpy())
    chosen = sorted({*places, *gaps[:1].tolist()})
    return [(place, _request(contract, test.iloc[place])) for place in chosen]


def _request(contract: Contract, row: pd.Series[Any]) -> dict[str, Any]:
    inputs: dict[str, Any] = {}
    for name, rules in contract.inputs.items():
        value = row[name]
        if rules.type == "category":
            inputs[name] = None if value == MISSING else str(value)
        elif pd.isna(value):
            inputs[name] = None
        elif rules.type == "boolean":
            inputs[name] = bool(value)
        else:
            inputs[name] = int(value) if rules.type == "integer" else float(value)
    return inputs


if __name__ == "__main__":
    try:
        main()
    except GitopsError as error:
        sys.exit(f"package: {error}")
