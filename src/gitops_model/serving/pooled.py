"""One verdict on the canary for all workers: each tells the supervisor what it saw, and hears what follows.

A canary that answers a tenth of the requests is seen by each of four workers in a fortieth of them. Four judges would
need four times as long, and together take out four times as many good canaries; so there is one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from gitops_model.formats.pointer import Ref
from gitops_model.formats.removed import Removal
from gitops_model.formats.serving import Guard
from gitops_model.serving.guard import Seen
from gitops_model.serving.guarding import CanaryGuard
from gitops_model.serving.watcher import Watcher

# Stable's sha256 and the canary's.
Pair = tuple[str, str]
# Workers that all ended together have so long to load both and to route the canary again.
KEPT_SECONDS = 300.0


class Bench:
    """The supervisor's part: a judge for each pair that some worker serves. Workers switch one after the other."""

    def __init__(self, rules: Guard, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._rules = rules
        self._clock = clock
        self._guards: dict[Pair, CanaryGuard] = {}
        self._orders: dict[Pair, _Orders] = {}
        self._named: dict[int, Pair | None] = {}
        # Until when a pair is kept that nobody names.
        self._until: dict[Pair, float] = {}

    def heard(self, worker: int, told: Mapping[str, Any] | None) -> None:
        """What a worker saw of the canary it routes; None: it routes none."""
        if told is None:
            self._names(worker, None)
            return
        stable, canary = Ref(**told["stable"]), Ref(**told["canary"])
        pair = (stable.sha256, canary.sha256)
        self._names(worker, pair)
        if pair not in self._guards:
            self._orders[pair] = _Orders()
            guard = self._guards[pair] = CanaryGuard(
                self._rules, self._orders[pair], clock=self._clock
            )
            guard.begin(stable, canary)
        judge = self._guards[pair].judge
        assert judge is not None
        judge.pour(Seen.from_dict(told["seen"]), self._clock())

    def _names(self, worker: int, pair: Pair | None) -> None:
        before = self._named.get(worker)
        self._named[worker] = pair
        if pair != before:
            if before is not None:
                self._until[before] = 0.0
            if pair is not None:
                self._until.pop(pair, None)

    def gone(self, worker: int) -> None:
        """A worker ended. What it saw still counts, unless somebody stopped routing that canary."""
        pair = self._named.pop(worker, None)
        if pair is not None:
            self._until.setdefault(pair, self._clock() + KEPT_SECONDS)

    def verdicts(self) -> list[dict[str, Any]]:
        """What each worker is told: of each pair what is known, and the removal that follows from it."""
        for pair in self._guards.keys() - set(self._named.values()):
            if self._until.get(pair, 0.0) <= self._clock():
                del self._guards[pair], self._orders[pair]
                self._until.pop(pair, None)
        found = []
        for pair, guard in self._guards.items():
            guard.look()
            removals = self._orders[pair].removed.values()
            found.append(
                {
                    "pair": list(pair),
                    "state": guard.state(),
                    "removal": next((asdict(one) for one in removals), None),
                }
            )
        return found


class _Orders:
    """Keeps what the guard would have removed, for the workers to do it."""

    def __init__(self) -> None:
        self.removed: dict[str, Removal] = {}

    def remove(self, removal: Removal) -> None:
        self.removed[removal.sha256] = removal


class PooledGuard(CanaryGuard):
    """A worker's part: it notes what happens to both arms, and leaves the verdict to the supervisor."""

    def __init__(self, rules: Guard, watcher: Watcher) -> None:
        super().__init__(rules, watcher)
        self._heard: dict[str, Any] | None = None

    def look(self) -> None:
        """Nothing to decide here."""

    def told(self) -> dict[str, Any] | None:
        """For the supervisor: what was seen since the last time; None where no canary is routed."""
        judge = self.judge
        if judge is None:
            return None
        return {
            "stable": {"model": self._stable, "sha256": judge.stable},
            "canary": {"model": self._canary, "sha256": judge.canary},
            "seen": judge.take().to_dict(),
        }

    def hear(self, verdicts: list[dict[str, Any]]) -> None:
        """What the supervisor found. A canary that is bad leaves routing now."""
        judge = self.judge
        mine = None if judge is None else [judge.stable, judge.canary]
        self._heard = next((one for one in verdicts if one["pair"] == mine), None)
        if self._heard is not None and self._heard["removal"] is not None:
            self._watcher.remove(Removal(**self._heard["removal"]))

    def state(self) -> dict[str, Any] | None:
        """As the supervisor told it last; of a canary that it has not heard of, that nothing is known."""
        own = super().state()
        if own is None or self._heard is None:
            return own
        if self._heard["pair"] != [self.judge.stable, self.judge.canary]:  # type: ignore[union-attr]
            return own
        found: dict[str, Any] = self._heard["state"]
        return found
