"""What was found when a shadow's answers, or two days, were compared: values for a page, with their intervals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A value with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Group:
    """The rows of one slice, or all. `agreement` and what follows are of the rows that both answered.

    `shift` is the mean of shadow less answered; None for classes, whose difference has no sign.
    """

    name: str
    rows: int
    agreement: Estimate | None
    shift: Estimate | None
    p50: float | None
    p95: float | None
    beyond: float | None


@dataclass(frozen=True, kw_only=True)
class Different:
    """A row whose two answers lie far apart. Inputs are left out: they may be personal, and the id finds them."""

    request_id: str
    row: int
    answered: str
    shadow: str
    difference: float


@dataclass(frozen=True, kw_only=True)
class ShadowReport:
    """A shadow against what was answered.

    `outcomes` are rows by outcome; `against` rows by the release that answered; `refused` rows by the input the
    shadow's contract refused; `turned` the decisions that would turn (to true, to false). `cost` bounds the change of
    the cost, whatever the truth, and `expected` is it if the answering model's, and if the shadow's probabilities are
    right.
    """

    model: str
    first: str
    last: str
    tolerance: str
    outcomes: Mapping[str, int]
    against: Mapping[str, int]
    groups: tuple[Group, ...]
    refused: Mapping[str, int]
    turned: tuple[int, int] | None
    cost: tuple[float, float] | None
    expected: tuple[float, float] | None
    requests: int
    latency: tuple[float, float] | None
    most_different: tuple[Different, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Change:
    """Something of two days: its value on each, and the second less the first."""

    group: str
    name: str
    rows: tuple[int, int]
    values: tuple[float, float]
    difference: Estimate


@dataclass(frozen=True, kw_only=True)
class DayReport:
    """Two days of the log. `changes` are scores (mean) and decisions (shares), all rows first, then by slice."""

    days: tuple[str, str]
    rows: tuple[int, int]
    releases: tuple[Mapping[str, int], Mapping[str, int]]
    changes: tuple[Change, ...]
    notes: tuple[str, ...]
