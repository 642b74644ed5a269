"""The last hour: what is counted where, and what a percentile may be off by."""

from __future__ import annotations

import random

import pytest

from gitops_model.serving import history
from gitops_model.serving.history import EDGES, MINUTES, History


def filled(times: list[float]) -> History:
    now = 0.0
    found = History(lambda: now)
    for at in times:
        now = at
        found.add(status=200, seconds=0.001, rows=1)
    return found


def test_a_request_counts_in_its_minute_and_older_ones_fall_out() -> None:
    now = 1000.0
    found = History(lambda: now)
    for minute in range(100):
        now = 1000.0 + 60 * minute
        found.add(status=200 if minute % 2 else 503, seconds=0.001, rows=2, missing=["a"])
    minutes = found.minutes()
    assert len(minutes) == MINUTES and all(minutes)
    assert sum(m.requests for m in minutes if m) == 60
    assert sum(m.failed for m in minutes if m) == 30
    assert history.missing(minutes) == {"a": 0.5}


def test_minutes_without_a_request_are_gaps() -> None:
    minutes = filled([0.0, 61.0, 600.0]).minutes()
    there = [place for place, minute in enumerate(minutes) if minute]
    assert there == [MINUTES - 11, MINUTES - 10, MINUTES - 1]
    assert [m and m.requests for m in filled([]).minutes()] == [None] * MINUTES


def test_kinds_of_ends() -> None:
    found = History(lambda: 0.0)
    for status in (200, 422, 404, 500, 504):
        found.add(status=status, seconds=0.01, rows=0)
    (minute,) = [m for m in found.minutes() if m]
    assert (minute.requests, minute.refused, minute.failed, minute.rows) == (5, 2, 2, 0)
    assert history.missing([minute]) == {}


@pytest.mark.parametrize("share", [0.5, 0.95, 0.99])
def test_a_percentile_is_off_by_a_fifth_at_most(share: float) -> None:
    chance = random.Random(0)
    values = sorted(chance.lognormvariate(-6, 1) for _ in range(5000))
    found = History(lambda: 0.0)
    for value in values:
        found.add(status=200, seconds=value, rows=1)
    (minute,) = [m for m in found.minutes() if m]
    exact = values[int(share * len(values)) - 1]
    got = minute.percentile(share)
    assert got is not None and exact <= got <= 1.2 * exact


def test_times_beyond_the_buckets_count_too() -> None:
    found = History(lambda: 0.0)
    found.add(status=200, seconds=0.0, rows=1)
    found.add(status=200, seconds=1e9, rows=1)
    (minute,) = [m for m in found.minutes() if m]
    assert minute.percentile(0.1) == EDGES[0] and minute.percentile(1) == EDGES[-1]
    assert history.percentile([0] * (len(EDGES) + 1), 0.5) is None
