"""Stage 1: check raw data against the contract, build features, split by time, record what the data is."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pandas as pd
from pipeline import features

from gitops_model import strict_yaml
from gitops_model.errors import BadInput, GitopsError
from gitops_model.files import canonical_json, sha256_bytes, sha256_file, write_atomic
from gitops_model.formats.contract import Contract
from gitops_model.pipeline.table import check_table

RAW = Path("data/raw")
PREPARED = Path("build/prepared")


def main() -> None:
    """Write build/prepared/{train,test}.csv and data.json."""
    contract = Contract.load(Path("contract.yaml"))
    params = strict_yaml.load(Path("params.yaml"), "params")["data"]
    files = _months(params["first_month"], params["last_month"])
    raw = pd.concat([pd.read_csv(path) for path in files], ignore_index=True)
    table = features.build(raw, problem=contract.problem)
    labelled = len(table)
    table = _obeying(contract, table, allowed=params.get("max_refused", 0.0))
    train, test = _split(table, time=contract.keys.time, test_days=params["test_days"])
    columns = [*contract.columns, *contract.inputs]
    described: dict[str, Any] = {
        "snapshot": snapshot(files),
        "window": {key: params[key] for key in ("first_month", "last_month", "test_days")},
        "timeframe": {
            "train": [str(train[contract.keys.time].min()), str(train[contract.keys.time].max())],
            "test": [str(test[contract.keys.time].min()), str(test[contract.keys.time].max())],
        },
        "rows": {"raw": len(raw), "labelled": labelled, "train": len(train), "test": len(test)},
        "schema_version": contract.schema_version,
    }
    for name, part in (("train", train), ("test", test)):
        text = part[columns].to_csv(index=False, lineterminator="\n")
        write_atomic(PREPARED / f"{name}.csv", text)
        print(f"prepare: {name} {len(part):,} rows, {' to '.join(described['timeframe'][name])}")
    described["test_sha256"] = sha256_file(PREPARED / "test.csv")
    write_atomic(PREPARED / "data.json", canonical_json(described))


def snapshot(files: list[Path]) -> str:
    """The data's identity: sha256 over the names and sha256 of the raw files in the window."""
    return sha256_bytes("".join(f"{path.name} {sha256_file(path)}\n" for path in files).encode())


def _months(first: str, last: str) -> list[Path]:
    months = [str(month) for month in pd.period_range(first, last, freq="M")]
    if not months:
        raise BadInput(
            f"params.yaml: data.first_month is {first}; allowed: not after data.last_month, {last}."
        )
    missing = [month for month in months if not (RAW / f"{month}.csv").exists()]
    if missing:
        raise BadInput(
            f"data/raw lacks {', '.join(missing)}, which params.yaml asks for. Run `make data` or `dvc pull`."
        )
    return [RAW / f"{month}.csv" for month in months]


def _obeying(contract: Contract, table: pd.DataFrame, *, allowed: float) -> pd.DataFrame:
    keys = [contract.keys.request, contract.keys.time]
    absent = [name for name in contract.columns if name not in table]
    if absent:
        raise BadInput(
            f"pipeline/features.py returns no column {', '.join(absent)}, which contract.yaml names."
        )
    repeated = table[contract.keys.request].duplicated()
    if repeated.any():
        raise BadInput(
            f"{contract.keys.request} '{table[contract.keys.request][repeated].iloc[0]}' and "
            f"{int(repeated.sum()) - 1} more stand in more than one row; rows are compared by this key, so it must "
            "be unique."
        )
    checked = check_table(contract, table)
    bad = checked.bad | table[keys].isna().any(axis=1).to_numpy()
    if bad.mean() > allowed:
        problems = checked.problems or [f"{', '.join(keys)}: missing in {int(bad.sum())} rows."]
        raise BadInput(
            [
                f"{int(bad.sum()):,} of {len(table):,} rows break contract.yaml; params.yaml allows {allowed:.1%}.",
                *problems,
            ]
        )
    # float32 is what the served model sees; training on the same numbers keeps ONNX and scikit-learn together.
    for name, values in checked.columns.items():
        table[name] = values
    return table[~bad]


def _split(table: pd.DataFrame, *, time: str, test_days: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    when = pd.to_datetime(table[time])
    cut = when.max().normalize() - pd.Timedelta(days=test_days - 1)
    ordered = table.sort_values([time, table.columns[0]], kind="stable")
    later = pd.to_datetime(ordered[time]) >= cut
    train, test = ordered[~later], ordered[later]
    if len(train) == 0 or len(test) == 0:
        raise BadInput(
            f"params.yaml: data.test_days is {test_days}, which leaves no rows to train on; choose fewer."
        )
    return train, test


if __name__ == "__main__":
    try:
        main()
    except GitopsError as error:
        sys.exit(f"prepare: {error}")
