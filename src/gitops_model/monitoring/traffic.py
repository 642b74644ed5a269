"""Counts of one day's traffic: all rows answered against the profile's inputs, and the scores of each release."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gitops_model.formats.profile import Category, Column, Profile
from gitops_model.monitoring import counts
from gitops_model.monitoring.counts import Tally
from gitops_model.monitoring.records import Piece
from gitops_model.runtime.answers import GOLDEN_ID

# What stands in the log without anybody having asked: no traffic.
SHADOW = "shadow"
NO_TRAFFIC = (SHADOW, "replay")
NOBODY: Mapping[str, Profile] = {}
REPLAY_ID = "replay-"
FALLBACK = "fallback"


@dataclass(frozen=True, kw_only=True)
class Traffic:
    """Rows answered by callers' requests. `scores` are by the sha256 of the release that answered."""

    rows: int = 0
    fallbacks: int = 0
    inputs: Mapping[str, Tally] = field(default_factory=dict)
    scores: Mapping[str, Mapping[str, Tally]] = field(default_factory=dict)

    def __add__(self, other: Traffic) -> Traffic:
        return Traffic(
            rows=self.rows + other.rows,
            fallbacks=self.fallbacks + other.fallbacks,
            inputs=_added(self.inputs, other.inputs),
            scores={
                sha: _added(self.scores.get(sha, {}), other.scores.get(sha, {}))
                for sha in {**self.scores, **other.scores}
            },
        )


def _added(one: Mapping[str, Tally], other: Mapping[str, Tally]) -> dict[str, Tally]:
    return {
        name: one[name] + other[name] if name in one and name in other else (one | other)[name]  # type: ignore[operator]
        for name in {**one, **other}
    }


def count(
    pieces: Iterable[Piece], profile: Profile, beside: Mapping[str, Profile] = NOBODY
) -> dict[date, Traffic]:
    """Traffic by day. Scores are counted against the profile's, or against that of their own release in `beside`.

    `beside` are the canary and the shadow by sha256. A shadow's rows are no traffic; only its scores are counted.
    """
    days: dict[date, Traffic] = {}
    for piece in pieces:
        found = _counted(piece, profile, beside)
        if beside:
            found = found + _shadowed(piece.table, beside)
        days[piece.day] = days.get(piece.day, Traffic()) + found
    return days


def _shadowed(table: pa.Table, beside: Mapping[str, Profile]) -> Traffic:
    routes = pc.fill_null(table.column("route"), "")
    held = table.filter(pc.equal(routes, SHADOW))
    return Traffic(
        scores={
            sha: _scored(held.filter(pc.equal(held.column("sha256"), sha)), beside[sha])
            for sha in _values(held.column("sha256"))
            if sha in beside
        }
    )


def _counted(piece: Piece, profile: Profile, beside: Mapping[str, Profile]) -> Traffic:
    table = asked(piece.table)
    if table.num_rows == 0:
        return Traffic()
    inputs = flat(table.column("inputs"))
    shas = _values(table.column("sha256"))
    scores = {}
    for sha in shas:
        held = table if len(shas) == 1 else table.filter(pc.equal(table.column("sha256"), sha))
        # The fallback is no score of the model.
        held = held.filter(pc.fill_null(pc.not_equal(held.column("route"), FALLBACK), True))
        scores[sha] = _scored(held, beside.get(sha, profile))
    return Traffic(
        rows=table.num_rows,
        fallbacks=_values(table.column("route")).get(FALLBACK, 0),
        inputs={
            name: _tally(column, inputs.get(name), table.num_rows, piece.wrong.get(name, 0))
            for name, column in profile.inputs.items()
        },
        scores=scores,
    )


def asked(table: pa.Table) -> pa.Table:
    """The rows that callers asked for."""
    ids = pc.fill_null(table.column("request_id"), "")
    routes = pc.fill_null(table.column("route"), "")
    apart = pc.or_(pc.starts_with(ids, GOLDEN_ID), pc.starts_with(ids, REPLAY_ID))
    apart = pc.or_(apart, pc.is_in(routes, pa.array(NO_TRAFFIC)))
    return table.filter(pc.invert(apart)) if pc.any(apart).as_py() else table


def flat(column: pa.ChunkedArray) -> dict[str, pa.ChunkedArray]:
    """The fields of a column of records, by name."""
    names = [field_.name for field_ in column.type]
    return dict(zip(names, column.flatten(), strict=True))


def _values(column: pa.ChunkedArray) -> dict[str, int]:
    found = pc.value_counts(column)
    return {
        item["values"].as_py(): item["counts"].as_py()
        for item in found
        if item["values"].as_py() is not None
    }


def _scored(table: pa.Table, profile: Profile) -> dict[str, Tally]:
    output = flat(table.column("output"))
    if len(profile.scores) == 1:
        (name,) = profile.scores
        found: dict[str, Any] = {name: next(iter(output.values()), None)}
    else:
        found = dict(flat(output["probabilities"])) if "probabilities" in output else {}
    return {
        name: _tally(column, found.get(name), table.num_rows, 0)
        for name, column in profile.scores.items()
    }


def _tally(column: Column, values: pa.ChunkedArray | None, rows: int, wrong: int) -> Tally:
    if values is None:
        return replace(counts.empty(column), rows=rows, missing=rows)
    if isinstance(column, Category):
        if not pa.types.is_string(values.type):
            return replace(counts.empty(column), rows=rows, missing=rows, wrong=rows)
        missing = values.null_count
        return counts.categories(column, _values(values), missing=missing, wrong=wrong)
    numeric = pa.types.is_floating(values.type) or pa.types.is_integer(values.type)
    if not (numeric or pa.types.is_boolean(values.type)):
        return replace(counts.empty(column), rows=rows, missing=rows, wrong=rows)
    floats = values.cast(pa.float64()) if not pa.types.is_float64(values.type) else values
    return counts.numbers(column, floats.to_numpy().astype(np.float64, copy=False), wrong=wrong)
