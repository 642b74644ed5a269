"""What overload does: python -m tests.bench.bench_overload [--seconds 5] [--connections 512]

Finds the peak of answered requests a second, then offers three times as many from connections that each send at fixed
times, whatever becomes of their last request. Prints figures; judges nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import uvloop

from tests.support.factories import REQUEST
from tests.support.server import Server, Store, running

_BODY = json.dumps({"inputs": REQUEST}).encode()
_WIRE = (
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
        self.transport.write(_WIRE)

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
        [sys.executable, "-m", "tests.bench.bench_overload", "--client", *words],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=seconds + 60,
        check=True,
    )
    times, lost = json.loads(run.stdout)
    return {int(status): Waits(*waits) for status, waits in times.items()}, lost


def _client(words: list[str]) -> None:
    port, connections, rate, seconds, polite = (float(word) for word in words)
    calling = _call(int(port), int(connections), rate or None, seconds, polite=bool(polite))
    found = uvloop.run(calling)
    print(
        json.dumps([{status: Waits.of(times) for status, times in found.times.items()}, found.lost])
    )


def _cpu(server: Server) -> float:
    return server.metric("process_cpu_seconds_total")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--connections", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--polite", action="store_true", help="callers obey Retry-After")
    parser.add_argument("--client", nargs=5, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.client:
        _client(options.client)
        return
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder) / "store")
        commit = store.point(store.add(1))
        with running(store.folder, Path(folder) / "service") as server:
            server.until_synced(commit)
            seen = 0.0
            for _ in range(options.rounds):
                cpu = _cpu(server)
                times, _ = offered(server, connections=16, rate=None, seconds=options.seconds)
                spent = _cpu(server) - cpu
                answered = server.metric("model_requests_total", status="200")
                each = spent / (answered - seen)
                seen, cpu = answered, _cpu(server)
                refused = server.metric("requests_refused_total")
                peak = times[200].count / options.seconds
                before = server.metric("process_resident_memory_bytes")
                times, lost = offered(
                    server,
                    connections=options.connections,
                    rate=3 * peak,
                    seconds=options.seconds,
                    polite=options.polite,
                )
                good = times[200].count / options.seconds
                total = sum(waits.count for waits in times.values()) / options.seconds
                spent = _cpu(server) - cpu
                answered = server.metric("model_requests_total", status="200")
                refused = server.metric("requests_refused_total") - refused
                # What the goodput would be of the peak if nobody else used this machine.
                share = each * (answered - seen) / spent
                no = (spent - each * (answered - seen)) / refused if refused else 0.0
                grown = server.metric("process_resident_memory_bytes") - before
                print(
                    f"peak {peak:.0f}/s; offered {3 * peak:.0f}/s, sent {total:.0f}/s: answered {good:.0f}/s "
                    f"({100 * good / peak:.0f} % of the peak), lost {lost}, memory +{grown / 1e6:.1f} MB"
                )
                seen = answered
                print(
                    f"  processor time: {1e6 * each:.0f} us an answer at the peak; {refused:,.0f} refused at "
                    f"{1e6 * no:.0f} us; {100 * share:.0f} % of the time went to answers"
                )
                for status, found in sorted(times.items()):
                    print(f"  {status}: {found}")


if __name__ == "__main__":
    main()
