"""Blocks of whole days: what happens on one day (weather, a strike, a faulty feed) moves all of its rows together.

The length of a block is chosen from the data: D. Politis, H. White (2004), "Automatic block-length selection for the
dependent bootstrap", with the correction of A. Patton, D. Politis, H. White (2009), on the daily means.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]

# With fewer blocks than this a standard error is a guess.
MIN_BLOCKS = 10


def days(time: npt.NDArray[np.generic]) -> Ints | None:
    """(n,) place of each row's day among the days that occur; None where times are no dates.

    A text counts by the date that it begins with, in whatever time zone it was written.
    """
    raw = np.asarray(time)
    if raw.dtype.kind not in "MOUS":
        return None
    try:
        dates = raw.astype("datetime64[D]") if raw.dtype.kind == "M" else _dates(raw.tolist())
    except ValueError:
        return None
    if np.isnat(dates).any():
        return None
    place: Ints = np.unique(dates, return_inverse=True)[1].astype(np.intp).ravel()
    return place


def _dates(values: Sequence[object]) -> npt.NDArray[np.datetime64]:
    texts = [str(value)[:10] for value in values]
    # numpy takes a bare number for a year, so seconds since 1970 would each be a day of their own.
    if not all(text[4:5] == "-" == text[7:8] for text in texts):
        raise ValueError("no dates")
    return np.array(texts, dtype="datetime64[D]")


def blocks(day: Ints, losses: Array) -> Ints | None:
    """(n,) block of each row, of whole neighbouring days and as equal in days as can be; None with too few days.

    `losses` (n, k): columns whose daily means say how many days depend on each other; the longest answer counts.
    """
    count = int(day.max()) + 1
    if count < MIN_BLOCKS:
        return None
    size = np.bincount(day, minlength=count)
    longest = 1
    for column in losses.T:
        if np.isfinite(column).all():
            daily = np.bincount(day, weights=column, minlength=count) / size
            longest = max(longest, block_length(daily))
    number = count // min(longest, count // MIN_BLOCKS)
    found: Ints = day * number // count
    return found


def block_length(series: Array) -> int:
    """Neighbours that belong together in a series (n,) in order of time; 1 where none depends on the next."""
    n = len(series)
    centred = series - series.mean()
    if not np.any(centred):
        return 1
    near = max(5, math.ceil(math.sqrt(math.log10(n))))
    most = min(n - 1, math.ceil(math.sqrt(n)) + near)
    covariance = np.array([centred[: n - k] @ centred[k:] / n for k in range(most + 1)])
    seen = np.abs(covariance[1:]) / covariance[0] >= 2 * math.sqrt(math.log10(n) / n)
    # The first lag after which `near` correlations in a row are no more than noise.
    last = next((m for m in range(len(seen)) if not seen[m : m + near].any()), len(seen))
    if last == 0:
        return 1
    lags = np.arange(1, min(2 * last, most) + 1)
    window = np.minimum(1.0, 2 * (1 - lags / (2 * last)))
    spread = covariance[0] + 2 * float(window @ covariance[lags])
    slope = 2 * float((window * lags) @ covariance[lags])
    if spread <= covariance[0]:
        # Days that pull against each other need no longer blocks; those would only shorten the interval.
        return 1
    best: float = (1.5 * slope**2 / spread**2 * n) ** (1 / 3)
    return max(1, math.ceil(best))
