"""A model that does to its own process what a bad shadow may do, at certain hours of the request."""

from __future__ import annotations

import json
import mmap
import os
import signal
import time
from typing import Any

import numpy as np
import skops.io

from gitops_model.runtime.answers import golden_line
from tests.support.factories import REQUEST, make_contract
from tests.support.server import Ref, Store

TYPE = "tests.support.troubled.Troubled"
SLEEP, CRASH, EAT, EAT_SHARED, RAISE, PRINT = 13, 14, 15, 16, 18, 19
EATEN = 1 << 30


class Troubled:
    """Answers a probability of 0.01 for each hour, unless it is told to misbehave; `at_once`: with any request."""

    def __init__(self, at_once: bool = False) -> None:
        self.at_once = at_once

    def predict_proba(self, table: Any) -> Any:
        hours = np.asarray(table["hour"], dtype=float)
        if SLEEP in hours:
            time.sleep(600)
        if CRASH in hours or self.at_once:
            os.kill(os.getpid(), signal.SIGKILL)
        if EAT in hours:
            np.ones(EATEN, dtype=np.uint8)
        if EAT_SHARED in hours:
            # No limit counts this kind: it is found by looking.
            eaten = mmap.mmap(-1, EATEN)
            for at in range(0, EATEN, mmap.PAGESIZE):
                eaten[at] = 1
            time.sleep(600)
        if RAISE in hours:
            raise RuntimeError("out of order")
        if PRINT in hours:
            print("\n\nnot an answer\n\n", flush=True)
        return np.column_stack([1 - hours / 100, hours / 100])


def add(store: Store, number: int, *, at_once: bool = False) -> Ref:
    """Put a bundle with this model into the store."""
    contract = make_contract()
    row = contract.row_validator()(REQUEST).values
    score = np.array([row["hour"] / 100])  # type: ignore[operator]
    golden = [golden_line(contract, REQUEST, score, 0)]
    members = {"model.skops": skops.io.dumps(Troubled(at_once))}
    return store.add(number, model_runtime="sklearn", golden=golden, members=members)


def rows(state: dict[str, Any]) -> dict[str, int]:
    """How many rows the shadow saw, by outcome, and dropped, by reason."""
    shadow = state["shadow"]
    return {**shadow["rows"], **shadow["dropped_rows"]}


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]
