"""A model that never answers, after it answered its trial: its thread is had back, or the service begins anew."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from gitops_model.runtime.calls import Call
from gitops_model.runtime.models import Model, OnnxModel, columns_of
from gitops_model.serving import watchdog
from gitops_model.serving.watchdog import Watchdog
from tests.support import asgi, hanging
from tests.support.factories import REQUEST, make_contract

ONE = json.dumps({"inputs": REQUEST})
CONTRACT = make_contract()


def _endless() -> Model:
    return OnnxModel(hanging.model(), CONTRACT)


async def _until(happened: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not happened():
            await asyncio.sleep(0.01)


def test_one_call_is_ended_and_another_of_the_same_model_goes_on() -> None:
    model = _endless()
    columns = columns_of(CONTRACT, [CONTRACT.row_validator()(REQUEST).values])
    said: dict[int, str] = {}
    calls = [Call(), Call()]

    def ask(number: int) -> None:
        try:
            with calls[number]:
                model.predict(columns)
        except Exception as error:
            said[number] = type(error).__name__

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(2)]
    for thread in threads:
        thread.start()
    calls[0].end()
    threads[0].join(20)
    assert not threads[0].is_alive() and said == {0: "Fail"}
    time.sleep(0.1)
    assert threads[1].is_alive() and calls[1].started is not None
    calls[1].end()
    threads[1].join(20)
    assert said[1] == "Fail" and calls[1].started is None


def test_a_call_that_was_ended_asks_no_more_until_it_is_renewed() -> None:
    model = OnnxModel(hanging.hungry(1), CONTRACT)
    columns = columns_of(CONTRACT, [CONTRACT.row_validator()(REQUEST).values])
    call = Call()
    call.end()
    with call, pytest.raises(Exception, match="terminate"):
        model.predict(columns)
    call.renew()
    with call:
        assert len(model.predict(columns)) == 1
    assert len(model.predict(columns)) == 1


def test_a_worker_thread_is_had_back_at_the_deadline() -> None:
    async def story() -> None:
        app = asgi.app_around(_endless(), row_seconds=1.0, timeout_ms=200)
        service = app.state.service
        try:
            for _ in range(3 * service._pool._max_workers):
                status, _, _ = await asgi.post(app, ONE)
                assert status == 504
            await _until(lambda: not service._works)
            assert b"model_pool_requests 0.0" in service.metrics.exposition()
        finally:
            # A thread that was not had back would keep the tests from ending.
            for call in list(service._works.values()):
                call.end()

    asyncio.run(story())


def test_a_model_that_holds_the_event_loop_is_ended_and_its_caller_gets_the_fallback(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(watchdog, "LOOKS", 3)
    died: list[int] = []

    async def story() -> None:
        app = asgi.app_around(_endless(), row_seconds=0.0, timeout_ms=200)

        def die(code: int) -> None:
            died.append(code)
            dog._held.end()

        dog = Watchdog(threads=1, calls=list, seconds=1, look_seconds=0.1, die=die)
        task = asyncio.create_task(dog.run())
        await asyncio.sleep(0.2)
        for _ in range(2):
            status, headers, _ = await asgi.post(app, ONE)
            assert (status, headers["x-model-route"]) == (200, "fallback")
            await asyncio.sleep(0.2)
        task.cancel()

    asyncio.run(story())
    assert died == []


def test_what_nobody_can_end_ends_the_process(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(watchdog, "LOOKS", 3)
    released = threading.Event()
    codes: list[int] = []

    def die(code: int) -> None:
        codes.append(code)
        released.set()

    class Stuck:
        def predict(self, columns: Any) -> Any:
            assert released.wait(20)
            return np.array([0.5])

    async def story() -> None:
        app = asgi.app_around(Stuck(), row_seconds=0.0, timeout_ms=200)
        dog = Watchdog(threads=1, calls=list, seconds=1, look_seconds=0.05, die=die)
        task = asyncio.create_task(dog.run())
        await asyncio.sleep(0.1)
        await asgi.post(app, ONE)
        task.cancel()

    asyncio.run(story())
    assert codes == [70] and "held for good" in caplog.text


def test_the_service_leaves_when_all_worker_threads_are_lost_and_not_before() -> None:
    left: list[bool] = []
    calls = [Call(), Call()]

    async def story() -> None:
        dog = Watchdog(
            threads=2,
            calls=lambda: calls,
            seconds=0.1,
            look_seconds=0.02,
            leave=lambda: left.append(True),
        )
        task = asyncio.create_task(dog.run())
        calls[0].started = time.monotonic() - 1
        await asyncio.sleep(0.1)
        assert left == []
        calls[1].started = time.monotonic() - 1
        await _until(lambda: bool(left))
        await asyncio.sleep(0.1)
        task.cancel()

    asyncio.run(story())
    assert left == [True]
