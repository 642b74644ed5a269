"""Stage 2: the team's `fit` on the training rows; its estimator as skops bytes."""

from __future__ import annotations

import time
from pathlib import Path

from gitops_model import Contract, Params, estimator, prepared, stages, team


def run() -> None:
    """Write build/estimator.skops. Raises BadInput when `fit` returns no fitted estimator."""
    stages.require_installed("train")
    contract = Contract.load(Path("contract.yaml"))
    params = Params.load(Path("params.yaml"))
    table = prepared.read(contract, "train")
    print(f"train: pipeline/train.py fits {len(table):,} rows ...", flush=True)
    began = time.monotonic()
    fitted = team.fit(table, contract, params)
    team.require_declared("train")

    size = estimator.write(fitted)
    print(f"train: {estimator.FILE}, {size}, in {time.monotonic() - began:.1f} s")
