"""One verdict for all workers: what several saw apart weighs as if one had seen it all."""

from __future__ import annotations

import json
import random
from types import SimpleNamespace
from typing import Any

import pytest

from gitops_model.formats.removed import Removal
from gitops_model.formats.serving import Guard
from gitops_model.serving.guard import Judge
from gitops_model.serving.pooled import KEPT_SECONDS, Bench, PooledGuard
from tests.support.canaries import CANARY, OTHER, STABLE, routed

RULES = Guard(min_minutes=1, min_requests=100, errors=0.01, fallbacks=0.01)


class Crew:
    """Workers with a supervisor, and beside them a judge that sees everything itself."""

    def __init__(self, workers: int, rules: Guard = RULES) -> None:
        self.now = 0.0
        self.removed: list[tuple[int, Removal]] = []
        self.bench = Bench(rules, clock=lambda: self.now)
        self.guards = [self._guard(rules, n) for n in range(workers)]
        # The supervisor hears of the canary half a second after it is routed.
        self.alone = Judge(rules, stable=STABLE.ref.sha256, canary=CANARY.ref.sha256, now=0.5)

    def _guard(self, rules: Guard, number: int) -> PooledGuard:
        watcher: Any = SimpleNamespace(
            remove=lambda removal: self.removed.append((number, removal)), removed={}
        )
        guard = PooledGuard(rules, watcher)
        guard.switched(routed())
        return guard

    def ask(self, worker: int, *, canary: bool, status: int = 200, key: str | None = None) -> None:
        judge = self.guards[worker].judge
        for one in (judge, self.alone):
            assert one is not None
            one.note(
                canary=canary, status=status, seconds=0.001, rows=1, fell_back=False, score=None, key=key, now=self.now
            )  # fmt: skip

    def all_end(self) -> None:
        """Others follow, at their numbers, that route no canary yet."""
        for number in range(len(self.guards)):
            self.bench.gone(number)
            self.guards[number] = self._guard(RULES, number)
            self.guards[number].switched(routed(None))

    def half_second(self) -> list[dict[str, Any]]:
        self.now += 0.5
        for number, guard in enumerate(self.guards):
            self.bench.heard(number, json.loads(json.dumps(guard.told())))
        self.alone.tick(self.now)
        verdicts: list[dict[str, Any]] = json.loads(json.dumps(self.bench.verdicts()))
        for guard in self.guards:
            guard.hear(verdicts)
        return verdicts


def _told(state: Any) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in state["signals"] if one["name"] in ("errors", "fallbacks")}


def test_what_workers_saw_apart_weighs_as_if_one_had_seen_it_all() -> None:
    crew, random_ = Crew(3), random.Random(5)
    for _ in range(300):
        for _ in range(20):
            canary = random_.random() < 0.2
            failed = random_.random() < (0.03 if canary else 0.01)
            key = f"k{random_.randrange(40)}"
            crew.ask(
                random_.randrange(3), canary=canary, status=500 if failed else 200, key=key if failed else None
            )  # fmt: skip
        [verdict] = crew.half_second()
        alone = crew.alone.to_dict(crew.now)
        assert _told(verdict["state"]) == _told(alone)
        assert verdict["state"]["verdict"] == alone["verdict"]
    assert crew.alone.signals()[0].canary > 1000


def test_a_caller_that_fails_at_each_worker_counts_once() -> None:
    crew = Crew(4)
    for _ in range(200):
        for worker in range(4):
            crew.ask(worker, canary=True, status=500, key="the same")
            crew.ask(worker, canary=False)
        [verdict] = crew.half_second()
    assert verdict["state"]["verdict"] == crew.alone.verdict == "not yet"
    assert _told(verdict["state"])["errors"]["against"] < 1


def test_a_bad_canary_leaves_all_workers_by_the_verdict_of_one_judge() -> None:
    crew = Crew(3)
    while not crew.removed:
        assert crew.now < 60
        for worker in range(3):
            crew.ask(worker, canary=True, status=500)
            for _ in range(9):
                crew.ask(worker, canary=False)
        crew.half_second()
    assert [number for number, _ in crew.removed] == [0, 1, 2]
    [removal] = {removal for _, removal in crew.removed}
    assert (removal.model, removal.sha256) == (CANARY.ref.model, CANARY.ref.sha256)
    assert "requests that fail" in removal.reason
    # Once nobody routes it, it is forgotten: after `forgive` it is judged from nothing, and not taken out again.
    for guard in crew.guards:
        guard.switched(routed(None))
    assert crew.half_second() == []
    crew.removed.clear()
    for guard in crew.guards:
        guard.switched(routed())
    [verdict] = crew.half_second()
    assert (verdict["state"]["verdict"], crew.removed) == ("not yet", [])


def test_without_leave_to_act_a_bad_canary_is_only_spoken_of() -> None:
    crew = Crew(2, Guard(act=False, min_minutes=1, min_requests=100))
    for _ in range(40):
        for worker in range(2):
            crew.ask(worker, canary=True, status=500)
            crew.ask(worker, canary=False)
        [verdict] = crew.half_second()
    assert (verdict["state"]["verdict"], crew.removed) == ("bad", [])
    assert crew.guards[1].state() == verdict["state"]


def test_workers_that_switch_later_do_not_mix_two_canaries() -> None:
    crew = Crew(2)
    crew.guards[0].switched(routed(OTHER))
    for _ in range(30):
        crew.ask(1, canary=True, status=500)
        crew.ask(1, canary=False)
        judge = crew.guards[0].judge
        assert judge is not None
        for canary in (True, False):
            judge.note(
                canary=canary, status=200, seconds=0.001, rows=1, fell_back=False, score=None
            )
        verdicts = crew.half_second()
    found = {one["pair"][1]: one["state"]["verdict"] for one in verdicts}
    assert found == {CANARY.ref.sha256: "bad", OTHER.ref.sha256: "not yet"}
    assert [number for number, _ in crew.removed[:1]] == [1]
    assert {number for number, _ in crew.removed} == {1}


def test_what_an_ended_worker_saw_still_counts() -> None:
    crew = Crew(2)
    crew.ask(0, canary=True)
    crew.ask(0, canary=False)
    crew.ask(1, canary=False)
    crew.half_second()
    crew.bench.gone(0)
    crew.guards.pop(0)
    [verdict] = crew.half_second()
    assert _told(verdict["state"])["errors"]["stable"]["of"] == 2


def test_what_all_saw_still_counts_when_they_end_together() -> None:
    crew = Crew(2)
    for worker in range(2):
        crew.ask(worker, canary=True)
        crew.ask(worker, canary=False)
    crew.half_second()
    crew.all_end()
    crew.half_second()
    for guard in crew.guards:
        guard.switched(routed())
    [verdict] = crew.half_second()
    assert _told(verdict["state"])["errors"]["stable"]["of"] == 2
    crew.all_end()
    crew.now += KEPT_SECONDS
    assert crew.half_second() == []


@pytest.mark.parametrize("ends_first", [True, False])
def test_a_worker_that_ended_keeps_no_verdict_on_what_another_stopped_routing(
    ends_first: bool,
) -> None:
    crew = Crew(2)
    for worker in range(2):
        crew.ask(worker, canary=True)
    crew.half_second()
    if ends_first:
        crew.bench.gone(0)
    crew.guards[1].switched(routed(None))
    crew.bench.heard(1, crew.guards[1].told())
    if not ends_first:
        crew.bench.gone(0)
    crew.guards.clear()
    assert crew.half_second() == []
