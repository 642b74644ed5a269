"""Callers of one server, in a process of their own: PORT CONNECTIONS SECONDS, the request on stdin."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
import time
from typing import Any

import uvloop


class Caller(asyncio.Protocol):
    """One connection that sends the same request again and again."""

    def __init__(self, request: bytes, done: list[bytes], until: float) -> None:
        self.request, self.done, self.until, self.begun = request, done, until, b""
        self.ended = asyncio.Event()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        self.begun += data
        head, found, body = self.begun.partition(b"\r\n\r\n")
        if not found:
            return
        length = re.search(rb"(?i)content-length: *(\d+)", head)
        if len(body) < int(length[1]) if length else not body.endswith(b"0\r\n\r\n"):
            return
        self.done.append(self.begun)
        self.begun = b""
        if time.perf_counter() < self.until:
            self.transport.write(self.request)
        else:
            self.transport.close()
            self.ended.set()


async def _call(port: int, connections: int, request: bytes, seconds: float) -> list[bytes]:
    loop, done = asyncio.get_running_loop(), list[bytes]()
    until = time.perf_counter() + seconds
    made = await asyncio.gather(
        *(
            loop.create_connection(lambda: Caller(request, done, until), "127.0.0.1", port)
            for _ in range(connections)
        )
    )
    # All that was asked is answered, so that what it cost can be divided by its number.
    for _transport, caller in made:
        await caller.ended.wait()
    return done


def main(words: list[str]) -> None:
    """Print how many were answered, how many of them not by 200, and the last answer."""
    port, connections, seconds = int(words[0]), int(words[1]), float(words[2])
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    done = uvloop.run(_call(port, connections, sys.stdin.buffer.read(), seconds))
    wrong = sum(not answer.startswith(b"HTTP/1.1 200") for answer in done)
    print(json.dumps([len(done), wrong, done[-1][:4000].decode()]))


if __name__ == "__main__":
    main(sys.argv[1:])
