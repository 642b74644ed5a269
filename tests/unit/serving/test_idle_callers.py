"""A connection that ends in silence is counted as refused only if its caller never finished a request's head."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from gitops_model.serving.limits import HEAD_SECONDS, Limits
from gitops_model.serving.protocol import Protocol

SIMPLE = b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}"
PARSED = SIMPLE.replace(b"host: x", b"host: x\r\nconnection: keep-alive")
BODY_LATER = PARSED[:-2]


class _Wire(asyncio.Transport):
    """Takes everything."""

    def __init__(self) -> None:
        super().__init__()
        self.sent, self.closed = b"", False

    def write(self, data: Any) -> None:
        self.sent += data

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


class _HotPath:
    def whole(self, _data: bytes, _headers: Any) -> bytes:
        return b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n[]"


async def _app(_scope: Any, receive: Any, send: Any) -> None:
    await receive()
    length = [(b"content-length", b"2")]
    await send({"type": "http.response.start", "status": 200, "headers": length})
    await send({"type": "http.response.body", "body": b"{}"})


def _left(pieces: list[bytes], *, most: int = 64, hot: bool = False) -> tuple[int, int]:
    """The last answer's status, and what is counted as a refused head when the caller says no more for good."""

    async def run() -> tuple[int, int]:
        limits, wire, paths = Limits(most=most), _Wire(), {"hot_path": _HotPath()} if hot else {}
        config: Any = uvicorn.Config(_app, access_log=False, log_config=None)
        state: Any = ServerState()
        made: Any = Protocol(
            config=config, server_state=state, app_state={}, limits=limits, **paths
        )
        made.connection_made(wire)
        for piece in pieces:
            made.data_received(piece)
            for _ in range(3):
                await asyncio.sleep(0)
        now = asyncio.get_running_loop().time()
        made.expire(now + max(HEAD_SECONDS, made.timeout_keep_alive) + 1)
        assert wire.closed
        last = wire.sent.rpartition(b"HTTP/1.1 ")[2][:3]
        return int(last or 0), limits._refused["head"]

    return asyncio.run(run())


@pytest.mark.parametrize("request_", [SIMPLE, PARSED])
@pytest.mark.parametrize("hot", [False, True])
def test_who_was_answered_and_leaves_was_not_refused(request_: bytes, hot: bool) -> None:
    assert _left([request_], hot=hot) == (200, 0)


@pytest.mark.parametrize("pieces", [[SIMPLE], [PARSED], [BODY_LATER, b"{}"], [BODY_LATER]])
def test_who_was_told_to_come_back_and_does_not_is_counted_once(pieces: list[bytes]) -> None:
    assert _left(pieces, most=0) == (429, 0)


@pytest.mark.parametrize("pieces", [[], [b"POST /pre"]])
def test_who_never_asks_is_counted(pieces: list[bytes]) -> None:
    assert _left(pieces) == (0, 1)


@pytest.mark.parametrize("hot", [False, True])
def test_half_a_head_after_an_answer_is_counted(hot: bool) -> None:
    assert _left([SIMPLE, b"POST /pre"], hot=hot) == (200, 1)
