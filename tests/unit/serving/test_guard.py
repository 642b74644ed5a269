"""Verdicts: what makes a canary bad, ok or neither, with the counts laid down request by request."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitops_model.formats.serving import Guard
from gitops_model.serving import guard
from gitops_model.serving.guard import Judge

QUICK = Guard(min_minutes=1, min_requests=100, errors=0.05, fallbacks=0.05)


class Stage:
    """A judge, and a clock that the test moves."""

    def __init__(self, rules: Guard = QUICK) -> None:
        self.now = 1000.0
        self.judge = Judge(rules, stable="s", canary="c", now=self.now)

    def ask(self, *, canary: bool, times: int = 1, **more: Any) -> None:
        plain = {"status": 200, "seconds": 0.01, "rows": 1, "fell_back": False, "score": None}
        for _ in range(times):
            self.judge.note(canary=canary, now=self.now, **(plain | more))

    def bucket(
        self, stable: dict[str, Any], canary: dict[str, Any], *, c: int = 5, s: int = 45
    ) -> str:
        self.ask(canary=False, times=s, **stable)
        self.ask(canary=True, times=c, **canary)
        self.now += 0.5
        return self.judge.tick(self.now)

    def until(
        self, word: str, stable: dict[str, Any], canary: dict[str, Any], most: int = 2000
    ) -> float:
        """Seconds until the verdict."""
        begin = self.now
        for _ in range(most):
            if self.bucket(stable, canary) == word:
                return self.now - begin
        raise AssertionError(f"never {word}: {self.judge.to_dict(self.now)}")


GOOD: dict[str, Any] = {}


@pytest.mark.parametrize(
    ("bad", "name"),
    [({"status": 500}, "errors"), ({"status": 504}, "errors"), ({"fell_back": True}, "fallbacks")],
)
def test_a_canary_that_fails_is_bad_within_seconds(bad: dict[str, Any], name: str) -> None:
    stage = Stage()
    assert stage.until("bad", GOOD, bad) < 20
    assert guard.WORDS[name] in stage.judge.reason()
    assert "100 % of" in stage.judge.reason() and "at stable 0 % of" in stage.judge.reason()


def test_what_fails_at_both_is_no_matter_of_the_canary() -> None:
    stage = Stage()
    for _ in range(500):
        assert stage.bucket({"status": 500}, {"status": 500}) == "not yet"


def test_a_canary_that_fails_less_than_stable_is_not_bad_but_ok() -> None:
    stage = Stage()
    stage.until("ok", {"fell_back": True}, GOOD)


def test_slow_is_told_by_stables_own_recent_answers() -> None:
    stage = Stage()
    assert stage.until("bad", {"seconds": 0.01}, {"seconds": 0.03}) < 30
    assert guard.WORDS["slow"] in stage.judge.reason()
    # 0.019 is less than twice as long.
    stage = Stage()
    for _ in range(300):
        assert stage.bucket({"seconds": 0.01}, {"seconds": 0.019}) != "bad"


def test_fractions_of_a_millisecond_are_nobodys_trouble() -> None:
    stage = Stage()
    for _ in range(300):
        assert stage.bucket({"seconds": 0.0003}, {"seconds": 0.0012}) != "bad"


def test_a_large_batch_is_measured_by_batches() -> None:
    stage = Stage()
    for _ in range(300):
        stage.ask(canary=True, times=5, rows=1000, seconds=1.0)
        assert stage.bucket(GOOD, GOOD) != "bad"
    for _ in range(300):
        stage.ask(canary=False, times=20, rows=900, seconds=0.3)
        stage.ask(canary=True, times=5, rows=1000, seconds=1.0)
        if stage.bucket(GOOD, GOOD) == "bad":
            return
    raise AssertionError("slow batches were not seen")


def test_one_caller_that_repeats_what_fails_is_one_finding() -> None:
    stage = Stage(Guard())
    for _ in range(120):
        stage.ask(canary=True, status=500, key="the same")
        assert stage.bucket(GOOD, GOOD) == "not yet"
    # The same failures by callers of their own are another matter; and it was never on the way to ok.
    assert stage.judge.signals()[0].in_favour < 1
    for number in range(60):
        stage.ask(canary=True, status=500, key=f"another {number}")
        if stage.bucket(GOOD, GOOD) == "bad":
            return
    raise AssertionError("many callers' failures were not seen")


def test_a_canary_that_goes_bad_after_a_day_is_out_within_a_minute_or_two() -> None:
    stage = Stage(Guard())
    quiet = stage.judge._panel
    stage.until("ok", GOOD, GOOD, most=20_000)
    import numpy as np

    row = np.array([[5.0] * 5, [0.0] * 5, [45.0] * 5, [0.0] * 5])
    for _ in range(24 * 3600 * 2 // 10):
        quiet.add(row)
    assert stage.until("bad", GOOD, {"status": 500}) < 20


def test_ok_waits_for_time_traffic_and_proof() -> None:
    stage = Stage(Guard(min_minutes=10, min_requests=5000, errors=0.05, fallbacks=0.05))
    waits = stage.judge.waits_for(stage.now)
    assert waits == ["0 of 10 minutes have passed", "0 of 5,000 requests were compared"]
    seconds = stage.until("ok", GOOD, GOOD, most=5000)
    assert seconds == 600
    assert stage.judge.waits_for(stage.now) == []
    # And ok does not make it safe.
    assert stage.until("bad", GOOD, {"status": 500}) < 20


def test_without_latencies_to_compare_it_is_not_ok() -> None:
    stage = Stage()
    for _ in range(1000):
        # Stable never gets the 50 answers that its limit is learned from.
        stage.ask(canary=False, status=500)
        stage.ask(canary=True, status=500)
        stage.now += 0.5
        assert stage.judge.tick(stage.now) == "not yet"


def test_scores_only_inform() -> None:
    stage = Stage()
    for _ in range(100):
        for tenth in range(10):
            stage.ask(canary=False, score=tenth / 10)
        assert stage.bucket(GOOD, {"score": 0.95}) != "bad"
    assert stage.judge.shift() is not None and "answers differ" in str(stage.judge.shift())
    assert stage.judge.signals()[-1].name == "scores"
    fallen = Stage()
    for _ in range(300):
        for tenth in range(10):
            fallen.ask(canary=False, score=tenth / 10)
        assert fallen.bucket(GOOD, {"score": 0.0}) != "bad"
    shown = fallen.judge.signals()[-1]
    assert fallen.judge.shift() is not None and shown.canary_events == 0 < shown.stable_events


def test_sparse_traffic_waits_for_its_pair_and_gives_up_after_a_minute() -> None:
    stage = Stage()
    stage.ask(canary=True)
    stage.now += 10
    stage.judge.tick(stage.now)
    assert stage.judge.signals()[0].canary == 0
    stage.ask(canary=False)
    stage.judge.tick(stage.now)
    assert stage.judge.signals()[0].canary == 1
    stage.ask(canary=True)
    stage.now += 60
    stage.judge.tick(stage.now)
    stage.ask(canary=False)
    stage.now += 1
    stage.judge.tick(stage.now)
    assert stage.judge.signals()[0].canary == 1


request = st.fixed_dictionaries(
    {
        "canary": st.booleans(),
        "status": st.sampled_from([200, 200, 200, 500, 504]),
        "seconds": st.floats(0, 2),
        "rows": st.integers(1, 1000),
        "fell_back": st.booleans(),
        "score": st.none() | st.floats(-5, 5),
        "key": st.sampled_from([None, "a", "b"]),
    }
)
moves = st.lists(st.one_of(request, st.floats(0, 100)), max_size=40)


def _play(stage: Stage, what: list[Any]) -> list[str]:
    seen = []
    for move in what:
        if isinstance(move, float):
            stage.now += move
            seen.append(stage.judge.tick(stage.now))
        else:
            stage.judge.note(now=stage.now, **move)
    return seen


@given(moves)
@settings(max_examples=100)
def test_little_traffic_is_never_ok_however_long_it_lasts(what: list[Any]) -> None:
    stage = Stage(Guard(min_minutes=1, min_requests=100, errors=0.4, fallbacks=0.4, slow=0.4))
    assert "ok" not in _play(stage, what)


@given(moves)
@settings(max_examples=100)
def test_no_stable_traffic_is_never_ok_and_never_bad(what: list[Any]) -> None:
    stage = Stage(Guard(min_minutes=1, min_requests=100, errors=0.4, fallbacks=0.4, slow=0.4))
    alone = [move if isinstance(move, float) else move | {"canary": True} for move in what] * 5
    assert set(_play(stage, alone)) <= {"not yet"}


@given(moves)
@settings(max_examples=100)
def test_a_canary_that_was_bad_stays_bad(what: list[Any]) -> None:
    stage = Stage()
    stage.until("bad", GOOD, {"status": 500})
    assert set(_play(stage, what)) <= {"bad"}


def test_what_is_known_fits_into_json() -> None:
    import json

    stage = Stage()
    stage.until("bad", GOOD, {"status": 500})
    for _ in range(5000):
        stage.judge._panel.add(stage.judge._panel.totals * 0 + 1.0)
    text = json.dumps(stage.judge.to_dict(stage.now), allow_nan=False)
    assert '"verdict": "bad"' in text
