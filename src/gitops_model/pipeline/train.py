"""Stage 2: the team's `fit` on the training rows; its estimator as skops bytes."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pandas as pd

from gitops_model.errors import BadInput
from gitops_model.files import size_words, write_atomic
from gitops_model.formats.contract import Contract
from gitops_model.formats.params import Params
from gitops_model.pipeline import prepared, stages, team
from gitops_model.runtime.estimators import dump

FIT = "pipeline/train.py: fit"


def run() -> int:
    """Write build/estimator.skops. Raises BadInput when `fit` returns no fitted estimator."""
    stages.require_installed("train")
    contract = Contract.load(Path("contract.yaml"))
    params = Params.load(Path("params.yaml"))
    table = prepared.read(contract, "train")
    rows = pd.DataFrame(prepared.columns(contract, table))
    labels: Any = prepared.labels(contract, table)
    if contract.problem != "regression":
        labels = labels.astype(int)
    print(f"train: pipeline/train.py fits {len(rows):,} rows ...", flush=True)
    began = time.monotonic()
    estimator = team.call(
        "train",
        "fit",
        rows,
        labels,
        contract=contract,
        params=dict(params.model),
        seed=params.seed,
    )
    team.require_declared("train")
    wanted = "predict" if contract.problem == "regression" else "predict_proba"
    if not hasattr(estimator, wanted):
        raise BadInput(
            f"{FIT} returned {type(estimator).__name__}; allowed for a {contract.problem} problem: a fitted estimator "
            f"with {wanted}."
        )
    packed = dump(estimator)
    write_atomic(Path("build/estimator.skops"), packed)
    print(
        f"train: build/estimator.skops, {size_words(len(packed))}, in {time.monotonic() - began:.1f} s"
    )
    return 0
