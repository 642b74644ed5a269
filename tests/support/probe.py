"""A caller beside others: what it waits for its answers while something else is sent."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.support.factories import REQUEST
from tests.support.server import Server


@dataclass
class Probe:
    """One keep-alive connection that asks for one row over and over. Times are in seconds."""

    server: Server
    waits: list[float] = field(default_factory=list)
    statuses: set[int] = field(default_factory=set)

    @property
    def worst(self) -> float:
        return max(self.waits)


@contextlib.contextmanager
def probing(server: Server, *, pause: float = 0.002) -> Iterator[Probe]:
    """A probe for as long as the block lasts."""
    probe, ended = Probe(server), threading.Event()
    body = json.dumps({"inputs": REQUEST}).encode()

    def run() -> None:
        connection = server.connect()
        while not ended.is_set():
            started = time.perf_counter()
            connection.request("POST", "/predict", body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            answer.read()
            probe.waits.append(time.perf_counter() - started)
            probe.statuses.add(answer.status)
            time.sleep(pause)
        connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield probe
    finally:
        ended.set()
        thread.join()


def exchange(server: Server, wire: bytes, *, seconds: float = 20.0) -> bytes:
    """Send bytes as they are, and return all that comes back until the service closes or `seconds` of silence."""
    found = b""
    with socket.create_connection(("127.0.0.1", server.port), timeout=seconds) as connection:
        with contextlib.suppress(ConnectionError):
            connection.sendall(wire)
        with contextlib.suppress(TimeoutError, ConnectionError):
            while data := connection.recv(65536):
                found += data
                if wire.startswith(b"GET") or b"chunked" in wire[:100]:
                    connection.settimeout(0.3)
    return found
