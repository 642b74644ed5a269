"""What the monitor saw, as Markdown and as one HTML page with a picture of each column against training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from markupsafe import Markup

from gitops_model import templates
from gitops_model.formats.watch import WORST, State, Watch
from gitops_model.markdown import plain
from gitops_model.report.check_html import PACKAGE, style
from gitops_model.templates import ours

MARKS: dict[State, str] = {
    "alarm": "❌",
    "watching": "⚠️",
    "expected": "➖",
    "withheld": "❔",
    "clean": "✅",
}
WORDS: dict[State, str] = {
    "alarm": "wants a look",
    "watching": "seen, not often enough to ask",
    "expected": "as somebody expects",
    "withheld": "cannot be judged",
    "clean": "in order",
}
TONES: dict[State, str] = {
    "alarm": "fail",
    "watching": "maybe",
    "expected": "none",
    "withheld": "none",
    "clean": "pass",
}
MOST_BARS = 12
BAR, WIDTH, LABEL = 15, 300, 92


@dataclass(frozen=True, kw_only=True)
class Picture:
    """Bars of a column: (name, share in training, share in the last window or None)."""

    name: str
    bars: tuple[tuple[str, float, float | None], ...]


def headline(watch: Watch) -> str:
    """One sentence on everything."""
    alarms = len(watch.alarms)
    if alarms:
        return (
            f"{alarms} signals of {watch.model} alarm"
            if alarms > 1
            else f"1 signal of {watch.model} alarms"
        )
    if all(signal.state == "withheld" for signal in watch.signals if not signal.is_way_back):
        return f"Too little traffic to judge {watch.model}"
    return f"{watch.model} looks as in training"


def markdown(watch: Watch) -> str:
    """reports/monitor.md."""
    return templates.render(PACKAGE, "monitor.md.j2", **_values(watch))


def html(watch: Watch, pictures: Sequence[Picture]) -> str:
    """reports/monitor.html: self-contained, readable without scripts."""
    drawn = {picture.name: bars(picture) for picture in pictures}
    return templates.render(
        PACKAGE,
        "monitor.html.j2",
        css=style(),
        tones=TONES,
        pictures=drawn,
        tone=TONES[worst(watch)],
        **_values(watch),
    )


def worst(watch: Watch) -> State:
    """The state that decides the page's colour."""
    return min((signal.state for signal in watch.signals), key=WORST.index, default="withheld")


def _values(watch: Watch) -> dict[str, object]:
    counts = [(state, sum(s.state == state for s in watch.signals)) for state in WORST]
    return {
        "watch": watch,
        "headline": headline(watch),
        "marks": MARKS,
        "words": WORDS,
        "counts": "; ".join(f"{count} {WORDS[state]}" for state, count in counts if count),
        "rows": sum(window.rows for window in watch.windows),
        "last": watch.windows[-1].last if watch.windows else "",
    }


def bars(picture: Picture) -> Markup:
    """Two bars for each bin: training above, the last window below. The largest bins, when there are many."""
    shown = picture.bars
    if len(shown) > MOST_BARS:
        kept = sorted(shown[:-1], key=lambda bar: -max(bar[1], bar[2] or 0.0))[: MOST_BARS - 1]
        shown = (*(bar for bar in shown[:-1] if bar in kept), shown[-1])
    top = max((max(before, now or 0.0) for _, before, now in shown), default=0.0) or 1.0
    height = BAR * len(shown) + 4
    parts = []
    for place, (name, before, now) in enumerate(shown):
        y = place * BAR + 2
        label = escape(plain(name)[:14])
        parts.append(
            f'<text class="tick" x="{LABEL - 6}" y="{y + 7}" dy=".32em" text-anchor="end">{label}</text>'
        )
        for row, (who, share) in enumerate((("production", before), ("candidate", now))):
            if share is not None:
                width = round((WIDTH - LABEL - 4) * share / top, 1)
                parts.append(
                    f'<rect class="bar {who}" x="{LABEL}" y="{y + 6 * row}" width="{width}" height="5"/>'
                )
    title = escape(f"{plain(picture.name)}: training above, the last window below")
    return ours(
        f'<svg class="bars" viewBox="0 0 {WIDTH} {height}" role="img"><title>{title}</title>{"".join(parts)}</svg>'
    )
