"""The ASGI application: routes, counting, and what starts and stops with it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gitops_model.formats.serving import Settings
from gitops_model.serving import api, docs, health, oip, page
from gitops_model.serving.hot_path import HotPath
from gitops_model.serving.member import Member
from gitops_model.serving.replies import Problem, on_crash, on_http_exception, on_problem
from gitops_model.serving.service import Service

_MODEL = "/v2/models/{name}"
_VERSION = "/v2/models/{name}/versions/{version}"

ROUTES = (
    Route("/", page.page),
    Route("/predict", api.predict, methods=["POST"]),
    Route("/healthz", health.healthz),
    Route("/readyz", health.readyz),
    Route("/status", health.status),
    Route("/metrics", health.exposition),
    Route(f"{_MODEL}/infer", oip.infer, methods=["POST"]),
    Route(f"{_VERSION}/infer", oip.infer, methods=["POST"]),
    Route("/v2", oip.server),
    Route("/v2/health/live", oip.live),
    Route("/v2/health/ready", oip.ready),
    Route(_MODEL, oip.model),
    Route(f"{_MODEL}/ready", oip.model_ready),
    Route(_VERSION, oip.model),
    Route(f"{_VERSION}/ready", oip.model_ready),
    Route("/openapi.json", docs.openapi_json),
    Route("/docs", docs.page),
)


class App(Starlette):
    """Starlette, and the hot path ahead of it."""

    hot_path: HotPath

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == "/predict" and scope["method"] == "POST":
            plain = await self.hot_path.take(scope, receive, send)
            if plain is None:
                return
            receive = plain
        await super().__call__(scope, receive, send)


def create_app(
    settings: Settings, member: Member | None = None, channel: socket.socket | None = None
) -> App:
    """The application. Watching the store and writing the prediction log begin and end with its lifespan.

    One of several workers is a `member`, and talks with its supervisor through `channel`.
    """
    service = Service(settings, member)

    @contextlib.asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        tasks = [
            asyncio.create_task(service.watcher.run(settings.poll_seconds)),
            asyncio.create_task(service.guard.run()),
            asyncio.create_task(service.watchdog.run()),
            asyncio.create_task(service.metrics.run()),
        ]
        if service.log is not None:
            tasks.append(asyncio.create_task(service.log.run()))
        told = []
        if member is not None and channel is not None:
            told.append(asyncio.create_task(member.run(channel, health.knows(service))))
        try:
            yield
        finally:
            # Before the log: what the shadow said last is still written.
            await service.shadows.stop()
            # What was counted until the end is told last.
            for ending in (tasks, told):
                for task in ending:
                    task.cancel()
                await asyncio.gather(*ending, return_exceptions=True)

    app = App(
        routes=list(ROUTES),
        lifespan=lifespan,
        middleware=[Middleware(_Counting, service=service)],
        exception_handlers={
            Problem: on_problem,
            HTTPException: on_http_exception,
            Exception: on_crash,
        },
    )
    app.router.redirect_slashes = False
    app.state.service = service
    app.hot_path = HotPath(service)
    return app


class _Counting:
    """Counts requests by the route's template, so that junk addresses make no new series."""

    def __init__(self, app: ASGIApp, *, service: Service) -> None:
        self._app = app
        self._metrics = service.metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 500

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        self._metrics.began()
        try:
            await self._app(scope, receive, watched)
        finally:
            route = scope.get("route")
            template = route.path if isinstance(route, Route) else "unmatched"
            self._metrics.ended(route=template, method=scope["method"], status=status)
