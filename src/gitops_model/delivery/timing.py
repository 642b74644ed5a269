"""Timing two models in turns in one process."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable

import numpy as np
import numpy.typing as npt


def interleaved(
    candidate: Callable[[], object],
    production: Callable[[], object] | None,
    *,
    pairs: int = 400,
    warmup: int = 50,
    clock: Callable[[], int] = time.perf_counter_ns,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64] | None]:
    """Seconds (pairs,) of each call of both, made in turns: A B, B A, A B, ... so that neither is always second.

    Separate runs on a shared machine differ by a quarter without any cause; calls made in turns share the noise.
    Garbage collection waits meanwhile.
    """
    for _ in range(warmup):
        candidate()
        if production is not None:
            production()
    new, old = np.empty(pairs), np.empty(pairs)
    collected = gc.isenabled()
    gc.disable()
    try:
        for i in range(pairs):
            if production is None:
                new[i] = _timed(candidate, clock)
            elif i % 2 == 0:
                new[i] = _timed(candidate, clock)
                old[i] = _timed(production, clock)
            else:
                old[i] = _timed(production, clock)
                new[i] = _timed(candidate, clock)
    finally:
        if collected:
            gc.enable()
    return new / 1e9, None if production is None else old / 1e9


def _timed(call: Callable[[], object], clock: Callable[[], int]) -> int:
    start = clock()
    call()
    return max(1, clock() - start)
