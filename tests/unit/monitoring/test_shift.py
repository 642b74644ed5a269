"""What counts as a shift, on streams whose truth is known. The rates of false alarms are in tests/simulation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitops_model.formats.profile import MISSING, OTHER, Number
from gitops_model.monitoring import counts, shift
from gitops_model.monitoring.shift import Rule
from gitops_model.pipeline import reference

RNG = np.random.default_rng(20)
NORMAL = reference.number(RNG.normal(size=20_000), None)
LETTERS = reference.category(
    np.array(list("abcdefgh"), dtype=object)[
        RNG.choice(8, size=20_000, p=[0.4, 0.2, 0.1, 0.1, 0.1, 0.05, 0.04, 0.01])
    ],
    None,
)
FORTY = Rule(columns=40)
USUAL = {"a": 200, "b": 100, "c": 50, "d": 50, "e": 50, "f": 25, "g": 20, "h": 5}


def seen(values: np.ndarray, column: Number = NORMAL, rule: Rule = FORTY) -> bool:
    return shift.measure(column, counts.numbers(column, values), rule).seen


def rate(make: object, times: int = 300) -> float:
    return sum(seen(make()) for _ in range(times)) / times  # type: ignore[operator]


def test_half_a_deviation_in_500_rows_is_found() -> None:
    assert rate(lambda: RNG.normal(0.5, 1, 500)) >= 0.95


def spoiled(values: np.ndarray) -> np.ndarray:
    values[0] = 1e6
    return values


def test_one_enormous_value_hides_no_shift_and_is_none() -> None:
    assert rate(lambda: spoiled(RNG.normal(0.5, 1, 500))) >= 0.95
    assert rate(lambda: spoiled(RNG.normal(0, 1, 500))) == 0


@pytest.mark.parametrize("rows", [50, 200, 1000, 100_000])
def test_without_a_shift_nothing_is_seen(rows: int) -> None:
    assert rate(lambda: RNG.normal(size=rows), 20 if rows > 1000 else 300) == 0


def test_a_shift_too_small_to_matter_is_not_seen_in_any_number_of_rows() -> None:
    values = RNG.normal(0.05, 1, 1_000_000)
    found = shift.measure(NORMAL, counts.numbers(NORMAL, values), FORTY)
    assert found.chance < 1e-6 and not found.seen


def test_missing_values_are_found_and_named() -> None:
    values = RNG.normal(size=500)
    values[:300] = np.nan
    found = shift.measure(NORMAL, counts.numbers(NORMAL, values), FORTY)
    assert found.seen and found.moved.name == MISSING and found.moved.now == 0.6


def test_a_new_category_is_found_and_named() -> None:
    tally = counts.categories(LETTERS, {**USUAL, "new": 55}, missing=0)
    found = shift.measure(LETTERS, tally, FORTY)
    assert found.seen and found.moved.name == OTHER and tally.unseen == {"new": 55}


def test_a_few_new_values_are_no_shift() -> None:
    tally = counts.categories(LETTERS, {**USUAL, "new": 1, "other": 1}, missing=1)
    assert not shift.measure(LETTERS, tally, FORTY).seen


@pytest.mark.parametrize("values", [np.full(500, np.nan), np.full(500, np.inf), np.zeros(500)])
def test_an_empty_an_infinite_and_a_constant_column_are_seen(values: np.ndarray) -> None:
    assert seen(values)


def test_a_column_that_was_empty_and_still_is_has_not_shifted() -> None:
    empty = reference.number(np.full(1000, np.nan), None)
    assert not seen(np.full(500, np.nan), empty)
    assert seen(np.zeros(500), empty)


def remembering(days: int, rng: np.random.Generator) -> np.ndarray:
    level = np.zeros(days + 60)
    for day in range(1, len(level)):
        level[day] = 0.8 * level[day - 1] + 0.6 * rng.normal()
    return level[60:]


def test_weather_like_yesterdays_is_no_shift_and_another_season_is() -> None:
    rng = np.random.default_rng(21)
    level = remembering(90 + 60, rng)
    days = np.repeat(np.arange(90), 222)
    column = reference.number(level[days] + rng.normal(size=len(days)), days)
    rule = Rule(columns=40, windows=365 / 7, days=7, history=90)

    def week(first: int, more: float) -> np.ndarray:
        return np.repeat(level[90 + first : 97 + first], 222) + more + rng.normal(size=7 * 222)

    calm = [seen(week(first, 0), column, rule) for first in range(0, 49, 7)]
    warm = [seen(week(first, 8), column, rule) for first in range(0, 49, 7)]
    assert not any(calm) and sum(warm) >= 6
    # What saves the calm weeks is the third condition alone.
    careless = Rule(columns=40, windows=365 / 7, days=7, history=None)
    assert any(seen(week(first, 0), column, careless) for first in range(0, 49, 7))


@settings(deadline=None)
@given(
    st.lists(st.floats(allow_nan=True, allow_infinity=True, width=32), max_size=60),
    st.integers(0, 60),
)
def test_counting_in_parts_is_counting_at_once(values: list[float], at: int) -> None:
    array = np.array(values, dtype=np.float64)
    whole = counts.numbers(NORMAL, array)
    parts = counts.numbers(NORMAL, array[:at]) + counts.numbers(NORMAL, array[at:])
    assert (whole.rows, whole.missing, whole.beyond) == (parts.rows, parts.missing, parts.beyond)
    assert whole.bins.tolist() == parts.bins.tolist()
    assert whole.total == pytest.approx(parts.total)


@settings(deadline=None)
@given(st.dictionaries(st.text(max_size=3), st.integers(1, 1000), max_size=80), st.integers(0, 50))
def test_any_texts_are_judged_without_a_crash(values: dict[str, int], missing: int) -> None:
    tally = counts.categories(LETTERS, values, missing=missing)
    assert len(tally.unseen) <= counts.MOST_NAMES
    if tally.rows:
        found = shift.measure(LETTERS, tally, FORTY)
        assert found.size >= 0 and 0 <= found.chance <= 1
