"""What a test set can see: the smallest loss that would be found 8 times in 10, overall and in its slices.

A loss of (q(1 - alpha) + z(0.8)) x standard error is told from no loss with probability 0.8 (J. Lachin, 1981,
"Introduction to sample size determination and power analysis for clinical trials"). The error is that of the gain that
was measured, from the influence of each row; among m slices Holm's first step needs q(1 - alpha / m).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from scipy.special import ndtri, stdtrit

from gitops_model.evaluation import ledger
from gitops_model.evaluation.intervals import POWER
from gitops_model.evaluation.slices import allowed
from gitops_model.formats.check import JUDGED, Check, Gate, GateKind, GateState, SliceRow

AGAIN = float(ndtri(POWER))


@dataclass(frozen=True, kw_only=True)
class Loss:
    """The smallest loss of one more metric that would be found, a share of production's value when `relative`."""

    metric: str
    overall: float
    relative: bool


@dataclass(frozen=True, kw_only=True)
class Sight:
    """Losses in units of the metric, or shares of production's value when `relative`.

    `slice` is the judged slice in which least is seen, None for none. `more` rows would see a loss of `margin` overall;
    None: it is seen already, or that cannot be said. `assumed`: nothing was compared, or both models answer alike; then
    the models are taken to share no errors, which no two models do, and `slice` is the largest one. `others` are the
    metrics of gates.yaml with a margin.
    """

    metric: str
    overall: float
    margin: float
    relative: bool
    more: int | None
    slice: str | None = None
    slice_loss: float | None = None
    slice_relative: bool = False
    slice_metric: str | None = None
    assumed: bool = False
    others: tuple[Loss, ...] = ()


def sight(check: Check) -> Sight | None:
    """What the rows of a check can see; None where primary has no margin or no numbers."""
    gate = check.gate(GateKind.PRIMARY)
    if gate is None or not gate.limit or gate.metric is None or gate.state is GateState.OFF:
        return None
    gains = [row.delta for row in check.metrics if row.delta is not None]
    if not gains or not any(gains):
        return _assumed(check, gate, gate.metric)
    return _measured(check, gate, gate.metric)


def _measured(check: Check, gate: Gate, metric: str) -> Sight | None:
    overall = _overall(check, gate)
    if overall is None:
        return None
    margin = abs(gate.limit or 0.0)
    guard = check.gate(GateKind.SLICE_GUARD)
    found = Sight(
        metric=metric,
        overall=overall,
        margin=margin,
        relative=gate.relative,
        more=_more(gate.rows, overall, margin),
        others=tuple(
            Loss(metric=other.metric or "", overall=loss, relative=other.relative)
            for other in check.gates
            if other.kind is GateKind.METRIC and (loss := _overall(check, other))
        ),
    )
    if guard is None or guard.limit is None:
        return found
    judged = [row for row in check.slices if row.state in JUDGED and row.error is not None]
    # The guard uses all of the declared error, however often one looked.
    alpha = ledger.declared(check.alpha, check.test_set.looks)
    losses = [(slice_loss(row, guard, alpha / len(judged)), row.slice) for row in judged]
    if not losses:
        return found
    loss, name = max(losses)
    return _with_slice(found, guard, name=name, loss=loss)


def _overall(check: Check, gate: Gate) -> float | None:
    """The loss that a comparison would find; None where it has no interval."""
    margin, needed = abs(gate.limit or 0.0), gate.rows_needed
    if gate.delta is None or gate.lower is None or needed is None or not gate.rows:
        return None
    reach = margin * math.sqrt(needed / gate.rows)
    error = reach / (AGAIN - float(ndtri(check.alpha)))
    # Few groups or blocks widen the bound, which the count of rows needed does not know.
    wide = gate.delta - gate.lower + AGAIN * error
    return reach if check.test_set.unit == "rows" else max(reach, wide)


def slice_loss(row: SliceRow, guard: Gate, alpha: float) -> float:
    """The loss in one slice that the guard would find, which judges it at `alpha`. The row has a standard error."""
    assert row.error is not None and guard.limit is not None
    quantile = -float(ndtri(alpha) if row.degrees is None else stdtrit(row.degrees, alpha))
    # The guard asks for two things: significant, and more than the margin.
    margin = allowed(row, -guard.limit, relative=guard.relative)
    return max(quantile * row.error, margin) + AGAIN * row.error


def _assumed(check: Check, gate: Gate, metric: str) -> Sight | None:
    row = next((row for row in check.metrics if row.metric == metric), None)
    if row is None or row.candidate is None:
        return None
    ends = [end for end in (row.candidate_lower, row.candidate_upper) if end is not None]
    scale = abs(row.candidate) if gate.relative else 1.0
    if not ends or not scale:
        return None
    half = max(abs(end - row.candidate) for end in ends) / scale
    quantile = -float(ndtri(check.alpha))
    # The variance of a difference of two independent errors is twice that of one.
    overall = math.sqrt(2) * half * (1 + AGAIN / quantile)
    margin, rows = abs(gate.limit or 0.0), check.test_set.rows
    found = Sight(
        metric=metric,
        overall=overall,
        margin=margin,
        relative=gate.relative,
        more=_more(rows, overall, margin),
        assumed=True,
    )
    guard = check.gate(GateKind.SLICE_GUARD)
    if (
        guard is None
        or not check.slices
        or guard.relative != gate.relative
        or guard.metric != metric
    ):
        return found
    largest = max(check.slices, key=lambda each: each.rows)
    return _with_slice(
        found, guard, name=largest.slice, loss=overall * math.sqrt(rows / max(1, largest.rows))
    )


def _more(rows: int, loss: float, margin: float) -> int | None:
    """Rows to add until a loss of `margin` is seen, by the square-root law; None when it is seen."""
    return math.ceil(rows * ((loss / margin) ** 2 - 1) - 1e-6) if loss > margin else None


def _with_slice(found: Sight, guard: Gate, *, name: str, loss: float) -> Sight:
    return replace(
        found,
        slice=name,
        slice_loss=loss,
        slice_relative=guard.relative,
        slice_metric=guard.metric,
    )
