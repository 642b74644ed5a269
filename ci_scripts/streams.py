"""Days of made-up traffic that monitors are compared on.

Needs numpy alone, so that our environment and the peers' draw the same. A day is drawn from its own seed, so whoever
looks at fewer days or columns still sees the same rows.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
World = Literal["independent", "remembering", "weekly"]

WORLDS: Final[tuple[World, ...]] = ("independent", "remembering", "weekly")
ROWS: Final = (200, 5_000)
HISTORY: Final = 90
LONGEST: Final = 365
COLUMNS: Final = 40
NUMBERS: Final = 30
# Streams in which nothing changes, by rows a day: large ones cost more and differ less. Then how many days of them the
# peers look at, the repetitions of each change, and the days within which it must be found.
STREAMS: Final = {200: 5, 5_000: 3}
DAYS: Final = 28
REPETITIONS, DELAY_DAYS = 12, 56
# How far the level of a day lies from the mean, in deviations of a row, and how much the next day keeps of it.
LEVEL_SD: Final = 0.2
MEMORY: Final = 0.8
SHARES: Final = (0.40, 0.30, 0.15, 0.10, 0.05)


@dataclass(frozen=True, kw_only=True)
class Change:
    """What a column is like after it changed; as it stands, nothing did."""

    shift: float = 0.0
    missing: float = 0.02
    shares: tuple[float, ...] = SHARES


SAME: Final = Change()
# Of numbers, except the fourth, which is of a category.
CHANGES: Final = {
    "0.25 sd": Change(shift=0.25),
    "0.5 sd": Change(shift=0.5),
    "1 sd": Change(shift=1.0),
    "share 40 → 25 %": Change(shares=(0.25, 0.30, 0.30, 0.10, 0.05)),
    "missing 2 → 10 %": Change(missing=0.10),
}
OF_CATEGORY: Final = "share 40 → 25 %"


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column of a stream: days 0 to HISTORY - 1 are training, those after them traffic."""

    number: bool
    world: World
    rows: int
    seed: tuple[int, ...]
    levels: Array = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "levels", _levels(self.world, np.random.default_rng(self.seed)))

    def day(self, day: int, change: Change = SAME) -> Array:
        """The rows of a day: numbers with NaN for missing, or the place of each row's category."""
        rng = np.random.default_rng([*self.seed, day])
        if not self.number:
            edges = np.cumsum(_tilted(change.shares, float(self.levels[day])))[:-1]
            return np.searchsorted(edges, rng.random(self.rows)).astype(np.float64)
        values: Array = rng.normal(size=self.rows) + self.levels[day] + change.shift
        values[rng.random(self.rows) < change.missing] = np.nan
        return values

    def days(self, first: int, last: int, change: Change = SAME) -> Array:
        """The rows of days `first` to `last`, that one excluded."""
        return np.concatenate([self.day(day, change) for day in range(first, last)])

    def training(self) -> Array:
        """The rows of training."""
        return self.days(0, HISTORY)


def columns(world: World, rows: int, stream: int) -> list[Column]:
    """The forty columns of a stream in which nothing changes."""
    return [
        Column(number=place < NUMBERS, world=world, rows=rows, seed=(stream, place))
        for place in range(COLUMNS)
    ]


def changed(name: str, world: World, rows: int, repetition: int) -> Column:
    """The column that the change `name` happens to: in each repetition another one."""
    seed = (1_000, list(CHANGES).index(name), repetition)
    return Column(number=name != OF_CATEGORY, world=world, rows=rows, seed=seed)


def mark() -> float:
    """A number that differs if another numpy draws other rows."""
    held = [c.day(100)[:50].mean() for c in columns("remembering", 200, 0)[NUMBERS - 1 :][:2]]
    return round(float(np.nan_to_num(held).sum() + np.nansum(_example().day(3))), 9)


@functools.cache
def _example() -> Column:
    return Column(number=True, world="weekly", rows=200, seed=(7, 7))


def _levels(world: World, rng: np.random.Generator) -> Array:
    days = HISTORY + LONGEST
    if world == "independent":
        return np.zeros(days)
    if world == "weekly":
        week: Array = LEVEL_SD * np.tile(rng.normal(size=7), days // 7 + 1)[:days]
        return week
    level = np.empty(days)
    level[0] = rng.normal()
    noise = np.sqrt(1 - MEMORY**2) * rng.normal(size=days)
    for day in range(1, days):
        level[day] = MEMORY * level[day - 1] + noise[day]
    found: Array = LEVEL_SD * level
    return found


def _tilted(shares: tuple[float, ...], level: float) -> Array:
    """Shares in which the first gains on the last by `level`, in log odds per step of the list."""
    weights = np.array(shares) * np.exp(level * np.linspace(1, -1, len(shares)))
    found: Array = weights / weights.sum()
    return found
