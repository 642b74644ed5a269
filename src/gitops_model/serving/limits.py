"""How much the service takes on at once and of one request, and what it refused.

The bounds are constants where a team gains nothing by another number; serving.yaml has the rest. Each keeps what one
caller sends from delaying another: what is counted is what it costs to look at it.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

# A larger body is parsed in a worker thread.
INLINE_BYTES = 16 * 1024
# So many rows are checked on the event loop at most: each may need five hints, of a fraction of a millisecond.
INLINE_ROWS = 8
# Values, lists and objects of one body. The JSON parser holds the interpreter while it makes them: 100,000 take about
# 20 ms.
MOST_VALUES = 100_000
MOST_HEADERS = 100
MOST_HEAD_BYTES = 64 * 1024
# Chunks of a body that arrive at once, each of which costs a call.
MOST_PIECES = 4000
# Requests that one connection may send ahead of their answers.
MOST_PIPELINED = 16
# Bytes of all bodies that are still arriving, together.
MOST_HELD = 64 * 1024 * 1024
# From a connection, or the first byte of a request on an old one, to the end of the request's headers.
HEAD_SECONDS = 10.0
# A caller who takes none of its answer for so long is let go.
STUCK_SECONDS = 10.0
MOST_CONNECTIONS = 1000
# Descriptors that connections leave to bundles, the log and the system.
SPARE_FILES = 48
# Requests that may wait for each worker thread.
WAITING_PER_THREAD = 16

REASONS = (
    *("busy", "queue", "memory", "connections", "descriptors"),
    *("size", "values", "deadline", "body", "head", "stuck"),
)


class Limits:
    """The counts of one service. `most` requests that have arrived whole are worked at; more are refused."""

    def __init__(self, *, most: int, threads: int | None = None) -> None:
        self.most = most
        self.busy = 0
        self.connections = 0
        self.most_pooled = (threads or os.cpu_count() or 1) * (1 + WAITING_PER_THREAD)
        # Bytes of bodies that are still arriving.
        self.held = 0
        # So many connections are to end with their next answer: another worker has fewer, or this one leaves.
        self.parting = 0
        # Connections that are not listened to for a moment, each with its end on the event loop's clock.
        self.deaf: deque[tuple[float, Any]] = deque()
        self._refused = dict.fromkeys(REASONS, 0)

    @property
    def overloaded(self) -> bool:
        """Whether a request that arrives now is refused."""
        return self.busy >= self.most

    def refused(self, reason: str) -> None:
        """A request or a connection was let go; `reason` is one of REASONS."""
        self._refused[reason] += 1


class LimitsState(Collector):
    """Asked at each scrape: what was refused, and how close the bounds are."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits

    def collect(self) -> Iterator[Metric]:
        """Called at each scrape."""
        limits = self._limits
        refused = CounterMetricFamily(
            "requests_refused",
            "Requests and connections let go because of a limit, by reason.",
            labels=("reason",),
        )
        for reason, count in limits._refused.items():
            refused.add_metric((reason,), count)
        yield refused
        for name, words, value in (
            (
                "requests_working",
                "Requests that have arrived whole and wait for their answer.",
                limits.busy,
            ),
            ("requests_working_limit", "From here on requests are refused with 429.", limits.most),
            ("connections_open", "Connections of callers.", limits.connections),
            (
                "model_pool_limit",
                "Requests that may wait for worker threads or occupy them.",
                limits.most_pooled,
            ),
        ):
            gauge = GaugeMetricFamily(name, words)
            gauge.add_metric((), value)
            yield gauge
