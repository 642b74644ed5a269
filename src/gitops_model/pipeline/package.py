"""Stage 4: everything a release needs in one file, build/model.tar, whose sha256 is the model's identity."""

from __future__ import annotations

from pathlib import Path

from gitops_model import Contract, Params, candidate, estimator, prepared, stages


def run() -> None:
    """Convert, compare, describe, pack. Raises BadArtifact when ONNX and scikit-learn disagree."""
    stages.require_installed("package")
    contract = Contract.load(Path("contract.yaml"))
    params = Params.load(Path("params.yaml"))
    train = prepared.read(contract, "train")
    test = prepared.read(contract, "test")
    model = candidate.convert(estimator.read(params), contract, params, test)

    manifest = candidate.manifest(contract, params, model)
    members = candidate.members(contract, manifest, model, train=train, test=test)
    size, sha256 = candidate.write_bundle(members)
    print(f"package: {candidate.BUNDLE}, {size}, sha256 {sha256}")
