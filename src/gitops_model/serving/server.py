"""The HTTP server of one process: how uvicorn runs, and the listener."""

from __future__ import annotations

import contextlib
import functools
import gc
import os
import signal
import socket
import sys
from typing import NoReturn

import uvicorn

from gitops_model.errors import BadInput
from gitops_model.formats.serving import Settings
from gitops_model.serving.app import App
from gitops_model.serving.door import Door
from gitops_model.serving.limits import MOST_CONNECTIONS, SPARE_FILES, Limits
from gitops_model.serving.protocol import Protocol

# Longer than the 60 s after which common load balancers close idle connections: if the service closed first,
# a request could be on its way into the closing connection, and be lost.
KEEP_ALIVE_SECONDS = 75


def end() -> NoReturn:
    """End the process. A model that hangs in a worker thread must not keep an ended service alive."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def config(app: App, settings: Settings) -> uvicorn.Config:
    """How uvicorn runs the application."""
    return uvicorn.Config(
        app,
        access_log=False,
        # Its lines go where ours go, and look alike.
        log_config=None,
        # Callers must not fill the disk with a warning for each malformed request.
        log_level="error",
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=max(1, round(settings.shutdown_seconds)),
    )


def answer(server: Server, listener: socket.socket) -> None:
    """Answer until a signal."""
    # Loads run Python in threads beside the event loop. Handing the interpreter over ten times as often as
    # usual (every 0.5 ms instead of 5) keeps requests that arrive meanwhile short.
    sys.setswitchinterval(0.0005)
    # What the imports allocated lives as long as the process: no collection needs to walk over it.
    gc.collect()
    gc.freeze()
    # Answers leave no cycles, and the rows of a batch, which wait for the log, need not be walked over again and again.
    gc.set_threshold(10_000, 20, 50)
    # uvicorn raises a signal it has obeyed once more when it is done; without a handler that would turn an
    # orderly end into exit code -15.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    server.run(sockets=[listener])


class Server(uvicorn.Server):
    """Accepts connections itself, and says where it listens."""

    def __init__(self, app: App, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._hot_path = app.hot_path
        self._limits: Limits = app.state.service.limits
        self._doors: list[Door] = []

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        # Without sockets of its own, uvicorn starts the application and accepts nothing.
        await super().startup([])
        protocol = functools.partial(
            Protocol,
            config=self.config,
            server_state=self.server_state,
            app_state=self.lifespan.state,
            limits=self._limits,
            hot_path=self._hot_path,
        )
        for listener in sockets or ():
            door = Door(
                listener,
                protocol=protocol,
                connections=self.server_state.connections,
                limits=self._limits,
                most=most_connections(),
                gives_way=self.gives_way,
            )
            self._doors.append(door)
        await self.begin(sockets or [])

    async def begin(self, sockets: list[socket.socket]) -> None:
        """Let callers in, and say where."""
        self.open_doors()
        for listener in sockets:
            say(listener)

    def gives_way(self, connections: int) -> bool:
        """Whether somebody else is to take the next connection, who has fewer."""
        return False

    def open_doors(self) -> None:
        """Accept connections."""
        for door in self._doors:
            door.open()

    def close_doors(self) -> None:
        """Accept no more."""
        for door in self._doors:
            door.close()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self.close_doors()
        await super().shutdown(sockets)


def say(listener: socket.socket) -> None:
    """The line that people and scripts wait for."""
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    print(f"serving on http://{shown}:{port}", flush=True)


def most_connections() -> int:
    """As many as the limits allow, after the process's own limit of open files was raised as far as it may be."""
    try:
        import resource
    except ImportError:
        return MOST_CONNECTIONS
    wanted = MOST_CONNECTIONS + SPARE_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    infinite = resource.RLIM_INFINITY
    if soft != infinite and soft < wanted:
        soft = wanted if hard == infinite else min(hard, wanted)
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return (
        MOST_CONNECTIONS if soft == infinite else max(8, min(MOST_CONNECTIONS, soft - SPARE_FILES))
    )


def listen(host: str, port: int) -> socket.socket:
    """A socket at that address. Raises BadInput when it cannot be taken."""
    try:
        address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(address[0], address[1])
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address[4])
    except OSError as error:
        raise BadInput(
            f"serving.yaml: {host}:{port} cannot be listened on ({error.strerror}). "
            "Is another service running? Change port, or use port: 0 for a free one."
        ) from error
    listener.setblocking(False)
    return listener
