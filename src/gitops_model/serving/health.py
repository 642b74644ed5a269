"""Health, state and metrics: what load balancers, `deploy` and Prometheus read."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from gitops_model.formats.pointer import Pointer
from gitops_model.serving import metrics
from gitops_model.serving.member import Knows
from gitops_model.serving.pooled import PooledGuard
from gitops_model.serving.replies import reply
from gitops_model.serving.service import Service
from gitops_model.serving.shared import Counts
from gitops_model.serving.snapshot import Snapshot


async def healthz(_request: Request) -> Response:
    """200 while the process answers at all."""
    return reply({"status": "alive"})


async def readyz(request: Request) -> Response:
    """200 only with a stable model loaded; else 503 with the reason."""
    service: Service = request.app.state.service
    stable = service.watcher.snapshot.stable
    if stable is None:
        raise service.unavailable()
    return reply({"status": "ready", "model": stable.ref.model, "sha256": stable.ref.sha256})


async def status(request: Request) -> Response:
    """What is wanted, what is served, and why they differ if they do."""
    service: Service = request.app.state.service
    return reply(state(service), headers={"Cache-Control": "no-store"})


async def exposition(request: Request) -> Response:
    """Prometheus text."""
    service: Service = request.app.state.service
    if service.member is None:
        text = service.metrics.exposition()
    else:
        text = await service.member.exposition(counts(service))
    return Response(text, media_type=metrics.CONTENT_TYPE)


def knows(service: Service) -> Knows:
    """What the other workers may learn of this one."""
    guard = service.guard
    assert isinstance(guard, PooledGuard)
    return Knows(
        state=lambda: own_state(service),
        counts=lambda: counts(service),
        told=guard.told,
        hear=guard.hear,
        limits=service.limits,
    )


def counts(service: Service) -> Counts:
    """What this worker counted."""
    return Counts(service.metrics.families(), service.history.kept())


def state(service: Service) -> dict[str, Any]:
    """The body of /status. `last_error` is null once nothing stands in the way of the pointer any more.

    Of several workers, any says how all of them are.
    """
    own = own_state(service)
    return own if service.member is None else service.member.state(own)


def own_state(service: Service) -> dict[str, Any]:
    """What this process knows of itself."""
    watcher = service.watcher
    desired, failures = watcher.desired, [failure.to_dict() for failure in watcher.failures()]
    live = watcher.snapshot
    return {
        "desired": None
        if desired is None
        else {
            "commit": desired.commit,
            "written_at": desired.written_at,
            **_pointer(desired.pointer),
        },
        "live": {
            "commit": live.commit,
            "switched_at": live.switched_at,
            **_pointer(_live_pointer(live)),
        },
        "canary": service.guard.state(),
        "removed": service.guard.removals(),
        "in_sync": watcher.in_sync,
        "ready": live.stable is not None,
        "loading": watcher.loading,
        "shadow": service.shadows.state(watcher.wanted_shadow),
        "loaded_at": live.stable.loaded.loaded_at if live.stable else None,
        "last_error": failures[0] if failures else None,
        "errors": failures,
        "started_at": service.started_at,
        "uptime_seconds": round(time.monotonic() - service.started, 3),
        **({} if service.cluster is None else {"ray": asdict(service.cluster.state())}),
    }


def _pointer(pointer: Pointer) -> Mapping[str, Any]:
    return pointer.to_dict()


def _live_pointer(live: Snapshot) -> Pointer:
    return Pointer(
        stable=live.stable.ref if live.stable else None,
        previous=live.previous.ref if live.previous else None,
        canary=live.canary_rule,
        shadow=live.shadow.ref if live.shadow else None,
        freeze=live.freeze,
    )
