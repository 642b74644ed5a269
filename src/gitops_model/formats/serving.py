"""serving.yaml as a value: address, limits, prediction log, how a canary is judged."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from gitops_model import strict_yaml
from gitops_model.errors import BadInput


@dataclass(frozen=True, kw_only=True)
class Guard:
    """How a canary is judged. Shares are between 0 and 1; the canary may be worse than stable by as much.

    `act` False: it is judged, and nothing follows. Of canaries within all margins, at most the share `false_removals`
    is taken out, however long they run. An answer is slow from `slower` times stable's middle one on. `scores` is how
    far the share of high scores may move before it is said; it takes no canary out. A canary is called ok after
    `min_minutes` and `min_requests` at the earliest.
    """

    act: bool = True
    false_removals: float = 0.001
    errors: float = 0.002
    fallbacks: float = 0.002
    slow: float = 0.1
    slower: float = 2.0
    scores: float = 0.25
    min_minutes: float = 30.0
    min_requests: int = 1000

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> Guard:
        """From `guard` in serving.yaml, which obeys the schema."""
        return Guard(**data)


@dataclass(frozen=True, kw_only=True)
class Ray:
    """A Ray cluster, and how each release runs on it.

    `address` is the head's, host:port. Applications whose name begins with `name` belong to this service alone. A
    release has from `min_replicas` to `max_replicas` processes of `cpus` processors each, at most `per_node` of them on
    one node; there are more from about `ongoing` requests at once for each of them on.
    """

    address: str
    name: str = "model"
    min_replicas: int = 2
    max_replicas: int = 4
    per_node: int = 1
    ongoing: float = 2.0
    cpus: float = 1.0

    def problems(self) -> list[str]:
        """What of `ray` in serving.yaml does not go together."""
        found = []
        if self.min_replicas > self.max_replicas:
            found.append(
                f"serving.yaml: ray: min_replicas is {self.min_replicas} and max_replicas {self.max_replicas}; "
                "the first must not be larger."
            )
        if 1 < self.min_replicas <= self.per_node:
            found.append(
                f"serving.yaml: ray: all {self.min_replicas} replicas of a release may be on one node, and end with "
                f"it. Write a per_node below {self.min_replicas}, or min_replicas: 1 to accept that."
            )
        return found


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How the service runs. Folders in the file are relative to the file's own folder.

    `workers` processes share the port; every other limit is each one's own. `log_format`, text or json, is how the
    service says on stderr what happened to it. `log_keep_days` and `log_keep_mb`: None keeps all. More than
    `max_requests` at once are refused. Loading a release may take `load_seconds` of processor time and
    `load_memory_mb`. `shadow_share` of the requests is copied to a shadow, whose process may take `shadow_memory_mb`.
    `trusted_types` are what skops may load, of bundles with `runtime: sklearn`, besides its own. `report` is where the
    monitor's last report would lie, for the service's page. `ray` is set where models run on a cluster instead.
    """

    host: str
    port: int
    store: Path
    workers: int = 1
    poll_seconds: float = 0.1
    timeout_ms: int = 1000
    max_body_kb: int = 1024
    max_rows: int = 1000
    max_requests: int = 64
    load_seconds: float = 60.0
    load_memory_mb: int = 4096
    shutdown_seconds: float = 10.0
    log_format: str = "text"
    log_predictions: bool = False
    log_folder: Path = Path("logs/predictions")
    log_keep_days: int | None = None
    log_keep_mb: float | None = None
    trusted_types: tuple[str, ...] = ()
    report: Path | None = None
    guard: Guard = Guard()
    shadow_share: float = 1.0
    shadow_memory_mb: int = 1024
    ray: Ray | None = None

    @staticmethod
    def load(path: Path, *, store: Path | None = None) -> Settings:
        """Read serving.yaml; `store` replaces the file's. Raises BadInput with every problem of the file."""
        data = strict_yaml.load(path, "serving")
        log = data.get("log", {})
        shadow = data.get("shadow", {})
        load = data.get("load", {})
        plain = (
            *("poll_seconds", "timeout_ms", "shutdown_seconds"),
            *("max_body_kb", "max_rows", "max_requests", "workers"),
        )
        return Settings(
            host=data["host"],
            port=data["port"],
            store=store or path.parent / data.get("store", "store"),
            log_format=log.get("format", "text"),
            log_predictions=log.get("predictions", False),
            log_folder=path.parent / log.get("folder", "logs/predictions"),
            load_seconds=float(load.get("seconds", 60.0)),
            load_memory_mb=load.get("memory_mb", 4096),
            shadow_share=float(shadow.get("share", 1.0)),
            shadow_memory_mb=shadow.get("memory_mb", 1024),
            log_keep_days=log.get("keep_days"),
            log_keep_mb=log.get("keep_mb"),
            trusted_types=tuple(data.get("trusted_types", ())),
            report=path.parent / "reports" / "monitor.json",
            guard=Guard.from_dict(data.get("guard") or {}),
            ray=_ray(data),
            **{key: data[key] for key in plain if key in data},
        )

    def absolute(self) -> Settings:
        """The same wherever the process stands."""
        return replace(
            self,
            store=self.store.absolute(),
            log_folder=self.log_folder.absolute(),
            report=self.report and self.report.absolute(),
        )

    def to_json(self) -> str:
        """For a worker: `from_json` makes the same settings of it."""
        return json.dumps(asdict(self), default=str)

    @staticmethod
    def from_json(text: str) -> Settings:
        """What `to_json` wrote."""
        data = json.loads(text)
        paths = {key: data[key] and Path(data[key]) for key in ("store", "log_folder", "report")}
        types = {
            "guard": Guard(**data["guard"]),
            "trusted_types": tuple(data["trusted_types"]),
            "ray": data["ray"] and Ray(**data["ray"]),
        }
        return Settings(**data | paths | types)


def _ray(data: Mapping[str, Any]) -> Ray | None:
    """From `engine` and `ray`, which obey the schema. Raises BadInput with all that does not go together."""
    settings, wanted = data.get("ray"), data.get("engine", "local") == "ray"
    if not wanted and settings is None:
        return None
    if not wanted:
        raise BadInput("serving.yaml has ray, which counts for nothing without engine: ray.")
    if settings is None:
        raise BadInput(
            "serving.yaml has engine: ray, and does not say where the cluster is. Add its head's address, "
            "e.g. ray: {address: '10.0.0.5:6379'}"
        )
    found = Ray(**settings)
    problems = found.problems()
    if data.get("workers", 1) != 1:
        problems.append(
            f"serving.yaml has engine: ray and workers: {data['workers']}. The service in front of a cluster is one "
            "process, and the models run in replicas (ray: min_replicas, max_replicas). Write workers: 1."
        )
    if problems:
        raise BadInput(problems)
    return found


def address(settings: Mapping[str, Any]) -> str | None:
    """Where the service of a serving.yaml answers; None when its port is chosen anew at each start."""
    if "url" in settings:
        return str(settings["url"])
    if settings["port"] == 0:
        return None
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings["host"], settings["host"])  # noqa: S104
    return f"http://{host}:{settings['port']}"
