"""Which rows test the model and which train it: by time, by group, or at random. Pure.

A row's place depends on its key and the seed, not on the order of rows, so the same data is split alike anywhere.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gitops_model.errors import BadInput
from gitops_model.formats.contract import Contract
from gitops_model.formats.params import Split

Mask = NDArray[np.bool_]


def test_rows(table: pd.DataFrame, contract: Contract, split: Split, *, seed: int) -> Mask:
    """True for the rows of `table` that test the model, shape (n,). Raises BadInput when either side is empty."""
    if split.by == "time":
        mask = _by_time(table, contract, split)
    elif split.by == "group":
        mask = _by_group(table, contract, split, seed=seed)
    else:
        mask = _at_random(table, contract, split, seed=seed)
    if mask.all() or not mask.any():
        side = "to train on" if mask.all() else "to test with"
        raise BadInput(
            f"params.yaml: data.split leaves no rows {side}, of {len(table):,} in all; "
            "choose another test_days or test_share, or more data."
        )
    return mask


def _by_time(table: pd.DataFrame, contract: Contract, split: Split) -> Mask:
    if contract.keys.time is None:
        raise BadInput(
            "params.yaml: data.split.by is time, but contract.yaml names no time column (keys.time). "
            "Name it there, or split by group or random."
        )
    when = pd.to_datetime(table[contract.keys.time])
    if split.test_days is not None:
        first = when.max().normalize() - pd.Timedelta(days=split.test_days - 1)
    else:
        # Rows of one moment stay together: the split is a moment, not a row number.
        ordered = np.sort(when.to_numpy())
        first = ordered[max(0, len(ordered) - _count(len(ordered), split))]
    return np.asarray(when >= first, dtype=bool)


def _by_group(table: pd.DataFrame, contract: Contract, split: Split, *, seed: int) -> Mask:
    if contract.keys.group is None:
        raise BadInput(
            "params.yaml: data.split.by is group, but contract.yaml names no group column (keys.group). "
            "Name it there, or split by time or random."
        )
    groups = table[contract.keys.group].astype(str)
    sizes = groups.value_counts()
    names = sizes.index.to_list()
    chosen: set[str] = set()
    rows, wanted = 0, _count(len(table), split)
    for place in _shuffled(names, seed):
        if rows >= wanted:
            break
        chosen.add(names[place])
        rows += int(sizes.iloc[place])
    return groups.isin(chosen).to_numpy()


def _at_random(table: pd.DataFrame, contract: Contract, split: Split, *, seed: int) -> Mask:
    keys = table[contract.keys.request].astype(str).to_list()
    if contract.problem == "regression":
        strata = np.zeros(len(table), dtype=int)
    else:
        strata = pd.factorize(table[contract.label.name], sort=True)[0]
    order = _shuffled(keys, seed)
    mask = np.zeros(len(table), dtype=bool)
    for stratum in np.unique(strata):
        inside = order[strata[order] == stratum]
        mask[inside[: _count(len(inside), split)]] = True
    return mask


def _count(rows: int, split: Split) -> int:
    return max(1, round(rows * (split.test_share or 0.0)))


def _shuffled(names: Sequence[Any], seed: int) -> NDArray[np.intp]:
    """Places of `names` in the order of the sha256 of seed and name."""
    digests = [hashlib.sha256(f"{seed}:{name}".encode()).digest() for name in names]
    return np.array(sorted(range(len(names)), key=digests.__getitem__), dtype=np.intp)
