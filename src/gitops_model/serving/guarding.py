"""The judge of the canary at work: fed by requests, asked twice a second, and obeyed through the watcher."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from gitops_model.formats.pointer import Ref
from gitops_model.formats.removed import Removal
from gitops_model.formats.serving import Guard
from gitops_model.serving.collectors import reader_of
from gitops_model.serving.guard import BUCKET_SECONDS, Judge, Verdict
from gitops_model.serving.loader import now as timestamp
from gitops_model.serving.predictor import RowAnswer
from gitops_model.serving.snapshot import Served, Snapshot
from gitops_model.serving.watcher import Watcher

logger = logging.getLogger("gitops_model.serving")

VERDICTS: tuple[Verdict, ...] = ("not yet", "ok", "bad")


class Removes(Protocol):
    """Takes canaries out of routing, and knows those that are."""

    @property
    def removed(self) -> Mapping[str, Removal]:
        """By sha256."""

    def remove(self, removal: Removal) -> None:
        """At once, and for good."""


class CanaryGuard:
    """Judges the canary that is routed, and takes it out when it is bad and `rules.act` says so.

    `judge` is None while there is no canary; requests look at that first, and pay nothing more.
    """

    def __init__(
        self, rules: Guard, watcher: Removes, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.judge: Judge | None = None
        self._rules = rules
        self._watcher = watcher
        self._clock = clock
        self._stable = ""
        self._canary = ""
        self._said: tuple[Verdict, str | None] = ("not yet", None)
        self._read: dict[str, Callable[[dict[str, Any]], tuple[str, float]]] = {}

    def switched(self, new: Snapshot) -> None:
        """A new routing table is in effect. Another canary, or another stable release, is judged from nothing."""
        stable, canary = new.stable, new.canary
        if stable is None or canary is None:
            self.judge = None
            return
        pair = (stable.ref.sha256, canary.ref.sha256)
        if self.judge is not None and pair == (self.judge.stable, self.judge.canary):
            return
        self._read = {one.ref.sha256: reader_of(one.loaded.contract) for one in (stable, canary)}
        self.begin(stable.ref, canary.ref)

    def begin(self, stable: Ref, canary: Ref) -> None:
        """Judge this pair, from nothing."""
        self._stable, self._canary = stable.model, canary.model
        self._said = ("not yet", None)
        self.judge = Judge(
            self._rules, stable=stable.sha256, canary=canary.sha256, now=self._clock()
        )

    def note(
        self,
        judge: Judge,
        *,
        served: Served,
        status: int,
        seconds: float,
        rows: Sequence[RowAnswer],
        fell_back: bool,
        asked: int,
        key: Callable[[], str | None],
    ) -> None:
        """A request that the router gave to stable or canary ended. `key` says whose it was; asked only on failure.

        Not counted: what broke the contract (422), which is the caller's, and what broke off without an answer.
        """
        sha256 = served.ref.sha256
        canary = sha256 == judge.canary
        if (not canary and sha256 != judge.stable) or (status < 500 and not rows):
            return
        failed = fell_back or status >= 500
        judge.note(
            canary=canary,
            status=status,
            seconds=seconds,
            rows=asked,
            fell_back=fell_back,
            score=None if failed else self._read[sha256](rows[0].output)[1],
            key=key() if failed else None,
            now=self._clock() if failed else 0.0,
        )

    async def run(self) -> None:
        """Ask for the verdict again and again, until cancelled."""
        while True:
            await asyncio.sleep(BUCKET_SECONDS)
            try:
                self.look()
            except Exception:
                # A guard that died would leave the canary unwatched for ever, silently.
                logger.exception("the canary cannot be judged; trying again")

    def look(self) -> None:
        """Say what is new, and take the canary out when it is bad."""
        judge = self.judge
        if judge is None:
            return
        verdict = judge.tick(self._clock())
        shift = judge.shift() if judge.ticked else self._said[1]
        if (verdict, shift) == self._said:
            return
        before, self._said = self._said, (verdict, shift)
        if shift is not None and shift != before[1] and before[1] is None:
            logger.warning("canary %s: %s", self._canary, shift, extra=self._extra(judge))
        if verdict == before[0]:
            return
        if verdict == "ok":
            logger.info("%s", self.proposal(judge), extra=self._extra(judge))
        elif verdict == "bad":
            self._bad(judge)

    def _bad(self, judge: Judge) -> None:
        reason = judge.reason()
        if not self._rules.act:
            logger.error(
                "canary %s is worse than %s (%s); it stays, because serving.yaml says guard: {act: false}",
                *(self._canary, self._stable, reason),
                extra=self._extra(judge),
            )
            return
        self._watcher.remove(
            Removal(
                model=self._canary,
                sha256=judge.canary,
                stable=self._stable,
                at=timestamp(),
                reason=reason,
            )
        )

    def _extra(self, judge: Judge) -> dict[str, str]:
        found = {"event": "canary", "model": self._canary, "sha256": judge.canary}
        return {**found, "verdict": judge.verdict}

    def proposal(self, judge: Judge) -> str:
        """That the canary may have all requests, with its numbers."""
        return (
            f"canary {self._canary} is no worse than {self._stable} by more than the margins: {judge.evidence()}. To "
            f"give it all requests: make ship MODEL={self._canary}"
        )

    def state(self) -> dict[str, Any] | None:
        """The canary's part of /status; None while none is routed."""
        judge = self.judge
        if judge is None:
            return None
        known = judge.to_dict(self._clock())
        return {
            "model": self._canary,
            "sha256": judge.canary,
            "stable": self._stable,
            "acts": self._rules.act,
            "proposal": self.proposal(judge) if judge.verdict == "ok" else None,
            **known,
        }

    def removals(self) -> list[dict[str, Any]]:
        """The canaries that were taken out, newest first, each with its sentence."""
        found = sorted(self._watcher.removed.values(), key=lambda one: one.at, reverse=True)
        return [
            {
                "model": one.model,
                "sha256": one.sha256,
                "stable": one.stable,
                "at": one.at,
                "reason": one.reason,
                "sentence": one.sentence(),
            }
            for one in found
        ]


class CanaryState(Collector):
    """The verdict on the canary that the pointer names, and how far the evidence is."""

    def __init__(self, guard: CanaryGuard, watcher: Watcher) -> None:
        self._guard = guard
        self._watcher = watcher

    def collect(self) -> Iterator[Metric]:
        """Called at each scrape."""
        verdict = GaugeMetricFamily(
            "model_canary_verdict",
            "1 for the verdict on the canary that the pointer names: not yet, ok or bad.",
            labels=("model", "verdict"),
        )
        evidence = GaugeMetricFamily(
            "model_canary_evidence_ratio",
            "Evidence against the canary (bad) or for it (ok) by signal; from 1 on it is proof.",
            labels=("model", "signal", "verdict"),
        )
        found = self._named()
        if found is not None:
            model, now = found
            for word in VERDICTS:
                verdict.add_metric((model, word), float(word == now))
        state = self._guard.state()
        if state is not None and found is not None:
            for signal in state["signals"]:
                evidence.add_metric((found[0], signal["name"], "bad"), signal["against"])
                evidence.add_metric((found[0], signal["name"], "ok"), signal["in_favour"])
        yield from (verdict, evidence)

    def _named(self) -> tuple[str, Verdict] | None:
        desired, state = self._watcher.desired, self._guard.state()
        canary = desired.pointer.canary if desired is not None else None
        if canary is None:
            return None
        if canary.sha256 in self._watcher.removed:
            return canary.model, "bad"
        judged = state is not None and state["sha256"] == canary.sha256
        return canary.model, state["verdict"] if state is not None and judged else "not yet"
