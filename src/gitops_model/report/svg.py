"""Small pictures as inline SVG: an interval on a line, and a chart of a few curves.

Written by hand and not by matplotlib, because a report holds up to two hundred of them in under 300 KB, they take
their colours from the page (light, dark, print), and the same numbers always give the same bytes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from markupsafe import Markup

from gitops_model.markdown import plain
from gitops_model.report.interval import Domain, Interval
from gitops_model.templates import ours

STRIP = (260, 24)
CHART = (360, 300)
LEFT, RIGHT, TOP, BOTTOM = 46, 10, 10, 40
_EDGE = 8

Points = Sequence[Sequence[float]]


@dataclass(frozen=True, kw_only=True)
class Scale:
    """A linear map from [low, high] to [start, end]; values outside land on the ends."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """The place of `value`, clamped."""
        width = self.high - self.low
        share = 0.5 if width <= 0 else (value - self.low) / width
        return self.start + (self.end - self.start) * min(1.0, max(0.0, share))


@dataclass(frozen=True, kw_only=True)
class Series:
    """A curve: `points` [x, y], drawn as `who` (candidate or production), with a mark at each point if `marks`."""

    who: str
    points: Points
    marks: bool = False
    band: Points = ()


def strip(interval: Interval, *, domain: Domain, state: str, said: str) -> Markup:
    """One interval on `domain`; right is better. A missing bound runs to the edge; without both: the point alone.

    The side beyond the limit is shaded. The state is a shape as well as a colour: dot = pass, square = fail,
    diamond = undecided, ring = not judged; an arrow head where the value is off the scale.
    """
    width, height = STRIP
    x = Scale(low=domain[0], high=domain[1], start=_EDGE, end=width - _EDGE)
    middle = height / 2
    parts = []
    if interval.limit is not None:
        at = n(x(interval.limit))
        parts.append(
            f'<path class="bad" d="M0 0H{at}V{height}H0z"/><path class="limit" d="M{at} 0V{height}"/>'
        )
    if interval.reference is not None:
        parts.append(f'<path class="zero" d="M{n(x(interval.reference))} 0V{height}"/>')
    bounds = (interval.lower, interval.upper)
    if bounds != (None, None):
        ends = [n(x(domain[i] if end is None else end)) for i, end in enumerate(bounds)]
        parts.append(f'<path class="span" d="M{ends[0]} {n(middle)}H{ends[1]}"/>')
        for end, bound in zip(ends, bounds, strict=True):
            if bound is not None and domain[0] <= bound <= domain[1]:
                parts.append(f'<path class="span" d="M{end} {n(middle - 4)}v8"/>')
    off = (interval.value > domain[1]) - (interval.value < domain[0])
    parts.append(_mark(x(interval.value), middle, state, off=off))
    return ours(
        f'<svg class="strip s-{escape(state)}" viewBox="0 0 {width} {height}" role="img">'
        f"<title>{_said(said)}</title>{''.join(parts)}</svg>"
    )


def chart(
    *,
    title: str,
    desc: str,
    x_label: str,
    y_label: str,
    x: tuple[float, float],
    y: tuple[float, float],
    series: Sequence[Series],
    guide: Points = (),
) -> Markup:
    """Curves on two axes; `guide` is a thin dotted line (chance, perfection, zero). Series are drawn in order."""
    width, height = CHART
    across = Scale(low=x[0], high=x[1], start=LEFT, end=width - RIGHT)
    up = Scale(low=y[0], high=y[1], start=height - BOTTOM, end=TOP)

    def path(points: Points) -> str:
        return "M" + "L".join(f"{n(across(p[0]))} {n(up(p[1]))}" for p in points)

    parts = []
    for tick in ticks(*y):
        at = n(up(tick))
        parts.append(f'<path class="grid" d="M{LEFT} {at}H{width - RIGHT}"/>')
        parts.append(
            f'<text class="tick" x="{LEFT - 6}" y="{at}" dy=".32em" text-anchor="end">{tick:g}</text>'
        )
    for tick in ticks(*x):
        at = n(across(tick))
        parts.append(f'<path class="grid" d="M{at} {TOP}V{height - BOTTOM}"/>')
        parts.append(
            f'<text class="tick" x="{at}" y="{height - BOTTOM + 15}" text-anchor="middle">{tick:g}</text>'
        )
    if guide:
        parts.append(f'<path class="guide" d="{path(guide)}"/>')
    for one in series:
        if one.band:
            parts.append(f'<path class="band {one.who}" d="{path(one.band)}z"/>')
    for one in series:
        parts.append(f'<path class="curve {one.who}" d="{path(one.points)}"/>')
        if one.marks:
            parts += [_dot(across(p[0]), up(p[1]), one.who) for p in one.points]
    middle = n((LEFT + width - RIGHT) / 2)
    parts.append(
        f'<text class="axis" x="{middle}" y="{height - 6}" text-anchor="middle">{escape(x_label)}</text>'
    )
    parts.append(
        f'<text class="axis" transform="translate(12 {n((TOP + height - BOTTOM) / 2)}) rotate(-90)" '
        f'text-anchor="middle">{escape(y_label)}</text>'
    )
    return ours(
        f'<svg class="chart" viewBox="0 0 {width} {height}" role="img">'
        f"<title>{_said(title)}</title><desc>{_said(desc)}</desc>{''.join(parts)}</svg>"
    )


def ticks(low: float, high: float, *, count: int = 5) -> list[float]:
    """Round numbers in [low, high], about `count` of them: steps of 1, 2 or 5 times a power of ten."""
    if not high > low:
        return [low]
    rough = (high - low) / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * k for k in (1, 2, 5, 10) if power * k >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(i * step, 12) for i in range(first, last + 1)]


def n(value: float) -> str:
    """A coordinate with one decimal, as short as possible."""
    return f"{value:.1f}".removesuffix(".0")


def _mark(x: float, y: float, state: str, *, off: int) -> str:
    if off:
        return f'<path class="mark" d="M{n(x + off * 6)} {n(y)}l{-10 * off} -6v12z"/>'
    if state == "fail":
        return f'<path class="mark" d="M{n(x - 5)} {n(y - 5)}h10v10h-10z"/>'
    if state in ("inconclusive", "undecided", "no_data"):
        return f'<path class="mark" d="M{n(x)} {n(y - 6.5)}l6.5 6.5l-6.5 6.5l-6.5 -6.5z"/>'
    return f'<circle class="mark" cx="{n(x)}" cy="{n(y)}" r="5"/>'


def _said(text: str) -> str:
    return escape(plain(text)[:600])


def _dot(x: float, y: float, who: str) -> str:
    if who == "production":
        return f'<path class="point {who}" d="M{n(x - 3)} {n(y - 3)}h6v6h-6z"/>'
    return f'<circle class="point {who}" cx="{n(x)}" cy="{n(y)}" r="3.4"/>'
