"""A steady stream of requests against a service on this machine, and an account of every answer."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Account:
    """What came back. Times are seconds of `time.monotonic()`; latencies are seconds."""

    sent: int = 0
    lost: list[str] = field(default_factory=list)
    by_model: Counter[str] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)
    answers: list[tuple[float, str]] = field(default_factory=list)

    def wrong(self, *allowed: str) -> int:
        """Answers given by a model that is none of `allowed`."""
        return sum(count for model, count in self.by_model.items() if model not in allowed)

    def first_answer(self, model: str, *, after: float) -> float | None:
        """When `model` first answered a request sent at or after `after`."""
        return min((t for t, m in self.answers if m == model and t >= after), default=None)

    def percentile(self, share: float) -> float:
        """Latency in seconds below which `share` of the answers came."""
        ordered = sorted(self.latencies)
        return (
            ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")
        )


class Load:
    """`rate` requests a second over `workers` keep-alive connections until `stop`; bounded by `longest` seconds.

    Each worker sends on its own fixed schedule, so a slow answer is followed by a burst, as it would be with real
    callers, and does not hide behind a slower clock.
    """

    def __init__(
        self,
        host: str,
        port: int,
        requests: Sequence[dict[str, Any]],
        *,
        rate: float = 240,
        workers: int = 8,
        longest: float = 120,
    ) -> None:
        self.account = Account()
        self._address = (host, port)
        self._bodies = [json.dumps({"inputs": inputs}).encode() for inputs in requests]
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._until = time.monotonic() + longest
        self._pause = workers / rate
        self._threads = [
            threading.Thread(target=self._work, args=(n,), daemon=True) for n in range(workers)
        ]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join(timeout=10)

    def wait_for(self, answers: int, *, timeout: float = 30) -> None:
        """Until this many answers have come in all. Raises TimeoutError."""
        deadline = time.monotonic() + timeout
        while sum(self.account.by_model.values()) < answers:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{answers} answers did not come within {timeout:g} s")
            time.sleep(0.01)

    def _work(self, number: int) -> None:
        connection = http.client.HTTPConnection(*self._address, timeout=10)
        due = time.monotonic() + number * self._pause / max(1, len(self._threads))
        turn = number
        while not self._stopped.is_set() and time.monotonic() < self._until:
            delay = due - time.monotonic()
            if delay > 0 and self._stopped.wait(delay):
                break
            due += self._pause
            turn += len(self._threads)
            self._send(connection, self._bodies[turn % len(self._bodies)])
        connection.close()

    def _send(self, connection: http.client.HTTPConnection, body: bytes) -> None:
        began = time.monotonic()
        try:
            connection.request("POST", "/predict", body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            data = response.read()
            model = json.loads(data)["model"] if response.status == 200 else None
            problem = None if model else f"status {response.status}: {data[:120]!r}"
        except (OSError, http.client.HTTPException, ValueError, KeyError) as error:
            connection.close()
            model, problem = None, repr(error)
        ended = time.monotonic()
        with self._lock:
            self.account.sent += 1
            if model is None:
                self.account.lost.append(problem or "")
            else:
                self.account.by_model[model] += 1
                self.account.latencies.append(ended - began)
                self.account.answers.append((ended, model))
