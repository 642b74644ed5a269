"""The pictures of the service's page as inline SVG: a bar of evidence, and the last hour by minutes."""

from __future__ import annotations

import math
from collections.abc import Sequence

from gitops_model.serving.history import Minute

WIDTH, HEIGHT, LEFT = 540, 150, 56
TRAFFIC = 46
BAR = 64
# Times are drawn from a tenth of a millisecond to ten seconds, each power of ten as high as the next.
LOW, HIGH = 1e-4, 10.0
MARKS = ((1e-3, "1 ms"), (1e-2, "10 ms"), (0.1, "0.1 s"), (1.0, "1 s"))


def bar(share: float, *, tone: str) -> str:
    """How far evidence is on its way to proof, 0 to 1."""
    width = BAR * max(0.0, min(1.0, share))
    return (
        f'<svg class="bar" width="{BAR + 2}" height="12" role="img" aria-label="{share:.0%} of proof">'
        f'<rect class="frame" x="1" y="1" width="{BAR}" height="10" rx="2"/>'
        f'<rect class="{tone}" x="1" y="1" width="{width:.1f}" height="10" rx="2"/></svg>'
    )


def hour(minutes: Sequence[Minute | None]) -> str:
    """Median and 95th percentile by minute; below, the requests, and those that failed."""
    step = (WIDTH - LEFT) / len(minutes)
    bottom = HEIGHT - TRAFFIC - 8
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT + 16}" role="img" aria-label="Latency and requests of the last hour">'
    ]
    for value, words in MARKS:
        y = _y(value, bottom)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{words}</text>')
    for share, name in ((0.95, "p95"), (0.5, "p50")):
        for line in _lines(minutes, share, step, bottom):
            parts.append(f'<polyline class="{name}" points="{line}"/>')
    most = max(minute.requests for minute in minutes if minute)
    for place, minute in enumerate(minutes):
        if minute is None:
            continue
        x = LEFT + place * step
        for count, tone in ((minute.requests, "asked"), (minute.failed, "bad")):
            # A single failure must be seen beside thousands of requests.
            tall = max(2.0, TRAFFIC * count / most) if count else 0.0
            if count:
                parts.append(
                    f'<rect class="{tone}" x="{x:.1f}" y="{HEIGHT - tall:.1f}" width="{step - 1:.1f}" '
                    f'height="{tall:.1f}"/>'
                )
    parts.append(
        f'<text x="{LEFT - 6}" y="{HEIGHT - TRAFFIC + 10}" text-anchor="end">{most:,}/min</text>'
    )
    parts.append(f'<text x="{LEFT}" y="{HEIGHT + 13}">an hour ago</text>')
    parts.append(f'<text x="{WIDTH}" y="{HEIGHT + 13}" text-anchor="end">now</text>')
    legend = (("p50", "half"), ("p95", "95 %"), ("asked", "requests"), ("bad", "failed"))
    x = LEFT + 90
    for name, words in legend:
        parts.append(f'<rect class="key {name}" x="{x}" y="{HEIGHT + 5}" width="10" height="8"/>')
        parts.append(f'<text x="{x + 14}" y="{HEIGHT + 13}">{words}</text>')
        x += 30 + 7 * len(words)
    return "".join([*parts, "</svg>"])


def _lines(minutes: Sequence[Minute | None], share: float, step: float, bottom: float) -> list[str]:
    """Runs of minutes with requests; a gap in the traffic is a gap in the line."""
    found: list[list[str]] = [[]]
    for place, minute in enumerate(minutes):
        value = minute.percentile(share) if minute else None
        if value is None:
            found.append([])
            continue
        y = _y(value, bottom)
        start = LEFT + place * step
        found[-1] += [f"{start:.1f},{y:.1f}", f"{start + step:.1f},{y:.1f}"]
    return [" ".join(run) for run in found if run]


def _y(value: float, bottom: float) -> float:
    share = math.log(min(HIGH, max(LOW, value)) / LOW) / math.log(HIGH / LOW)
    return bottom - share * (bottom - 6)
