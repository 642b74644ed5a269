"""Requests counted in plain integers, and handed to the metrics' own objects now and then.

Those objects take a lock for each number they count, which costs more than reading a request's JSON. So the event loop
alone counts here, and `flush` adds the sums: at each scrape, and once a second for whoever reads the metrics elsewhere.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter as Count
from collections.abc import Sequence
from typing import Any

from prometheus_client import Counter, Histogram

# A small model answers in a fraction of a millisecond; the usual first bucket of 5 ms would hide all of it.
BUCKETS = tuple(ms / 1000 for ms in (0.25, 0.5, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1000, 2000))


class Tally:
    """Prediction requests that one release answered by one route with one status, since the last flush."""

    __slots__ = ("_duration", "_requests", "_rows", "buckets", "requests", "rows", "seconds")

    def __init__(self, requests: Counter, duration: Histogram, rows: Counter) -> None:
        self._requests, self._duration, self._rows = requests, duration, rows
        self._empty()

    def _empty(self) -> None:
        self.requests = self.rows = 0
        self.seconds = 0.0
        self.buckets = [0] * (len(BUCKETS) + 1)

    def add(self, seconds: float, rows: int) -> None:
        """A request took `seconds` and got `rows` answers."""
        self.requests += 1
        self.rows += rows
        self.seconds += seconds
        self.buckets[bisect_left(BUCKETS, seconds)] += 1

    def flush(self) -> None:
        """Hand over what was counted."""
        if not self.requests:
            return
        self._requests.inc(self.requests)
        self._rows.inc(self.rows)
        # The client library can add one observation at a time only; this is what `observe` does with each.
        self._duration._sum.inc(self.seconds)
        for bucket, count in zip(self._duration._buckets, self.buckets, strict=True):
            if count:
                bucket.inc(count)
        self._empty()


class Names:
    """How often names occurred, by release: the inputs that were imputed, say."""

    def __init__(self, metric: Counter) -> None:
        self._metric = metric
        self._counts: Count[tuple[str, str]] = Count()

    def add(self, model: str, names: Sequence[str]) -> None:
        """Each of `names` occurred once more."""
        for name in names:
            self._counts[model, name] += 1

    def flush(self) -> None:
        """Hand over what was counted."""
        for labels, count in self._counts.items():
            self._metric.labels(*labels).inc(count)
        self._counts.clear()


class Https:
    """Requests by route template, method and status."""

    def __init__(self, metric: Counter) -> None:
        self._metric = metric
        # Looking a label set up costs more than counting.
        self._children: dict[tuple[str, str, int], Any] = {}
        self.counts: Count[tuple[str, str, int]] = Count()

    def flush(self) -> None:
        """Hand over what was counted."""
        for key, count in self.counts.items():
            child = self._children.get(key)
            if child is None:
                route, method, status = key
                child = self._children[key] = self._metric.labels(route, method, str(status))
            child.inc(count)
        self.counts.clear()
