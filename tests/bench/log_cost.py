"""What the prediction log costs a row, in one process: two servers side by side differ by more than that."""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import tempfile
import time
from pathlib import Path

import orjson

from gitops_model.formats.pointer import Ref
from gitops_model.serving.prediction_log import PredictionLog
from gitops_model.serving.predictor import RowAnswer
from gitops_model.serving.shadow_account import Copy

ROWS = 30_000
# Answers between two turns of the event loop, as with so many callers.
CALLERS = 16
INPUTS = orjson.dumps({f"feature_{n}": n * 1.2345 for n in range(13)})
REF = Ref(model="flight-delay-v2", sha256="a" * 64)


def microseconds(batch: int, rounds: int = 9) -> float:
    """CPU time of all threads for each row of requests of `batch` rows: median of paired rounds with and without."""
    with tempfile.TemporaryDirectory() as folder:
        pairs = [
            asyncio.run(_answer(Path(folder), batch, kept=True))
            - asyncio.run(_answer(Path(folder), batch, kept=False))
            for _ in range(rounds)
        ]
    return statistics.median(pairs)


async def _answer(folder: Path, batch: int, *, kept: bool) -> float:
    log = PredictionLog(folder)
    writing = asyncio.create_task(log.run())
    began = time.process_time()
    for number in range(ROWS // batch):
        rows = [orjson.loads(INPUTS) for _ in range(batch)]
        answers = [
            RowAnswer({"probability": 0.1 + number * 1e-9, "decision": False}, [], False)
            for _ in rows
        ]
        copy = Copy(time.time(), f"r{number}", "k1", rows, REF, "stable", answers, 0.0012)
        if kept:
            log.answered(copy)
        if number % CALLERS == 0:
            await asyncio.sleep(0)
    writing.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await writing
    return (time.process_time() - began) / ROWS * 1e6
