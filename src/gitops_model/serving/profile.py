"""What the metrics know of a model besides its contract: from the profile in its bundle, reference.json."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gitops_model import strict_json
from gitops_model.errors import BadInput
from gitops_model.formats.bundle import Bundle
from gitops_model.formats.contract import MISSING, Contract

MOST_BYTES = 32_000_000
# Upper ends of the buckets of a probability. Rare events have small ones, so both ends are finer than the middle.
PROBABILITIES = (0.01, 0.02, 0.05, *(tenth / 10 for tenth in range(1, 10)), 0.95, 0.99, 1.0)
# What a number may be is known from the test rows only: the profile's quantiles, and its least and greatest.
MOST_EDGES = 20
# Without them a bucket for each power of ten at least tells the sign and the size.
UNKNOWN_UNIT = (*(-(10.0**p) for p in range(6, -2, -1)), 0.0, *(10.0**p for p in range(-1, 7)))


@dataclass(frozen=True, kw_only=True)
class Profile:
    """`edges` are the upper ends of the score's buckets; `missing` the share of rows without an input in training.

    `listed` are the known values of each category that accepts others, too.
    """

    edges: tuple[float, ...] = PROBABILITIES
    missing: Mapping[str, float] = field(default_factory=dict)
    listed: Mapping[str, frozenset[str]] = field(default_factory=dict)


NO_PROFILE = Profile()


def of(bundle: Bundle) -> Profile:
    """The profile of a bundle. One that cannot be read costs the metrics their detail, and nobody an answer."""
    contract = bundle.contract
    try:
        found = strict_json.parse(
            bundle.member("reference.json"), name="reference.json", most_bytes=MOST_BYTES
        )
    except BadInput:
        found = {}
    return Profile(
        edges=_edges(contract, found) if contract.problem == "regression" else PROBABILITIES,
        missing={
            name: share
            for name, rules in contract.inputs.items()
            if rules.missing == "impute"
            and (share := _number(_part(found, "inputs", name).get("missing"))) is not None
        },
        listed={
            name: frozenset((*rules.values, MISSING))
            for name, rules in contract.inputs.items()
            if rules.values and not rules.closed
        },
    )


def _edges(contract: Contract, found: Any) -> tuple[float, ...]:
    scores = _part(found, "scores", contract.output.name)
    inner = scores.get("edges")
    values = [scores.get("min"), *(inner if isinstance(inner, list) else []), scores.get("max")]
    # Six digits: an edge is a label, and 40.00000000000001 tells nobody more than 40.
    numbers = sorted(
        {float(f"{number:.6g}") for value in values if (number := _number(value)) is not None}
    )
    return tuple(numbers) if 1 < len(numbers) <= MOST_EDGES else UNKNOWN_UNIT


def _part(found: Any, section: str, name: str) -> Mapping[str, Any]:
    for key in (section, name):
        found = found.get(key) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else {}


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if abs(value) < 1e300 and math.isfinite(value) else None
