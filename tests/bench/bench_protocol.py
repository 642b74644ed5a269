"""What the bounded protocol adds to uvicorn's, in microseconds a request: python -m tests.bench.bench_protocol

Both are fed the same bytes with an application that answers at once, without a socket, in alternating rounds.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from functools import partial
from typing import Any

import uvicorn
import uvloop
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from gitops_model.serving.limits import Limits
from gitops_model.serving.protocol import Protocol
from tests.support.overload import WIRE

ROUNDS, REQUESTS = 20, 2000


class Nowhere(asyncio.Transport):
    """Takes everything."""

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default

    def write(self, data: Any) -> None:
        pass

    def is_closing(self) -> bool:
        return False

    def close(self) -> None:
        pass

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


async def _app(_scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send(
        {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]}
    )
    await send({"type": "http.response.body", "body": b"{}"})


async def _round(make: Any) -> float:
    config = uvicorn.Config(_app, access_log=False, log_level="error")
    connection = make(config=config, server_state=ServerState(), app_state={})
    connection.connection_made(Nowhere())
    started = time.process_time()
    for _ in range(REQUESTS):
        connection.data_received(WIRE)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    spent = time.process_time() - started
    assert connection.server_state.total_requests == (0 if full(connection) else REQUESTS)
    return 1e6 * spent / REQUESTS


def full(connection: Any) -> bool:
    """Whether everything is refused."""
    return isinstance(connection, Protocol) and connection._limits.most == 0


async def main() -> None:
    """Print medians."""
    kinds = {
        "uvicorn's": HttpToolsProtocol,
        "bounded": partial(Protocol, limits=Limits(most=64)),
        "refusing": partial(Protocol, limits=Limits(most=0)),
    }
    found: dict[str, list[float]] = {kind: [] for kind in kinds}
    for _ in range(ROUNDS):
        for kind, make in kinds.items():
            found[kind].append(await _round(make))
    for kind, times in found.items():
        print(f"{kind:10s} {statistics.median(times):6.2f} us a request (least {min(times):.2f})")
    more = [b - u for b, u in zip(found["bounded"], found["uvicorn's"], strict=True)]
    print(f"added      {statistics.median(more):6.2f} us")


if __name__ == "__main__":
    uvloop.run(main())
