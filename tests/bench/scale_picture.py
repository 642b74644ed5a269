"""What grows, as pictures of two charts each: the monitor against rows, and a cluster against its workers."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

Points = Sequence[tuple[int, float]]

LEFT, TOP, WIDTH, HEIGHT, GAP = 70, 62, 290, 190, 100
STYLE = """
text{font:13px system-ui,-apple-system,"Segoe UI","Liberation Sans",sans-serif;fill:#1f2328}
.muted{fill:#59636e;font-size:12px}line{stroke:#d1d9e0}
polyline{fill:none;stroke:#bc4c00;stroke-width:2}circle{fill:#bc4c00}.even{stroke:#59636e;stroke-dasharray:4 4}
polyline.other{stroke:#0969da}circle.other,text.other{fill:#0969da}text.first{fill:#bc4c00}
@media (prefers-color-scheme:dark){text{fill:#e6edf3}.muted{fill:#9198a1}line{stroke:#3d444d}
polyline{stroke:#f0883e}circle{fill:#f0883e}.even{stroke:#9198a1}
polyline.other{stroke:#4493f8}circle.other,text.other{fill:#4493f8}text.first{fill:#f0883e}}
"""


@dataclass(frozen=True, kw_only=True)
class Chart:
    """One chart: its lines by CSS classes. `even` is dashed and has no numbers; those of `below` stand under it.

    `share` places a value between 0, the bottom, and 1, the top; `count` and `value` are the words of a number.
    """

    title: str
    ticks: Sequence[float]
    lines: Mapping[str, Points]
    share: Callable[[float], float]
    along: str
    count: Callable[[int], str]
    value: Callable[[float], str]


def svg(costs: Sequence[tuple[int, float, float]]) -> str:
    """Rows with CPU seconds and the peak in MB. Rows and seconds stand on logarithmic scales, memory on one from 0."""
    rows = [one[0] for one in costs]
    last = costs[-1][1] / rows[-1]
    even = [(count, last * count) for count in rows]
    low, high = _decades([*(one[1] for one in costs), *(value for _, value in even)])
    most = 100 * math.ceil(max(one[2] for one in costs) * 1.3 / 100)
    seconds = [10.0**power for power in range(round(math.log10(low)), round(math.log10(high)) + 1)]

    def millions(count: int) -> str:
        return f"{count / 1e6:g} million"

    return _drawn(
        "The monitor's CPU time and memory against rows on object storage",
        Chart(
            title="CPU seconds (dashed: in proportion to rows)",
            ticks=seconds,
            lines={"even": even, "first": [(count, cpu) for count, cpu, _ in costs]},
            share=lambda value: math.log(value / low) / math.log(high / low),
            along="rows",
            count=millions,
            value=lambda value: f"{value:,.1f}" if value < 100 else f"{value:,.0f}",
        ),
        Chart(
            title="peak memory, MB",
            ticks=range(0, most + 1, 100),
            lines={"first": [(count, peak) for count, _, peak in costs]},
            share=lambda value: value / most,
            along="rows",
            count=millions,
            value=lambda value: f"{value:,.0f}",
        ),
    )


def rates(found: Mapping[str, Sequence[tuple[int, float, float]]]) -> str:
    """Two models by name, the slower one first: workers with requests a second and CPU milliseconds a request.

    Both scales begin at 0.
    """
    (first, slow), (other, quick) = found.items()
    even = [(workers, workers * slow[0][1] / slow[0][0]) for workers, _, _ in slow]
    fast = max(*(one[1] for one in quick), even[-1][1]) * 1.15
    dear = max(one[2] for one in slow) * 1.3

    def chart(
        title: str, most: float, step: int, digits: int, lines: Mapping[str, Points]
    ) -> Chart:
        top = step * math.ceil(most / step)
        return Chart(
            title=title,
            ticks=range(0, top + 1, step),
            lines=lines,
            share=lambda value: value / top,
            along="workers",
            count=str,
            value=lambda value: f"{value:.{digits}f}",
        )

    rate = {
        "even": even,
        "first below": [(one[0], one[1]) for one in slow],
        "other": [(one[0], one[1]) for one in quick],
    }
    cpu = {
        "first": [(one[0], one[2]) for one in slow],
        "other below": [(one[0], one[2]) for one in quick],
    }
    return _drawn(
        "Requests a second and CPU a request against workers on a Ray cluster",
        chart("requests a second (dashed: in proportion to workers)", fast, 50, 0, rate),
        chart("CPU ms a request, of all processes", dear, 10, 1, cpu),
        more=f'<text class="first" x="{LEFT}" y="44">a call takes {first}</text>'
        f'<text class="other" x="{LEFT + 180}" y="44">{other}</text>',
    )


def _decades(values: Sequence[float]) -> tuple[float, float]:
    """The powers of ten around the values."""
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    return 10.0**low, 10.0 ** max(high, low + 1)


def _drawn(title: str, left: Chart, right: Chart, *, more: str = "") -> str:
    size = (LEFT + 2 * WIDTH + GAP + 30, TOP + HEIGHT + 50)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{size[0]}" height="{size[1]}" '
        f'viewBox="0 0 {size[0]} {size[1]}" role="img">'
        f"<title>{title}</title><style>{STYLE}</style>{more}",
        *_panel(LEFT, left),
        *_panel(LEFT + WIDTH + GAP, right),
    ]
    return "\n".join([*parts, "</svg>", ""])


def _panel(left: int, chart: Chart) -> Iterator[str]:
    """One chart, whose left edge is at `left`. Counts stand on a logarithmic scale."""
    *_, main = chart.lines.values()
    first, last = main[0][0], main[-1][0]

    def at(count: int, value: float) -> tuple[float, float]:
        along = math.log(count / first) / math.log(last / first) if last > first else 0.5
        return left + 20 + along * (WIDTH - 40), TOP + HEIGHT * (1 - chart.share(value))

    yield f'<text x="{left}" y="24">{chart.title}</text>'
    for tick in chart.ticks:
        y = at(first, tick)[1]
        yield f'<line x1="{left}" x2="{left + WIDTH}" y1="{y:.1f}" y2="{y:.1f}"/>'
        yield f'<text class="muted" x="{left - 8}" y="{y + 4:.1f}" text-anchor="end">{tick:,g}</text>'
    for kind, line in chart.lines.items():
        places = " ".join(f"{x:.1f},{y:.1f}" for x, y in (at(*point) for point in line))
        yield f'<polyline class="{kind}" points="{places}"/>'
    for count, _ in main:
        x = at(count, chart.ticks[0])[0]
        yield (
            f'<text class="muted" x="{x:.1f}" y="{TOP + HEIGHT + 20}" text-anchor="middle">'
            f"{chart.count(count)}</text>"
        )
    for kind, line in chart.lines.items():
        if kind == "even":
            continue
        for count, value in line:
            x, y = at(count, value)
            yield f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="4"/>'
            yield (
                f'<text x="{x:.1f}" y="{y + (20 if "below" in kind else -10):.1f}" text-anchor="middle">'
                f"{chart.value(value)}</text>"
            )
    yield (
        f'<text class="muted" x="{left + WIDTH / 2}" y="{TOP + HEIGHT + 40}" text-anchor="middle">'
        f"{chart.along}</text>"
    )
