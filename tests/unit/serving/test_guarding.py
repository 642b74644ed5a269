"""The judge at work: what it is fed, what it says, and how it is obeyed. Watcher and clock are the test's."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import Any

import pytest

from gitops_model.formats.pointer import Pointer
from gitops_model.formats.removed import Removal
from gitops_model.formats.serving import Guard
from gitops_model.serving.guarding import CanaryGuard, CanaryState
from gitops_model.serving.predictor import RowAnswer
from gitops_model.serving.snapshot import Served
from tests.support.canaries import CANARY, OTHER, STABLE, routed

QUICK = Guard(min_minutes=1, min_requests=100, errors=0.05, fallbacks=0.05)


class Place:
    """A guard, with a watcher that writes down what it was told."""

    def __init__(self, rules: Guard = QUICK) -> None:
        self.now = 0.0
        self.told: list[Removal] = []
        rule = routed().canary_rule
        self.watcher: Any = SimpleNamespace(
            remove=self.told.append,
            removed={},
            desired=SimpleNamespace(pointer=Pointer(stable=STABLE.ref, canary=rule)),
        )
        self.guard = CanaryGuard(rules, self.watcher, clock=lambda: self.now)
        self.guard.switched(routed())

    def ask(
        self, served: Served, *, times: int = 1, status: int = 200, fell_back: bool = False
    ) -> None:
        output = {"delayed": True, "probability": 0.7}
        rows = [RowAnswer(output=output, imputed=[], fell_back=fell_back)] if status == 200 else []
        for _ in range(times):
            assert self.guard.judge is not None
            self.guard.note(
                self.guard.judge,
                served=served,
                status=status,
                seconds=0.01,
                rows=rows,
                fell_back=fell_back,
                asked=1,
                key=lambda: None,
            )

    def bucket(self, *, status: int = 200, fell_back: bool = False) -> None:
        self.ask(STABLE, times=45)
        self.ask(CANARY, times=5, status=status, fell_back=fell_back)
        self.now += 0.5
        self.guard.look()

    def metrics(self) -> dict[tuple[str, ...], float]:
        families = CanaryState(self.guard, self.watcher).collect()
        return {
            (sample.name, *sample.labels.values()): sample.value
            for family in families
            for sample in family.samples
        }


def test_a_bad_canary_is_handed_to_the_watcher_once() -> None:
    place = Place()
    for _ in range(100):
        place.bucket(status=500)
    (one,) = place.told
    assert (one.model, one.sha256, one.stable) == (
        CANARY.ref.model,
        CANARY.ref.sha256,
        STABLE.ref.model,
    )
    assert "requests that fail: 100 %" in one.reason


def test_an_ok_canary_is_proposed_with_its_numbers(caplog: pytest.LogCaptureFixture) -> None:
    place = Place()
    with caplog.at_level(logging.INFO):
        for _ in range(400):
            place.bucket()
    state = place.guard.state()
    assert state is not None and state["verdict"] == "ok" and place.told == []
    assert state["proposal"].endswith("make ship MODEL=flight-delay-v2")
    assert "requests that fail: 0 % of 2,000, at stable 0 % of 18,000" in state["proposal"]
    said = [one.getMessage() for one in caplog.records]
    assert len(said) == 1 and said[0].endswith("make ship MODEL=flight-delay-v2")
    found = place.metrics()
    assert found["model_canary_verdict", "flight-delay-v2", "ok"] == 1
    assert found["model_canary_verdict", "flight-delay-v2", "bad"] == 0
    assert found["model_canary_evidence_ratio", "flight-delay-v2", "errors", "ok"] >= 1
    assert found["model_canary_evidence_ratio", "flight-delay-v2", "slow", "bad"] < 1


def test_what_does_not_count() -> None:
    place = Place()
    for served in (STABLE, CANARY):
        place.ask(served, status=422)
        place.ask(OTHER)
    place.ask(CANARY)
    assert place.guard.judge is not None
    assert [arm.requests for arm in place.guard.judge._arms] == [0, 1]


def test_another_canary_or_another_stable_release_is_judged_from_nothing() -> None:
    place = Place()
    first = place.guard.judge
    place.guard.switched(routed())
    assert place.guard.judge is first, "another percent, or a freeze, is no reason to forget"
    place.guard.switched(routed(OTHER))
    assert place.guard.judge is not first
    place.guard.switched(routed(None))
    assert place.guard.judge is None and place.guard.state() is None
    place.guard.look()


def test_metrics_know_a_canary_that_is_out_and_none_that_is_not_named() -> None:
    place = Place()
    sha256 = CANARY.ref.sha256
    one = Removal(model=CANARY.ref.model, sha256=sha256, stable="s", at="2026-01-01", reason="r")
    place.watcher.removed = {sha256: one}
    place.guard.switched(routed(None))
    assert place.metrics()["model_canary_verdict", "flight-delay-v2", "bad"] == 1
    assert place.guard.removals()[0]["reason"] == "r"
    place.watcher.desired = SimpleNamespace(pointer=Pointer(stable=STABLE.ref))
    assert place.metrics() == {}
    place.watcher.desired = None
    assert place.metrics() == {}


def test_a_shift_of_scores_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    place = Place()
    for number in range(400):
        for tenth in range(9):
            rows = [
                RowAnswer(
                    output={"delayed": False, "probability": tenth / 10},
                    imputed=[],
                    fell_back=False,
                )
            ]
            assert place.guard.judge is not None
            place.guard.note(
                place.guard.judge, served=STABLE, status=200, seconds=0.01, rows=rows,
                fell_back=False, asked=1, key=lambda: None,
            )  # fmt: skip
        place.ask(CANARY, times=3)
        place.now += 0.5
        place.guard.look()
        assert number < 400
    said = [one.getMessage() for one in caplog.records if "answers differ" in one.getMessage()]
    assert len(said) == 1 and place.told == []
