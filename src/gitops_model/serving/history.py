"""The last hour in minutes: requests, how they ended, how long they took. Fixed size, one addition a request."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

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

    def __add__(self, other: Minute) -> Minute:
        """The same minute of two processes."""
        return Minute(
            self.number,
            requests=self.requests + other.requests,
            refused=self.refused + other.refused,
            failed=self.failed + other.failed,
            rows=self.rows + other.rows,
            missing=self.missing + other.missing,
            durations=[a + b for a, b in zip(self.durations, other.durations, strict=True)],
        )

    def to_plain(self) -> list[Any]:
        """For JSON."""
        used = {place: count for place, count in enumerate(self.durations) if count}
        counts = (self.number, self.requests, self.refused, self.failed, self.rows)
        return [*counts, dict(self.missing), [[place, count] for place, count in used.items()]]

    @staticmethod
    def from_plain(data: Sequence[Any]) -> Minute:
        """What `to_plain` made."""
        number, requests, refused, failed, rows, missing, used = data
        minute = Minute(number, requests, refused, failed, rows, Counter(missing))
        for place, count in used:
            minute.durations[place] = count
        return minute

    def percentile(self, share: float) -> float | None:
        """The time in seconds that `share` of the requests stayed below; None without a request."""
        return percentile(self.durations, share)


class History:
    """Minutes of the last hour, oldest first; `clock` counts seconds.

    `began` is when minute 0 began, where other processes count the same minutes; None: now.
    """

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, *, began: float | None = None
    ) -> None:
        self._clock = clock
        self._began = clock() if began is None else began
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

    def minutes(self, others: Iterable[Minute] = ()) -> list[Minute | None]:
        """The last hour, minute by minute to the one that passes now, with those of `others`; None: nobody asked."""
        now = int((self._clock() - self._began) // 60)
        held = {minute.number: minute for minute in added((*self._minutes, *others))}
        return [held.get(number) for number in range(now - MINUTES + 1, now + 1)]

    def kept(self) -> list[Minute]:
        """The minutes in which somebody asked."""
        return list(self._minutes)


def added(minutes: Iterable[Minute]) -> list[Minute]:
    """One for each number, and of those the last hour's."""
    held: dict[int, Minute] = {}
    for minute in minutes:
        known = held.get(minute.number)
        held[minute.number] = minute if known is None else known + minute
    return [held[number] for number in sorted(held)[-MINUTES:]]


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
