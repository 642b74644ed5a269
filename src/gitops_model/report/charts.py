"""The curves of reports/check.html, both models overlaid, each with one sentence that says how to read it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from markupsafe import Markup

from gitops_model.formats.check import Check, ModelCurves
from gitops_model.report import line_words, svg
from gitops_model.report.interval import padded
from gitops_model.report.svg import Points, Series

Models = Mapping[str, ModelCurves]


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A titled picture."""

    title: str
    body: Markup
    caption: str


@dataclass(frozen=True, kw_only=True)
class Confusion:
    """A table of a model's answers: by true class, (share of the true class, rows) of each answered class."""

    title: str
    rows: tuple[tuple[tuple[float, int], ...], ...]
    caption: str = "True class down, answered class across, in the contract's order: share of the true class, rows."


def figures(check: Check) -> list[Figure]:
    """The curves that fit the problem."""
    models = _models(check)
    found = [
        _calibration(models, top=check.problem == "multiclass"),
        _unit_curve(
            {who: m.roc for who, m in models.items() if m.roc},
            "ROC",
            "share of negatives called positive",
            "share of positives found",
            guide=((0, 0), (1, 1)),
        ),
        _unit_curve(
            {who: m.pr for who, m in models.items() if m.pr},
            "Precision and recall",
            "recall",
            "precision",
        ),
        _residuals(models),
        _line(check),
    ]
    return [figure for figure in found if figure is not None]


def _line(check: Check) -> Figure | None:
    """Where the line of releases went; nothing before the third, which two numbers tell as well."""
    if check.line is None or len(check.line.releases) < 3:
        return None
    levels = line_words.levels(check.line)
    points = [(float(i), level) for i, (_, level, _) in enumerate(levels)]
    bests = [point for point, (_, _, best) in zip(points, levels, strict=True) if best]
    first, last = levels[0][0], levels[-1][0]
    body = svg.chart(
        title="Releases so far",
        desc=f"Gains of each release over the one before it, added up, from {first} to {last}.",
        x_label=f"releases, from {first} to {last}",
        y_label="gain, added up",
        x=(0.0, float(len(points) - 1)),
        y=padded([level for _, level in points]),
        series=[
            Series(who="production", points=points),
            *(Series(who="candidate", points=[point], marks=True) for point in bests),
        ],
    )
    caption = (
        "The primary metric's gain of each release over the one before it, on the test rows of its time, added up. A "
        "filled mark was the best release when it came. A line that goes down is creep; the gate against the best "
        "release so far bounds it."
    )
    return Figure(title="Releases so far", body=body, caption=caption)


def confusions(check: Check) -> list[Confusion]:
    """The tables of a problem with classes, of the candidate first."""
    return [
        Confusion(
            title=f"Confusion of {'this PR' if who == 'candidate' else 'production'}",
            rows=tuple(
                tuple((count / (sum(line) or 1), count) for count in line) for line in m.confusion
            ),
        )
        for who, m in reversed(_models(check).items())
        if m.confusion
    ]


def _models(check: Check) -> dict[str, ModelCurves]:
    """Production first, so that the candidate is drawn over it."""
    both = {"production": check.curves.production, "candidate": check.curves.candidate}
    return {who: curves for who, curves in both.items() if curves is not None}


def _calibration(models: Models, *, top: bool) -> Figure | None:
    points = {who: m.calibration for who, m in models.items() if m.calibration}
    if not points:
        return None
    ends = [p[i] for line in points.values() for p in line for i in (0, 1)]
    high = min(1.0, max(svg.ticks(0, max(ends))[-1], *ends) * 1.04)
    low = min(ends) if top else 0.0
    low = 0.0 if low < 0.3 else low - 0.02
    said = "probability of the answered class" if top else "predicted probability"
    body = svg.chart(
        title="Calibration",
        desc=_spoken(points, "said", "came true"),
        x_label=said,
        y_label="share that came true",
        x=(low, high),
        y=(low, high),
        guide=((low, low), (high, high)),
        series=[Series(who=who, points=line, marks=True) for who, line in points.items()],
    )
    return Figure(
        title="Calibration",
        body=body,
        caption="Ten bins of equal size. On the dotted line probabilities mean what they say; below it, too high.",
    )


def _unit_curve(
    lines: Mapping[str, Points], title: str, x_label: str, y_label: str, *, guide: Points = ()
) -> Figure | None:
    if not lines:
        return None
    body = svg.chart(
        title=title,
        desc=_spoken(lines, x_label, y_label),
        x_label=x_label,
        y_label=y_label,
        x=(0.0, 1.0),
        y=(0.0, 1.0),
        guide=guide,
        series=[Series(who=who, points=line) for who, line in lines.items()],
    )
    caption = (
        "Up and left is better; the dotted line is chance." if guide else "Up and right is better."
    )
    return Figure(title=title, body=body, caption=caption)


def _residuals(models: Models) -> Figure | None:
    lines = {who: m.residuals for who, m in models.items() if m.residuals}
    if not lines:
        return None
    xs = [p[0] for line in lines.values() for p in line]
    ys = [y for line in lines.values() for p in line for y in p[1:]]
    wide = padded(xs, share=0.02)
    body = svg.chart(
        title="Residuals",
        desc=_spoken(
            {who: [(p[0], p[2]) for p in line] for who, line in lines.items()},
            "prediction",
            "median error",
        ),
        x_label="prediction",
        y_label="prediction - truth",
        x=wide,
        y=padded([*ys, 0.0]),
        guide=((wide[0], 0.0), (wide[1], 0.0)),
        series=[
            Series(
                who=who,
                points=[(p[0], p[2]) for p in line],
                marks=True,
                band=[*((p[0], p[3]) for p in line), *((p[0], p[1]) for p in reversed(line))],
            )
            for who, line in lines.items()
        ],
    )
    return Figure(
        title="Residuals by prediction",
        body=body,
        caption="Line: median error in bins of equal size; band: the middle 80% of errors. Narrow around 0 is better.",
    )


def _spoken(lines: Mapping[str, Points], x: str, y: str) -> str:
    """A few points of each curve in words, for those who cannot see the picture."""
    parts = []
    for who, line in lines.items():
        chosen = [line[round(i * (len(line) - 1) / 4)] for i in range(5)] if len(line) > 5 else line
        name = "this PR" if who == "candidate" else "production"
        parts.append(f"{name}: " + ", ".join(f"{p[0]:.3g} to {p[1]:.3g}" for p in chosen))
    return f"{x} to {y}. " + "; ".join(parts) + "."
