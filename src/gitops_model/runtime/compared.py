"""Two answers to the same row, compared without knowing the truth: what was answered, and what a shadow would have.

Only pure functions and counts of bounded size; the service and the reader of the log agree through them.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from gitops_model.formats.contract import Contract

# `same`: the same decision, class, or a number within the tolerance. `refused`: the shadow's contract refuses the row.
# `failed`: the shadow raised or gave no finite score. `uncomparable`: the answer was the fallback, or another output.
Outcome = Literal["same", "other", "refused", "failed", "uncomparable"]
OUTCOMES: tuple[Outcome, ...] = ("same", "other", "refused", "failed", "uncomparable")
# A probability that moved by more than this is counted as beyond.
PROBABILITY_TOLERANCE = 0.05
# A number agrees within this share of the range that the scores had in training; without a profile, of the answer.
RANGE_TOLERANCE = 0.02
RELATIVE_TOLERANCE = 0.05
_STEPS = (1.0, 2.0, 5.0)
PROBABILITY_EDGES = (*(float(f"{step}e{p}") for p in range(-5, 0) for step in _STEPS), 1.0)


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What comparing needs of the shadow's contract. `tolerance`: of a number; None: relative to the answer."""

    problem: str
    output: str
    schema_version: int
    tolerance: float | None = None
    costs: Mapping[str, float] = field(default_factory=dict)

    @property
    def edges(self) -> tuple[float, ...]:
        """Upper ends of the buckets of differences."""
        if self.problem != "regression":
            return PROBABILITY_EDGES
        unit = self.tolerance or 1.0
        return tuple(float(f"{unit * step * 10.0**p:.3g}") for p in range(-3, 3) for step in _STEPS)


def facts_of(contract: Contract, *, span: tuple[float, float] | None) -> Facts:
    """`span` is the smallest and the largest score of training, where it is known."""
    costs = contract.success.costs
    plain = {name: float(cost) for name, cost in costs.items() if isinstance(cost, (int, float))}
    return Facts(
        problem=contract.problem,
        output=contract.output.name,
        schema_version=contract.schema_version,
        tolerance=RANGE_TOLERANCE * (span[1] - span[0]) if span and span[1] > span[0] else None,
        costs=plain if contract.problem != "multiclass" else {},
    )


@dataclass(frozen=True, kw_only=True)
class Compared:
    """One row. `difference` is shadow less answered; for classes the largest of any class, without a sign.

    `cost` is how much less and more the shadow's answer can cost, whatever the truth; None where that is not known.
    """

    outcome: Outcome
    difference: float | None = None
    beyond: bool = False
    cost: tuple[float, float] | None = None


UNCOMPARABLE = Compared(outcome="uncomparable")


def compare(facts: Facts, answered: Mapping[str, Any], shadow: Mapping[str, Any]) -> Compared:
    """Compare two outputs of one row: see runtime.answers for their form."""
    ours: Any = answered.get(facts.output)
    theirs: Any = shadow.get(facts.output)
    if facts.problem == "regression":
        if not (_number(ours) and _number(theirs)):
            return UNCOMPARABLE
        difference = theirs - ours
        tolerance = facts.tolerance
        if tolerance is None:
            tolerance = RELATIVE_TOLERANCE * max(1.0, abs(ours))
        beyond = abs(difference) > tolerance
        return Compared(
            outcome="other" if beyond else "same",
            difference=difference,
            beyond=beyond,
            cost=_cost_of_number(facts.costs, difference),
        )
    before: Any
    after: Any
    if facts.problem == "binary":
        before, after = answered.get("probability"), shadow.get("probability")
        if not (_number(before) and _number(after)) or {type(ours), type(theirs)} != {bool}:
            return UNCOMPARABLE
        difference, cost = after - before, _cost_of_decision(facts.costs, ours, theirs)
    else:
        before, after = answered.get("probabilities"), shadow.get("probabilities")
        if not isinstance(before, Mapping) or not isinstance(after, Mapping):
            return UNCOMPARABLE
        if before.keys() != after.keys() or not all(
            map(_number, (*before.values(), *after.values()))
        ):
            return UNCOMPARABLE
        difference, cost = max(abs(after[name] - before[name]) for name in before), None
    return Compared(
        outcome="same" if ours == theirs else "other",
        difference=difference,
        beyond=abs(difference) > PROBABILITY_TOLERANCE,
        cost=cost,
    )


def _number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _cost_of_decision(
    costs: Mapping[str, float], ours: bool, theirs: bool
) -> tuple[float, float] | None:
    if not {"false_positive", "false_negative"} <= costs.keys():
        return None
    if ours == theirs:
        return 0.0, 0.0
    positive, negative = costs["false_positive"], costs["false_negative"]
    return (-negative, positive) if theirs else (-positive, negative)


def _cost_of_number(costs: Mapping[str, float], difference: float) -> tuple[float, float] | None:
    if not {"over", "under"} <= costs.keys():
        return None
    # Cost rises by at most `over` for each unit up, and falls by at most `under`; the other way round for down.
    up, down = max(difference, 0.0), max(-difference, 0.0)
    return (
        -costs["under"] * up - costs["over"] * down,
        costs["over"] * up + costs["under"] * down,
    )


class Spread:
    """Numbers from 0 on in buckets that end at `edges`: count, sum and about any quantile, in constant space."""

    def __init__(self, edges: Sequence[float]) -> None:
        self.edges = tuple(edges)
        self.counts = [0] * (len(self.edges) + 1)
        self.sum = 0.0
        self.largest = 0.0

    def add(self, value: float) -> None:
        """Count one number."""
        self.counts[bisect_left(self.edges, value)] += 1
        self.sum += value
        self.largest = max(self.largest, value)

    @property
    def count(self) -> int:
        return sum(self.counts)

    @property
    def mean(self) -> float | None:
        count = self.count
        return self.sum / count if count else None

    def quantile(self, share: float) -> float | None:
        """By linear interpolation in its bucket; None of nothing."""
        wanted, seen = share * self.count, 0
        for place, count in enumerate(self.counts):
            if count and seen + count >= wanted:
                low = self.edges[place - 1] if place else 0.0
                high = self.edges[place] if place < len(self.edges) else self.largest
                high = min(high, self.largest)
                return low + max(0.0, high - low) * (wanted - seen) / count
            seen += count
        return None


@dataclass
class Tally:
    """Everything counted of one shadow's rows, in constant space."""

    facts: Facts
    outcomes: dict[Outcome, int] = field(default_factory=lambda: dict.fromkeys(OUTCOMES, 0))
    beyond: int = 0
    # Sum of signed differences: which way the shadow's scores lie.
    shift: float = 0.0
    cost_less: float = 0.0
    cost_more: float = 0.0
    priced: int = 0
    differences: Spread = field(init=False)

    def __post_init__(self) -> None:
        self.differences = Spread(self.facts.edges)

    def add(self, row: Compared) -> None:
        """Count one row."""
        self.outcomes[row.outcome] += 1
        if row.difference is not None:
            self.differences.add(abs(row.difference))
            self.shift += row.difference
            self.beyond += row.beyond
        if row.cost is not None:
            self.cost_less += row.cost[0]
            self.cost_more += row.cost[1]
            self.priced += 1

    @property
    def compared(self) -> int:
        """Rows that both answered comparably."""
        return self.outcomes["same"] + self.outcomes["other"]

    def to_dict(self) -> dict[str, Any]:
        """For /status. Shares are of the compared rows, and null while there are none."""
        compared, spread = self.compared, self.differences
        signed = self.facts.problem != "multiclass"
        return {
            "rows": dict(self.outcomes),
            "agreement": self.outcomes["same"] / compared if compared else None,
            "difference": {
                "mean": spread.mean,
                "mean_signed": self.shift / compared if compared and signed else None,
                "p50": spread.quantile(0.5),
                "p95": spread.quantile(0.95),
                "share_beyond": self.beyond / compared if compared else None,
                "tolerance": self.facts.tolerance
                if self.facts.problem == "regression"
                else PROBABILITY_TOLERANCE,
            },
            # Which of the two is right only labels tell; these are the bounds, whatever they say.
            "cost_bounds": [self.cost_less, self.cost_more] if self.priced else None,
        }
