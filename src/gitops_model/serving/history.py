"""The last hour in minutes: requests, how they ended, how long they took. Fixed size, one addition a request."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

MINUTES = 60
# Upper ends in seconds, a quarter of a power of two apart: a percentile is off by at most a fifth.
EDGES = tuple(50e-6 * 2 ** (step / 4) for step in range(73))


@dataclass
class Minute:
    """Prediction requests of one minute, counted by minutes since the process began."""

    number: int
    requests: int = 0
    refused: int = 0
    failed: int = 0
    rows: int = 0
    missing: Counter[str] = field(default_factory=Counter)
    durations: list[int] = field(default_factory=lambda: [0] * (len(EDGES) + 1))

    def percentile(self, share: float) -> float | None:
        """The time in seconds that `share` of the requests stayed below; None without a request."""
        return percentile(self.durations, share)


class History:
    """Minutes of the last hour, oldest first; `clock` counts seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began = clock()
        self._minutes: deque[Minute] = deque(maxlen=MINUTES)

    def add(self, *, status: int, seconds: float, rows: int, missing: Sequence[str] = ()) -> None:
        """A prediction request ended."""
        number = int((self._clock() - self._began) // 60)
        if not self._minutes or self._minutes[-1].number != number:
            self._minutes.append(Minute(number))
        minute = self._minutes[-1]
        minute.requests += 1
        minute.durations[bisect_left(EDGES, seconds)] += 1
        if status >= 500:
            minute.failed += 1
        elif status >= 400:
            minute.refused += 1
        minute.rows += rows
        if missing:
            minute.missing.update(missing)

    def minutes(self) -> list[Minute | None]:
        """The last hour, minute by minute to the one that passes now; None where nobody asked."""
        now = int((self._clock() - self._began) // 60)
        held = {minute.number: minute for minute in self._minutes}
        return [held.get(number) for number in range(now - MINUTES + 1, now + 1)]


def percentile(durations: Sequence[int], share: float) -> float | None:
    """The upper end of the bucket that holds `share` of what was counted by `EDGES`; None where nothing was."""
    total, passed = sum(durations), 0
    for place, count in enumerate(durations):
        passed += count
        if total and passed >= share * total:
            return EDGES[min(place, len(EDGES) - 1)]
    return None


def missing(minutes: Sequence[Minute | None]) -> Mapping[str, float]:
    """The share of rows without a value, by input, of the whole time; only inputs that ever lacked one."""
    rows = sum(minute.rows for minute in minutes if minute)
    found: Counter[str] = Counter()
    for minute in minutes:
        if minute:
            found.update(minute.missing)
    return {name: count / rows for name, count in found.items()} if rows else {}
