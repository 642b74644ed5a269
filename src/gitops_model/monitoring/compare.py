"""What the log says of a shadow, against what was answered to the same rows. Memory stays flat, whatever the log.

A row is taken as independent of the others: rows of one caller are not, so true intervals are somewhat wider.
"""

from __future__ import annotations

import heapq
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from gitops_model.formats.comparison import Different, Estimate, Group, ShadowReport
from gitops_model.formats.contract import Contract
from gitops_model.monitoring import tails
from gitops_model.monitoring.records import Piece, shape
from gitops_model.monitoring.traffic import REPLAY_ID
from gitops_model.runtime.answers import GOLDEN_ID
from gitops_model.runtime.compared import (
    OUTCOMES,
    PROBABILITY_TOLERANCE,
    Compared,
    Facts,
    Spread,
    compare,
    facts_of,
)

ALL = "all rows"
OTHER = "(other)"
MISSING = "(missing)"
# Values of a slice that are told apart, releases that are kept apart, and rows that are shown.
MOST_VALUES = 20
MOST_MODELS = 20
MOST_DIFFERENT = 10
# Fine enough that a quantile is right to a fiftieth.
FINE = tuple(10 ** (place / 60) for place in range(-420, 421))
# `hour is 23; allowed: …` and `rows[3]: hour is 23; …`: the value may be personal, the name is not.
_NAME = re.compile(r"^(?:rows\[\d+\]: )?(\S{1,100})")


def shadow_shape(contract: Contract) -> pa.Schema:
    """What is read of a shadow's record."""
    base = decided(contract)
    output, text = base.field("output").type, pa.string()
    answered = pa.struct([("model", text), ("route", text), ("output", output)])
    more: list[tuple[str, pa.DataType]] = [
        ("model", text), ("outcome", text), ("said", text),
        ("difference", pa.float64()), ("latency_ms", pa.float64()), ("answered", answered),
    ]  # fmt: skip
    return pa.schema([*base, *more])


def decided(contract: Contract) -> pa.Schema:
    """`records.shape` with the decision beside the score."""
    base = shape(contract)
    if contract.problem == "regression":
        return base
    kind = pa.bool_() if contract.problem == "binary" else pa.string()
    output = pa.struct([(contract.output.name, kind), *base.field("output").type])
    place = base.get_field_index("output")
    return base.set(place, pa.field("output", output))


@dataclass
class _Sums:
    """Of one group. `square` is for the interval of the mean difference."""

    outcomes: Counter[str] = field(default_factory=Counter)
    differences: Spread = field(default_factory=lambda: Spread(FINE))
    shift: float = 0.0
    square: float = 0.0
    beyond: int = 0

    def add(self, outcome: str, difference: float | None, beyond: bool) -> None:
        self.outcomes[outcome] += 1
        if difference is not None:
            self.differences.add(abs(difference))
            self.shift += difference
            self.square += difference * difference
            self.beyond += beyond

    def group(self, name: str, *, signed: bool) -> Group:
        same, both = self.outcomes["same"], self.outcomes["same"] + self.outcomes["other"]
        mean = self.shift / both if both else 0.0
        variance = max(0.0, self.square / both - mean * mean) if both else 0.0
        return Group(
            name=name,
            rows=self.outcomes.total(),
            agreement=share(same, both) if both else None,
            shift=normal(mean, variance / both) if both and signed else None,
            p50=self.differences.quantile(0.5),
            p95=self.differences.quantile(0.95),
            beyond=self.beyond / both if both else None,
        )


@dataclass
class Counted:
    """All that is counted of one shadow."""

    contract: Contract
    model: str
    groups: dict[tuple[str, str], _Sums] = field(default_factory=dict)
    all: _Sums = field(default_factory=_Sums)
    against: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    turned: list[int] = field(default_factory=lambda: [0, 0])
    cost: list[float] = field(default_factory=lambda: [0.0, 0.0])
    expected: list[float] = field(default_factory=lambda: [0.0, 0.0])
    seconds: Spread = field(default_factory=lambda: Spread(FINE))
    days: set[str] = field(default_factory=set)
    far: list[tuple[float, int, Different]] = field(default_factory=list)

    def __post_init__(self) -> None:
        # The log says how each row compares; the tolerance it was compared with is the service's.
        self.facts: Facts = facts_of(self.contract, span=None)

    def add(self, record: Mapping[str, Any], inputs: Mapping[str, Any]) -> None:
        """Count one record."""
        outcome = record["outcome"] if record["outcome"] in OUTCOMES else "uncomparable"
        difference = record["difference"]
        if difference is not None and not math.isfinite(difference):
            difference = None
        if outcome in ("same", "other") and difference is None:
            outcome = "uncomparable"
        answered, output = record["answered"] or {}, record["output"] or {}
        beyond = outcome == "other"
        if self.facts.problem != "regression":
            beyond = difference is not None and abs(difference) > PROBABILITY_TOLERANCE
        self.all.add(outcome, difference, beyond)
        for name in self.contract.slices:
            if name in inputs:
                self._group(name, inputs[name]).add(outcome, difference, beyond)
        who = str(answered.get("model"))[:100]
        self.against[who if who in self.against or len(self.against) < MOST_MODELS else OTHER] += 1
        if not record["row"]:
            self.seconds.add(max(0.0, record["latency_ms"] or 0.0))
        if outcome == "refused" and (found := _NAME.match(record["said"] or "")):
            name = found[1] if found[1] in self.contract.inputs else OTHER
            self.refused[name] += 1
        if difference is not None:
            self._far(record, answered.get("output") or {}, output, difference)
            self._priced(answered.get("output") or {}, output)

    def _group(self, name: str, value: Any) -> _Sums:
        key = (name, MISSING if value is None else str(value)[:60])
        if key not in self.groups and sum(k[0] == name for k in self.groups) >= MOST_VALUES:
            key = (name, OTHER)
        return self.groups.setdefault(key, _Sums())

    def _priced(self, answered: Mapping[str, Any], output: Mapping[str, Any]) -> None:
        found: Compared = compare(self.facts, answered, output)
        if found.cost is not None:
            self.cost[0] += found.cost[0]
            self.cost[1] += found.cost[1]
        before, after = answered.get(self.facts.output), output.get(self.facts.output)
        if self.facts.problem != "binary" or before == after:
            return
        self.turned[0 if after else 1] += 1
        if found.cost is not None:
            positive, negative = (
                self.facts.costs["false_positive"],
                self.facts.costs["false_negative"],
            )
            for place, source in enumerate((answered, output)):
                p = source["probability"]
                change = (1 - p) * positive - p * negative
                self.expected[place] += change if after else -change

    def _far(
        self,
        record: Mapping[str, Any],
        answered: Mapping[str, Any],
        output: Mapping[str, Any],
        difference: float,
    ) -> None:
        size = abs(difference)
        if len(self.far) == MOST_DIFFERENT and size <= self.far[0][0]:
            return
        shown = Different(
            request_id=str(record["request_id"]),
            row=int(record["row"] or 0),
            answered=_words(self.contract, answered),
            shadow=_words(self.contract, output),
            difference=difference,
        )
        # The first of equally different rows stays, so that the same log gives the same report.
        entry = (size, -self.all.outcomes.total(), shown)
        if len(self.far) < MOST_DIFFERENT:
            heapq.heappush(self.far, entry)
        else:
            heapq.heapreplace(self.far, entry)

    def report(self, notes: Sequence[str] = ()) -> ShadowReport:
        """What the page shows."""
        signed = self.facts.problem != "multiclass"
        groups = sorted(
            self.groups.items(),
            key=lambda item: (
                self.contract.slices.index(item[0][0]),
                -item[1].outcomes.total(),
                item[0],
            ),
        )
        priced, binary = bool(self.facts.costs), self.facts.problem == "binary"
        p50, p95 = self.seconds.quantile(0.5), self.seconds.quantile(0.95)
        days = sorted(self.days)
        away = [name for name in self.contract.slices if name not in self.contract.inputs]
        more = [f"Slices that are no inputs are not in the log: {', '.join(away)}."] if away else []
        if self.contract.problem == "multiclass" and self.contract.success.costs:
            more.append("What other classes would cost is not bounded here: it takes labels.")
        return ShadowReport(
            model=self.model,
            first=days[0],
            last=days[-1],
            tolerance=_tolerance(self.contract),
            outcomes={outcome: self.all.outcomes[outcome] for outcome in OUTCOMES},
            against=dict(self.against.most_common()),
            groups=(
                self.all.group(ALL, signed=signed),
                *(sums.group(f"{name}={value}", signed=signed) for (name, value), sums in groups),
            ),
            refused=dict(self.refused.most_common(10)),
            turned=(self.turned[0], self.turned[1]) if binary else None,
            cost=(self.cost[0], self.cost[1]) if priced else None,
            expected=(self.expected[0], self.expected[1]) if priced and binary else None,
            requests=self.seconds.count,
            latency=None if p50 is None or p95 is None else (p50, p95),
            most_different=tuple(e[2] for e in sorted(self.far, key=lambda e: (-e[0], -e[1]))),
            notes=(*notes, *more),
        )


def count(pieces: Iterable[Piece], contract: Contract) -> dict[str, Counted]:
    """Each shadow in the log by its model id, the one that was there last at the end."""
    found: dict[str, Counted] = {}
    columns = [name for name in shadow_shape(contract).names if name != "inputs"]
    for piece in pieces:
        table = piece.table
        kept = [i for i, route in enumerate(table.column("route").to_pylist()) if route == "shadow"]
        if not kept:
            continue
        table = table.take(kept)
        present = [name for name in columns if name in table.column_names]
        rows = table.select(present).to_pylist()
        inputs = dict(
            zip(
                (f.name for f in table.schema.field("inputs").type),
                table.column("inputs").flatten(),
                strict=True,
            )
        )
        sliced = {n: inputs[n].to_pylist() for n in contract.slices if n in inputs}
        for number, row in enumerate(rows):
            record = dict.fromkeys(columns) | row
            if str(record["request_id"]).startswith((GOLDEN_ID, REPLAY_ID)):
                continue
            model = str(record["model"])[:100]
            if model not in found and len(found) >= MOST_MODELS:
                continue
            one = found.pop(model, None) or Counted(contract, model)
            found[model] = one
            one.days.add(piece.day.isoformat())
            one.add(record, {name: values[number] for name, values in sliced.items()})
    return found


def share(part: int, rows: int) -> Estimate:
    """A share with Wilson's interval."""
    low, high = tails.wilson(part / rows, rows=rows)
    return Estimate(value=part / rows, low=low, high=high)


def normal(value: float, variance: float) -> Estimate:
    """A value whose estimate has this variance."""
    reach = tails.NORMAL_95 * math.sqrt(variance)
    return Estimate(value=value, low=value - reach, high=value + reach)


def _tolerance(contract: Contract) -> str:
    if contract.problem == "regression":
        return "agreed: within 2 % of the range of scores in training, or 5 % of the answer where that is not known"
    same = "decision" if contract.problem == "binary" else "class"
    return f"agreed: the same {same}; far: a probability differs by more than {PROBABILITY_TOLERANCE:g}"


def _words(contract: Contract, output: Mapping[str, Any]) -> str:
    answer = output.get(contract.output.name)
    if contract.problem == "regression":
        return f"{answer:.6g}" if isinstance(answer, (int, float)) else str(answer)
    score = output.get("probability")
    if contract.problem == "multiclass":
        score = (output.get("probabilities") or {}).get(answer)
    word = str(answer).lower() if isinstance(answer, bool) else str(answer)
    return f"{word} ({score:.4f})" if isinstance(score, (int, float)) else word
