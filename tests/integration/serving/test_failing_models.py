"""What callers get when a model raises, answers nonsense, or takes too long: the model is a fake, the rest is real."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from starlette.applications import Starlette

from gitops_model.formats.contract import Contract
from gitops_model.runtime.models import Columns, Scores
from tests.support import asgi
from tests.support.factories import REQUEST, contract_dict, make_contract


class Fake:
    """A model that does what the test says."""

    def __init__(self, predict: Callable[[Columns], Scores]) -> None:
        self.predict = predict


def _raise(_columns: Columns) -> Scores:
    raise RuntimeError("out of order")


def _app(predict: Callable[[Columns], Scores], **options: Any) -> Starlette:
    return asgi.app_around(Fake(predict), **options)


def _post(app: Starlette, body: Any) -> tuple[int, dict[str, str], Any]:
    return asyncio.run(asgi.post(app, json.dumps(body)))


def _without_fallback() -> Contract:
    output = contract_dict()["output"]
    return make_contract(output=output | {"fallback": None})


def test_a_model_that_raises_is_answered_with_the_fallback() -> None:
    app = _app(_raise)
    status, headers, body = _post(app, {"inputs": REQUEST})
    assert (status, headers["x-model-route"], body["route"]) == (200, "fallback", "fallback")
    assert body["output"] == {"delayed": False, "probability": 0.25}
    text = app.state.service.metrics.exposition().decode()
    assert 'model_fallbacks_total{model="flight-delay-v1"} 1.0' in text
    assert 'model_requests_total{model="flight-delay-v1",route="fallback",status="200"} 1.0' in text


@pytest.mark.parametrize("contract", [None, _without_fallback()], ids=["fallback", "none"])
def test_a_failure_is_logged_with_request_and_release(
    caplog: pytest.LogCaptureFixture, contract: Contract | None
) -> None:
    app = _app(_raise, contract=contract)
    with caplog.at_level(logging.ERROR):
        _post(app, {"inputs": REQUEST, "request_id": "r-1"})
    (said,) = caplog.records
    words = "flight-delay-v1 failed on request r-1: it raised RuntimeError: out of order."
    assert said.getMessage().startswith(words)
    assert ("fallback" in said.getMessage()) == (contract is None)
    assert (said.event, said.model, said.request_id) == (  # type: ignore[attr-defined]
        *("model_failed", "flight-delay-v1", "r-1"),
    )


def test_without_a_fallback_it_is_500_in_one_sentence() -> None:
    status, headers, body = _post(_app(_raise, contract=_without_fallback()), {"inputs": REQUEST})
    assert status == 500
    assert body == {
        "error": "The model failed on this request, and its contract names no fallback."
    }
    assert headers["x-model"] == "flight-delay-v1"


def test_only_the_rows_without_a_usable_score_fall_back() -> None:
    app = _app(lambda columns: np.array([0.9, np.nan, 0.1]))
    status, headers, body = _post(app, {"rows": [REQUEST] * 3})
    assert (status, headers["x-model-route"]) == (200, "fallback")
    assert [row["output"]["probability"] for row in body["rows"]] == [0.9, 0.25, 0.1]
    assert [row["fallback"] for row in body["rows"]] == [False, True, False]


def test_a_model_that_answers_too_few_rows_falls_back_for_the_rest() -> None:
    _, _, body = _post(_app(lambda columns: np.array([0.9])), {"rows": [REQUEST] * 2})
    assert [row["fallback"] for row in body["rows"]] == [False, True]


def test_a_model_that_takes_too_long_is_504_and_others_are_answered_meanwhile() -> None:
    release = threading.Event()

    def slow(columns: Columns) -> Scores:
        if columns["hour"][0] == 1:
            release.wait(20)
        return np.array([0.75])

    async def story() -> None:
        app = _app(slow, row_seconds=1.0, timeout_ms=100)
        hung = asyncio.create_task(asgi.post(app, json.dumps({"inputs": REQUEST | {"hour": 1}})))
        status, _, _ = await asgi.post(app, json.dumps({"inputs": REQUEST}))
        assert status == 200
        assert not hung.done()
        status, _, body = await hung
        assert (status, body["error"]) == (504, "The model did not answer within 100 ms.")
        # The caller is gone, and the thread is still taken.
        metrics = app.state.service.metrics
        assert "model_pool_requests 1.0" in metrics.exposition().decode()
        release.set()
        async with asyncio.timeout(20):
            while "model_pool_requests 0.0" not in metrics.exposition().decode():
                await asyncio.sleep(0.01)

    asyncio.run(story())


def test_a_fast_model_is_called_without_a_thread_and_a_slow_one_off_the_event_loop() -> None:
    seen: list[bool] = []

    def predict(columns: Columns) -> Scores:
        seen.append(threading.current_thread() is threading.main_thread())
        return np.array([0.5] * len(columns["hour"]))

    for row_seconds in (0.0, 0.01):
        _post(_app(predict, row_seconds=row_seconds), {"inputs": REQUEST})
    _post(_app(predict), {"rows": [REQUEST] * 500})
    assert seen == [True, False, False]
