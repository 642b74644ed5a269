"""A year of the monitor as one picture: a row for each signal that ever moved, a cell for each week."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from html import escape

from gitops_model.formats.watch import State, Watch

CELL, GAP, LEFT, TOP = 15, 2, 190, 40
STATES: dict[State, tuple[str, str]] = {
    "alarm": ("alarm", "alarm: seen in 3 of 5 weeks"),
    "watching": ("watching", "watching: seen in fewer"),
    "clean": ("clean", "clean"),
    "withheld": ("withheld", "too little known"),
}
STYLE = """
text{font:12px system-ui,-apple-system,"Segoe UI","Liberation Sans",sans-serif;fill:#1f2328}
.muted{fill:#59636e}
.alarm{fill:#bc4c00}.watching{fill:#f2b48a}.clean{fill:#dbe9f6}.withheld{fill:none;stroke:#b7bfc8}
@media (prefers-color-scheme:dark){text{fill:#e6edf3}.muted{fill:#9198a1}
.alarm{fill:#f0883e}.watching{fill:#7a4b26}.clean{fill:#1c3349}.withheld{stroke:#3d444d}}
"""


def svg(weeks: Sequence[Watch]) -> str:
    """The picture; signals that were clean all the time are counted, not drawn."""
    names = sorted({signal.name for week in weeks for signal in week.signals})
    states: dict[str, list[State]] = {
        name: [
            next((s.state for s in week.signals if s.name == name), "withheld") for week in weeks
        ]
        for name in names
    }
    moved = [name for name in names if {"alarm", "watching"} & set(states[name])]
    moved.sort(key=lambda name: (_rank(name), -states[name].count("alarm"), name))
    quiet = len(names) - len(moved)
    step = CELL + GAP
    width, bottom = LEFT + step * len(weeks) + 10, TOP + step * len(moved)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{bottom + 66}" '
        f'viewBox="0 0 {width} {bottom + 66}" role="img"><title>What the monitor said, week by week</title>'
        f"<style>{STYLE}</style>"
    ]
    for place, week in enumerate(weeks):
        first = date.fromisoformat(week.windows[-1].first)
        if place == 0 or first.day <= 7:
            parts.append(
                f'<text class="muted" x="{LEFT + place * step}" y="{TOP - 10}">{first:%b}</text>'
            )
    for row, name in enumerate(moved):
        y = TOP + row * step
        parts.append(f'<text x="{LEFT - 8}" y="{y + 12}" text-anchor="end">{escape(name)}</text>')
        for place, found in enumerate(states[name]):
            said = f"week to {weeks[place].windows[-1].last}: {found}"
            parts.append(
                f'<rect class="{STATES[found][0]}" x="{LEFT + place * step}" y="{y}" width="{CELL}" height="{CELL}" '
                f'rx="2"><title>{escape(said)}</title></rect>'
            )
    parts.append(
        f'<text class="muted" x="{LEFT}" y="{bottom + 18}">{quiet} other signals stayed clean all the time.</text>'
    )
    x = LEFT
    for name, words in STATES.values():
        parts.append(
            f'<rect class="{name}" x="{x}" y="{bottom + 36}" width="{CELL}" height="{CELL}" rx="2"/>'
        )
        parts.append(f'<text class="muted" x="{x + CELL + 5}" y="{bottom + 48}">{words}</text>')
        x += CELL + 17 + 7 * len(words)
    return "\n".join([*parts, "</svg>", ""])


def _rank(name: str) -> int:
    return {"input": 0, "score": 1, "quality": 2}.get(name.partition(" ")[0], 3)
