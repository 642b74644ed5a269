"""The only place where a measured number is compared with a limit."""

from __future__ import annotations

import math
from typing import Literal

State = Literal["pass", "fail", "inconclusive", "no_data", "not_compared", "off"]


def judge(
    *, value: float | None, lower: float | None, upper: float | None, limit: float, better: str
) -> State:
    """Three states of one number with bounds [lower, upper] against a limit, in the metric's direction.

    pass: the whole interval is on the good side of the limit; fail: on the bad side; else inconclusive.
    A missing value is `no_data`; a missing bound is unbounded. A number exactly on the limit does not pass.
    """
    if value is None or math.isnan(value):
        return "no_data"
    worst, best = (lower, upper) if better == "higher" else (upper, lower)
    sign = 1 if better == "higher" else -1
    if worst is not None and sign * worst > sign * limit:
        return "pass"
    if best is not None and sign * best < sign * limit:
        return "fail"
    return "inconclusive"
