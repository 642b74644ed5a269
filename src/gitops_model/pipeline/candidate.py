"""The bundle that `package` writes: the model in the form that serves, what it was made from, and golden requests."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from gitops_model import strict_yaml
from gitops_model.errors import BadArtifact, BadInput
from gitops_model.files import canonical_json, sha256_bytes, sha256_file, size_words, write_atomic
from gitops_model.formats import bundle
from gitops_model.formats.contract import Contract
from gitops_model.formats.params import Params
from gitops_model.pipeline import (
    card,
    estimator,
    measures,
    onnx_export,
    prepared,
    reference,
    stages,
)
from gitops_model.runtime.answers import golden_line
from gitops_model.runtime.models import Model, OnnxModel, Scores, SklearnModel

BUNDLE = Path("build/model.tar")
GOLDEN_ROWS = 24
LIBRARIES = ("numpy", "scikit-learn", "skl2onnx", "onnx", "onnxruntime", "skops")
CODE = (".py", ".txt", ".yaml", ".json")
MADE = ("build/", "data/", "reports/")


@dataclass(frozen=True, kw_only=True)
class Converted:
    """The model that will serve; its ONNX bytes unless scikit-learn itself serves; what it answers to the test rows.

    `difference` is how far it is at most from the estimator, see `onnx_export.largest_difference`.
    """

    served: Model
    onnx: bytes | None
    scores: Scores
    difference: float


def convert(fitted: Any, contract: Contract, params: Params, test: pd.DataFrame) -> Converted:
    """The estimator as it will serve. Raises BadArtifact when it then answers differently."""
    columns = prepared.columns(contract, test)
    plain = SklearnModel(fitted, contract)
    expected = plain.predict(columns)
    onnx = onnx_export.convert(fitted, contract) if params.runtime == "onnx" else None
    served: Model = plain if onnx is None else OnnxModel(onnx, contract)
    found = served.predict(columns)
    difference = onnx_export.largest_difference(found, expected)
    if difference > onnx_export.PARITY:
        raise BadArtifact(
            f"ONNX and scikit-learn differ by {difference:.2g} on the test rows; allowed: {onnx_export.PARITY:g}. "
            "Choose another estimator, or set model.runtime to sklearn in params.yaml."
        )
    return Converted(served=served, onnx=onnx, scores=found, difference=difference)


def manifest(contract: Contract, params: Params, model: Converted) -> dict[str, Any]:
    """manifest.json: what the model was made from, and how good it is. Raises BadInput, see `sources_sha256`."""
    described = json.loads((prepared.FOLDER / "data.json").read_text(encoding="utf-8"))
    versions = stages.locked()
    data = ("snapshot", "split", "timeframe", "rows", "test_sha256")
    made = {
        "schema": 1,
        "task": contract.task,
        "problem": contract.problem,
        "schema_version": contract.schema_version,
        "runtime": params.runtime,
        "code": {"sources_sha256": sources_sha256()},
        "library": {"version": stages.newest_release(versions), "stages": versions},
        "data": {key: described[key] for key in data},
        "params": {"data": dict(params.data), "model": dict(params.model)},
        "seed": params.seed,
        "environment": {
            "lock_sha256": sha256_file(Path("requirements.txt")),
            "libraries": {name: version(name) for name in LIBRARIES},
        },
        "metrics": json.loads(measures.METRICS.read_text(encoding="utf-8")),
        "slices": _slices(measures.SLICES),
        "parity": {
            "rows": len(model.scores),
            # Two digits: enough to see trouble coming, few enough to be the same on every processor.
            "largest_difference": float(f"{model.difference:.1e}"),
            "allowed": onnx_export.PARITY,
        },
        "trusted_types": sorted(params.trusted_types),
    }
    strict_yaml.check(made, kind="manifest", name="manifest.json")
    return made


def members(
    contract: Contract,
    described: Mapping[str, Any],
    model: Converted,
    *,
    train: pd.DataFrame,
    test: pd.DataFrame,
) -> dict[str, bytes]:
    """The files of the bundle by name; `described` is the manifest."""
    profile = reference.build(
        contract,
        prepared.columns(contract, train),
        model.scores,
        days=prepared.days(contract, train),
        score_days=prepared.days(contract, test),
    )
    golden = [
        golden_line(contract, prepared.inputs(contract, test.iloc[place]), model.scores, place)
        for place in golden_rows(contract, test)
    ]
    return {
        "model.skops": estimator.FILE.read_bytes(),
        **({} if model.onnx is None else {"model.onnx": model.onnx}),
        "contract.yaml": contract.text.encode(),
        "manifest.json": canonical_json(described).encode(),
        "reference.json": profile.to_bytes(),
        "golden.jsonl": "".join(json.dumps(g, sort_keys=True) + "\n" for g in golden).encode(),
        "MODEL_CARD.md": card.render(contract, described).encode(),
        "requirements-serving.txt": Path("requirements-serving.txt").read_bytes(),
    }


def write_bundle(files: Mapping[str, bytes]) -> tuple[str, str]:
    """Write build/model.tar; returns its size in words and its sha256. Raises BadArtifact when it cannot be opened."""
    data = bundle.build(files)
    digest = sha256_bytes(data)
    bundle.Bundle.open(data, sha256=digest, name=str(BUNDLE))
    write_atomic(BUNDLE, data)
    return size_words(len(data)), digest


def sources_sha256() -> str:
    """Identity of the code: sha256 over every source file and lock that the stage `package` depends on.

    The Git commit is not in the bundle, because it does not exist yet when the bundle is built, and because the same
    code in two commits must give the same bytes. The release record holds it. Raises BadInput when another stage
    depends on a file that `package` does not: DVC would not build the bundle again when it changes.
    """
    pipeline = yaml.safe_load(Path("dvc.yaml").read_text(encoding="utf-8"))["stages"]
    named = {stage: set(map(str, pipeline[stage].get("deps", ()))) for stage in pipeline}
    code = {stage: {dep for dep in deps if _is_code(dep)} for stage, deps in named.items()}
    for stage in stages.STAGES:
        if missing := sorted(code.get(stage, set()) - code["package"]):
            raise BadInput(
                f"dvc.yaml: the stage {stage} depends on {', '.join(missing)}, but package does not, so the bundle "
                "would name code it was not built from; add it to the deps of package."
            )
    lines = (f"{path} {sha256_file(Path(path))}\n" for path in sorted(code["package"]))
    return sha256_bytes("".join(lines).encode())


def golden_rows(contract: Contract, test: pd.DataFrame) -> list[int]:
    """Places of the golden requests: spread over the test rows, and the first row that lacks something, if any."""
    places = np.linspace(0, len(test) - 1, min(GOLDEN_ROWS, len(test))).astype(int).tolist()
    gaps = np.flatnonzero(test[list(contract.inputs)].isna().any(axis=1).to_numpy())
    return sorted({*places, *gaps[:1].tolist()})


def _is_code(dep: str) -> bool:
    return dep.endswith(CODE) and not dep.startswith(MADE)


def _slices(path: Path) -> list[dict[str, Any]]:
    # As it was written: a text may hold a line break or a carriage return, and only an empty number is missing.
    table = pd.read_csv(path, dtype="object", keep_default_na=False, lineterminator="\n")
    return [
        {
            "slice": row.pop("slice"),
            "value": row.pop("value"),
            "rows": int(row.pop("rows")),
            "metrics": {name: float(value) if value else None for name, value in row.items()},
        }
        for row in table.to_dict("records")
    ]
