"""The only place where a measured number is compared with a limit."""

from __future__ import annotations

import math

from gitops_model.formats.check import Better, GateState


def against_limit(
    *, value: float | None, lower: float | None, upper: float | None, limit: float, better: Better
) -> GateState:
    """What one number with bounds [lower, upper] says about a limit, in the metric's direction.

    PASS: the whole interval is on the good side of the limit; FAIL: on the bad side; else INCONCLUSIVE.
    A missing value is NO_DATA; a missing bound is unbounded. A number exactly on the limit does not pass.
    """
    if value is None or math.isnan(value):
        return GateState.NO_DATA
    worst, best = (lower, upper) if better == "higher" else (upper, lower)
    sign = 1 if better == "higher" else -1
    if worst is not None and sign * worst > sign * limit:
        return GateState.PASS
    if best is not None and sign * best < sign * limit:
        return GateState.FAIL
    return GateState.INCONCLUSIVE
