"""A number with its bounds, against production and against the limit: what every picture of a report draws.

Turned so that right is better, whatever the number's own direction. `text` draws it in one line of text, `svg.strip`
as a picture.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gitops_model.formats.check import Gate, GateKind, GateState, MetricRow, SliceRow

# Characters of a picture on its own scale, and of one on a scale that many share.
WIDTH, WIDE = 13, 25
# Without anything that can be placed on a scale.
NO_PICTURE = (GateKind.LEAKAGE, GateKind.SCHEMA, GateKind.SLICE_GUARD)

Domain = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Interval:
    """`value` from `lower` (worst) to `upper` (best), open where None; `reference` is production."""

    value: float
    lower: float | None = None
    upper: float | None = None
    limit: float | None = None
    reference: float | None = None

    def known(self) -> list[float]:
        """All numbers that a scale must show."""
        every = (self.value, self.lower, self.upper, self.limit, self.reference)
        return [number for number in every if number is not None]


def of_gate(gate: Gate) -> Interval | None:
    """A gain against its limit, or a value against its; None when there is nothing to draw."""
    if gate.kind in NO_PICTURE or gate.state is GateState.NOT_COMPARED:
        return None
    if gate.kind is GateKind.LATENCY_RATIO:
        # The ratio is better when smaller, and 1 is production.
        return _flipped(gate.delta, gate.lower, gate.upper, gate.limit, reference=1.0, about=1.0)
    if gate.delta is not None:
        ends = (gate.lower, gate.upper)
        return _interval(gate.delta, *ends, limit=gate.limit, reference=0.0)
    if gate.better == "lower":
        return _flipped(
            gate.candidate, gate.lower, gate.upper, gate.limit, reference=gate.production
        )
    return _interval(
        gate.candidate, gate.lower, gate.upper, limit=gate.limit, reference=gate.production
    )


def of_slice(row: SliceRow, *, limit: float | None) -> Interval | None:
    """The gain on a slice."""
    return _interval(row.delta, row.lower, row.upper, limit=limit, reference=0.0)


def of_value(row: SliceRow, *, overall: float | None) -> Interval | None:
    """The candidate's own value on a slice, against its value on all rows."""
    return _interval(row.candidate, row.lower, row.upper, limit=None, reference=overall)


def of_metric(row: MetricRow) -> Interval | None:
    """The gain of a metric."""
    return _interval(row.delta, row.lower, row.upper, limit=None, reference=0.0)


def way(delta: float | None, lower: float | None, upper: float | None) -> str:
    """`up` or `down` for a clear change, empty for an interval that holds "no change"."""
    if delta is None:
        return ""
    return (
        "up"
        if lower is not None and lower > 0
        else "down"
        if upper is not None and upper < 0
        else ""
    )


def padded(values: Sequence[float], *, share: float = 0.08) -> Domain:
    """The range of `values` with a little room at both ends."""
    low, high = min(values), max(values)
    room = (high - low) * share or abs(high) * share or 1.0
    return low - room, high + room


def shared(intervals: Iterable[Interval], *, reach: float = 3.0) -> Domain:
    """One scale for many intervals: not wider than `reach` times the limit or the usual gain, whichever is larger.

    One tiny slice with a huge interval must not squeeze the others together.
    """
    every = list(intervals)
    if not every:
        return padded([0.0])
    ends = [number for interval in every for number in interval.known()]
    low, high = padded(ends, share=0.04)
    # Values, unlike gains, have no zero in the middle to measure from.
    if any(interval.reference != 0.0 for interval in every):
        return low, high
    usual = sorted(abs(interval.value) for interval in every)[len(every) // 2]
    limits = [abs(interval.limit) for interval in every if interval.limit is not None]
    far = reach * max(*limits, 2 * usual, 1e-9) if limits else reach * max(2 * usual, 1e-9)
    return max(low, -far), min(high, far)


def text(interval: Interval, *, domain: Domain | None = None, width: int = WIDTH) -> str:
    """The picture in `width` characters: `━━●━━┆···│···`. `●` value, `━` bounds, `│` production, `┆` limit.

    An arrow head instead of the dot: the value is off the scale.
    """
    low, high = domain or padded(interval.known())
    span = (high - low) or 1.0

    def place(value: float) -> int:
        return min(width - 1, max(0, round((value - low) / span * (width - 1))))

    cells = ["·"] * width
    if interval.lower is not None or interval.upper is not None:
        first = 0 if interval.lower is None else place(interval.lower)
        last = width - 1 if interval.upper is None else place(interval.upper)
        cells[first : last + 1] = ["━"] * (last - first + 1)
    if interval.reference is not None:
        cells[place(interval.reference)] = "│"
    if interval.limit is not None:
        cells[place(interval.limit)] = "┆"
    off = interval.value < low, interval.value > high
    cells[place(interval.value)] = "◀" if off[0] else "▶" if off[1] else "●"
    return "".join(cells)


def _interval(
    value: float | None,
    lower: float | None,
    upper: float | None,
    *,
    limit: float | None,
    reference: float | None,
) -> Interval | None:
    if value is None:
        return None
    return Interval(value=value, lower=lower, upper=upper, limit=limit, reference=reference)


def _flipped(
    value: float | None,
    lower: float | None,
    upper: float | None,
    limit: float | None,
    *,
    reference: float | None,
    about: float = 0.0,
) -> Interval | None:
    """Mirrored about `about`, because smaller is better; worst and best change places."""
    value, lower, upper, limit, reference = (
        None if x is None else about - x for x in (value, upper, lower, limit, reference)
    )
    return _interval(value, lower, upper, limit=limit, reference=reference)
