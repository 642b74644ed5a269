"""HTTP connections with bounds: how much a head may hold, how long it may take, and quick refusals in overload.

uvicorn's protocol does the talking. What is added costs a request about a microsecond, because time is looked at once a
second for all connections instead of by a timer for each.
"""

from __future__ import annotations

import asyncio
import json
import math
import re
import time
from collections import deque
from collections.abc import Iterable
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from gitops_model.serving.hot_path import HotPath
from gitops_model.serving.limits import (
    HEAD_SECONDS,
    MOST_HEAD_BYTES,
    MOST_HEADERS,
    MOST_PIECES,
    MOST_PIPELINED,
    STUCK_SECONDS,
    Limits,
)

SWEEP_SECONDS = 1.0
DEAF_SECONDS = 0.2
# Each is refused in turn while it drains, so a longer body than this ends its connection instead.
MOST_DRAINED = 256 * 1024


def refusal(status: bytes, sentence: str, *, close: bool) -> bytes:
    """A whole answer, ready to be written."""
    body = json.dumps({"error": sentence}).encode()
    return b"".join(
        (
            *(b"HTTP/1.1 ", status, b"\r\ncontent-type: application/json\r\nretry-after: 1\r\n"),
            *(
                b"connection: close\r\n" if close else b"",
                b"content-length: %d\r\n\r\n" % len(body),
            ),
            body,
        )
    )


_SENTENCE = "The service is answering as many requests as it can; try again in a second."
_BUSY = refusal(b"429 Too Many Requests", _SENTENCE, close=False)
_BUSY_CLOSE = refusal(b"429 Too Many Requests", _SENTENCE, close=True)


class WholeAnswers:
    """A transport that sends the head of an answer together with what follows it.

    uvicorn writes them apart. A process that is killed in between leaves half an answer, which callers cannot tell from
    one that was acted upon, so they do not send again; and each write costs a call of the system.
    """

    __slots__ = ("_head", "_transport")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._head = b""

    def write(self, data: bytes) -> None:
        """Send, or keep it for a moment where it is a head alone; after `100 Continue` nothing would follow."""
        if self._head:
            data, self._head = self._head + data, b""
        elif data.endswith(b"\r\n\r\n") and data.startswith(b"HTTP/1.1 ") and data[9:10] != b"1":
            self._head = data
            return
        self._transport.write(data)

    def flush(self) -> None:
        """Nothing follows the head."""
        if self._head:
            head, self._head = self._head, b""
            self._transport.write(head)

    def close(self) -> None:
        self.flush()
        self._transport.close()

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


# What may change how a request is read, or what becomes of its connection, is left to the parser. llhttp treats
# Proxy-Connection, which old clients send, like Connection.
_ODD = re.compile(
    rb"(?i)\r\n(?:transfer-encoding|expect|(?:proxy-)?connection|upgrade)[ \t]*:|\n[ \t]|[^\r]\n"
)
_LENGTH = re.compile(rb"(?i)\r\ncontent-length: ?([0-9]{1,9})(?:\r\n|$)")


def is_simple(data: bytes) -> bool:
    """Whether `data` is one whole POST request, as ordinary clients send it: it can be refused without parsing it."""
    head, end, body = data.partition(b"\r\n\r\n")
    if not data.startswith(b"POST /") or not end or _ODD.search(head):
        return False
    length = _LENGTH.search(head)
    if length is None or head.lower().count(b"content-length") != 1:
        return False
    return int(length[1]) == len(body) and head.partition(b"\r\n")[0].endswith(b" HTTP/1.1")


class TooMuch(Exception):
    """More than one request's head, or one connection, may hold. The parser answers it with 400."""


class Protocol(HttpToolsProtocol):
    """One connection. `due` is when it is closed unless something happens, on the event loop's clock."""

    def __init__(
        self, *arguments: Any, limits: Limits, hot_path: HotPath | None = None, **named: Any
    ) -> None:
        super().__init__(*arguments, **named)
        self._limits = limits
        self._hot_path = hot_path
        self._busy = False
        self._active: RequestResponseCycle | None = None
        # While what is left of a refused request arrives: how much it was, and whether the connection ends with it.
        self._refusing = False
        self._drained = 0
        self._last = False
        # Until when a caller who was refused should wait, on the event loop's clock.
        self._asked_to_wait = 0.0
        # Bytes since the last head or body was complete.
        self._head = 0
        # Whether a whole request ever came; the parser sees neither the hot path's nor all that are refused.
        self._asked = False
        # Pieces of a body in one read.
        self._pieces = 0
        # Whether the parser is at the end of a request, and what arrives is the beginning of one.
        self._between = True
        self.due = math.inf
        self.stuck = math.inf

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(WholeAnswers(transport))  # type: ignore[arg-type]
        self._limits.connections += 1
        self.due = self.loop.time() + HEAD_SECONDS

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._limits.connections -= 1
        self._abandon()
        self._rest()

    def data_received(self, data: bytes) -> None:
        if self._head > MOST_HEAD_BYTES:
            self._limits.refused("head")
            self.send_400_response("The head of the request is too long.")
            return
        # Set to zero where a head ends, so it grows only while one arrives.
        if self._between and self.idle and is_simple(data):
            if self._limits.overloaded:
                self._refuse()
                return
            if self._hot_path is not None and self._answered(self._hot_path, data):
                return
        self._head += len(data)
        self._pieces = 0
        super().data_received(data)
        if self.transport.is_closing():
            self._abandon()

    def _answered(self, hot_path: HotPath, data: bytes) -> bool:
        """Whether the hot path answered a whole request; neither the parser nor a task has anything to do then."""
        # A connection that is to end learns so from the plain path.
        if self.flow.write_paused or self.transport.is_closing() or self._limits.parting > 0:
            return False
        answer = hot_path.whole(data, self.server_state.default_headers)
        if answer is None:
            return False
        self.transport.write(answer)
        self._asked = True
        self.server_state.total_requests += 1
        self.due = self.loop.time() + self.timeout_keep_alive
        return True

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._active = cycle
        super()._start_asgi_task(cycle, app)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._between = False
        if len(self.pipeline) >= MOST_PIPELINED:
            self._limits.refused("head")
            raise TooMuch
        self.due = self.loop.time() + HEAD_SECONDS

    def on_header(self, name: bytes, value: bytes) -> None:
        if len(self.headers) >= MOST_HEADERS:
            self._limits.refused("head")
            raise TooMuch
        # As uvicorn does it; a call less for each header.
        name = name.lower()
        if name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        self._head, self.due = 0, math.inf
        self.scope["arrived"] = time.perf_counter()  # type: ignore[typeddict-unknown-key]
        if self._limits.overloaded and self.idle and self.parser.get_method() == b"POST":
            self._last = self.expect_100_continue or not self.parser.should_keep_alive()
            self._refusing, self._drained = True, 0
            self._refuse()
            return
        super().on_headers_complete()
        if self._limits.parting > 0 and self.cycle is not None:
            # The answer says so, and the caller's next request goes to another worker: nothing is lost.
            self._limits.parting -= 1
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        self._head = 0
        self._pieces += 1
        if self._pieces > MOST_PIECES:
            self._limits.refused("body")
            raise TooMuch
        if self._refusing:
            self._drained += len(body)
            if self._drained > MOST_DRAINED:
                self.transport.close()
            return
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._head, self._between, self._asked = 0, True, True
        if self._refusing:
            self._refusing = False
            self.due = self.loop.time() + self.timeout_keep_alive
            if self._last:
                self.transport.close()
            return
        super().on_message_complete()
        # For the hot path, which takes no request whose body it would have to wait for.
        self.scope["whole"] = True  # type: ignore[typeddict-unknown-key]
        if not self._busy and not self.cycle.response_complete:
            self._busy = True
            self._limits.busy += 1

    def on_response_complete(self) -> None:
        # As uvicorn does it, without a timer for each answer: `due` ends idle connections, also those that send a body
        # nobody waits for any more.
        self.server_state.total_requests += 1
        self.transport.flush()  # type: ignore[attr-defined]
        if self.transport.is_closing():
            self._rest()
            return
        self.flow.resume_reading()
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)
        else:
            self._rest()
            self.due = self.loop.time() + self.timeout_keep_alive

    def pause_writing(self) -> None:
        super().pause_writing()
        self.stuck = self.loop.time() + STUCK_SECONDS

    def resume_writing(self) -> None:
        super().resume_writing()
        self.stuck = math.inf

    def _refuse(self) -> None:
        """Answer before the body is read; what is left of it is thrown away."""
        self._limits.refused("busy")
        self._asked = True
        now = self.loop.time()
        self.due = now + HEAD_SECONDS
        if now < self._asked_to_wait:
            # Even refusals add up. Who does not wait as it was asked to is not listened to for a moment.
            self.flow.pause_reading()
            deaf = self._limits.deaf
            if not deaf:
                self.loop.call_later(DEAF_SECONDS, _listen, self.loop, deaf)
            deaf.append((now + DEAF_SECONDS, self))
        self._asked_to_wait = now + 1.0
        self.transport.write(_BUSY_CLOSE if self._last else _BUSY)

    def _abandon(self) -> None:
        """Nobody is there to be answered: uvicorn tells so to the newest request, which need not be the one at work."""
        self.pipeline.clear()
        if self._active is not None and not self._active.response_complete:
            self._active.disconnected = True
            self._active.message_event.set()

    def _rest(self) -> None:
        if self._busy:
            self._busy = False
            self._limits.busy -= 1

    @property
    def idle(self) -> bool:
        """Whether nothing is being answered on it."""
        return self.cycle is None or self.cycle.response_complete

    def expire(self, now: float) -> None:
        """Close it when its time is over."""
        if now > self.stuck:
            self._limits.refused("stuck")
            self.transport.abort()
        elif now > self.due and self.idle:
            if self._head or not self._asked:
                self._limits.refused("head")
            self.transport.close()


def _listen(loop: asyncio.AbstractEventLoop, deaf: deque[tuple[float, Any]]) -> None:
    """Listen again to the connections whose moment is over: one timer for all of them."""
    # Those that follow within a hundredth of a second come along.
    soon = loop.time() + 0.01
    while deaf and deaf[0][0] <= soon:
        connection = deaf.popleft()[1]
        if not connection.transport.is_closing():
            connection.flow.resume_reading()
    if deaf:
        loop.call_later(deaf[0][0] - loop.time(), _listen, loop, deaf)


def expire(connections: Iterable[Any], now: float) -> None:
    """Close what takes too long."""
    for connection in list(connections):
        if isinstance(connection, Protocol):
            connection.expire(now)


def make_room(connections: Iterable[Any]) -> bool:
    """Close some of the connections that have been idle for longest. Returns whether there were any."""
    idle = [c for c in connections if isinstance(c, Protocol) and c.idle and c.due < math.inf]
    idle.sort(key=lambda connection: connection.due)
    for connection in idle[: 1 + len(idle) // 16]:
        connection._limits.refused("connections")
        connection.transport.close()
    return bool(idle)
