"""Who answers: stickiness, shares, monotony."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops_model.formats.pointer import Canary, Ref
from gitops_model.serving.router import BUCKETS, bucket, in_canary, route
from gitops_model.serving.service import Ask, sticky_key
from gitops_model.serving.snapshot import Beside, Loaded, Served, Snapshot

SALT = "ab" * 32
KEYS = [f"N{number:05d}" for number in range(10_000)]


def _served(number: int) -> Served:
    ref = Ref(model=f"flight-delay-v{number}", sha256=f"{number:064x}")
    return Served(ref=ref, loaded=_anything())


def _anything() -> Any:
    return Loaded.__new__(Loaded)


def _table(percent: float, key: str | None = None) -> Snapshot:
    canary = _served(2)
    rule = Canary(model=canary.ref.model, sha256=canary.ref.sha256, percent=percent, key=key)
    return Snapshot(stable=_served(1), canary=canary, canary_rule=rule)


def _ask(key: str | None = None, **inputs: Any) -> Ask:
    return Ask(request_id="r-1", key=key, rows=[inputs], batch=False, started=0.0)


def test_nothing_is_routed_when_nothing_is_loaded() -> None:
    assert route(Snapshot(), "anyone") is None


def test_without_a_canary_everyone_meets_stable() -> None:
    beside = Beside(ref=Ref(model="flight-delay-v3", sha256="3" * 64), schema_version=1)
    table = Snapshot(stable=_served(1), previous=_served(0), shadow=beside)
    assert {route(table, key) for key in KEYS[:100]} == {(table.stable, "stable")}


def test_a_canary_that_is_not_loaded_gets_nothing() -> None:
    table = replace(_table(100), canary=None)
    assert route(table, "N1") == (table.stable, "stable")


@pytest.mark.parametrize("percent", [0.5, 1, 10, 50, 99])
def test_the_observed_share_is_within_one_point_of_the_percent(percent: float) -> None:
    table = _table(percent)
    share = 100 * sum(route(table, key) == (table.canary, "canary") for key in KEYS) / len(KEYS)
    assert share == pytest.approx(percent, abs=1)


def test_all_or_nothing() -> None:
    assert all(in_canary(key, percent=100, salt=SALT) for key in KEYS)
    assert not any(in_canary(key, percent=0, salt=SALT) for key in KEYS)


@given(key=st.text(), low=st.floats(0.01, 100), high=st.floats(0.01, 100))
def test_raising_the_percent_moves_nobody_back(key: str, low: float, high: float) -> None:
    low, high = sorted((low, high))
    if in_canary(key, percent=low, salt=SALT):
        assert in_canary(key, percent=high, salt=SALT)


@given(key=st.text())
def test_the_same_key_falls_into_the_same_bucket(key: str) -> None:
    assert 0 <= bucket(key, salt=SALT) < BUCKETS
    assert bucket(key, salt=SALT) == bucket(key, salt=SALT)


def test_buckets_are_the_same_on_every_machine_and_for_ever() -> None:
    assert [bucket(key, salt=SALT) for key in ("N14228", "", "é", "\ud800")] == [
        903,
        168,
        3266,
        9722,
    ]


def test_another_rollout_has_other_first_callers() -> None:
    first, second = (
        {key for key in KEYS if in_canary(key, percent=10, salt=salt)} for salt in (SALT, "cd" * 32)
    )
    # Two independent tenths overlap in a hundredth.
    assert len(first & second) < 0.02 * len(KEYS)


@pytest.mark.parametrize(
    ("rule_key", "ask", "key"),
    [
        ("tailnum", _ask("N14228"), "N14228"),
        ("carrier", _ask("N14228", carrier="UA"), "N14228"),
        ("carrier", _ask(carrier="UA"), "UA"),
        ("carrier", _ask(carrier=None), "r-1"),
        ("tailnum", _ask(carrier="UA"), "r-1"),
        (None, _ask(carrier="UA"), "r-1"),
    ],
)
def test_a_canary_sticks_to_key_then_named_input_then_request_id(
    rule_key: str | None, ask: Ask, key: str
) -> None:
    assert sticky_key(_table(10, rule_key), ask) == key
