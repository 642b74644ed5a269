"""Stage 1: raw rows from the team's `load` and `build`, checked against the contract and split."""

from __future__ import annotations

from pathlib import Path

from gitops_model import Contract, Params, examples, prepared, raw, split, stages, team


def run() -> None:
    """Write build/prepared/{train,test}.csv and data.json. Raises BadInput before anything is written."""
    stages.require_installed("prepare")
    contract = Contract.load(Path("contract.yaml"))
    params = Params.load(Path("params.yaml"))
    files = raw.files()
    print(f"prepare: pipeline/source.py loads {raw.size(files)} ...", flush=True)
    loaded = team.load(raw.FOLDER, params)
    print(f"prepare: pipeline/features.py builds from {len(loaded):,} raw rows ...", flush=True)
    built = team.build(loaded, contract)
    team.require_declared("prepare")

    complete = examples.complete(contract, built)
    table = examples.obeying(contract, complete, allowed=params.max_refused)
    test = split.test_rows(table, contract, params.split, seed=params.seed)
    described = prepared.write(
        contract,
        train=table[~test],
        test=table[test],
        split=params.split,
        snapshot=raw.snapshot(files),
        counts={"raw": len(loaded), "labelled": len(built)},
    )
    print(f"prepare: {prepared.words(described)}")
