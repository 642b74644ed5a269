"""What a replay found, as a page shows it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Line:
    """All rows, or a slice. Shifts and sizes are of the score, None where no row has one."""

    name: str
    rows: int
    same: int
    unanswered: int
    turned: int
    shift: float | None
    size: float | None
    largest: float


@dataclass(frozen=True, kw_only=True)
class Case:
    """A row that differs. Inputs are left out: they may be personal, and the id finds them."""

    request_id: str
    row: int
    model: str
    logged: str
    again: str
    difference: float | None


@dataclass(frozen=True, kw_only=True)
class Replay:
    """A day of the log answered again, by `model`, or by the releases that answered then where it is None.

    `releases` says how many rows each had answered; `cases` are the rows that differ: the first ones where none should,
    else the most different ones.
    """

    day: str
    model: str | None
    headline: str
    releases: tuple[tuple[str, int], ...]
    lines: tuple[Line, ...]
    cases: tuple[Case, ...]
    reasons: tuple[tuple[str, int], ...]
    notes: tuple[str, ...]
