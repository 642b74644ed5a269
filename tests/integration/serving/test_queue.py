"""The queue of the worker threads is bounded, and time counts from a request's arrival."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from typing import Any

import numpy as np
from starlette.applications import Starlette

from gitops_model.runtime.models import Columns, Scores
from gitops_model.serving.service import Service
from tests.support import asgi
from tests.support.factories import REQUEST

BATCH = json.dumps({"rows": [REQUEST] * 20})
ONE = json.dumps({"inputs": REQUEST})


class Slow:
    """A model whose batches wait until they are let go."""

    def __init__(self) -> None:
        self.release = threading.Event()
        self.calls = 0

    def predict(self, columns: Columns) -> Scores:
        rows = len(columns["hour"])
        if rows > 1:
            self.calls += 1
            self.release.wait(20)
        return np.array([0.75] * rows)


def _metrics(app: Starlette) -> str:
    text: str = app.state.service.metrics.exposition().decode()
    return text


def test_a_full_queue_refuses_batches_at_once_and_single_rows_are_answered() -> None:
    async def story() -> None:
        model = Slow()
        app = asgi.app_around(model, timeout_ms=20_000)
        service: Service = app.state.service
        waiting = [
            asyncio.create_task(asgi.post(app, BATCH)) for _ in range(service.limits.most_pooled)
        ]
        await asyncio.sleep(0.05)
        assert f"model_pool_requests {service.limits.most_pooled:.1f}" in _metrics(app)
        started = time.monotonic()
        status, headers, body = await asgi.post(app, BATCH)
        assert time.monotonic() - started < 0.5
        assert (status, headers["retry-after"]) == (429, "1")
        assert "as much work as it can" in body["error"]
        assert 'requests_refused_total{reason="queue"} 1.0' in _metrics(app)
        # No model is to blame, so no model's requests say so.
        assert 'model_requests_total{model="flight-delay-v1",route="stable",status="200"}' not in (
            _metrics(app)
        )
        assert (await asgi.post(app, ONE))[0] == 200
        model.release.set()
        assert {(await task)[0] for task in waiting} == {200}
        assert (await asgi.post(app, BATCH))[0] == 200

    asyncio.run(story())


def test_what_waited_in_the_queue_past_its_deadline_is_never_computed() -> None:
    async def story() -> None:
        model = Slow()
        app = asgi.app_around(model, timeout_ms=200)
        service: Service = app.state.service
        answers = [
            asyncio.create_task(asgi.post(app, BATCH)) for _ in range(service.limits.most_pooled)
        ]
        assert {(await answer)[0] for answer in answers} == {504}
        begun = model.calls
        model.release.set()
        await asyncio.sleep(0.2)
        assert model.calls == begun < service.limits.most_pooled
        assert "model_pool_requests 0.0" in _metrics(app)

    asyncio.run(story())


def test_the_deadline_counts_from_arrival_and_includes_the_wait_for_the_event_loop() -> None:
    async def call(app: Starlette, waited: float) -> int:
        return (await asgi.post(app, ONE, arrived=time.perf_counter() - waited))[0]

    app = asgi.app_around(Slow(), timeout_ms=1000)
    assert asyncio.run(call(app, 0.5)) == 200
    assert asyncio.run(call(app, 1.5)) == 504
    assert 'requests_refused_total{reason="deadline"} 1.0' in _metrics(app)


def test_bodies_that_arrive_in_pieces_are_bounded_together(monkeypatch: Any) -> None:
    from gitops_model.serving import replies

    monkeypatch.setattr(replies, "MOST_HELD", 10)
    app = asgi.app_around(Slow())
    status, headers, _ = asyncio.run(asgi.post(app, ONE))
    assert (status, headers["retry-after"]) == (429, "1")
    assert app.state.service.limits.held == 0
