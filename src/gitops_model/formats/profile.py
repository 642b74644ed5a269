"""reference.json: what inputs and scores looked like when the model was trained and tested, in a few kilobytes.

Drift is measured against it later without the training data. Numbers are kept as quantile edges with the share of rows
between them, so one outlier moves nothing; categories as the share of each value, rare ones pooled. Levels say how much
a day, or seven days, of training differed from the rest of it by themselves.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from gitops_model import strict_json
from gitops_model.errors import BadArtifact, BadInput
from gitops_model.formats import values

SCHEMA = 2
MOST_BYTES = 32_000_000
# What counts as one value of a category: all that are not listed, and what is not there.
OTHER, MISSING = "(other)", "(missing)"
# Windows, in days, whose ordinary changes are kept.
WINDOWS = (1, 7)


@dataclass(frozen=True, kw_only=True)
class Level:
    """A mean over rows: `value`, `row_sd` the deviation of one row, `day_sd` of windows of 1 and 7 days beyond that.

    `day_sd` is empty where training has too few days to tell; 0 where days differ no more than rows drawn at random.
    `memory` is how many days it takes until a day says nothing about the next.
    """

    value: float
    row_sd: float
    day_sd: tuple[float, ...] = ()
    memory: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Number:
    """A column of `rows` numbers. `shares` (len(edges) + 1) are of the rows that are not missing.

    Values are clipped to `clip` before they are averaged; `span` is the smallest and the largest.
    """

    rows: int
    missing: float
    edges: tuple[float, ...] = ()
    shares: tuple[float, ...] = ()
    clip: tuple[float, float] = (0.0, 0.0)
    span: tuple[float, float] = (0.0, 0.0)
    levels: Mapping[str, Level] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Category:
    """A column of `rows` texts: the share of each listed value, of all others, and of what is missing."""

    rows: int
    missing: float
    shares: Mapping[str, float]
    other: float = 0.0
    levels: Mapping[str, Level] = field(default_factory=dict)


Column = Number | Category


@dataclass(frozen=True, kw_only=True)
class Profile:
    """Inputs as in training, scores as in test. `days`, `score_days`: how many days each spans, None without a time."""

    rows: int
    days: int | None
    score_days: int | None
    inputs: Mapping[str, Column]
    scores: Mapping[str, Number]

    def to_bytes(self) -> bytes:
        """reference.json: the same profile gives the same bytes."""
        data = {
            "schema": SCHEMA,
            "rows": self.rows,
            "days": self.days,
            "score_days": self.score_days,
            "inputs": {name: _written(column) for name, column in self.inputs.items()},
            "scores": {name: _written(column) for name, column in self.scores.items()},
        }
        text = json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return (text + "\n").encode()

    @staticmethod
    def parse(data: bytes, *, name: str) -> Profile:
        """Read reference.json of any release. Raises BadArtifact; `name` is what messages call it."""
        try:
            found = strict_json.parse(data, name=name, most_bytes=MOST_BYTES)
            if found["schema"] == 1:
                return _first_schema(found)
            if found["schema"] != SCHEMA:
                raise ValueError(f"schema is {found['schema']}; allowed: at most {SCHEMA}")
            return Profile(
                rows=found["rows"],
                days=found["days"],
                score_days=found["score_days"],
                inputs={key: _read(column) for key, column in found["inputs"].items()},
                scores={key: _number(column) for key, column in found["scores"].items()},
            )
        except (BadInput, KeyError, TypeError, ValueError, AttributeError) as error:
            raise BadArtifact(
                f"{name} is no profile that drift can be measured against ({error})."
            ) from error


def _written(column: Column) -> dict[str, Any]:
    kind = "number" if isinstance(column, Number) else "category"
    return {"kind": kind, **_rounded(asdict(column))}


def _rounded(value: Any) -> Any:
    """Six digits are more than drift can tell apart, and keep the file small."""
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [_rounded(item) for item in value]
    return float(f"{value:.6g}") if isinstance(value, float) else value


def _read(data: Mapping[str, Any]) -> Column:
    return _number(data) if data["kind"] == "number" else _category(data)


def _levels(data: Mapping[str, Any]) -> dict[str, Level]:
    return {name: values.from_json(Level, level) for name, level in data.items()}


def _number(data: Mapping[str, Any]) -> Number:
    low, high = data["clip"]
    first, last = data["span"]
    return Number(
        rows=data["rows"],
        missing=data["missing"],
        edges=tuple(data["edges"]),
        shares=tuple(data["shares"]),
        clip=(low, high),
        span=(first, last),
        levels=_levels(data["levels"]),
    )


def _category(data: Mapping[str, Any]) -> Category:
    return Category(
        rows=data["rows"],
        missing=data["missing"],
        shares=dict(data["shares"]),
        other=data["other"],
        levels=_levels(data["levels"]),
    )


def _first_schema(data: Mapping[str, Any]) -> Profile:
    """Releases before levels were kept: shares alone."""

    def read(column: Mapping[str, Any], rows: int) -> Column:
        if column["kind"] == "category":
            shares = dict(column["shares"])
            other = shares.pop(OTHER, 0.0)
            return Category(rows=rows, missing=column["missing"], shares=shares, other=other)
        return number(column, rows)

    def number(column: Mapping[str, Any], rows: int) -> Number:
        low, high = column.get("min", 0.0), column.get("max", 0.0)
        return Number(
            rows=rows,
            missing=column["missing"],
            edges=tuple(column["edges"]),
            shares=tuple(column["shares"]),
            clip=(low, high),
            span=(low, high),
        )

    scores = dict(data["scores"])
    scored = scores.pop("rows")
    return Profile(
        rows=data["rows"],
        days=None,
        score_days=None,
        inputs={name: read(column, data["rows"]) for name, column in data["inputs"].items()},
        scores={name: number(column, scored) for name, column in scores.items()},
    )
