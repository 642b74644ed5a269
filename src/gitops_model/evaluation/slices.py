"""Slices of the test set: every declared one is guarded, the named critical ones must be proven safe.

Two different questions, never mixed.

*Guard*: did some slice lose more than the margin, and is that loss no accident? All slices that are large enough form
one family, and Holm's procedure keeps the chance of blocking a candidate that lost nowhere at alpha for the whole
family. The margin keeps losses too small to matter from blocking, however many rows prove them; testing against the
margin itself would see an 8-point loss on 500 rows only now and then.

*Prove*: is this slice shown not to lose more than its margin? Each named slice must pass on its own, so no correction
is needed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from gitops_model.evaluation import intervals
from gitops_model.evaluation.columns import Context
from gitops_model.evaluation.comparison import compare
from gitops_model.evaluation.limit import against_limit
from gitops_model.evaluation.resampling import Resampler
from gitops_model.evaluation.rows import Rows
from gitops_model.formats.check import GateState, SliceRow, SliceState

Column = npt.NDArray[np.generic]


def members(columns: Mapping[str, Column]) -> dict[str, npt.NDArray[np.bool_]]:
    """Rows of each slice by its name `column=value`, columns in the given order, values sorted."""
    found = {}
    for name, column in columns.items():
        values, inverse = np.unique(np.asarray(column).astype(str), return_inverse=True)
        for i, value in enumerate(values):
            found[f"{name}={value}"] = inverse == i
    return found


def compare_each(
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
    block: Column | None = None,
    time: Column | None = None,
) -> tuple[SliceRow, ...]:
    """The numbers of each declared slice, with one-sided bounds at alpha, not adjusted for the family."""
    table = []
    for name, mask in members(columns).items():
        count = int(mask.sum())
        resampler = Resampler(
            count,
            seed=seed,
            group=None if group is None else group[mask],
            block=None if block is None else block[mask],
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
            SliceRow(
                slice=name,
                rows=count,
                candidate=found.candidate,
                production=found.production,
                delta=found.gain,
                lower=found.lower,
                upper=found.upper,
                error=found.null_error,
                degrees=found.degrees,
                wins=found.wins,
                losses=found.losses,
                rows_needed=found.rows_needed(margin=margin, alpha=alpha),
                method=found.method,
            )
        )
    return tuple(table)


def p_value(row: SliceRow) -> float | None:
    """One-sided p-value against H0 "the candidate is no worse on this slice"; None: there are no bounds.

    Exact McNemar on rows that are right or wrong, else the t statistic of the gain.
    """
    if row.delta is None or row.error is None or row.lower is None:
        return None
    if row.wins is not None and row.losses is not None:
        return intervals.mcnemar_less(b=row.wins, c=row.losses)
    degrees = math.inf if row.degrees is None else row.degrees
    return intervals.student_p(difference=row.delta, error=row.error, degrees=degrees)


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


def guarded(
    table: Sequence[SliceRow],
    *,
    margin: float,
    min_rows: int,
    alpha: float,
    relative: bool = False,
) -> tuple[SliceRow, ...]:
    """The same rows with the state of each. `relative`: the margin is a share of production's value.

    FAIL: lost more than the margin, and Holm's procedure finds the loss significant. PASS: its interval leaves no room
    for a loss of more than the margin. UNDECIDED: neither.
    """
    candidates = [_before_holm(row, min_rows=min_rows) for row in table]
    judged = [i for i, state in enumerate(candidates) if state is SliceState.PASS]
    p_values = [p for i in judged if (p := p_value(table[i])) is not None]
    rejected = zip(judged, holm(p_values, alpha=alpha), strict=True)
    significant = {i for i, is_significant in rejected if is_significant}
    return tuple(
        replace(
            row,
            state=_judged(
                row, margin=allowed(row, margin, relative=relative), significant=i in significant
            )
            if state is SliceState.PASS
            else state,
        )
        for i, (row, state) in enumerate(zip(table, candidates, strict=True))
    )


def allowed(row: SliceRow, margin: float, *, relative: bool) -> float:
    """The largest loss allowed on a slice, in the units of its gain: no share of 0 allows any."""
    return 0.0 if relative and row.production == 0 else margin


def _before_holm(row: SliceRow, *, min_rows: int) -> SliceState:
    # Undefined for one model only is a fault of that model; for both it is the rows' (one class, say).
    if (row.candidate is None) != (row.production is None):
        return SliceState.NO_DATA
    # Both values without a gain: nobody measured it. It must not pass as too small.
    if row.candidate is not None and row.delta is None:
        return SliceState.NO_DATA
    if row.rows < min_rows or p_value(row) is None:
        return SliceState.TOO_SMALL
    return SliceState.PASS


def _judged(row: SliceRow, *, margin: float, significant: bool) -> SliceState:
    gain = row.delta
    found = against_limit(value=gain, lower=gain, upper=gain, limit=-margin, better="higher")
    if significant and found is GateState.FAIL:
        return SliceState.FAIL
    if margin == 0 and gain is not None and gain >= 0:
        # Nothing worse than production's 0 was seen, and no interval could lie wholly above it.
        return SliceState.PASS
    whole = against_limit(
        value=gain, lower=row.lower, upper=row.upper, limit=-margin, better="higher"
    )
    return SliceState.PASS if whole is GateState.PASS else SliceState.UNDECIDED
