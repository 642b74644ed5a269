"""How a number is written, here and nowhere else, so that comment, page, note and terminal show the same digits.

A change is a *gain*: positive is better, whatever the metric's own direction. What is missing is "no data".
"""

from __future__ import annotations

import math

from gitops_model.formats.check import Gate, GateKind, SliceRow, Unit

NO_DATA = "no data"
# Kinds whose change is a ratio candidate / production, where smaller is better.
RATIOS = (GateKind.LATENCY_RATIO, GateKind.MEMORY, GateKind.ARTIFACT)


def known(value: float | None) -> bool:
    """False for None, NaN and infinity."""
    return value is not None and math.isfinite(value)


def number(value: float | None, unit: Unit = "metric") -> str:
    """A value in its unit, with as many digits as people read: `0.7742`, `1,204.5`, `0.21 ms`."""
    if value is None or not known(value):
        return NO_DATA
    if abs(value) >= 1e9:
        shown = f"{value:.4g}"
    elif unit == "ratio":
        shown = f"{value:.2f}"
    elif unit in ("ms", "MB"):
        shown = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    else:
        shown = f"{value:.4f}" if abs(value) < 100 else f"{value:,.1f}"
    return shown if unit in ("metric", "ratio") else f"{shown} {unit}"


def of_gate(value: float | None, gate: Gate) -> str:
    """`number` in the unit of the gate; the gate that compares two times has times in ms."""
    return number(value, "ms" if gate.kind is GateKind.LATENCY_RATIO else gate.unit)


def margin(value: float, *, relative: bool) -> str:
    """How large a gain or loss a person asked for: `0.02`, or `10%` as a share of production's value."""
    return f"{abs(value) * 100:.3g}%" if relative else f"{abs(value):.3g}"


def confidence(alpha: float) -> str:
    """How sure a one-sided bound at `alpha` is, with as many digits as tell it from 100%: `97.5%`, `99.9951%`."""
    if 0 < alpha < 1e-9:
        return "more than 99.9999999%"
    places = max(0, math.ceil(-math.log10(100 * alpha)) + 1) if 0 < alpha < 1 else 0
    return f"{100 * (1 - alpha):.{places}f}".rstrip("0").rstrip(".") + "%"


def share(row: SliceRow, *, relative: bool) -> bool:
    """Whether the gain of a slice is a share of production's value; of 0 there is none."""
    return relative and row.production != 0


def limit(value: float | None, unit: Unit) -> str:
    """A limit that a person wrote: `0.6`, `20 ms`."""
    if value is None or unit in ("ratio", "ms", "MB"):
        return number(value, unit)
    return f"{value:g}" if unit == "metric" else f"{value:g} {unit}"


def gain(value: float | None, *, relative: bool = False) -> str:
    """A gain with its sign: `+0.0077`, or `-2.4%` as a share of production's value, or `±0`."""
    if value is None or not known(value):
        return NO_DATA
    shape = "+.1%" if relative else "+.4f" if abs(value) < 100 else "+,.1f"
    shown = format(value, shape)
    # What is written with zeros alone has no direction.
    return shown if any(digit in shown for digit in "123456789") else "±0"


def arrow(value: float | None, *, relative: bool = False) -> str:
    """A gain with an arrow, up when better: `▲ 0.0077`, `▼ 2.4%`, `±0`."""
    if value is None or not known(value):
        return ""
    shown = gain(abs(value), relative=relative).removeprefix("+")
    return shown if shown == "±0" else f"{'▲' if value > 0 else '▼'} {shown}"


def ratio(value: float | None) -> str:
    """The same for a ratio candidate / production of something that should be small: `▼ ×1.20`."""
    if value is None or not known(value):
        return ""
    if f"{value:.2f}" == "1.00":
        return "±0"
    return f"{'▼' if value > 1 else '▲'} ×{value:.2f}"


def span(lower: float | None, upper: float | None, *, relative: bool = False) -> str:
    """Worst and best of a gain, open where a bound is missing; empty when both are."""
    if lower is None and upper is None:
        return ""
    ends = ["?" if end is None else gain(end, relative=relative) for end in (lower, upper)]
    return " to ".join(ends)


def between(lower: float | None, upper: float | None, unit: Unit = "metric") -> str:
    """Bounds of a value (not of a gain) in its unit."""
    if lower is None and upper is None:
        return ""
    return " to ".join("?" if end is None else number(end, unit) for end in (lower, upper))


def times(lower: float | None, upper: float | None) -> str:
    """Bounds of a ratio: `×0.99 to ×1.02`."""
    if lower is None and upper is None:
        return ""
    return " to ".join("?" if end is None else f"×{end:.2f}" for end in (lower, upper))
