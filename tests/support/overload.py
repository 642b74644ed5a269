"""More requests than a service can answer, from connections that each send at fixed times, and what it made of them."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import uvloop

from tests.support.factories import REQUEST
from tests.support.server import Server

_BODY = json.dumps({"inputs": REQUEST}).encode()
WIRE = (
    b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
    + b"content-length: %d\r\n\r\n" % len(_BODY)
    + _BODY
)


class Caller(asyncio.Protocol):
    """One connection. `interval` None: send as soon as there is an answer; else at fixed times, if there is one."""

    def __init__(self, found: Found, interval: float | None, first: float) -> None:
        self.found, self.interval, self.due = found, interval, first
        self.begun = b""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        loop = asyncio.get_running_loop()
        loop.call_at(self.due, self.send)

    def send(self) -> None:
        self.sent = time.perf_counter()
        self.transport.write(WIRE)

    def data_received(self, data: bytes) -> None:
        # Head and body may arrive apart; an answer is an object, and ends like one.
        self.begun += data
        if not self.begun.endswith(b"}"):
            return
        now, status = time.perf_counter(), int(self.begun[9:12])
        self.begun = b""
        self.found.times.setdefault(status, []).append(now - self.sent)
        if self.found.ended:
            self.transport.close()
        elif self.interval is None:
            self.send()
        else:
            loop = asyncio.get_running_loop()
            polite = 1.0 if self.found.polite and status == 429 else 0.0
            self.due = max(self.due + self.interval, loop.time() + polite)
            loop.call_at(self.due, self.send)

    def connection_lost(self, error: Exception | None) -> None:
        self.found.lost += not self.found.ended


class Waits(NamedTuple):
    """How many answers of one status there were, and after how many seconds they came."""

    count: int
    p50: float
    p99: float
    worst: float

    @staticmethod
    def of(times: list[float]) -> Waits:
        ordered = sorted(times)
        return Waits(
            len(ordered), ordered[len(ordered) // 2], ordered[int(0.99 * len(ordered))], ordered[-1]
        )

    def __str__(self) -> str:
        p50, p99, worst = (1000 * seconds for seconds in self[1:])
        return f"{self.count:6d}  p50 {p50:.1f} ms, p99 {p99:.1f} ms, worst {worst:.1f} ms"


class Found:
    """What the callers of one process saw so far: seconds by status, and connections that were lost."""

    def __init__(self) -> None:
        self.times: dict[int, list[float]] = {}
        self.lost = 0
        self.ended = False
        # Whether callers wait for a second when they are asked to.
        self.polite = False


async def _call(
    port: int, connections: int, rate: float | None, seconds: float, *, polite: bool
) -> Found:
    loop, found = asyncio.get_running_loop(), Found()
    found.polite = polite
    interval = connections / rate if rate else None
    first = loop.time() + 0.5
    made = await asyncio.gather(
        *(
            loop.create_connection(
                lambda n=n: Caller(found, interval, first + (interval or 0.01) * n / connections),
                "127.0.0.1",
                port,
            )
            for n in range(connections)
        )
    )
    await asyncio.sleep(first - loop.time() + 0.3)
    found.times.clear()
    await asyncio.sleep(seconds)
    found.ended = True
    silent = sum(not hasattr(p, "sent") for _, p in made)
    found.lost += silent
    return found


def offered(
    server: Server,
    *,
    connections: int,
    rate: float | None,
    seconds: float,
    polite: bool = False,
) -> tuple[dict[int, Waits], int]:
    """Times by status, and connections that were lost or never taken. The callers are a process of their own."""
    words = [str(server.port), str(connections), str(rate or 0), str(seconds), str(int(polite))]
    run = subprocess.run(
        [sys.executable, "-m", "tests.support.overload", *words],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=seconds + 60,
        check=True,
    )
    times, lost = json.loads(run.stdout)
    return {int(status): Waits(*waits) for status, waits in times.items()}, lost


@dataclass(frozen=True)
class Round:
    """What a service did with some seconds of requests, and the processor time that it took."""

    seconds: float
    times: dict[int, Waits]
    lost: int
    cpu: float
    answered: float
    refused: float

    @property
    def rate(self) -> float:
        """Good answers a second."""
        return self.times[200].count / self.seconds if 200 in self.times else 0.0

    @property
    def each(self) -> float:
        """Processor seconds of an answer, if nothing else is done."""
        return self.cpu / self.answered

    def share(self, calm: Round) -> float:
        """What part of its processor time went to answers, each at what it took when it was `calm`.

        That is the good answers as a share of the peak, if nobody else used this machine.
        """
        return calm.each * self.answered / self.cpu


def round_of(
    server: Server, *, connections: int, rate: float | None, seconds: float, **more: bool
) -> Round:
    """See `offered`."""

    def counted() -> tuple[float, float, float]:
        return (
            server.metric("process_cpu_seconds_total"),
            server.metric("model_requests_total", status="200"),
            server.metric("requests_refused_total"),
        )

    before = counted()
    times, lost = offered(server, connections=connections, rate=rate, seconds=seconds, **more)
    cpu, answered, refused = (b - a for a, b in zip(before, counted(), strict=True))
    return Round(seconds, times, lost, cpu, answered, refused)


def calm_and_full(
    server: Server, *, connections: int, seconds: float, polite: bool = False
) -> tuple[Round, Round]:
    """As many requests as it answers, and then three times as many."""
    calm = round_of(server, connections=16, rate=None, seconds=seconds)
    rate = 3 * calm.rate
    full = round_of(server, connections=connections, rate=rate, seconds=seconds, polite=polite)
    return calm, full


def main(words: list[str]) -> None:
    """The callers: PORT CONNECTIONS RATE SECONDS POLITE; a line of JSON."""
    port, connections, rate, seconds, polite = (float(word) for word in words)
    calling = _call(int(port), int(connections), rate or None, seconds, polite=bool(polite))
    found = uvloop.run(calling)
    print(
        json.dumps([{status: Waits.of(times) for status, times in found.times.items()}, found.lost])
    )


if __name__ == "__main__":
    main(sys.argv[1:])
