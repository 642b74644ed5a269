"""What the monitor takes for more and more rows, as one picture: CPU time and memory, each against rows."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

Points = Sequence[tuple[int, float]]

LEFT, TOP, WIDTH, HEIGHT, GAP = 70, 62, 290, 190, 100
STYLE = """
text{font:13px system-ui,-apple-system,"Segoe UI","Liberation Sans",sans-serif;fill:#1f2328}
.muted{fill:#59636e;font-size:12px}line{stroke:#d1d9e0}
polyline{fill:none;stroke:#bc4c00;stroke-width:2}circle{fill:#bc4c00}.even{stroke:#59636e;stroke-dasharray:4 4}
@media (prefers-color-scheme:dark){text{fill:#e6edf3}.muted{fill:#9198a1}line{stroke:#3d444d}
polyline{stroke:#f0883e}circle{fill:#f0883e}.even{stroke:#9198a1}}
"""


def svg(costs: Sequence[tuple[int, float, float]]) -> str:
    """Rows with CPU seconds and the peak in MB. Rows and seconds stand on logarithmic scales, memory on one from 0."""
    rows = [one[0] for one in costs]
    last = costs[-1][1] / rows[-1]
    even = [(count, last * count) for count in rows]
    low, high = _decades([*(one[1] for one in costs), *(value for _, value in even)])
    most = 100 * math.ceil(max(one[2] for one in costs) * 1.3 / 100)
    size = (LEFT + 2 * WIDTH + GAP + 30, TOP + HEIGHT + 50)
    seconds = [10.0**power for power in range(round(math.log10(low)), round(math.log10(high)) + 1)]
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{size[0]}" height="{size[1]}" '
        f'viewBox="0 0 {size[0]} {size[1]}" role="img">'
        f"<title>The monitor's CPU time and memory against rows on object storage</title><style>{STYLE}</style>",
        *_panel(
            LEFT,
            "CPU seconds (dashed: in proportion to rows)",
            seconds,
            [(count, cpu) for count, cpu, _ in costs],
            lambda value: math.log(value / low) / math.log(high / low),
            even=even,
        ),
        *_panel(
            LEFT + WIDTH + GAP,
            "peak memory, MB",
            range(0, most + 1, 100),
            [(count, peak) for count, _, peak in costs],
            lambda value: value / most,
        ),
    ]
    return "\n".join([*parts, "</svg>", ""])


def _decades(values: Sequence[float]) -> tuple[float, float]:
    """The powers of ten around the values."""
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    return 10.0**low, 10.0 ** max(high, low + 1)


def _panel(
    left: int,
    title: str,
    ticks: Sequence[float],
    points: Points,
    share: Callable[[float], float],
    even: Points = (),
) -> Iterator[str]:
    """One chart, whose left edge is at `left`. `share` places a value between 0, the bottom, and 1, the top."""
    first, last = points[0][0], points[-1][0]

    def at(count: int, value: float) -> tuple[float, float]:
        along = math.log(count / first) / math.log(last / first) if last > first else 0.5
        return left + 20 + along * (WIDTH - 40), TOP + HEIGHT * (1 - share(value))

    yield f'<text x="{left}" y="24">{title}</text>'
    for tick in ticks:
        y = at(first, tick)[1]
        yield f'<line x1="{left}" x2="{left + WIDTH}" y1="{y:.1f}" y2="{y:.1f}"/>'
        yield f'<text class="muted" x="{left - 8}" y="{y + 4:.1f}" text-anchor="end">{tick:,g}</text>'
    for kind, line in ((' class="even"', even), ("", points)):
        places = " ".join(f"{x:.1f},{y:.1f}" for x, y in (at(*point) for point in line))
        yield f'<polyline{kind} points="{places}"/>'
    for count, value in points:
        x, y = at(count, value)
        text = f"{value:,.1f}" if value < 100 and even else f"{value:,.0f}"
        yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4"/>'
        yield f'<text x="{x:.1f}" y="{y - 10:.1f}" text-anchor="middle">{text}</text>'
        below = TOP + HEIGHT + 20
        words = f"{count / 1e6:g} million"
        yield f'<text class="muted" x="{x:.1f}" y="{below}" text-anchor="middle">{words}</text>'
    yield (
        f'<text class="muted" x="{left + WIDTH / 2}" y="{TOP + HEIGHT + 40}" text-anchor="middle">rows</text>'
    )
