"""Slices of the test set: every declared one is guarded, the named critical ones must be proven safe.

Two different questions, never mixed. *Guard*: is there evidence that some slice lost more than the margin? All
slices that are large enough form one family, and Holm's procedure keeps the chance of blocking a harmless candidate
at alpha for the whole family. *Prove*: is this slice shown not to lose more than its margin? Each named slice must
pass on its own, so no correction is needed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from modelops.evaluation import intervals
from modelops.evaluation.columns import Context
from modelops.evaluation.comparison import Rows, compare
from modelops.evaluation.resampling import Resampler

Column = npt.NDArray[np.generic]


def members(columns: Mapping[str, Column]) -> dict[str, npt.NDArray[np.bool_]]:
    """Rows of each slice by its name `column=value`, columns in the given order, values sorted."""
    found = {}
    for name, column in columns.items():
        values, inverse = np.unique(np.asarray(column).astype(str), return_inverse=True)
        for i, value in enumerate(values):
            found[f"{name}={value}"] = inverse == i
    return found


def measure(
    columns: Mapping[str, Column],
    rows: Rows,
    ctx: Context,
    *,
    metric: str,
    alpha: float,
    relative: bool,
    margin: float,
    seed: int,
    group: Column | None = None,
    time: Column | None = None,
) -> list[dict[str, Any]]:
    """One dict of numbers for each declared slice, with one-sided bounds at alpha, not adjusted for the family."""
    table = []
    for name, mask in members(columns).items():
        count = int(mask.sum())
        resampler = Resampler(
            count,
            seed=seed,
            group=None if group is None else group[mask],
            time=None if time is None else time[mask],
        )
        found = compare(
            metric,
            rows.subset(mask),
            ctx,
            resampler,
            alpha=alpha,
            relative=relative,
            resample=False,
        )
        table.append(
            {
                "slice": name,
                "rows": count,
                "candidate": found.candidate,
                "production": found.production,
                "delta": found.gain,
                "lower": found.lower,
                "upper": found.upper,
                "error": found.error,
                "degrees": found.degrees,
                "wins": found.wins,
                "losses": found.losses,
                "rows_needed": found.rows_needed(margin=margin, alpha=alpha),
                "method": found.method,
            }
        )
    return table


def p_value(numbers: Mapping[str, Any], *, margin: float) -> float | None:
    """P-value against H0 "this slice lost at most `margin`": small means it clearly lost more. None: no data."""
    gain, error = numbers["delta"], numbers["error"]
    if gain is None or numbers["lower"] is None:
        return None
    if numbers["wins"] is not None:
        score = intervals.tango_score(
            b=numbers["wins"], c=numbers["losses"], n=numbers["rows"], difference=-margin
        )
        return intervals.student_p(difference=score, error=1.0, degrees=math.inf)
    if error is None:
        return None
    degrees = math.inf if numbers["degrees"] is None else numbers["degrees"]
    return intervals.student_p(difference=gain + margin, error=error, degrees=degrees)


def holm(p_values: Sequence[float], *, alpha: float) -> list[bool]:
    """Which hypotheses are rejected with family-wise error at most alpha, under any dependence.

    S. Holm (1979): go through the p-values in ascending order while p(k) <= alpha / (m - k + 1).
    """
    rejected = [False] * len(p_values)
    for k, i in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        if p_values[i] > alpha / (len(p_values) - k):
            break
        rejected[i] = True
    return rejected


def judge_all(
    table: Sequence[Mapping[str, Any]], *, margin: float, min_rows: int, alpha: float
) -> list[str]:
    """State of each slice: `fail` clearly lost more than the margin, `too_small` shown but not judged,

    `no_data` only one of the two models has a value on it, else `pass`.
    """
    states = []
    for numbers in table:
        # Undefined for one model only is a fault of that model; for both it is the rows' (one class, say).
        if (numbers["candidate"] is None) != (numbers["production"] is None):
            states.append("no_data")
        elif numbers["rows"] < min_rows or p_value(numbers, margin=margin) is None:
            states.append("too_small")
        else:
            states.append("pass")
    judged = [i for i, state in enumerate(states) if state == "pass"]
    p_values = [p_value(table[i], margin=margin) for i in judged]
    for i, rejected in zip(
        judged, holm([p for p in p_values if p is not None], alpha=alpha), strict=True
    ):
        if rejected:
            states[i] = "fail"
    return states
