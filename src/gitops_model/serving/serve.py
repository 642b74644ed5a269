"""`serve`: run the service until SIGTERM or Ctrl+C."""

from __future__ import annotations

import argparse
import dataclasses
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
    server = _Server(
        uvicorn.Config(
            create_app(settings),
            access_log=False,
            log_level="warning",
            server_header=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=max(1, round(settings.shutdown_seconds)),
        )
    )
    # uvicorn raises a signal it has obeyed once more when it is done; without a handler that would turn an
    # orderly end into exit code -15.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    server.run(sockets=[listener])


class _Server(uvicorn.Server):
    """Says where it listens once it does: a line that people and scripts can wait for."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for listener in sockets or ():
            host, port = listener.getsockname()[:2]
            shown = f"[{host}]" if ":" in host else host
            print(f"serving on http://{shown}:{port}", flush=True)


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
