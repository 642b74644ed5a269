"""Stage 4: everything a release needs in one file, build/model.tar, whose sha256 is the model's identity."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from gitops_model import strict_yaml
from gitops_model.errors import BadArtifact
from gitops_model.files import canonical_json, sha256_bytes, sha256_file, size_words, write_atomic
from gitops_model.formats import bundle
from gitops_model.formats.contract import Contract
from gitops_model.formats.params import Params
from gitops_model.pipeline import card, onnx_export, prepared, reference, stages
from gitops_model.runtime import estimators
from gitops_model.runtime.answers import golden_line
from gitops_model.runtime.models import Columns, Model, OnnxModel, Scores, SklearnModel

BUNDLE = Path("build/model.tar")
GOLDEN_ROWS = 24
LIBRARIES = ("numpy", "scikit-learn", "skl2onnx", "onnx", "onnxruntime", "skops")
CODE = (".py", ".txt", ".yaml", ".json")


def run() -> int:
    """Convert, compare, describe, pack. Raises BadArtifact when ONNX and scikit-learn disagree."""
    stages.require_installed("package")
    contract = Contract.load(Path("contract.yaml"))
    params = Params.load(Path("params.yaml"))
    packed = Path("build/estimator.skops").read_bytes()
    test = prepared.read(contract, "test")
    columns = prepared.columns(contract, test)
    estimator = estimators.load(packed, trusted=estimators.TREES.union(params.trusted_types))
    plain = SklearnModel(estimator, contract)
    scores = plain.predict(columns)
    onnx = onnx_export.convert(estimator, contract) if params.runtime == "onnx" else None
    served: Model = plain if onnx is None else OnnxModel(onnx, contract)
    manifest = _manifest(contract, params, parity=_parity(served, columns, scores))
    train = prepared.columns(contract, prepared.read(contract, "train"))
    golden = [
        golden_line(contract, inputs, served.predict(columns), row)
        for row, inputs in _golden_rows(contract, test)
    ]
    members = {
        "model.skops": packed,
        **({} if onnx is None else {"model.onnx": onnx}),
        "contract.yaml": contract.text.encode(),
        "manifest.json": canonical_json(manifest).encode(),
        "reference.json": canonical_json(reference.build(contract, train, scores)).encode(),
        "golden.jsonl": "".join(
            json.dumps(line, sort_keys=True) + "\n" for line in golden
        ).encode(),
        "MODEL_CARD.md": card.render(contract, manifest).encode(),
        "requirements-serving.txt": Path("requirements-serving.txt").read_bytes(),
    }
    data = bundle.build(members)
    digest = sha256_bytes(data)
    bundle.Bundle.open(data, sha256=digest, name=str(BUNDLE))
    write_atomic(BUNDLE, data)
    print(f"package: {BUNDLE}, {size_words(len(data))}, sha256 {digest}")
    return 0


def _parity(served: Model, columns: Columns, scores: Scores) -> dict[str, Any]:
    difference = onnx_export.largest_difference(served.predict(columns), scores)
    if difference > onnx_export.PARITY:
        raise BadArtifact(
            f"ONNX and scikit-learn differ by {difference:.2g} on the test rows; allowed: {onnx_export.PARITY:g}. "
            "Choose another estimator, or set model.runtime to sklearn in params.yaml."
        )
    return {
        "rows": len(scores),
        # Two digits: enough to see trouble coming, few enough to be the same on every processor.
        "largest_difference": float(f"{difference:.1e}"),
        "allowed": onnx_export.PARITY,
    }


def _manifest(contract: Contract, params: Params, *, parity: Mapping[str, Any]) -> dict[str, Any]:
    described = json.loads((prepared.PREPARED / "data.json").read_text(encoding="utf-8"))
    versions = stages.locked()
    manifest = {
        "schema": 1,
        "task": contract.task,
        "problem": contract.problem,
        "schema_version": contract.schema_version,
        "runtime": params.runtime,
        "code": {"sources_sha256": sources_sha256()},
        "library": {"version": stages.newest_release(versions), "stages": versions},
        "data": {
            key: described[key] for key in ("snapshot", "split", "timeframe", "rows", "test_sha256")
        },
        "params": {"data": dict(params.data), "model": dict(params.model)},
        "seed": params.seed,
        "environment": {
            "lock_sha256": sha256_file(Path("requirements.txt")),
            "libraries": {name: version(name) for name in LIBRARIES},
        },
        "metrics": json.loads(Path("reports/metrics.json").read_text(encoding="utf-8")),
        "slices": _slices(Path("reports/slices.csv")),
        "parity": dict(parity),
        "trusted_types": sorted(params.trusted_types),
    }
    strict_yaml.check(manifest, kind="manifest", name="manifest.json")
    return manifest


def sources_sha256() -> str:
    """Identity of the code: sha256 over every source file and lock that dvc.yaml names as a dependency.

    The Git commit is not in the bundle, because it does not exist yet when the bundle is built, and because the same
    code in two commits must give the same bytes. The release record holds it.
    """
    pipeline = yaml.safe_load(Path("dvc.yaml").read_text(encoding="utf-8"))["stages"]
    named = {dep for stage in pipeline.values() for dep in stage["deps"] if dep.endswith(CODE)}
    paths = sorted(name for name in named if not name.startswith(("build/", "reports/")))
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
    """Rows spread over the test rows, and after them the first row that lacks something, if there is one."""
    places = np.linspace(0, len(test) - 1, min(GOLDEN_ROWS, len(test))).astype(int).tolist()
    gaps = np.flatnonzero(test[list(contract.inputs)].isna().any(axis=1).to_numpy())
    chosen = sorted({*places, *gaps[:1].tolist()})
    return [(place, prepared.inputs(contract, test.iloc[place])) for place in chosen]
