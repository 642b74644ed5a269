"""What a request costs at each server, as one picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

LEFT, WIDTH, STEP, TOP = 270, 430, 30, 44
STYLE = """
text{font:13px system-ui,-apple-system,"Segoe UI","Liberation Sans",sans-serif;fill:#1f2328}
.muted{fill:#59636e;font-size:12px}.own{font-weight:600}
rect{fill:#a8c7e6}rect.own{fill:#bc4c00}line{stroke:#d1d9e0}
@media (prefers-color-scheme:dark){text{fill:#e6edf3}.muted{fill:#9198a1}
rect{fill:#31557a}rect.own{fill:#f0883e}line{stroke:#3d444d}}
"""


def svg(costs: Sequence[tuple[str, float]]) -> str:
    """Bars on a logarithmic scale: names with their CPU microseconds a request."""
    low = 10 ** math.floor(math.log10(min(cost for _, cost in costs)))
    high = max(cost for _, cost in costs) * 1.3
    scale = WIDTH / math.log(high / low)
    bottom = TOP + STEP * len(costs)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + WIDTH + 80}" height="{bottom + 34}" '
        f'viewBox="0 0 {LEFT + WIDTH + 80} {bottom + 34}" role="img">'
        f"<title>CPU time of a request of one row, 16 callers, by server</title><style>{STYLE}</style>",
        f'<text x="{LEFT}" y="20">CPU time of one request of one row, 16 callers, in microseconds, on a '
        "logarithmic scale</text>",
    ]
    tick = low
    while tick <= high:
        x = LEFT + scale * math.log(tick / low)
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 8}" y2="{bottom}"/>')
        parts.append(
            f'<text class="muted" x="{x:.1f}" y="{bottom + 18}" text-anchor="middle">{tick:,.0f}</text>'
        )
        tick *= 10
    for place, (name, cost) in enumerate(costs):
        y, own = TOP + STEP * place, ' class="own"' if name.startswith("this service") else ""
        width = scale * math.log(cost / low)
        parts.append(
            f'<text{own} x="{LEFT - 10}" y="{y + 15}" text-anchor="end">{escape(name)}</text>'
        )
        parts.append(f'<rect{own} x="{LEFT}" y="{y}" width="{width:.1f}" height="20" rx="2"/>')
        parts.append(f'<text{own} x="{LEFT + width + 8:.1f}" y="{y + 15}">{cost:,.0f}</text>')
    return "\n".join([*parts, "</svg>", ""])
