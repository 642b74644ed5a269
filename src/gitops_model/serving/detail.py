"""What the metrics know of a model besides its contract: from the profile in its bundle, reference.json."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gitops_model.errors import BadArtifact
from gitops_model.formats.bundle import Bundle
from gitops_model.formats.contract import MISSING, Contract
from gitops_model.formats.profile import Profile

# Upper ends of the buckets of a probability. Rare events have small ones, so both ends are finer than the middle.
PROBABILITIES = (0.01, 0.02, 0.05, *(tenth / 10 for tenth in range(1, 10)), 0.95, 0.99, 1.0)
# What a number may be is known from the test rows only: the profile's quantiles, and its least and greatest.
MOST_EDGES = 20
# Without them a bucket for each power of ten at least tells the sign and the size.
UNKNOWN_UNIT = (*(-(10.0**p) for p in range(6, -2, -1)), 0.0, *(10.0**p for p in range(-1, 7)))


@dataclass(frozen=True, kw_only=True)
class Detail:
    """`edges` are the upper ends of the score's buckets; `missing` the share of rows without an input in training.

    `listed` are the known values of each category that accepts others, too.
    """

    edges: tuple[float, ...] = PROBABILITIES
    missing: Mapping[str, float] = field(default_factory=dict)
    listed: Mapping[str, frozenset[str]] = field(default_factory=dict)


NO_DETAIL = Detail()


def of(bundle: Bundle) -> Detail:
    """What a bundle's profile tells. One that cannot be read costs the metrics their detail, and nobody an answer."""
    contract = bundle.contract
    try:
        found = Profile.parse(bundle.member("reference.json"), name="reference.json")
    except BadArtifact:
        found = Profile(rows=0, days=None, score_days=None, inputs={}, scores={})
    return Detail(
        edges=_edges(contract, found) if contract.problem == "regression" else PROBABILITIES,
        missing={
            name: share
            for name, rules in contract.inputs.items()
            if rules.missing == "impute"
            and name in found.inputs
            and (share := _number(found.inputs[name].missing)) is not None
        },
        listed={
            name: frozenset((*rules.values, MISSING))
            for name, rules in contract.inputs.items()
            if rules.values and not rules.closed
        },
    )


def _edges(contract: Contract, found: Profile) -> tuple[float, ...]:
    scores = found.scores.get(contract.output.name)
    if scores is None:
        return UNKNOWN_UNIT
    # Six digits: an edge is a label, and 40.00000000000001 tells nobody more than 40.
    numbers = sorted(
        {
            float(f"{number:.6g}")
            for value in (*scores.edges, *scores.span)
            if (number := _number(value)) is not None
        }
    )
    return tuple(numbers) if 1 < len(numbers) <= MOST_EDGES else UNKNOWN_UNIT


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if abs(value) < 1e300 and math.isfinite(value) else None
