"""serving.yaml as a value: address, limits, prediction log."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gitops_model import strict_yaml


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How the service runs. Folders in the file are relative to the file's own folder.

    `log_keep_days` and `log_keep_mb`: None keeps all.
    `trusted_types` are what skops may load, of bundles with `runtime: sklearn`, besides its own.
    """

    host: str
    port: int
    store: Path
    poll_seconds: float = 0.1
    timeout_ms: int = 1000
    max_body_kb: int = 1024
    max_rows: int = 1000
    shutdown_seconds: float = 10.0
    log_predictions: bool = False
    log_folder: Path = Path("logs/predictions")
    log_keep_days: int | None = None
    log_keep_mb: float | None = None
    trusted_types: tuple[str, ...] = ()

    @staticmethod
    def load(path: Path, *, store: Path | None = None) -> Settings:
        """Read serving.yaml; `store` replaces the file's. Raises BadInput with every problem of the file."""
        data = strict_yaml.load(path, "serving")
        log = data.get("log", {})
        plain = ("poll_seconds", "timeout_ms", "max_body_kb", "max_rows", "shutdown_seconds")
        return Settings(
            host=data["host"],
            port=data["port"],
            store=store or path.parent / data.get("store", "store"),
            log_predictions=log.get("predictions", False),
            log_folder=path.parent / log.get("folder", "logs/predictions"),
            log_keep_days=log.get("keep_days"),
            log_keep_mb=log.get("keep_mb"),
            trusted_types=tuple(data.get("trusted_types", ())),
            **{key: data[key] for key in plain if key in data},
        )


def address(settings: Mapping[str, Any]) -> str | None:
    """Where the service of a serving.yaml answers; None when its port is chosen anew at each start."""
    if "url" in settings:
        return str(settings["url"])
    if settings["port"] == 0:
        return None
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings["host"], settings["host"])  # noqa: S104
    return f"http://{host}:{settings['port']}"
