"""Which applications of a cluster belong to a service, and which of them nobody needs any more: names and times."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version as installed

from gitops_model.formats.serving import Ray

# A release that nobody names any more is kept for so long: whoever goes back to it soon finds it loaded, a process that
# is being replaced keeps what it routes, and no request takes as long.
KEPT_SECONDS = 300.0


def name_of(ray: Ray, sha256: str, *, trusted: Sequence[str], version: str | None = None) -> str:
    """What the application of a bundle is called: `model-4e2fab12cd34-9a7c01`.

    An application is never changed: another setting, or another version of this library, makes another one.
    """
    how = [asdict(ray), list(trusted), version or installed("gitops-model")]
    digest = hashlib.sha256(json.dumps(how, sort_keys=True).encode()).hexdigest()
    return f"{ray.name}-{sha256[:12]}-{digest[:6]}"


def own(ray: Ray, names: Collection[str]) -> set[str]:
    """Those that a service of this name started, now or earlier."""
    tails = {name: name.removeprefix(f"{ray.name}-").split("-") for name in names}
    return {
        name
        for name, parts in tails.items()
        if name.startswith(f"{ray.name}-") and [len(part) for part in parts] == [12, 6]
    }


def idle_since(
    before: Mapping[str, float], *, found: Collection[str], needed: Collection[str], now: float
) -> dict[str, float]:
    """Since when each application that runs is needed by nobody, by what was known at the look before."""
    return {name: before.get(name, now) for name in found if name not in needed}


def too_few(model: str, *, running: int, wanted: int, nodes: int) -> str:
    """What to say of a release of which fewer replicas run than should, on a cluster of so many nodes."""
    those = {0: "Nothing answers for it until one runs", 1: "The one that runs answers for all"}
    return (
        f"{model} has {running} of {wanted} replicas; the cluster has {nodes} node{'s' * (nodes != 1)}. "
        f"{those.get(running, 'Those that run answer for all')}; Ray starts more where a node has room."
    )


def to_end(idle: Mapping[str, float], *, now: float, kept: float = KEPT_SECONDS) -> list[str]:
    """The applications that nobody needed for so long that they end."""
    return sorted(name for name, since in idle.items() if now - since >= kept)
