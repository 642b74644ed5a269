"""`serve`: run the service until SIGTERM or Ctrl+C."""

from __future__ import annotations

import argparse
import dataclasses
import importlib.util
from pathlib import Path
from typing import NoReturn

from gitops_model.errors import BadInput
from gitops_model.formats.serving import Settings
from gitops_model.serving import event_log, supervisor
from gitops_model.serving.app import create_app
from gitops_model.serving.server import Server, answer, config, end, listen


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

    def settings(self) -> Settings:
        """What the file says now, with these options. Raises BadInput."""
        found = Settings.load(self.config, store=self.store)
        return dataclasses.replace(
            found,
            host=found.host if self.host is None else self.host,
            port=found.port if self.port is None else self.port,
        )


def run(options: Options) -> NoReturn:
    """Serve until SIGTERM or Ctrl+C, then end the process. Raises BadInput for wrong settings."""
    settings = options.settings()
    event_log.set_up(settings.log_format)
    if settings.ray is not None and importlib.util.find_spec("ray") is None:
        raise BadInput(
            "serving.yaml has engine: ray, and Ray is not installed here. Write the line gitops-model[serving,ray] "
            "into a file requirements-ray.in, then: make lock"
        )
    # Ray ends a process that lost its cluster, so somebody has to start it again.
    if settings.workers > 1 or settings.ray is not None:
        supervisor.supervise(settings, again=options.settings)
    else:
        serve(settings)
    end()


def serve(settings: Settings) -> None:
    """Serve until a signal, in this process. Raises BadInput when the address cannot be taken."""
    listener = listen(settings.host, settings.port)
    app = create_app(settings)
    answer(Server(app, config(app, settings)), listener)
