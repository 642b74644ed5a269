"""Candidate and production answer the same test rows, and are timed and weighed side by side."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gitops_model.delivery import memory, timing
from gitops_model.errors import CannotEvaluate
from gitops_model.evaluation import sketch
from gitops_model.evaluation.inputs import Answers, TestSet
from gitops_model.formats.bundle import Bundle
from gitops_model.formats.check import Difference
from gitops_model.formats.contract import Contract
from gitops_model.pipeline import prepared
from gitops_model.pipeline.table import check_table
from gitops_model.runtime.models import Columns, Model, load_model

TIMED_PAIRS = 400


@dataclass(frozen=True, kw_only=True)
class Trust:
    """Types that skops may load, and which file says so."""

    types: tuple[str, ...]
    file: str


@dataclass(frozen=True, kw_only=True)
class Described:
    """What data.json says of the prepared rows: `train` and `test` are (first, last) ISO time, None without time.

    `split_by` is time, group or random.
    """

    test_sha256: str
    split_by: str
    train: tuple[str, str] | None
    test: tuple[str, str] | None


def test_set(contract: Contract, table: pd.DataFrame, described: Described) -> TestSet:
    """The candidate's test rows as `contract` measures them."""
    time = contract.keys.time
    explore = [n for n in contract.inputs if n not in contract.slices and n in table.columns]
    group = contract.keys.group
    return TestSet(
        keys=table[contract.keys.request].tolist(),
        labels=table[contract.label.name].to_numpy(),
        sha256=described.test_sha256,
        window=described.test,
        slices={name: prepared.slice_values(table, name) for name in contract.slices},
        group=None if group is None else table[group].to_numpy(),
        time=None if time is None else table[time].to_numpy(),
        explore={name: table[name].to_numpy() for name in explore},
        numbers=prepared.numbers(contract, table),
        sketch=sketch.of(table[contract.keys.request], None if time is None else table[time]),
    )


def answers(
    *,
    model_id: str | None,
    path: Path,
    bundle: Bundle,
    table: pd.DataFrame,
    keys: list[str],
    trust: Trust,
) -> tuple[Answers, Model]:
    """One model's scores of all rows of `table`, through the runtime that serves. Raises BadArtifact when that fails.

    A model whose contract refuses rows of the table is not asked: `unanswered` says why, and nothing is compared.
    """
    found, model = scores(model_id=model_id, bundle=bundle, table=table, keys=keys, trust=trust)
    weight = memory.of_bundle(path, sha256=bundle.sha256, trusted=trust.types)
    return replace(found, memory_mb=weight, size_bytes=bundle.size), model


def scores(
    *, model_id: str | None, bundle: Bundle, table: pd.DataFrame, keys: list[str], trust: Trust
) -> tuple[Answers, Model]:
    """The same without the model's weight."""
    model = load_model(bundle, trusted=trust.types, file=trust.file)
    found = Answers(model=model_id, sha256=bundle.sha256, keys=keys)
    checked = check_table(bundle.contract, table)
    if checked.bad.any():
        first = checked.problems[0] if checked.problems else "rows break its contract"
        return replace(
            found,
            unanswered=f"{int(checked.bad.sum()):,} rows break its contract ({first.rstrip('.')})",
        ), model
    return replace(found, scores=model.predict(checked.columns)), model


def timed(
    candidate: tuple[Answers, Model, Contract],
    production: tuple[Answers, Model, Contract] | None,
    table: pd.DataFrame,
) -> tuple[Answers, Answers | None]:
    """Both with the seconds of single-row calls made in turns in this process, over the first rows of `table`."""
    first = _single_rows(candidate, table)
    second = (
        None
        if production is None or production[0].scores is None
        else _single_rows(production, table)
    )
    new, old = timing.interleaved(first, second, pairs=TIMED_PAIRS)
    other = None if production is None else production[0]
    return replace(candidate[0], seconds=new), other if other is None else replace(
        other, seconds=old
    )


def _single_rows(
    side: tuple[Answers, Model, Contract], table: pd.DataFrame
) -> Callable[[], object]:
    _, model, contract = side
    columns = check_table(contract, table[:TIMED_PAIRS]).columns
    rows: list[Columns] = [
        {name: values[place : place + 1] for name, values in columns.items()}
        for place in range(len(table[:TIMED_PAIRS]))
    ]
    place = 0

    def call() -> object:
        nonlocal place
        place += 1
        return model.predict(rows[place % len(rows)])

    return call


def train_keys(contract: Contract, folder: Path) -> list[str] | None:
    """Keys of the rows the candidate was trained on; None when the training rows are not here."""
    path = folder / "train.csv"
    if not path.exists():
        return None
    column = contract.keys.request
    # As `prepared.read` does: a carriage return inside a text ends no row.
    keys = pd.read_csv(
        path, usecols=[column], dtype="str", keep_default_na=False, lineterminator="\n"
    )
    return keys[column].tolist()


def described(folder: Path) -> Described:
    """data.json of the prepared tables. Raises CannotEvaluate when it is not there, or damaged."""
    path = folder / "data.json"
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        frame = data["timeframe"] or {"train": None, "test": None}
        return Described(
            test_sha256=_text(data["test_sha256"]),
            split_by=_text(data["split"]["by"]),
            train=_span(frame["train"]),
            test=_span(frame["test"]),
        )
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        raise CannotEvaluate(f"{path} is missing or damaged. Run `make train`.") from None


def _span(value: object) -> tuple[str, str] | None:
    if value is None:
        return None
    if not isinstance(value, list) or len(value) != 2:
        raise TypeError("not two times")
    return _text(value[0]), _text(value[1])


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value


def differences(old: Mapping[str, Any] | None, new: Mapping[str, Any]) -> tuple[Difference, ...]:
    """Changed leaves of two nested mappings, by dotted name; empty without `old`."""
    if old is None:
        return ()
    before, after = dict(_leaves(old)), dict(_leaves(new))
    return tuple(
        Difference(name=name, production=before.get(name), candidate=after.get(name))
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    )


def _leaves(value: Any, path: str = "") -> list[tuple[str, Any]]:
    if isinstance(value, Mapping):
        return [
            leaf
            for key, inner in value.items()
            for leaf in _leaves(inner, f"{path}.{key}" if path else str(key))
        ]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, list) and any(isinstance(item, (dict, list)) for item in value):
        # check.json holds scalars and plain lists only.
        value = json.dumps(value, sort_keys=True)
    return [(path, value)]
