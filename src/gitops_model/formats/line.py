"""The line of releases that served, and the best of them, to which a candidate is held besides production."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Milestone:
    """A release that served. `gain` of the primary metric over the release before it, on the test rows of its time;
    None: its record holds none. `best`: when it was judged it was shown to be better than the best before it.
    """

    model: str
    gain: float | None
    best: bool


@dataclass(frozen=True, kw_only=True)
class Line:
    """`best` is the release (`model`, `sha256`) that is held against a candidate; `note` says why not a better one.

    `releases` are the newest of those that served, oldest first.
    """

    best: str
    sha256: str
    note: str = ""
    releases: tuple[Milestone, ...] = ()
