"""Has a column shifted since training? One rule for numbers, categories and scores.

A shift is seen when three things hold together:

1. it is *large*: the population stability index, less what it is on average by chance, reaches `smallest`;
2. it is *not chance*: a chi-square test over the bins, or a binomial test of a bin that was rare, has a probability
   below the share of the error that this column may spend;
3. it is *more than days differ anyway*: the mean, a category's share or the missing share lies further from training
   than windows of training lay from each other, by Student's t with as many degrees as training had windows. Without
   differences between days in training this asks for nothing; with them, a change of shape alone is not seen.

Large samples make everything significant, and small ones everything large: that is why 1 and 2 are asked together.
A column that remembers (yesterday's weather is like today's) passes both every day; that is why 3 is there.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gitops_model.formats.profile import WINDOWS, Category, Column, Level
from gitops_model.monitoring import tails
from gitops_model.monitoring.counts import Tally

Array = NDArray[np.float64]

# Bins with fewer rows than this are pooled, and tested by the binomial instead.
EXPECTED = 5.0
# Chi-square, rare bins, missing: each may spend a third.
TESTS = 3
# Degrees of freedom at which Student's distribution is the normal one for our purpose.
MANY = 1000
FEWEST_WINDOWS = 3.0


@dataclass(frozen=True, kw_only=True)
class Rule:
    """How much is a shift: the stability index that counts, and how many windows without one false alarm.

    `columns` share the error, `days` is the length of a window, `history` the days of training (None: not known).
    """

    smallest: float = 0.1
    windows: float = 365.0
    columns: int = 1
    days: int = 1
    history: int | None = None


@dataclass(frozen=True, kw_only=True)
class Moved:
    """The level that moved most, against what windows of training allow: from, to, and the largest ordinary distance.

    `name` is mean, a category's value, (other) or (missing).
    """

    name: str
    before: float
    now: float
    allowed: float

    @property
    def excess(self) -> float:
        """Distance as a multiple of what is allowed."""
        distance = abs(self.now - self.before)
        return math.inf if self.allowed == 0 and distance > 0 else distance / (self.allowed or 1.0)


@dataclass(frozen=True, kw_only=True)
class Shift:
    """What was measured of one column in one window. `size` is the stability index, `chance` a bound for p."""

    rows: int
    size: float
    chance: float
    moved: Moved
    seen: bool


def measure(column: Column, tally: Tally, rule: Rule) -> Shift:
    """Compare a window with the profile. `tally` has at least one row."""
    expected, found = _shares(column), _found(column, tally)
    size = stability(expected, found, column.rows, tally.rows)
    chance = _chance(expected, found, column.rows, tally.rows)
    moved = _moved(column, tally, rule)
    alpha = 1 / (rule.windows * rule.columns)
    seen = size >= rule.smallest and chance < alpha and moved.excess > 1
    return Shift(rows=tally.rows, size=size, chance=chance, moved=moved, seen=seen)


def stability(expected: Array, found: Array, before: int, now: int) -> float:
    """The population stability index of shares `expected` and counts `found` (k,), less its mean under no change.

    That mean is (k - 1)(1 / before + 1 / now): B. Yurdakul (2018), Statistical properties of the population stability
    index, dissertation, Western Michigan University.
    """
    count = len(expected)
    share = (found + 0.5) / (now + 0.5 * count)
    reference = (expected * before + 0.5) / (before + 0.5 * count)
    index = float(((share - reference) * np.log(share / reference)).sum())
    return max(0.0, index - (count - 1) * (1 / before + 1 / now))


def _shares(column: Column) -> Array:
    """Shares of bins and of missing, sum 1."""
    there = 1.0 - column.missing
    if isinstance(column, Category):
        shares = np.array([*column.shares.values(), column.other, column.missing])
    else:
        shares = np.array([*(share * there for share in column.shares), column.missing])
    total = shares.sum()
    return shares / total if total > 0 else shares


def _found(column: Column, tally: Tally) -> Array:
    return np.array([*tally.bins, tally.missing], dtype=np.float64)


def _chance(expected: Array, found: Array, before: int, now: int) -> float:
    """A bound for the probability of counts this different: the smallest of three, times three."""
    common = (expected * now >= EXPECTED) & (expected * before >= EXPECTED)
    chances = []
    if common.sum() > 1:
        past = expected * before
        scale = math.sqrt(before / now)
        both = found[common] + past[common]
        statistic = float((np.square(found[common] * scale - past[common] / scale) / both).sum())
        chances.append(tails.chi_square_bound(statistic, degrees=int(common.sum()) - 1))
    rare = ~common
    if rare.any():
        for count, share in (
            (found[rare].sum(), expected[rare].sum()),
            (found[-1] if rare[-1] else 0.0, expected[-1]),
        ):
            if count > 0:
                # Training itself is a sample: as if it had held one such row more.
                likely = (share * before + 1) / (before + 1)
                chances.append(tails.binomial_bound(count, rows=now, share=likely))
    return min(1.0, TESTS * min(chances, default=1.0))


def _moved(column: Column, tally: Tally, rule: Rule) -> Moved:
    found = [
        Moved(
            name=name,
            before=level.value,
            now=value,
            allowed=_allowed(level, column.rows, rows, rule, len(column.levels)),
        )
        for name, level in column.levels.items()
        for value, rows in [tally.level(name, column)]
        if rows > 0
    ]
    if not found:
        # A profile of a former schema: nothing is known of its days.
        return Moved(name="mean", before=0.0, now=math.inf, allowed=0.0)
    largest = max(found, key=lambda moved: moved.excess)
    quiet = all(not any(level.day_sd) for level in column.levels.values())
    if quiet and largest.excess <= 1:
        # Days do not differ in training: a change of shape alone counts, too.
        return Moved(name=largest.name, before=largest.before, now=largest.now, allowed=0.0)
    return largest


def _allowed(level: Level, before: int, now: int, rule: Rule, levels: int) -> float:
    """How far a window may lie from training.

    Windows that remember each other are fewer looks, and training holds fewer independent ones of them.
    """
    sampling = level.row_sd**2 * (1 / before + 1 / now)
    natural, degrees, looks = 0.0, MANY, rule.windows
    if level.day_sd and rule.history:
        natural = level.day_sd[_width(rule.days)] ** 2
    if natural and rule.history:
        length = max(float(rule.days), level.memory)
        held = max(FEWEST_WINDOWS, rule.history / length)
        # Both the new window and the mean of training lie away from the truth, and training measured from its own mean.
        natural *= (1 + 1 / held) / (1 - 1 / held)
        degrees = int(held) - 1
        looks = max(1.0, rule.windows * rule.days / length)
    alpha = min(0.5, 1 / (looks * rule.columns * levels))
    return _limit(alpha, degrees) * math.sqrt(natural + sampling)


def _width(days: int) -> int:
    """Place in WINDOWS of the longest one that is no longer than `days`: shorter windows differ more."""
    return max(place for place, width in enumerate(WINDOWS) if width <= days)


@functools.cache
def _limit(alpha: float, degrees: int) -> float:
    return tails.student_limit(alpha, degrees=degrees)
