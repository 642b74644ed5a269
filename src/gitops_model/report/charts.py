"""The pictures of reports/check.html: intervals of gates, slices and metrics, and the curves of both models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from gitops_model.evaluation import wording
from gitops_model.report import svg
from gitops_model.report import view as view
from gitops_model.report.markdown import plain
from gitops_model.report.svg import Points, Series

Check = Mapping[str, Any]
Entry = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A titled picture as HTML, with one sentence that says how to read it."""

    title: str
    body: str
    caption: str


@dataclass(frozen=True, kw_only=True)
class Strips:
    """The intervals of all slices on one scale, the scale's axis, and how to read them."""

    strips: list[str]
    axis: str
    note: str


def gate_strip(entry: Entry, said: str) -> str:
    """A gate's number against its limit, turned so that right is better; empty when there is nothing to draw."""
    value, lower, upper, limit, reference = _placed(entry)
    if value is None:
        return ""
    known = [x for x in (value, lower, upper, limit, reference) if x is not None]
    return svg.strip(
        domain=svg.padded(known),
        value=value,
        lower=lower,
        upper=upper,
        limit=limit,
        reference=reference,
        state=entry["state"],
        said=plain(said)[:300],
    )


def slice_strips(check: Check, entries: Sequence[Entry]) -> Strips:
    """One strip for each slice: gains against production, or, without production, values against all rows."""
    limit = view.slices_limit(check)
    relative = view.slices_relative(check)
    if any(s["delta"] is not None for s in entries):
        reference: float | None = 0.0
        domain, at = _gain_domain(entries, limit), "delta"
        marks = [("production", 0.0)]
        if limit is not None:
            marks.append((f"limit {wording.gain(limit, relative=relative)}", limit))
        note = (
            "Every declared slice against production on the same rows, worst first. The guard blocks only what is "
            "clearly worse than the limit after correcting for the number of slices (Holm), so a bar may reach across "
            "the limit and pass. A ring marks slices that are not judged, an arrow head a gain beyond the scale."
        )
    else:
        overall = view.primary(check)
        reference = None if overall is None else overall["candidate"]
        ends = [
            s[key] for s in entries for key in ("candidate", "lower", "upper") if s[key] is not None
        ]
        domain = svg.padded([*ends, *([] if reference is None else [reference])] or [0.0])
        at, limit = "candidate", None
        marks = [("all rows", reference)] if reference is not None else []
        note = "The candidate's value on every declared slice; nothing is compared. The line is its value on all rows."
    strips = []
    for s in entries:
        if s[at] is None:
            strips.append("")
            continue
        strips.append(
            svg.strip(
                domain=domain,
                value=s[at],
                lower=s["lower"],
                upper=s["upper"],
                limit=limit,
                reference=reference,
                state=s["state"],
                said=plain(f"{s['slice']}: {view.STATES[s['state']][1]}")[:160],
            )
        )
    return Strips(strips=strips, axis=_axis(domain, marks), note=note)


def metric_strip(metric: Entry) -> str:
    """The gain of one metric against production."""
    if metric["delta"] is None:
        return ""
    known = [metric[key] for key in ("delta", "lower", "upper") if metric[key] is not None]
    lower, upper = metric["lower"], metric["upper"]
    worse, better = upper is not None and upper < 0, lower is not None and lower > 0
    return svg.strip(
        domain=svg.padded([*known, 0.0]),
        value=metric["delta"],
        lower=lower,
        upper=upper,
        reference=0.0,
        state="fail" if worse else "pass" if better else "plain",
        said=f"{metric['title']}: {'clearly worse' if worse else 'clearly better' if better else 'no clear change'}",
    )


def figures(check: Check) -> list[Figure]:
    """The curves that fit the problem, both models overlaid."""
    curves = check.get("curves") or {}
    models = {who: curves.get(who) or {} for who in ("production", "candidate")}
    found = [
        _calibration(models, top=view.problem(check) == "multiclass"),
        _unit_curve(
            models,
            "roc",
            "ROC",
            "share of negatives called positive",
            "share of positives found",
            guide=((0, 0), (1, 1)),
        ),
        _unit_curve(models, "pr", "Precision and recall", "recall", "precision", guide=()),
        _residuals(models),
        *(_confusion(models[who], who) for who in ("candidate", "production")),
    ]
    return [figure for figure in found if figure is not None]


def key(*, both: bool) -> str:
    """The legend of all curves."""
    new = (
        '<svg viewBox="0 0 34 12" aria-hidden="true"><path class="curve candidate" d="M0 6H34"/>'
        '<circle class="point candidate" cx="17" cy="6" r="3.4"/></svg>'
    )
    old = (
        '<svg viewBox="0 0 34 12" aria-hidden="true"><path class="curve production" d="M0 6H34"/>'
        '<path class="point production" d="M14 3h6v6h-6z"/></svg>'
    )
    shown = f'<span class="key">{new}this PR</span>'
    return f"<p>{shown}{f'<span class=key>{old}production</span>' if both else ''}</p>"


def _placed(
    entry: Entry,
) -> tuple[float | None, float | None, float | None, float | None, float | None]:
    """(value, lower, upper, limit, production), larger is better."""
    limit, lower, upper = entry["limit"], entry["lower"], entry["upper"]
    if entry["id"] in ("leakage", "schema", "slices") or entry["state"] == "not_compared":
        return None, None, None, None, None
    if entry["id"] == "latency":
        if entry["delta"] is None:
            return None, None, None, None, None
        flipped = [None if x is None else 1 - x for x in (entry["delta"], upper, lower, limit)]
        return flipped[0], flipped[1], flipped[2], flipped[3], 0.0
    if entry["delta"] is not None:
        return entry["delta"], lower, upper, limit, 0.0
    value, reference = entry["candidate"], entry["production"]
    if entry["better"] == "lower":
        value, lower, upper, limit, reference = (
            None if x is None else -x for x in (value, upper, lower, limit, reference)
        )
    return value, lower, upper, limit, reference


def _gain_domain(entries: Sequence[Entry], limit: float | None) -> tuple[float, float]:
    ends = [
        s[k]
        for s in entries
        for k in ("delta", "lower", "upper")
        if s["delta"] is not None and s[k] is not None
    ]
    usual = sorted(abs(s["delta"]) for s in entries if s["delta"] is not None)
    # A tiny slice with a huge interval must not squeeze all others together.
    reach = 6 * max(abs(limit or 0.0) / 2, usual[len(usual) // 2], 1e-9)
    low, high = svg.padded([*ends, 0.0, *([] if limit is None else [limit])], share=0.04)
    return max(low, -reach), min(high, reach)


def _axis(domain: tuple[float, float], marks: Sequence[tuple[str, float]]) -> str:
    width = svg.STRIP[0]
    x = svg.Scale(low=domain[0], high=domain[1], start=8, end=width - 8)
    parts, taken = [], list[float]()
    for name, value in marks:
        at = x(value)
        # Two labels closer than this would overlap; production's comes first and stays.
        above = any(abs(at - other) < 90 for other in taken)
        taken.append(at)
        anchor = "start" if at < 40 else "end" if at > width - 40 else "middle"
        parts.append(
            f'<text x="{svg.n(at)}" y="{11 if above else 25}" text-anchor="{anchor}">{escape(name)}</text>'
        )
    return f'<svg class="strip" style="height:auto" viewBox="0 0 {width} 30" aria-hidden="true">{"".join(parts)}</svg>'


def _calibration(models: Mapping[str, Any], *, top: bool) -> Figure | None:
    points = {who: m["calibration"] for who, m in models.items() if m.get("calibration")}
    if not points:
        return None
    ends = [p[i] for line in points.values() for p in line for i in (0, 1)]
    high = min(1.0, max(svg.ticks(0, max(ends))[-1], max(ends)) * 1.04)
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
    models: Mapping[str, Any], name: str, title: str, x_label: str, y_label: str, *, guide: Points
) -> Figure | None:
    lines = {who: m[name] for who, m in models.items() if m.get(name)}
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


def _residuals(models: Mapping[str, Any]) -> Figure | None:
    lines = {who: m["residuals"] for who, m in models.items() if m.get("residuals")}
    if not lines:
        return None
    xs = [p[0] for line in lines.values() for p in line]
    ys = [y for line in lines.values() for p in line for y in p[1:]]
    wide = svg.padded(xs, share=0.02)
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
        y=svg.padded([*ys, 0.0]),
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


def _confusion(model: Mapping[str, Any], who: str) -> Figure | None:
    matrix = model.get("confusion")
    if not matrix:
        return None
    head = "".join(f'<th scope="col">{i + 1}</th>' for i in range(len(matrix)))
    rows = []
    for i, line in enumerate(matrix):
        total = sum(line) or 1
        cells = "".join(
            f'<td style="--share:{count / total * 70:.0f}%">{count / total:.0%}<small>{count:,}</small></td>'
            for count in line
        )
        rows.append(f'<tr><th scope="row">{i + 1}</th>{cells}</tr>')
    name = "this PR" if who == "candidate" else "production"
    return Figure(
        title=f"Confusion of {name}",
        body=f'<div class="wide"><table class="matrix"><thead><tr><td></td>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>",
        caption="True class down, answered class across, in the contract's order; shares of the true class, and rows.",
    )


def _spoken(lines: Mapping[str, Points], x: str, y: str) -> str:
    """A few points of each curve in words, for those who cannot see the picture."""
    parts = []
    for who, line in lines.items():
        chosen = [line[round(i * (len(line) - 1) / 4)] for i in range(5)] if len(line) > 5 else line
        name = "this PR" if who == "candidate" else "production"
        parts.append(f"{name}: " + ", ".join(f"{p[0]:.3g} to {p[1]:.3g}" for p in chosen))
    return f"{x} to {y}. " + "; ".join(parts) + "."
