"""build/prepared/{train,test}.csv: written once by `prepare`, read back with the very same values.

A table is as callers send it: bool for boolean inputs, text for categories, None or NaN where a value is missing.
`columns` turns it into what models take. data.json beside the tables says what they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gitops_model.errors import BadInput
from gitops_model.files import canonical_json, sha256_bytes, write_atomic
from gitops_model.formats.contract import MISSING, Contract
from gitops_model.formats.params import Split

FOLDER = Path("build/prepared")
_BOOLEANS = {"true": True, "false": False}


def write(
    contract: Contract,
    *,
    train: pd.DataFrame,
    test: pd.DataFrame,
    split: Split,
    snapshot: str,
    counts: Mapping[str, int],
) -> dict[str, Any]:
    """Write both tables and data.json; returns what data.json says.

    `snapshot` is the identity of the raw data, `counts` the rows there were before the split, by step.
    """
    parts = {"train": train, "test": test}
    contents = {name: text(contract, part) for name, part in parts.items()}
    time = contract.keys.time
    described: dict[str, Any] = {
        "snapshot": snapshot,
        "split": split.to_dict(),
        "timeframe": None
        if time is None
        else {name: [str(part[time].min()), str(part[time].max())] for name, part in parts.items()},
        "rows": {**counts, **{name: len(part) for name, part in parts.items()}},
        "schema_version": contract.schema_version,
        "test_sha256": sha256_bytes(contents["test"]),
    }
    for name, content in contents.items():
        write_atomic(FOLDER / f"{name}.csv", content)
    write_atomic(FOLDER / "data.json", canonical_json(described))
    return described


def words(described: Mapping[str, Any]) -> str:
    """Rows and time of both tables, for people."""
    frame = described["timeframe"]
    spans = {
        name: "" if frame is None else f" from {' to '.join(frame[name])}"
        for name in ("train", "test")
    }
    return " and ".join(
        f"{described['rows'][name]:,} rows to {name}{spans[name]}" for name in spans
    )


def text(contract: Contract, table: pd.DataFrame) -> bytes:
    """The CSV of `table`, rows in order of time, then of the request key."""
    names = [*contract.columns, *contract.inputs]
    keys = [name for name in (contract.keys.time, contract.keys.request) if name is not None]
    out = table[names].sort_values(keys, kind="stable")
    for name, rules in contract.inputs.items():
        if rules.type == "boolean":
            out[name] = [None if pd.isna(v) else str(bool(v)).lower() for v in out[name]]
        elif rules.type != "category":
            # float32 is what the served model sees; training on the same numbers keeps both runtimes together.
            out[name] = out[name].astype("float32")
    content: str = out.to_csv(index=False, lineterminator="\n")
    return content.encode()


def read(contract: Contract, part: str, *, folder: Path = FOLDER) -> pd.DataFrame:
    """The table of `part`, train or test. Raises BadInput when it is not there."""
    path = folder / f"{part}.csv"
    if not path.is_file():
        raise BadInput(f"{path} is not there. Run: make train")
    numbers = [n for n, rules in contract.inputs.items() if rules.type in ("number", "integer")]
    label, more = contract.label.name, contract.success.columns
    known = {*numbers, *more, label}
    texts = [n for n in [*contract.columns, *contract.inputs] if n not in known]
    if contract.output.classes:
        texts.append(label)
    table = pd.read_csv(
        path,
        dtype={
            **dict.fromkeys(numbers, "float32"),
            **dict.fromkeys(more, "float64"),
            **dict.fromkeys(texts, "object"),
        },
        # Only the empty field is missing: 'NA' and 'null' are ordinary texts in somebody's categories.
        keep_default_na=False,
        na_values={name: [""] for name in [*numbers, *more, *texts, label]},
        lineterminator="\n",
    )
    for name in texts:
        values = table[name].astype(object).where(table[name].notna(), None)
        if name in contract.inputs and contract.inputs[name].type == "boolean":
            values = values.map(_BOOLEANS.get).astype(object)
        table[name] = values
    return table


def columns(contract: Contract, table: pd.DataFrame) -> dict[str, NDArray[Any]]:
    """The arrays `Model.predict` takes, each of length n."""
    return {
        name: table[name].fillna(MISSING).to_numpy(dtype=object)
        if rules.type == "category"
        else np.array([np.nan if pd.isna(v) else float(v) for v in table[name]], dtype=np.float32)
        if rules.type == "boolean"
        else table[name].to_numpy(dtype=np.float32)
        for name, rules in contract.inputs.items()
    }


def days(contract: Contract, table: pd.DataFrame) -> NDArray[np.int64] | None:
    """On which day each row lies, shape (n,), as days since 1970; None where the data has no time."""
    if contract.keys.time is None:
        return None
    when = pd.to_datetime(table[contract.keys.time], utc=True)
    naive = when.dt.tz_localize(None).to_numpy()
    found: NDArray[np.int64] = naive.astype("datetime64[D]").astype(np.int64)
    return found


def inputs(contract: Contract, row: pd.Series[Any]) -> dict[str, Any]:
    """One row's inputs as a request has them: plain Python values, None where missing."""
    plain = {"category": str, "boolean": bool, "integer": int, "number": float}
    return {
        name: None if pd.isna(row[name]) else plain[rules.type](row[name])
        for name, rules in contract.inputs.items()
    }


def numbers(contract: Contract, table: pd.DataFrame) -> dict[str, NDArray[np.float64]]:
    """What an expression of gates.yaml may name, each of shape (n,): numeric and boolean inputs, `success.columns`.

    NaN where a value is missing, or is no number in the candidate's own contract.
    """
    names = [name for name, rules in contract.inputs.items() if rules.type != "category"]
    return {
        name: pd.to_numeric(table[name], errors="coerce").to_numpy(dtype=np.float64)
        for name in [*names, *contract.success.columns]
        if name in table.columns
    }


def slice_values(table: pd.DataFrame, name: str) -> NDArray[Any]:
    """The column as texts, shape (n,); a missing value is the slice '(missing)'."""
    return table[name].astype(object).where(table[name].notna(), MISSING).astype(str).to_numpy()


def labels(contract: Contract, table: pd.DataFrame) -> NDArray[np.float64]:
    """Labels as numbers, shape (n,): 0 or 1, the class's place in `output.classes`, or the value itself."""
    values = table[contract.label.name]
    if contract.output.classes:
        places = {name: place for place, name in enumerate(contract.output.classes)}
        values = values.map(places)
    return np.asarray(values, dtype=np.float64)
