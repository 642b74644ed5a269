"""Statistics of timings that were taken in turns: candidate, production, production, candidate, ..."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.special import bdtr

from gitops_model.formats.check import Latency

Array = npt.NDArray[np.float64]

REPLICATES = 2000


def summarise(candidate: Array, production: Array | None, *, alpha: float, seed: int) -> Latency:
    """Seconds (n,) of each call; call i of both was made back to back.

    The ratio is the median of the paired ratios, so that noise that slows both calls of a pair cancels. Its interval
    resamples blocks of neighbouring pairs, because a busy machine is busy for a while.
    """
    ratio = lower = upper = middle = slowest = None
    if production is not None:
        logs = np.log(candidate) - np.log(production)
        ratio, lower, upper = (
            float(np.exp(x)) for x in _median_interval(logs, alpha=alpha, seed=seed)
        )
        middle = float(np.median(production) * 1e3)
        slowest = float(np.quantile(production, 0.95) * 1e3)
    p95_lower, p95_upper = quantile_interval(candidate, 0.95, alpha=alpha)
    return Latency(
        pairs=len(candidate),
        candidate_ms=float(np.median(candidate) * 1e3),
        production_ms=middle,
        ratio=ratio,
        ratio_lower=lower,
        ratio_upper=upper,
        p95_ms=float(np.quantile(candidate, 0.95) * 1e3),
        p95_lower=p95_lower * 1e3,
        p95_upper=p95_upper * 1e3,
        production_p95_ms=slowest,
    )


def quantile_interval(values: Array, q: float, *, alpha: float) -> tuple[float, float]:
    """Distribution-free one-sided bounds of a quantile from order statistics (binomial).

    When there are too few values for the upper bound it is infinite, and for the lower one 0: a time is not negative.
    """
    ordered, n = np.sort(values), len(values)
    at_most = bdtr(
        np.arange(n, dtype=np.float64), n, q
    )  # P(at most k of n values lie below the quantile)
    low = int(np.sum(at_most <= alpha)) - 1
    high = int(np.searchsorted(at_most, 1 - alpha, side="left"))
    return (
        float(ordered[low]) if low >= 0 else 0.0,
        float(ordered[high]) if high < n else float("inf"),
    )


def _median_interval(logs: Array, *, alpha: float, seed: int) -> tuple[float, float, float]:
    n = len(logs)
    block = max(1, round(n**0.5))
    count = -(-n // block)
    starts = np.random.default_rng(seed).integers(n, size=(REPLICATES, count))
    drawn = logs[(starts[:, :, None] + np.arange(block)) % n].reshape(REPLICATES, -1)
    medians = np.median(drawn, axis=1)
    point = float(np.median(logs))
    lower, upper = np.quantile(medians, [alpha, 1 - alpha])
    return point, min(float(lower), point), max(float(upper), point)
