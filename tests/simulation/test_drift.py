"""How often the monitor asks for nothing, and how soon for something: the promise of `monitoring.shift`, by simulation.

Rows are not drawn one by one: given the day, the counts of a window's bins are multinomial, whatever its size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from gitops_model.formats.monitor import Settings
from gitops_model.formats.profile import Number
from gitops_model.monitoring import shift, windows
from gitops_model.monitoring.counts import Tally
from gitops_model.monitoring.shift import Rule
from gitops_model.pipeline import reference

pytestmark = pytest.mark.slow

Array = NDArray[np.float64]
COLUMNS = 40
SETTINGS = Settings(window_days=1)


def tally(column: Number, level: float, rows: int, rng: np.random.Generator) -> Tally:
    """A window of `rows` normal values around `level`."""
    edges = np.array([-np.inf, *column.edges, np.inf])
    shares = np.diff(stats.norm.cdf(edges - level))
    return Tally(
        rows=rows,
        missing=0,
        bins=rng.multinomial(rows, shares / shares.sum()),
        total=float(rows * level + np.sqrt(rows) * rng.normal()),
    )


def issues(seen: list[bool], settings: Settings = SETTINGS) -> int:
    """How many questions are asked along these windows: one until it is clean again."""
    asked, is_open = 0, False
    for end in range(1, len(seen) + 1):
        state = windows.state(seen[:end], settings)
        if state == "alarm" and not is_open:
            asked, is_open = asked + 1, True
        elif state == "clean":
            is_open = False
    return asked


@pytest.mark.parametrize("rows", [50, 200, 1000, 100_000, 1_000_000])
def test_null_data_asks_at_most_once_in_a_hundred_windows(rows: int) -> None:
    rng = np.random.default_rng(rows)
    rule = Rule(columns=COLUMNS)
    asked = alarms = 0
    for _ in range(3 * COLUMNS):
        column = reference.number(rng.normal(size=20_000), None)
        seen = [shift.measure(column, tally(column, 0, rows, rng), rule).seen for _ in range(100)]
        asked, alarms = asked + issues(seen), alarms + sum(seen)
    # Three times a hundred windows of forty columns.
    assert asked <= 3
    assert stats.binomtest(alarms, 3 * COLUMNS * 100).proportion_ci(0.95).high * COLUMNS <= 0.02


def remembering(days: int, rng: np.random.Generator) -> Array:
    """Daily levels of variance 1 that correlate 0.8 from day to day."""
    level = np.zeros(days + 60)
    noise = rng.normal(size=len(level)) * 0.6
    for day in range(1, len(level)):
        level[day] = 0.8 * level[day - 1] + noise[day]
    return level[60:]


def weekly(days: int, rng: np.random.Generator) -> Array:
    """A pattern of seven days, of variance 1."""
    return np.tile(rng.normal(size=7), days // 7 + 1)[:days]


def years(
    make: Callable[[np.random.Generator], Array], history: int, rule: Rule, count: int, seed: int
) -> Iterator[list[bool]]:
    """One column after the other: what is seen of each in `count` days after `history` days of training."""
    rng = np.random.default_rng(seed)
    per_day = 20_000 // history
    for _ in range(COLUMNS):
        level = make(rng)
        days = np.repeat(np.arange(history), per_day)
        column = reference.number(level[days] + rng.normal(size=len(days)), days)
        yield [
            shift.measure(column, tally(column, level[history + day], per_day, rng), rule).seen
            for day in range(count)
        ]


@pytest.mark.parametrize("history", [60, 90, 180])
@pytest.mark.parametrize("size", [0.2, 0.5, 1.0])
def test_remembering_and_weekly_data_asks_at_most_once_a_year(history: int, size: float) -> None:
    rule = Rule(columns=COLUMNS, history=history)

    def make(rng: np.random.Generator) -> Array:
        days = history + 365
        return size * (remembering(days, rng) + 0.5 * weekly(days, rng))

    asked = [
        sum(issues(seen) for seen in years(make, history, rule, 365, seed)) for seed in range(3)
    ]
    assert sum(asked) <= 3, asked


@pytest.mark.parametrize(("size", "delay"), [(0.5, 3), (1.0, 3)])
def test_a_real_shift_asks_within_days(size: float, delay: int) -> None:
    """Independent days of 500 rows: the median day on which the question is asked, of a shift of `size` deviations."""
    rng = np.random.default_rng(7)
    rule = Rule(columns=COLUMNS, history=90)
    found = []
    for _ in range(200):
        days = np.repeat(np.arange(90), 222)
        column = reference.number(rng.normal(size=len(days)), days)
        seen = [shift.measure(column, tally(column, size, 500, rng), rule).seen for _ in range(30)]
        ends = range(1, 31)
        found.append(
            next((end for end in ends if windows.state(seen[:end], SETTINGS) == "alarm"), 31)
        )
    assert np.median(found) <= delay and np.mean(np.array(found) <= 30) >= 0.95
