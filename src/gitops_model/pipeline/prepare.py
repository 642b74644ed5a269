"""Stage 1: raw rows from the team's `load` and `build`, checked against the contract and split."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gitops_model.errors import BadInput
from gitops_model.files import canonical_json, sha256_bytes, sha256_file, write_atomic
from gitops_model.formats.contract import Contract
from gitops_model.formats.params import Params
from gitops_model.pipeline import prepared, stages, team
from gitops_model.pipeline.data import RAW
from gitops_model.pipeline.split import test_rows
from gitops_model.pipeline.table import check_table

BUILD = "pipeline/features.py: build"


def run() -> int:
    """Write build/prepared/{train,test}.csv and data.json. Raises BadInput before anything is written."""
    stages.require_installed("prepare")
    contract = Contract.load(Path("contract.yaml"))
    params = Params.load(Path("params.yaml"))
    files = sorted(path for path in RAW.rglob("*") if path.is_file())
    if not files:
        raise BadInput("data/raw holds no data. Run: make data   (or, from the storage: dvc pull)")
    print(f"prepare: reading {len(files)} files ...", flush=True)
    raw = _frame(team.call("source", "load", RAW, dict(params.data)), "pipeline/source.py: load")
    built = _frame(team.call("features", "build", raw, contract=contract), BUILD)
    team.require_declared("prepare")
    table = obeying(contract, complete(contract, built), allowed=params.max_refused)
    test = test_rows(table, contract, params.split, seed=params.seed)
    parts = {"train": table[~test], "test": table[test]}
    texts = {name: prepared.text(contract, part) for name, part in parts.items()}
    described = {
        "snapshot": snapshot(files),
        "split": params.split.to_dict(),
        "timeframe": _timeframe(contract, parts),
        "rows": {
            "raw": len(raw),
            "labelled": len(built),
            **{name: len(part) for name, part in parts.items()},
        },
        "schema_version": contract.schema_version,
        "test_sha256": sha256_bytes(texts["test"].encode()),
    }
    for name, content in texts.items():
        write_atomic(prepared.PREPARED / f"{name}.csv", content)
        print(f"prepare: {name} {len(parts[name]):,} rows{_span(described, name)}")
    write_atomic(prepared.PREPARED / "data.json", canonical_json(described))
    return 0


def snapshot(files: list[Path]) -> str:
    """The data's identity: sha256 over the names and sha256 of the files in data/raw."""
    lines = (f"{path.relative_to(RAW).as_posix()} {sha256_file(path)}\n" for path in files)
    return sha256_bytes("".join(lines).encode())


def complete(contract: Contract, table: pd.DataFrame) -> pd.DataFrame:
    """The table itself when it has all columns, keys and labels. Raises BadInput with all problems."""
    needed = [*contract.columns, *contract.inputs]
    absent = [name for name in dict.fromkeys(needed) if name not in table]
    if absent:
        raise BadInput(
            f"{BUILD} returned a table without {', '.join(absent)}, which contract.yaml names; it has "
            f"{', '.join(map(str, table.columns[:40]))}."
        )
    if twice := sorted({str(name) for name in table.columns[table.columns.duplicated()]}):
        raise BadInput(f"{BUILD} returned the column {', '.join(twice)} more than once.")
    problems = [*_key_problems(contract, table), *_label_problems(contract, table)]
    if problems:
        raise BadInput([f"{BUILD} returned {problem}" for problem in problems])
    table = table.reset_index(drop=True)
    if contract.keys.time is not None:
        # However a team writes times, they are compared and stored in one way.
        table[contract.keys.time] = pd.to_datetime(table[contract.keys.time])
    return table


def _key_problems(contract: Contract, table: pd.DataFrame) -> list[str]:
    found = []
    keys = [contract.keys.request, contract.keys.time, contract.keys.group]
    for name in [name for name in keys if name is not None]:
        if empty := int(table[name].isna().sum()):
            found.append(f"{empty:,} rows without {name}; every row needs one.")
    key = contract.keys.request
    repeated = table[key][table[key].notna() & table[key].duplicated(keep=False)]
    if len(repeated):
        found.append(
            f"{len(repeated):,} rows that share their {key}, first '{str(repeated.iloc[0])[:40]}'; rows are compared "
            "by this key, so each row needs its own."
        )
    if contract.keys.time is not None:
        when = pd.to_datetime(table[contract.keys.time], errors="coerce")
        wrong = table[contract.keys.time][when.isna() & table[contract.keys.time].notna()]
        if len(wrong):
            found.append(
                f"{len(wrong):,} rows whose {contract.keys.time} is no time, first '{str(wrong.iloc[0])[:40]}'; "
                "allowed: 2026-01-31 08:30 and the like."
            )
    return found


def _label_problems(contract: Contract, table: pd.DataFrame) -> list[str]:
    label = table[contract.label.name]
    if empty := int(label.isna().sum()):
        return [f"{empty:,} rows without {label.name}, the label; leave such rows out."]
    if contract.output.classes:
        wrong, allowed = ~label.isin(contract.output.classes), ", ".join(contract.output.classes)
    else:
        numbers = pd.to_numeric(label, errors="coerce")
        if contract.problem == "binary":
            wrong, allowed = ~numbers.isin([0, 1]), "0 and 1"
        else:
            wrong, allowed = ~numbers.abs().lt(np.inf), "finite numbers"
    if wrong.any():
        first = str(label[wrong].iloc[0])[:40]
        return [
            f"{int(wrong.sum()):,} rows whose label {label.name} is not allowed, first '{first}'; allowed: {allowed}."
        ]
    return []


def obeying(contract: Contract, table: pd.DataFrame, *, allowed: float) -> pd.DataFrame:
    """The rows that obey the contract. Raises BadInput when more than the share `allowed` do not."""
    checked = check_table(contract, table)
    if checked.bad.mean() > allowed:
        raise BadInput(
            [
                f"{int(checked.bad.sum()):,} of {len(table):,} rows break contract.yaml; params.yaml allows "
                f"{allowed:.1%} (data.max_refused). Mend the rows or the contract.",
                *(f"contract.yaml: inputs.{problem}" for problem in checked.problems),
            ]
        )
    return table[~checked.bad]


def _frame(value: Any, who: str) -> pd.DataFrame:
    if not isinstance(value, pd.DataFrame):
        raise BadInput(
            f"{who} returned {type(value).__name__}; allowed: a pandas DataFrame with one row an example."
        )
    if len(value) == 0:
        raise BadInput(
            f"{who} returned a table without rows; allowed: at least one row to train on and one to test with."
        )
    return value


def _timeframe(contract: Contract, parts: dict[str, pd.DataFrame]) -> dict[str, Any] | None:
    time = contract.keys.time
    if time is None:
        return None
    return {name: [str(part[time].min()), str(part[time].max())] for name, part in parts.items()}


def _span(described: dict[str, Any], name: str) -> str:
    frame = described["timeframe"]
    return "" if frame is None else f", {' to '.join(frame[name])}"
