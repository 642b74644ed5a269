"""Callers that send at fixed times, as a process of its own: python -m tests.support.stream PLAN.json

Each request has its time, whatever becomes of those before it; its latency counts from then. Connections are kept open.
Some requests are slow: their body arrives in pieces over a second. A connection that ends before an answer has begun is
what every HTTP client and balancer knows: the request is sent again on another one, and that is counted. An answer that
is cut off, not asked for, wrong, or no answer within 20 s is a loss.
"""

from __future__ import annotations

import array
import asyncio
import itertools
import json
import sys
import time
from collections import deque
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import uvloop

TRIES = 5
PATIENCE = 20.0
SLOW_PIECES = 10
MOST_LOSSES = 20


@dataclass(kw_only=True)
class Plan:
    """What is sent: `requests` at `rate` a second, one of `slow_every` slowly. `answers`: what each release says."""

    port: int
    requests: int
    rate: float
    inputs: dict[str, Any]
    answers: dict[str, float]
    out: str
    connections: int = 16
    most_connections: int = 256
    slow_every: int = 500


@dataclass
class Found:
    """What came back. `again` are the times (time.time) of requests sent again; `losses` the first few in words."""

    answered: int = 0
    lost: int = 0
    seconds: float = 0.0
    by_model: dict[str, int] = field(default_factory=dict)
    again: list[float] = field(default_factory=list)
    losses: list[str] = field(default_factory=list)
    status: dict[str, int] = field(default_factory=dict)


class Request:
    """One request: its number, when it is due (time.monotonic), and how often it was sent."""

    __slots__ = ("due", "number", "slow", "tries")

    def __init__(self, number: int, due: float, slow: bool) -> None:
        self.number, self.due, self.slow, self.tries = number, due, slow, 0


class Callers:
    """All connections and the requests that wait for one."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.found = Found()
        self.loop = asyncio.get_running_loop()
        self.free: list[Connection] = []
        self.open = 0
        self.waiting: deque[Request] = deque()
        self.left = plan.requests
        self.done = asyncio.Event()
        # Due times on the clock of time.time, and latencies, in seconds.
        self.due, self.latencies = array.array("d"), array.array("d")
        self.offset = time.time() - time.monotonic()
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> Found:
        for _ in range(self.plan.connections):
            self._connect()
        began = time.monotonic() + 0.2
        for number in range(self.plan.requests):
            due = began + number / self.plan.rate
            if (left := due - time.monotonic()) > 0:
                await asyncio.sleep(left)
            elif number % 64 == 0:
                # Late: answers must be read all the same.
                await asyncio.sleep(0)
            slow = self.plan.slow_every > 0 and number % self.plan.slow_every == 7
            self.send(Request(number, due, slow))
        await self.done.wait()
        self.found.seconds = time.monotonic() - began
        return self.found

    def send(self, request: Request) -> None:
        """On a free connection, or on the next one that is."""
        while self.free:
            connection = self.free.pop()
            if connection.usable:
                connection.take(request)
                return
        self.waiting.append(request)
        if self.open < self.plan.most_connections and len(self.waiting) > self._coming():
            self._connect()

    def _coming(self) -> int:
        return len(self._tasks)

    def _connect(self) -> None:
        self.open += 1
        task = self.loop.create_task(self._make())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _make(self) -> None:
        for tries in itertools.count():
            try:
                await self.loop.create_connection(
                    lambda: Connection(self), "127.0.0.1", self.plan.port
                )
                return
            except OSError as error:
                if tries > 50:
                    self.open -= 1
                    self.lose(None, f"no connection: {error!r}")
                    return
                await asyncio.sleep(0.1)

    def rest(self, connection: Connection) -> None:
        """A connection has nothing to do."""
        if self.waiting:
            connection.take(self.waiting.popleft())
        else:
            self.free.append(connection)

    def ended(self, request: Request | None) -> None:
        """A connection ended; `request` had no byte of its answer."""
        self.open -= 1
        if request is not None:
            request.tries += 1
            if request.tries >= TRIES:
                self.lose(request, "its connection ended again and again")
            else:
                # On a new connection: those that wait may be the dead worker's, too, and not know it yet.
                self.found.again.append(time.time())
                self.waiting.appendleft(request)
                self._connect()
        elif self.waiting:
            self._connect()

    def lose(self, request: Request | None, why: str) -> None:
        """No right answer."""
        self.found.lost += 1
        if len(self.found.losses) < MOST_LOSSES:
            self.found.losses.append(f"{time.time():.3f} {request and request.number}: {why}")
        if request is not None:
            self.finish()

    def took(self, request: Request, status: int, body: bytes) -> None:
        """An answer is there, whole."""
        self.found.status[str(status)] = self.found.status.get(str(status), 0) + 1
        try:
            data = json.loads(body)
            right = self.plan.answers.get(data.get("model"))
            fits = (
                status == 200
                and data["request_id"] == f"r-{request.number}"
                and right is not None
                and abs(data["output"]["probability"] - right) < 1e-6
            )
        except (ValueError, KeyError, TypeError):
            fits = False
        if not fits:
            self.lose(request, f"{status} {body[:200]!r}")
            return
        self.found.answered += 1
        self.found.by_model[data["model"]] = self.found.by_model.get(data["model"], 0) + 1
        self.due.append(request.due + self.offset)
        # A slow request's own second is no latency of the service.
        latency = time.monotonic() - request.due
        self.latencies.append(-latency if request.slow else latency)
        self.finish()

    def finish(self) -> None:
        self.left -= 1
        if self.left == 0:
            self.done.set()


class Connection(asyncio.Protocol):
    """One connection, with one request at a time."""

    def __init__(self, callers: Callers) -> None:
        self.callers = callers
        self.request: Request | None = None
        self.usable = False
        self.received = b""
        self.timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.usable = True
        self.callers.rest(self)

    def take(self, request: Request) -> None:
        """Send it."""
        self.request, self.received = request, b""
        body = json.dumps(
            {"request_id": f"r-{request.number}", "inputs": self.callers.plan.inputs}
        ).encode()
        head = b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
        head += b"content-length: %d\r\n\r\n" % len(body)
        self.timer = self.callers.loop.call_later(PATIENCE, self._late)
        if request.slow:
            self.transport.write(head)
            self._piece(request, body)
        else:
            self.transport.write(head + body)

    def _piece(self, request: Request, rest: bytes) -> None:
        if self.request is not request or self.transport.is_closing():
            return
        size = max(1, len(rest) // SLOW_PIECES) if len(rest) > SLOW_PIECES else len(rest)
        self.transport.write(rest[:size])
        if rest[size:]:
            self.callers.loop.call_later(1.0 / SLOW_PIECES, self._piece, request, rest[size:])

    def data_received(self, data: bytes) -> None:
        self.received += data
        head, found, body = self.received.partition(b"\r\n\r\n")
        if not found:
            return
        head = head.lower()
        try:
            length = int(head.partition(b"content-length: ")[2].split(b"\r\n")[0])
            status = int(head[9:12])
        except ValueError:
            self._fail(f"no HTTP: {self.received[:200]!r}")
            return
        if len(body) < length:
            return
        request, self.request = self.request, None
        if self.timer is not None:
            self.timer.cancel()
        if request is None or len(body) > length:
            self.callers.lose(request, f"bytes that nobody asked for: {self.received[:200]!r}")
            self._end()
            return
        self.received = b""
        if b"connection: close" in head:
            self._end()
            self.callers.took(request, status, body)
        else:
            self.callers.took(request, status, body)
            self.callers.rest(self)

    def connection_lost(self, error: Exception | None) -> None:
        self.usable = False
        request, self.request = self.request, None
        if self.timer is not None:
            self.timer.cancel()
        if request is not None and self.received:
            self.callers.lose(request, f"cut off: {self.received[:200]!r}")
            request = None
        self.callers.ended(request)

    def _late(self) -> None:
        self._fail(f"no answer within {PATIENCE:g} s")

    def _fail(self, why: str) -> None:
        request, self.request = self.request, None
        if request is not None:
            self.callers.lose(request, why)
        self._end()

    def _end(self) -> None:
        self.usable = False
        self.transport.abort()


async def _run(plan: Plan) -> None:
    callers = Callers(plan)
    found = await callers.run()
    out = Path(plan.out)
    out.with_suffix(".times").write_bytes(callers.due.tobytes() + callers.latencies.tobytes())
    out.write_text(json.dumps(asdict(found)))


if __name__ == "__main__":
    uvloop.run(_run(Plan(**json.loads(Path(sys.argv[1]).read_text()))))
