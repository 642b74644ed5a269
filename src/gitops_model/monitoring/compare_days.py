"""Any two days of the log against each other: scores and decisions, of all rows and by slice."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from gitops_model.formats.comparison import Change, DayReport, Estimate
from gitops_model.formats.contract import Contract
from gitops_model.monitoring import tails
from gitops_model.monitoring.compare import ALL, MISSING, MOST_MODELS, MOST_VALUES, OTHER
from gitops_model.monitoring.records import Piece
from gitops_model.monitoring.traffic import asked, flat


@dataclass
class _Sums:
    rows: int = 0
    scored: int = 0
    score: float = 0.0
    square: float = 0.0
    decisions: Counter[str] = field(default_factory=Counter)

    def add(self, score: float | None, decision: str | None) -> None:
        self.rows += 1
        if score is not None and math.isfinite(score):
            self.scored += 1
            self.score += score
            self.square += score * score
        if decision is not None:
            self.decisions[decision] += 1

    @property
    def mean(self) -> float:
        return self.score / self.scored

    @property
    def variance(self) -> float:
        """Of the mean."""
        return max(0.0, self.square / self.scored - self.mean**2) / self.scored


@dataclass
class Day:
    """What is counted of one day, in bounded space."""

    contract: Contract
    groups: dict[tuple[str, str], _Sums] = field(default_factory=lambda: {("", ALL): _Sums()})
    releases: Counter[str] = field(default_factory=Counter)

    def add(self, pieces: Iterable[Piece]) -> Day:
        """Count what callers asked."""
        contract = self.contract
        for piece in pieces:
            table = asked(piece.table)
            if table.num_rows == 0:
                continue
            outputs = table.column("output").to_pylist()
            models = table.column("model").to_pylist() if "model" in table.column_names else []
            inputs = flat(table.column("inputs"))
            sliced = {n: inputs[n].to_pylist() for n in contract.slices if n in inputs}
            for model in models:
                name = str(model)[:100]
                known = name in self.releases or len(self.releases) < MOST_MODELS
                self.releases[name if known else OTHER] += 1
            for number, output in enumerate(outputs):
                score, decision = _read(contract, output or {})
                self.groups["", ALL].add(score, decision)
                for name, values in sliced.items():
                    self._group(name, values[number]).add(score, decision)
        return self

    def _group(self, name: str, value: Any) -> _Sums:
        key = (name, MISSING if value is None else str(value)[:60])
        if key not in self.groups and sum(k[0] == name for k in self.groups) >= MOST_VALUES:
            key = (name, OTHER)
        return self.groups.setdefault(key, _Sums())


def _read(contract: Contract, output: dict[str, Any]) -> tuple[float | None, str | None]:
    answer = output.get(contract.output.name)
    if contract.problem == "regression":
        return answer, None
    if contract.problem == "binary":
        return output.get("probability"), None if answer is None else str(answer).lower()
    # Of classes there is no one score; their shares tell.
    return None, answer


def report(one: Day, other: Day, *, days: tuple[str, str], notes: Sequence[str] = ()) -> DayReport:
    """The second day less the first."""
    total = one.groups["", ALL], other.groups["", ALL]
    changes: list[Change] = []
    keys = sorted(one.groups.keys() & other.groups.keys(), key=lambda k: (k[0] != "", k))
    for key in keys:
        name = key[1] if not key[0] else "=".join(key)
        changes += _changes(one.contract, name, one.groups[key], other.groups[key])
    gone = sorted("=".join(key) for key in one.groups.keys() ^ other.groups.keys())
    more = [f"On one of the days only: {', '.join(gone[:20])}."] if gone else []
    away = [n for n in one.contract.slices if n not in one.contract.inputs]
    more += [f"Slices that are no inputs are not in the log: {', '.join(away)}."] if away else []
    return DayReport(
        days=days,
        rows=(total[0].rows, total[1].rows),
        releases=(dict(one.releases.most_common()), dict(other.releases.most_common())),
        changes=tuple(changes),
        notes=(*notes, *more),
    )


def _changes(contract: Contract, name: str, one: _Sums, other: _Sums) -> Iterable[Change]:
    rows = (one.rows, other.rows)
    if one.scored and other.scored:
        reach = tails.NORMAL_95 * math.sqrt(one.variance + other.variance)
        moved = other.mean - one.mean
        yield Change(
            group=name,
            name="mean score",
            rows=rows,
            values=(one.mean, other.mean),
            difference=Estimate(value=moved, low=moved - reach, high=moved + reach),
        )
    before, after = one.decisions.total(), other.decisions.total()
    if not (before and after):
        return
    decided = ["true"] if contract.problem == "binary" else list(contract.output.classes or ())
    for decision in decided[:MOST_VALUES]:
        p, q = one.decisions[decision] / before, other.decisions[decision] / after
        yield Change(
            group=name,
            name=f"share of {decision}",
            rows=rows,
            values=(p, q),
            difference=newcombe(p, before, q, after),
        )


def newcombe(p: float, rows: int, q: float, others: int) -> Estimate:
    """q - p of independent rows. R. G. Newcombe (1998), Statistics in Medicine 17, 873-890, method 10."""
    (low, high), (below, above) = tails.wilson(p, rows=rows), tails.wilson(q, rows=others)
    return Estimate(
        value=q - p,
        low=q - p - math.hypot(q - below, high - p),
        high=q - p + math.hypot(above - q, p - low),
    )
