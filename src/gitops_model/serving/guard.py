"""Whether a canary may stay: counts of both arms, and the verdict that follows from them. No clock, no files.

Three signals may take a canary out: errors (5xx, time-outs), fallbacks, and slow answers. An answer is slow when it
takes `slower` times as long as the middle one of stable's own recent answers to requests of about as many rows. That
limit is known before the bucket that it is used in. The false removals allowed are divided among the three.

Scores only inform. A release is meant to answer differently, and without labels nobody knows which answer was right.
Labels come days later and not to the service, so loss is no signal here: `monitor` measures it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

import numpy as np

from gitops_model.formats.serving import Guard
from gitops_model.serving.evidence import (
    EQUAL_WEIGHTS,
    WORSE_WEIGHTS,
    Counts,
    Evidence,
    Numbers,
    against_equal,
    against_worse,
)

Verdict = Literal["not yet", "ok", "bad"]
# Canary and stable are compared within so many seconds, so that whatever comes and goes meets both.
BUCKET_SECONDS = 0.5
# Sparse traffic: a bucket stays open until both arms have a request, and is dropped after this.
PATIENCE_SECONDS = 60.0
# The limit for slow answers needs so many answers of stable, and is the middle of so many.
LEARN, REMEMBER = 50, 200
# Below this nobody notices: a model of 0.3 ms may take 0.9.
LEAST_SLOWER_SECONDS = 0.001
# A caller that sends what fails again and again is one finding, not many: it counts once in so many seconds.
REPEAT_SECONDS = 60.0
MOST_KEYS = 10_000
# Of one half second; more are not told to the other workers, and so count once for each.
MOST_FIRSTS = 1000
# The chance that a canary worse than a margin is called ok. All signals must agree, so it is not divided.
FALSE_OK = 0.05

ACTING = ("errors", "fallbacks", "slow")
WORDS = {
    "errors": "requests that fail",
    "fallbacks": "answers that are the fallback",
    "slow": "answers that are slow",
    "scores": "scores above the middle one of stable",
}


@dataclass(slots=True)
class Arm:
    """Counts of one arm in the open bucket. `first_*` leave out what the same caller met a moment ago."""

    requests: int = 0
    errors: int = 0
    first_errors: int = 0
    answered: int = 0
    fallbacks: int = 0
    first_fallbacks: int = 0
    timed: int = 0
    slow: int = 0
    scored: int = 0
    high: int = 0


# Whether it was the canary's, which count of Arm it is in, and whose request it was.
First = tuple[bool, str, str]


@dataclass(kw_only=True)
class Seen:
    """What one process noted in a moment: both arms, and whose failures were counted as first ones."""

    stable: Arm
    canary: Arm
    firsts: list[First]

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> Seen:
        """What `to_dict` made."""
        arms = {name: Arm(**data[name]) for name in ("stable", "canary")}
        return Seen(**arms, firsts=[(bool(c), str(k), str(key)) for c, k, key in data["firsts"]])


class Panel:
    """Signals side by side: totals of both arms, and the evidence. Arrays by signal; in simulations by canary, too."""

    def __init__(
        self, margins: Sequence[float], alphas: Sequence[float], shape: tuple[int, ...] = ()
    ) -> None:
        self.margins, self._needed = np.array(margins), 1 / np.array(alphas)
        full = (*shape, len(margins))
        self._bad = Evidence(EQUAL_WEIGHTS, full)
        self._good = Evidence(WORSE_WEIGHTS, full)
        # Canary's requests and events, stable's requests and events.
        self.totals = np.zeros((4, *full))

    def add(self, counts: Counts, *, first: Counts = None) -> None:
        """A bucket, ordered like `totals`. `first`: the same without repetition, which alone can tell against."""
        told = counts if first is None else first
        self._bad.add(against_equal(told[0], told[1], told[2], told[3], self.margins))
        self._good.add(against_worse(counts[0], counts[1], counts[2], counts[3], self.margins))
        self.totals += counts

    @property
    def against(self) -> Numbers:
        """Evidence that the canary is worse by more than the margin; 1 is proof."""
        return self._bad.value / self._needed

    @property
    def in_favour(self) -> Numbers:
        """Evidence that it is not; 1 is proof."""
        return self._good.value * FALSE_OK


def acting(rules: Guard, shape: tuple[int, ...] = ()) -> Panel:
    """The signals that may take a canary out."""
    margins = (rules.errors, rules.fallbacks, rules.slow)
    return Panel(margins, [rules.false_removals / len(ACTING)] * len(ACTING), shape)


@dataclass(frozen=True, kw_only=True)
class Signal:
    """What one signal shows by now."""

    name: str
    canary: int
    canary_events: int
    stable: int
    stable_events: int
    margin: float
    against: float
    in_favour: float

    def to_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "means": WORDS[self.name],
            "acts": self.name in ACTING,
            "canary": {"events": self.canary_events, "of": self.canary},
            "stable": {"events": self.stable_events, "of": self.stable},
            "margin": self.margin,
            "against": float(f"{min(self.against, 1e6):.3g}"),
            "in_favour": float(f"{min(self.in_favour, 1e6):.3g}"),
        }

    def words(self) -> str:
        """`requests that fail: 5.1 % of 236, at stable 0 % of 2,141`."""
        return (
            f"{WORDS[self.name]}: {_percent(self.canary_events, self.canary)} of {self.canary:,}, at stable "
            f"{_percent(self.stable_events, self.stable)} of {self.stable:,}"
        )


def _signals(panel: Panel, names: Sequence[str]) -> list[Signal]:
    totals, against, good = panel.totals.tolist(), panel.against.tolist(), panel.in_favour.tolist()
    return [
        Signal(
            name=name,
            canary=int(totals[0][i]),
            canary_events=int(totals[1][i]),
            stable=int(totals[2][i]),
            stable_events=int(totals[3][i]),
            margin=float(panel.margins[i]),
            against=against[i],
            in_favour=good[i],
        )
        for i, name in enumerate(names)
    ]


@dataclass
class _Recent:
    """The latest values of stable, and the middle of those that came before the open bucket."""

    values: deque[float] = field(default_factory=lambda: deque(maxlen=REMEMBER))
    middle: float | None = None

    def learn(self) -> None:
        if len(self.values) >= LEARN:
            ordered = sorted(self.values)
            self.middle = ordered[len(ordered) // 2]


class Judge:
    """Judges one canary against one stable release, both known by their sha256. Times are seconds of any one clock."""

    def __init__(self, rules: Guard, *, stable: str, canary: str, now: float) -> None:
        self.rules = rules
        self.stable = stable
        self.canary = canary
        self.began = now
        self.verdict: Verdict = "not yet"
        self.ticked = False
        each, half = rules.false_removals / len(ACTING), rules.false_removals / 2
        # Scores twice: a share that rose, and one that fell.
        self._panel = Panel(
            (rules.errors, rules.fallbacks, rules.slow, rules.scores, rules.scores),
            (each, each, each, half, half),
        )
        self._arms = (Arm(), Arm())
        self._opened = now
        self._failed: dict[str, float] = {}
        self._firsts: list[First] = []
        self._seconds: dict[int, _Recent] = {}
        # Limits by size, apart from what they are learned from: one look-up a request.
        self._limits: dict[int, float] = {}
        self._scores = _Recent()

    def note(
        self,
        *,
        canary: bool,
        status: int,
        seconds: float,
        rows: int,
        fell_back: bool,
        score: float | None,
        key: str | None = None,
        now: float = 0.0,
    ) -> None:
        """A request of one arm ended. `key`: whose it is, None when nobody can tell. On the request path."""
        arm = self._arms[canary]
        arm.requests += 1
        if status >= 500:
            arm.errors += 1
            arm.first_errors += self._is_first(key, now, canary, "first_errors")
        else:
            arm.answered += 1
            if fell_back:
                arm.fallbacks += 1
                arm.first_fallbacks += self._is_first(key, now, canary, "first_fallbacks")
        size = rows.bit_length()
        limit = self._limits.get(size)
        if limit is not None and (status < 500 or status == 504):
            arm.timed += 1
            if seconds > limit:
                arm.slow += 1
        if score is not None and not fell_back:
            middle = self._scores.middle
            if middle is not None:
                arm.scored += 1
                if score > middle:
                    arm.high += 1
            if not canary:
                self._scores.values.append(score)
        if not canary and status < 500:
            recent = self._seconds.get(size)
            if recent is None:
                recent = self._seconds[size] = _Recent()
            recent.values.append(seconds)

    def _is_first(self, key: str | None, now: float, canary: bool, kind: str) -> bool:
        if key is None:
            return True
        before = self._failed.get(key)
        if before is not None and now - before < REPEAT_SECONDS:
            return False
        if len(self._failed) >= MOST_KEYS:
            self._failed.clear()
        self._failed[key] = now
        if len(self._firsts) < MOST_FIRSTS:
            self._firsts.append((canary, kind, key))
        return True

    def take(self) -> Seen:
        """What was noted since the last time, for a judge of several processes. What slow means is learned on here."""
        stable, canary = self._arms
        seen = Seen(stable=stable, canary=canary, firsts=self._firsts)
        self._arms, self._firsts = (Arm(), Arm()), []
        self._learn()
        return seen

    def pour(self, seen: Seen, now: float) -> None:
        """Add what another process took. Its callers are known by now where they failed at a third one."""
        for canary, kind, key in seen.firsts:
            if not self._is_first(key, now, canary, kind):
                arm = seen.canary if canary else seen.stable
                setattr(arm, kind, getattr(arm, kind) - 1)
        self._firsts.clear()
        for mine, new in zip(self._arms, (seen.stable, seen.canary), strict=True):
            for name in Arm.__slots__:
                setattr(mine, name, getattr(mine, name) + getattr(new, name))

    def tick(self, now: float) -> Verdict:
        """Close the bucket when it is due, and judge. Off the request path; a canary that was bad stays bad."""
        if self.verdict == "bad":
            return self.verdict
        stable, canary = self._arms
        age = now - self._opened
        paired = stable.requests > 0 and canary.requests > 0
        if age >= BUCKET_SECONDS and (paired or age >= PATIENCE_SECONDS):
            if paired:
                self._compare(stable, canary)
                self.ticked = True
            self._arms, self._opened = (Arm(), Arm()), now
            self._firsts.clear()
            self._learn()
            self._decide(now)
        return self.verdict

    def _compare(self, s: Arm, c: Arm) -> None:
        requests = (c.requests, c.answered, c.timed, c.scored, c.scored)
        of_stable = (s.requests, s.answered, s.timed, s.scored, s.scored)
        high, high_s = (c.high, c.scored - c.high), (s.high, s.scored - s.high)
        events = (c.errors, c.fallbacks, c.slow, *high)
        events_s = (s.errors, s.fallbacks, s.slow, *high_s)
        counts = np.array((requests, events, of_stable, events_s))
        first = None
        if (c.first_errors, c.first_fallbacks) != (c.errors, c.fallbacks) or (
            (s.first_errors, s.first_fallbacks) != (s.errors, s.fallbacks)
        ):
            first = counts.copy()
            first[1, :2] = c.first_errors, c.first_fallbacks
            first[3, :2] = s.first_errors, s.first_fallbacks
        self._panel.add(counts, first=first)

    def _learn(self) -> None:
        for size, recent in self._seconds.items():
            recent.learn()
            if recent.middle is not None:
                slower = recent.middle * (self.rules.slower - 1)
                self._limits[size] = recent.middle + max(slower, LEAST_SLOWER_SECONDS)
        self._scores.learn()

    def _decide(self, now: float) -> None:
        if (self._panel.against[: len(ACTING)] >= 1).any():
            self.verdict = "bad"
        elif self.verdict == "not yet" and not self.waits_for(now):
            self.verdict = "ok"

    def signals(self) -> list[Signal]:
        """What each signal shows, of the scores the direction with more evidence."""
        *found, higher, lower = _signals(self._panel, (*ACTING, "scores", "scores"))
        if higher.against >= lower.against:
            return [*found, higher]
        flipped = (lower.canary - lower.canary_events, lower.stable - lower.stable_events)
        return [*found, replace(lower, canary_events=flipped[0], stable_events=flipped[1])]

    def waits_for(self, now: float) -> list[str]:
        """What is missing for ok, in words."""
        missing = []
        minutes, seen = (now - self.began) / 60, int(self._panel.totals[0, 0])
        if minutes < self.rules.min_minutes:
            missing.append(f"{minutes:.0f} of {self.rules.min_minutes:g} minutes have passed")
        if seen < self.rules.min_requests:
            missing.append(f"{seen:,} of {self.rules.min_requests:,} requests were compared")
        if missing:
            return missing
        return [
            f"not yet shown within its margin: {signal.words()}"
            for signal in self.signals()
            if signal.name in ACTING and signal.in_favour < 1
        ]

    def reason(self) -> str:
        """Why the canary is bad: the signals that prove it."""
        proving = (one for one in self.signals() if one.name in ACTING and one.against >= 1)
        return "; ".join(one.words() for one in proving)

    def evidence(self) -> str:
        """All signals that act, in words."""
        return "; ".join(one.words() for one in self.signals() if one.name in ACTING)

    def shift(self) -> str | None:
        """That the scores shifted, in words; None while that is not shown."""
        scores = self.signals()[-1]
        return f"answers differ: {scores.words()}" if scores.against >= 1 else None

    def to_dict(self, now: float) -> dict[str, Any]:
        """What is known, for /status."""
        return {
            "verdict": self.verdict,
            "minutes": round((now - self.began) / 60, 1),
            "waits_for": self.waits_for(now) if self.verdict == "not yet" else [],
            "reason": self.reason() if self.verdict == "bad" else None,
            "evidence": self.evidence(),
            "shift": self.shift(),
            "signals": [signal.to_dict() for signal in self.signals()],
        }


def _percent(events: int, of: int) -> str:
    share = events / of if of else 0.0
    return f"{100 * share:.3g} %"
