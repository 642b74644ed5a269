"""Accepting connections: many in one turn of the event loop, bounded, and through a lack of descriptors.

uvloop accepts one connection a turn. Under load a turn is long, so of 512 connections half were never accepted.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable, Collection
from typing import Any

from gitops_model.serving.limits import Limits
from gitops_model.serving.protocol import SWEEP_SECONDS, expire, make_room, refusal

logger = logging.getLogger("gitops_model.serving")

BACKLOG = 2048
AT_ONCE = 256
# Without a descriptor left, the listener would wake the event loop at once, and in vain.
PAUSE_SECONDS = 0.05
GIVE_WAY_SECONDS = 0.005
_FULL = refusal(
    b"503 Service Unavailable", "The service has as many connections as it can hold.", close=True
)


class Door:
    """Hands the connections of a listener to protocols made by `protocol`; at most `most` of them at once.

    `gives_way(n)` says whether a process that has n connections leaves the next to another at the same listener. It
    does so for a moment only: the other may be busy.
    """

    def __init__(
        self,
        listener: socket.socket,
        *,
        protocol: Callable[[], asyncio.Protocol],
        connections: Collection[Any],
        limits: Limits,
        most: int,
        gives_way: Callable[[int], bool] = lambda connections: False,
    ) -> None:
        self._listener = listener
        self._protocol = protocol
        self._connections = connections
        self._limits = limits
        self._most = most
        self._gives_way = gives_way
        self._gave_way = False
        self._loop = asyncio.get_running_loop()
        self._coming: set[asyncio.Task[Any]] = set()
        self._open = False
        self._short = False
        self._sweeping: asyncio.Task[None] | None = None

    def open(self) -> None:
        """Begin to accept."""
        if self._open:
            return
        self._listener.listen(BACKLOG)
        self._open = True
        self._loop.add_reader(self._listener.fileno(), self._accept)
        if self._sweeping is None:
            self._sweeping = self._loop.create_task(self._sweep())

    def close(self) -> None:
        """Accept no more. Connections that are there stay."""
        if self._open:
            self._open = False
            self._loop.remove_reader(self._listener.fileno())

    def _accept(self) -> None:
        for _ in range(AT_ONCE):
            held = len(self._connections) + len(self._coming)
            if self._gives_way(held) and not self._gave_way:
                self._gave_way = True
                self._loop.remove_reader(self._listener.fileno())
                self._loop.call_later(GIVE_WAY_SECONDS, self._again)
                return
            self._gave_way = False
            try:
                connection, _address = self._listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionError):
                self._short = False
                return
            except OSError as error:
                self._limits.refused("descriptors")
                if not self._short:
                    logger.error("connections cannot be accepted: %s", error.strerror)
                self._short = True
                self._loop.remove_reader(self._listener.fileno())
                self._loop.call_later(PAUSE_SECONDS, self._again)
                return
            connection.setblocking(False)
            if held >= self._most and not make_room(self._connections):
                self._refuse(connection)
                continue
            task = self._loop.create_task(self._take(connection))
            self._coming.add(task)
            task.add_done_callback(self._coming.discard)

    def _again(self) -> None:
        if self._open:
            self._loop.add_reader(self._listener.fileno(), self._accept)

    async def _take(self, connection: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(self._protocol, connection)
        except OSError:
            # The caller is gone already.
            connection.close()

    def _refuse(self, connection: socket.socket) -> None:
        self._limits.refused("connections")
        with contextlib.suppress(OSError):
            # What was sent and not read would turn the answer into a reset.
            connection.recv(65536)
        with contextlib.suppress(OSError):
            connection.send(_FULL)
        connection.close()

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            expire(self._connections, self._loop.time())
