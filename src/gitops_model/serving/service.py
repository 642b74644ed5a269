"""What all request handlers share, and the one way from inputs to a counted and logged answer."""

from __future__ import annotations

import asyncio
import functools
import logging
import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from starlette.types import Scope

from gitops_model.formats.serving import Settings
from gitops_model.runtime.answers import GOLDEN_ID
from gitops_model.runtime.calls import Call
from gitops_model.serving.event_log import about
from gitops_model.serving.guarding import CanaryGuard, CanaryState
from gitops_model.serving.history import History
from gitops_model.serving.limits import INLINE_BYTES, INLINE_ROWS, Limits, LimitsState
from gitops_model.serving.loader import now
from gitops_model.serving.member import Member
from gitops_model.serving.metrics import Metrics
from gitops_model.serving.pooled import PooledGuard
from gitops_model.serving.prediction_log import PredictionLog
from gitops_model.serving.predictor import ModelFailed, Refused, RowAnswer, evaluate
from gitops_model.serving.replies import Problem, no_room
from gitops_model.serving.retention import Keep
from gitops_model.serving.router import Route, route
from gitops_model.serving.shadow import Shadows
from gitops_model.serving.shadow_account import Copy
from gitops_model.serving.snapshot import Served, Snapshot
from gitops_model.serving.trial import Trial
from gitops_model.serving.watchdog import Watchdog
from gitops_model.serving.watcher import Watcher

if TYPE_CHECKING:
    from gitops_model.serving.ray_cluster import Cluster

logger = logging.getLogger("gitops_model.serving")

_T = TypeVar("_T")

# Work shorter than this runs on the event loop: handing it to a thread and back costs about as much.
INLINE_SECONDS = 0.002
# A worker thread whose model has not answered for so long is lost.
HUNG_SECONDS = 30.0
# Validating a row and building its answer, besides the model's own time.
ROW_OVERHEAD_SECONDS = 50e-6


@dataclass(frozen=True, kw_only=True)
class Ask:
    """A prediction request that parsed: rows of inputs, whose request it is, and whom a canary sticks to.

    `started` is when its headers arrived, on the clock of time.perf_counter. `size` is the body's, in bytes.
    """

    request_id: str
    key: str | None
    rows: Sequence[Mapping[str, Any]]
    batch: bool
    started: float
    size: int = 0


@dataclass(frozen=True, kw_only=True)
class Answered:
    """Who answered, by which route, and the answer to each row."""

    served: Served
    route: Route
    rows: list[RowAnswer]

    @property
    def headers(self) -> dict[str, str]:
        return {"X-Model": self.served.ref.model, "X-Model-Route": self.route}


class Service:
    """The parts of one running service."""

    def __init__(self, settings: Settings, member: Member | None = None) -> None:
        self.settings = settings
        self.member = member
        self.metrics = Metrics()
        self.history = History(began=member.began if member else None)
        self.log = (
            PredictionLog(
                settings.log_folder,
                on_dropped=self.metrics.log_dropped,
                keep=Keep(days=settings.log_keep_days, mb=settings.log_keep_mb),
                on_deleted=self.metrics.log_deleted,
                owed=member.owed if member else None,
            )
            if settings.log_predictions
            else None
        )
        self.shadows = Shadows(
            share=settings.shadow_share,
            memory_mb=settings.shadow_memory_mb,
            trusted=settings.trusted_types,
            keep=self.log.add if self.log else None,
        )
        self.cluster = None if settings.ray is None else _cluster(settings)
        self.watcher = Watcher(
            settings.store,
            on_failure=self.metrics.load_failed,
            on_switch=self._switched,
            load=Trial(
                seconds=settings.load_seconds,
                memory_mb=settings.load_memory_mb,
                trusted=settings.trusted_types,
                shared=member.folder if member else None,
                load=None if self.cluster is None else self.cluster.load,
            ).load,
            shadows=self.shadows,
        )
        guard = CanaryGuard if member is None else PooledGuard
        self.guard = guard(settings.guard, self.watcher)
        self.metrics.registry.register(CanaryState(self.guard, self.watcher))
        self.metrics.watch(self.watcher)
        self.metrics.watch_shadows(self.shadows)
        self.started_at = now()
        self.started = time.monotonic()
        threads = max(1, (os.cpu_count() or 1) // settings.workers)
        if self.cluster is not None:
            # They wait for replicas, each for one request.
            threads = settings.max_requests
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="predict")
        self.metrics.has_pool(threads)
        self.limits = Limits(most=settings.max_requests, threads=threads)
        self.metrics.registry.register(LimitsState(self.limits))
        self._works: dict[Future[Any], Call] = {}
        self.watchdog = Watchdog(
            threads=threads,
            # A copy: worker threads take their calls out.
            calls=lambda: list(self._works.values()),
            seconds=max(HUNG_SECONDS, 2 * settings.timeout_ms / 1000),
        )

    def _switched(self, old: Snapshot, new: Snapshot) -> None:
        self.metrics.switched(old, new)
        self.guard.switched(new)
        if self.member is not None:
            self.member.changed()

    def arrived(self, scope: Scope) -> tuple[float, float]:
        """When the head of a request was here, on the clock of time.perf_counter; its deadline, on the event loop's.

        The turn of the event loop that began with it may have answered many others before it.
        """
        now = time.perf_counter()
        started = scope.get("arrived", now)
        left = self.settings.timeout_ms / 1000 - (now - started)
        return started, asyncio.get_running_loop().time() + left

    def route(self, ask: Ask) -> tuple[Served, Route]:
        """Who answers `ask`, by the routing table of this moment. Raises Problem 503 when no model is loaded."""
        snapshot = self.watcher.snapshot
        found = route(snapshot, sticky_key(snapshot, ask))
        if found is None:
            raise self.unavailable()
        return found

    def unavailable(self) -> Problem:
        """The answer of a service that has no model yet."""
        return Problem(503, f"No model is loaded: {self.not_ready()}", headers={"Retry-After": "1"})

    def not_ready(self) -> str | None:
        """Why no request can be answered, in one sentence; None when they can."""
        if self.watcher.snapshot.stable is not None:
            return None
        if self.watcher.loading:
            return f"{self.watcher.loading[0]} is being loaded."
        failures = self.watcher.failures()
        if failures:
            return failures[0].sentence
        if self.watcher.desired is None:
            return "the store has not been looked at yet."
        return "the pointer names no stable release yet; `make ship` writes it."

    async def answer(self, ask: Ask, *, served: Served, route: Route, until: float) -> Answered:
        """Answer, count and log `ask`. Raises Problem: 422, 429, 500, or 504 after the deadline `until`."""
        pooled = _is_work(served, ask)
        if pooled:
            self._has_room()
        status, rows, way, cause = 200, list[RowAnswer](), route, ""
        try:
            rows = await self._evaluate(served, ask, until, pooled=pooled)
        except Refused as refused:
            status = 422
            names = "input breaks" if len(refused.problems) == 1 else "inputs break"
            sentence = f"{len(refused.problems)} {names} the contract of {served.ref.model}."
            raise Problem(422, sentence, problems=refused.problems) from None
        except ModelFailed as failed:
            status, cause = 500, failed.cause
            raise Problem(500, str(failed)) from None
        except TimeoutError:
            status, cause = 504, f"it did not answer within {self.settings.timeout_ms} ms"
            self.limits.refused("deadline")
            sentence = f"The model did not answer within {self.settings.timeout_ms} ms."
            raise Problem(504, sentence) from None
        finally:
            fell_back = any(row.fell_back for row in rows)
            judge = self.guard.judge
            if judge is not None and route != "pinned" and not ask.request_id.startswith(GOLDEN_ID):
                self.guard.note(
                    judge,
                    served=served,
                    status=status,
                    seconds=time.perf_counter() - ask.started,
                    rows=rows,
                    fell_back=fell_back,
                    asked=len(ask.rows),
                    key=lambda: own_key(self.watcher.snapshot, ask),
                )
            if fell_back:
                route, cause = "fallback", next(row.cause for row in rows if row.fell_back)
            if cause:
                _say_failed(served, ask, cause, route=route)
            seconds = time.perf_counter() - ask.started
            self.metrics.answered(
                model=served.ref.model, route=route, status=status, seconds=seconds, rows=rows
            )
            missing = [name for row in rows for name in row.imputed]
            self.history.add(status=status, seconds=seconds, rows=len(rows), missing=missing)
        if not ask.request_id.startswith(GOLDEN_ID):
            self.keep(
                Copy(time.time(), ask.request_id, ask.key, ask.rows, served.ref, way, rows, seconds)
            )
        return Answered(served=served, route=route, rows=rows)

    def keep(self, copy: Copy) -> None:
        """Log what was answered, and show it to the shadow."""
        if self.log is not None:
            self.log.answered(copy)
        if (shadow := self.watcher.snapshot.shadow) is not None:
            self.shadows.offer(shadow.ref, copy)

    async def _evaluate(
        self, served: Served, ask: Ask, until: float, *, pooled: bool
    ) -> list[RowAnswer]:
        if pooled:
            work = functools.partial(evaluate, served.loaded, ask.rows, batch=ask.batch)
            return await self._in_pool(work, until)
        if time.perf_counter() - ask.started > self.settings.timeout_ms / 1000:
            raise TimeoutError
        return evaluate(served.loaded, ask.rows, batch=ask.batch)

    async def understand(self, work: Callable[[], _T], *, size: int, until: float) -> _T:
        """What `work` makes of a body of `size` bytes. Raises Problem: its own, 429, or 504 after `until`."""
        if self.limits.busy > self.limits.most:
            # It was let in while its body was on its way, and so were others.
            raise no_room(self.limits, "busy")
        if size <= INLINE_BYTES:
            return work()
        self._has_room()
        try:
            return await self._in_pool(work, until)
        except Problem as problem:
            if problem.status == 413:
                self.limits.refused("values")
            raise
        except TimeoutError:
            self.limits.refused("deadline")
            raise Problem(504, "The body could not be read in time.") from None

    def _has_room(self) -> None:
        if len(self._works) >= self.limits.most_pooled:
            raise no_room(self.limits, "queue")

    async def _in_pool(self, work: Callable[[], _T], until: float) -> _T:
        """Have a worker thread do `work`. Raises TimeoutError after `until`; then `work` is ended where it can be."""
        call = Call()

        def within() -> _T:
            with call:
                return work()

        future = self._pool.submit(within)
        self.metrics.pooled(future)
        self._works[future] = call
        future.add_done_callback(lambda done: self._works.pop(done, None))
        try:
            async with asyncio.timeout_at(until):
                return await asyncio.wrap_future(future)
        except (TimeoutError, asyncio.CancelledError):
            # Nobody waits for it any more.
            call.end()
            raise
        finally:
            # What the work raised would hold this frame, and the frame the work: a body and its rows would wait for a
            # collection.
            del future


def _cluster(settings: Settings) -> Cluster:
    """Nothing of Ray is imported where serving.yaml does not name it."""
    from gitops_model.serving.ray_cluster import Cluster

    return Cluster(settings)


def _say_failed(served: Served, ask: Ask, cause: str, *, route: Route) -> None:
    then = " The fallback was answered." if route == "fallback" else ""
    logger.error(
        "%s failed on request %s: %s.%s",
        *(served.ref.model, ask.request_id, cause.rstrip("."), then),
        extra=about("model_failed", served.ref, request_id=ask.request_id, route=route),
    )


def _is_work(served: Served, ask: Ask) -> bool:
    """Whether answering `ask` on the event loop would delay others."""
    if len(ask.rows) > INLINE_ROWS or ask.size > INLINE_BYTES:
        return True
    return not is_quick(served, rows=len(ask.rows))


def is_quick(served: Served, *, rows: int = 1) -> bool:
    """Whether so many rows may be answered on the event loop."""
    return rows * (served.loaded.row_seconds + ROW_OVERHEAD_SECONDS) <= INLINE_SECONDS


def sticky_key(snapshot: Snapshot, ask: Ask) -> str:
    """What a canary sticks to: the request's own key, else the input the pointer names, else the request id."""
    key = own_key(snapshot, ask)
    return ask.request_id if key is None else key


def own_key(snapshot: Snapshot, ask: Ask) -> str | None:
    """Whose the request is, so far as it can be told."""
    return key_in(snapshot, ask.key, ask.rows[0])


def key_in(snapshot: Snapshot, key: str | None, row: Mapping[str, Any]) -> str | None:
    """The request's own key, else what its first row says: the input that the pointer names."""
    if key is not None:
        return key
    rule = snapshot.canary_rule
    if rule is not None and rule.key is not None:
        value = row.get(rule.key)
        # Anything else breaks the contract, and turning it into text may take long.
        if isinstance(value, (str, int, float)):
            return str(value)
    return None
