"""What the team's `build` returned, as rows that can train and test a model: complete, and within the contract."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from gitops_model.errors import BadInput
from gitops_model.formats.contract import Contract
from gitops_model.pipeline.table import check_table

BUILD = "pipeline/features.py: build"
SHOWN = 40


def complete(contract: Contract, built: pd.DataFrame) -> pd.DataFrame:
    """The columns that the contract names, with keys and slices as texts, times as times, labels as numbers
    or names of classes.

    Raises BadInput with all problems: a column that is missing, a key that is missing or stands twice, a time that is
    none, a label that is missing or not allowed, a number of `success.columns` that is none.
    """
    names = list(dict.fromkeys([*contract.columns, *contract.inputs]))
    if absent := [name for name in names if name not in built]:
        found = ", ".join(map(str, built.columns[:SHOWN])) or "no column"
        raise BadInput(
            f"{BUILD} returned a table without {', '.join(absent)}; contract.yaml names "
            f"{'it' if len(absent) == 1 else 'them'}, and the table has {found}. Add it, or change contract.yaml."
        )
    if twice := sorted({str(name) for name in built.columns[built.columns.duplicated()]}):
        raise BadInput(f"{BUILD} returned the column {', '.join(twice)} more than once.")
    table = built[names].reset_index(drop=True)
    time = contract.keys.time
    keys = (contract.keys.request, contract.keys.sticky, contract.keys.group)
    for name in {*(key for key in keys if key is not None), *contract.slices} - {time}:
        if name not in contract.inputs:
            table[name] = texts(table[name])
    problems = [*_key_problems(contract, table), *_label_problems(contract, table)]
    problems.extend(_text_problems(table))
    for name in contract.success.columns:
        numbers = pd.to_numeric(table[name], errors="coerce").astype(float)
        problems.extend(_number_problems(name, table[name], numbers))
        table[name] = numbers
    if time is not None:
        when = times(table[time])
        problems.extend(_time_problems(time, table[time], when))
        # However a team writes times, they are compared and stored in one way.
        table[time] = when
    if problems:
        raise BadInput([f"{BUILD} returned {problem}" for problem in problems])
    if not contract.output.classes:
        # True, '1' and 1.0 are one label.
        kind = int if contract.problem == "binary" else float
        table[contract.label.name] = pd.to_numeric(table[contract.label.name]).astype(kind)
    return table


def texts(values: pd.Series[Any]) -> pd.Series[Any]:
    """Each value as the text it becomes in a file; None where it is missing or the empty text."""
    plain = values.astype(object)
    known = (plain.notna() & (plain != "")).to_numpy(dtype=bool)
    out = [str(value) if there else None for value, there in zip(plain, known, strict=True)]
    return pd.Series(out, index=values.index, dtype=object)


def times(values: pd.Series[Any]) -> pd.Series[Any]:
    """Moments; NaT for what is none. Texts are read as ISO 8601 only: 03/04/2026 is March to one, April to another."""
    if pd.api.types.is_datetime64_any_dtype(values.dtype):
        return values
    if pd.api.types.is_numeric_dtype(values.dtype):
        # pandas would take them for nanoseconds since 1970.
        return pd.Series(pd.NaT, index=values.index, dtype="datetime64[ns]")
    written = values.where(values.isna(), values.astype(str))
    try:
        return pd.to_datetime(written, format="ISO8601", errors="coerce")
    except ValueError:  # several time zones in one column
        return pd.to_datetime(written, format="ISO8601", errors="coerce", utc=True)


def obeying(contract: Contract, table: pd.DataFrame, *, allowed: float) -> pd.DataFrame:
    """The rows that obey the contract. Raises BadInput when more than the share `allowed` do not."""
    checked = check_table(contract, table)
    if checked.bad.mean() > allowed:
        raise BadInput(
            [
                f"{BUILD} returned {int(checked.bad.sum()):,} rows of {len(table):,} that break contract.yaml; "
                f"params.yaml allows {allowed:.1%} (data.max_refused). Change the rows or the contract.",
                *(f"contract.yaml: inputs.{problem}" for problem in checked.problems),
            ]
        )
    return table[~checked.bad]


def _key_problems(contract: Contract, table: pd.DataFrame) -> Iterator[str]:
    for name in {contract.keys.request: None, contract.keys.group: None}:
        if name is not None and (empty := int(table[name].isna().sum())):
            yield f"{_rows(empty)} without {name}; every row needs one."
    key = contract.keys.request
    repeated = table[key][table[key].notna() & table[key].duplicated(keep=False)]
    if len(repeated):
        yield (
            f"{_rows(len(repeated))} that share their {key}, first {_shown(repeated.iloc[0])}; models are compared "
            "row by row by this key, so each row needs its own."
        )


def _time_problems(name: str, values: pd.Series[Any], when: pd.Series[Any]) -> Iterator[str]:
    if empty := int(values.isna().sum()):
        yield f"{_rows(empty)} without {name}; every row needs one."
    wrong = values[when.isna() & values.notna()]
    if len(wrong):
        yield (
            f"{_rows(len(wrong))} whose {name} is no time, first {_shown(wrong.iloc[0])}; allowed: a datetime, or a "
            "text such as 2026-01-31 08:30."
        )


def _number_problems(name: str, values: pd.Series[Any], numbers: pd.Series[float]) -> Iterator[str]:
    wrong = values[~numbers.abs().lt(np.inf)]
    if len(wrong):
        yield (
            f"{_rows(len(wrong))} whose {name} is no number, first {_shown(wrong.iloc[0])}; every row needs one "
            "(contract.yaml: success.columns)."
        )


def _text_problems(table: pd.DataFrame) -> Iterator[str]:
    """Half a character, as some exports cut them: no file can hold it."""
    for name in table.columns:
        for value in table[name] if table[name].dtype.kind == "O" else ():
            if isinstance(value, str) and not _encodes(value):
                shown = ascii(value[:SHOWN])
                yield f"a text in {name} that is not Unicode, {shown}; leave such rows out, or mend them."
                break


def _encodes(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _label_problems(contract: Contract, table: pd.DataFrame) -> Iterator[str]:
    name = contract.label.name
    label = table[name]
    if empty := int(label.isna().sum()):
        yield f"{_rows(empty)} without {name}, the label; leave such rows out."
        return
    if contract.output.classes:
        texts_only = np.array([isinstance(value, str) for value in label], dtype=bool)
        wrong = ~(label.isin(contract.output.classes).to_numpy(dtype=bool) & texts_only)
        allowed = f"the texts {', '.join(contract.output.classes)}"
    else:
        numbers = pd.to_numeric(label, errors="coerce").astype(float)
        if contract.problem == "binary":
            wrong, allowed = ~numbers.isin([0, 1]).to_numpy(dtype=bool), "0 and 1"
        else:
            wrong, allowed = ~numbers.abs().lt(np.inf).to_numpy(dtype=bool), "finite numbers"
    if wrong.any():
        first = _shown(label[wrong].iloc[0])
        yield f"{_rows(int(wrong.sum()))} whose label {name} is not allowed, first {first}; allowed: {allowed}."


def _rows(count: int) -> str:
    return f"{count:,} row{'' if count == 1 else 's'}"


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return f"'{value}'" if len(value) <= SHOWN else f"'{value[:SHOWN]}…'"
    return f"{str(value)[:SHOWN]} ({type(value).__name__})"
