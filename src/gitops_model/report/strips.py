"""The intervals of reports/check.html: of gates, of slices on one scale, of metrics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from markupsafe import Markup

from gitops_model.formats.check import Check, GateKind
from gitops_model.report import interval, quantities, svg
from gitops_model.report.gate_lines import GateLine
from gitops_model.report.interval import Domain
from gitops_model.report.view import MetricLine, SliceLine
from gitops_model.templates import ours

COMPARED = (
    "Every declared slice against production on the same rows, worst first. The guard blocks only what is clearly "
    "worse than the limit, and it takes into account how many slices there are (Holm). A bar across the limit is "
    "undecided, and blocks nothing. A ring marks a slice that is not judged, an arrow head a change beyond the scale."
)
ALONE = "The candidate's value on every declared slice; nothing is compared. The line is its value on all rows."


@dataclass(frozen=True, kw_only=True)
class Strips:
    """The intervals of all slices on one scale, the scale's axis, and how to read them."""

    strips: list[Markup]
    axis: Markup
    note: str


def gate(line: GateLine) -> Markup:
    """A gate's number against its limit; empty when there is nothing to draw."""
    if line.picture is None:
        return Markup()
    domain = interval.padded(line.picture.known())
    return svg.strip(line.picture, domain=domain, state=line.gate.state, said=line.sentence)


def metric(line: MetricLine) -> Markup:
    """The gain of one metric against production."""
    if line.picture is None:
        return Markup()
    domain = interval.padded(line.picture.known())
    state, word = {"down": ("fail", "clearly worse"), "up": ("pass", "clearly better")}.get(
        line.way, ("plain", "no clear change")
    )
    return svg.strip(line.picture, domain=domain, state=state, said=f"{line.row.title}: {word}")


def slices(check: Check, lines: Sequence[SliceLine]) -> Strips:
    """One strip for each slice: gains against production, or, without production, values against all rows."""
    drawn = [line.picture for line in lines if line.picture is not None]
    domain = interval.shared(drawn)
    compared = any(line.row.delta is not None for line in lines)
    reference = drawn[0].reference if drawn else None
    limit = drawn[0].limit if drawn else None
    marks = []
    if reference is not None:
        marks.append(("production" if compared else "all rows", reference))
    if limit is not None:
        guard = check.gate(GateKind.SLICE_GUARD)
        relative = guard is not None and guard.relative
        marks.append((f"loss of {quantities.margin(limit, relative=relative)}", limit))
    strips = [
        Markup()
        if line.picture is None
        else svg.strip(
            line.picture,
            domain=domain,
            state=line.row.state,
            said=f"{line.row.slice[:160]}: {line.word}",
        )
        for line in lines
    ]
    return Strips(strips=strips, axis=_axis(domain, marks), note=COMPARED if compared else ALONE)


def _axis(domain: Domain, marks: Sequence[tuple[str, float]]) -> Markup:
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
    return ours(
        f'<svg class="strip" style="height:auto" viewBox="0 0 {width} 30" aria-hidden="true">{"".join(parts)}</svg>'
    )
