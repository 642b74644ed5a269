"""Timing two models in turns in one process, and weighing a process from outside. The only impure module here."""

from __future__ import annotations

import gc
import subprocess
import sys
import time
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from gitops_model.errors import CannotEvaluate

# ru_maxrss of a child starts from its parent's size, so a small interpreter stands between. Linux counts KiB.
_WEIGH = """
import resource, subprocess, sys
done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
sys.stderr.buffer.write(done.stderr[-2000:])
unit = 1 if sys.platform == "darwin" else 1024
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * unit)
sys.exit(done.returncode)
"""


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


def peak_memory_mb(command: Sequence[str], *, repeats: int = 3, timeout: float = 60) -> float:
    """Largest peak resident memory, in MB (1,000,000 bytes), of `repeats` runs of a command to its end.

    Raises CannotEvaluate when the command fails or takes longer than `timeout` seconds.
    """
    peaks = []
    for _ in range(repeats):
        try:
            done = subprocess.run(
                [sys.executable, "-S", "-c", _WEIGH, *command],
                capture_output=True,
                timeout=timeout,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise CannotEvaluate(
                f"peak memory: `{command[0]} ...` did not end within {timeout:g} s."
            ) from None
        if done.returncode != 0:
            last = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
            raise CannotEvaluate(
                f"peak memory: `{command[0]} ...` ended with code {done.returncode}: {''.join(last)}"
            )
        peaks.append(int(done.stdout.split()[-1]) / 1e6)
    return max(peaks)


def _timed(call: Callable[[], object], clock: Callable[[], int]) -> int:
    start = clock()
    call()
    return max(1, clock() - start)
