"""What a request held is given back when it is answered, and does not wait for a collection of garbage."""

from __future__ import annotations

import asyncio
import gc
import json
from typing import Any

import numpy as np
import pytest

from tests.support import asgi
from tests.support.factories import REQUEST, contract_dict, make_contract

ROWS = 100


class _Model:
    def __init__(self, score: float) -> None:
        self.score = score

    def predict(self, columns: Any) -> Any:
        return np.full(len(columns["hour"]), self.score)


async def _left(body: str, status: int, score: float) -> int:
    """Objects that a request of this kind leaves to the collector."""
    contract = make_contract(output={**contract_dict()["output"], "fallback": None})
    app = asgi.app_around(_Model(score), contract=contract)
    await asgi.post(app, body)
    gc.collect()
    gc.disable()
    try:
        found, _, _ = await asgi.post(app, body)
        await asyncio.sleep(0.05)
        assert found == status
        return gc.collect()
    finally:
        gc.enable()


@pytest.mark.parametrize(
    ("body", "status", "score"),
    [
        (json.dumps({"rows": [REQUEST] * ROWS}), 200, 0.5),
        (json.dumps({"rows": [REQUEST] * ROWS}), 500, np.nan),
        (json.dumps({"rows": [REQUEST | {"hour": "x"}] * ROWS}), 422, 0.5),
        ("[" + "0, " * 60_000 + "0]", 422, 0.5),
        ("[" + "0, " * 120_000 + "0]", 413, 0.5),
    ],
)
def test_an_answered_request_leaves_no_cycle(body: str, status: int, score: float) -> None:
    assert asyncio.run(_left(body, status, score)) < ROWS / 2
