"""`serve`: run the service until SIGTERM or Ctrl+C."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import functools
import gc
import logging
import os
import signal
import socket
import sys
from pathlib import Path

import uvicorn

from gitops_model.errors import BadInput
from gitops_model.formats.serving import Settings
from gitops_model.serving.app import create_app
from gitops_model.serving.door import Door
from gitops_model.serving.hot_path import HotPath
from gitops_model.serving.limits import MOST_CONNECTIONS, SPARE_FILES, Limits
from gitops_model.serving.protocol import Protocol

# Longer than the 60 s after which common load balancers close idle connections: if the service closed first,
# a request could be on its way into the closing connection, and be lost.
KEEP_ALIVE_SECONDS = 75


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `serve`."""
    parser.add_argument(
        "--config", type=Path, default=Path("serving.yaml"), help="settings (default: %(default)s)"
    )
    parser.add_argument("--store", type=Path, help="folder to watch (default: the settings')")
    parser.add_argument("--host", help="address to listen on (default: the settings')")
    parser.add_argument("--port", type=int, help="port, 0 for a free one (default: the settings')")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    """`config` is a serving.yaml; `store`, `host` and `port` (0: a free one) replace what it says."""

    config: Path = Path("serving.yaml")
    store: Path | None = None
    host: str | None = None
    port: int | None = None


def run(options: Options) -> int:
    """Serve until SIGTERM or Ctrl+C, then end the process. Raises BadInput for wrong settings."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    settings = Settings.load(options.config, store=options.store)
    if options.host is not None:
        settings = dataclasses.replace(settings, host=options.host)
    if options.port is not None:
        settings = dataclasses.replace(settings, port=options.port)
    serve(settings)
    sys.stdout.flush()
    sys.stderr.flush()
    # A model that hangs in a worker thread must not keep an ended service alive.
    os._exit(0)


def serve(settings: Settings) -> None:
    """Serve until a signal. Raises BadInput when the address cannot be taken."""
    listener = _listen(settings.host, settings.port)
    # Loads run Python in threads beside the event loop. Handing the interpreter over ten times as often as
    # usual (every 0.5 ms instead of 5) keeps requests that arrive meanwhile short.
    sys.setswitchinterval(0.0005)
    # What the imports allocated lives as long as the process: no collection needs to walk over it.
    gc.collect()
    gc.freeze()
    app = create_app(settings)
    server = _Server(
        app.state.service.limits,
        app.hot_path,
        uvicorn.Config(
            app,
            access_log=False,
            # Callers must not fill the disk with a warning for each malformed request.
            log_level="error",
            server_header=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=max(1, round(settings.shutdown_seconds)),
        ),
    )
    # uvicorn raises a signal it has obeyed once more when it is done; without a handler that would turn an
    # orderly end into exit code -15.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    server.run(sockets=[listener])


class _Server(uvicorn.Server):
    """Accepts connections itself, and says where it listens: a line that people and scripts can wait for."""

    def __init__(self, limits: Limits, hot_path: HotPath, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._limits = limits
        self._hot_path = hot_path
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
            )
            door.open()
            self._doors.append(door)
            host, port = listener.getsockname()[:2]
            shown = f"[{host}]" if ":" in host else host
            print(f"serving on http://{shown}:{port}", flush=True)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for door in self._doors:
            door.close()
        await super().shutdown(sockets)


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


def _listen(host: str, port: int) -> socket.socket:
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
