"""What a replay found: rows that are the same, those that differ first, those that differ most, and slices."""

from __future__ import annotations

import heapq
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gitops_model.formats.contract import Contract
from gitops_model.monitoring.asked import Row

MOST_SHOWN = 10
MOST_VALUES = 20
MOST_NAMES = 10
OTHER, MISSING, ALL = "(other)", "(missing)", "all rows"


@dataclass(frozen=True, kw_only=True)
class Again:
    """How a row was answered again: `output` is the text of its JSON; None where `why` says what was wrong."""

    output: str | None
    imputed: list[str] = field(default_factory=list)
    fell_back: bool = False
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class Different:
    """A row that differs. Inputs are left out: they may be personal, and the id finds them."""

    request_id: str
    row: int
    model: str
    logged: str
    again: str
    difference: float | None


@dataclass
class Sums:
    """Of a slice, or of all rows. `turned`: another class, or another decision."""

    rows: int = 0
    same: int = 0
    unanswered: int = 0
    turned: int = 0
    scored: int = 0
    shift: float = 0.0
    size: float = 0.0
    largest: float = 0.0

    def add(self, same: bool, unanswered: bool, turned: bool, difference: float | None) -> None:
        self.rows += 1
        self.same += same
        self.unanswered += unanswered
        self.turned += turned
        if difference is not None:
            self.scored += 1
            self.shift += difference
            self.size += abs(difference)
            self.largest = max(self.largest, abs(difference))

    @property
    def mean_shift(self) -> float | None:
        return self.shift / self.scored if self.scored else None

    @property
    def mean_size(self) -> float | None:
        return self.size / self.scored if self.scored else None


@dataclass
class Replayed:
    """Everything counted. Memory does not grow with the rows."""

    all: Sums = field(default_factory=Sums)
    groups: dict[str, Sums] = field(default_factory=dict)
    releases: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    _first: list[tuple[int, Different]] = field(default_factory=list)
    _far: list[tuple[float, int, Different]] = field(default_factory=list)

    @property
    def differing(self) -> int:
        """Rows that are not the same, byte by byte."""
        return self.all.rows - self.all.same

    def add(
        self, contract: Contract, row: Row, again: Again, *, at: int, name: tuple[str, int, str]
    ) -> None:
        """Count one row, the `at`-th of the log. `name` is its request's id, its place there, and who answered it."""
        same = (row.output, row.imputed, row.fell_back) == (
            again.output,
            again.imputed,
            again.fell_back,
        )
        turned, difference = (False, None)
        if again.output is not None:
            turned, difference = compared(json.loads(row.output), json.loads(again.output))
        else:
            self._because(again.why)
        result = (same, again.output is None, turned, difference)
        self.all.add(*result)
        for place in contract.slices:
            if place in contract.inputs:
                self._group(place, row.inputs.get(place)).add(*result)
        if not same:
            self._keep(row, again, difference, at, name)

    def _because(self, why: str) -> None:
        known = why in self.reasons or len(self.reasons) < MOST_NAMES
        self.reasons[why if known else OTHER] += 1

    def _group(self, name: str, value: Any) -> Sums:
        key = f"{name}={MISSING if value is None else str(value)[:60]}"
        known = sum(one.startswith(f"{name}=") for one in self.groups)
        if key not in self.groups and known >= MOST_VALUES:
            key = f"{name}={OTHER}"
        return self.groups.setdefault(key, Sums())

    def _keep(
        self,
        row: Row,
        again: Again,
        difference: float | None,
        at: int,
        name: tuple[str, int, str],
    ) -> None:
        found = Different(
            request_id=name[0],
            row=name[1],
            model=name[2],
            logged=_words(row.output, row.imputed, row.fell_back),
            again=again.why
            if again.output is None
            else _words(again.output, again.imputed, again.fell_back),
            difference=difference,
        )
        # Blocks come back in another order than they were sent; the earliest rows stay all the same.
        _push(self._first, (-at, found))
        size = float("inf") if again.output is None else abs(difference or 0.0)
        _push(self._far, (size, -at, found))

    @property
    def first(self) -> list[Different]:
        """The first rows that differ."""
        return [found for _, found in sorted(self._first, key=lambda item: -item[0])]

    @property
    def far(self) -> list[Different]:
        """The rows that differ most; those that are not answered at all first."""
        ordered = sorted(self._far, key=lambda item: (-item[0], -item[1]))
        return [found for _, _, found in ordered]


def _push(heap: list[Any], item: Any) -> None:
    if len(heap) < MOST_SHOWN:
        heapq.heappush(heap, item)
    elif item[:-1] > heap[0][:-1]:
        heapq.heapreplace(heap, item)


def _words(output: str, imputed: list[str], fell_back: bool) -> str:
    more = f" imputed {', '.join(imputed)}" if imputed else ""
    return f"{output}{more}{' (fallback)' if fell_back else ''}"


def compared(logged: Any, again: Any) -> tuple[bool, float | None]:
    """Whether the decision turned, and how far the score moved: for classes the largest change, without a sign."""
    if not isinstance(logged, Mapping) or not isinstance(again, Mapping):
        return False, None
    before, after = (
        next(iter(logged.values()), None),
        next(iter(again.values()), None),
    )
    if "probabilities" in logged and "probabilities" in again:
        old, new = logged["probabilities"], again["probabilities"]
        names = {**old, **new}
        return before != after, max((abs(new.get(n, 0) - old.get(n, 0)) for n in names), default=0)
    if "probability" in logged and "probability" in again:
        return before != after, again["probability"] - logged["probability"]
    numbers = (before, after)
    if all(isinstance(n, (int, float)) and not isinstance(n, bool) for n in numbers):
        return False, float(after) - float(before)  # type: ignore[arg-type]
    return before != after, None
