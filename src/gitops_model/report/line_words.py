"""The releases so far in one line, and what the best of them says about the candidate."""

from __future__ import annotations

from gitops_model.formats.check import Check, GateKind
from gitops_model.formats.line import Line
from gitops_model.report import quantities, sentences


def line(check: Check) -> str:
    """`Best release so far flight-delay-v7: AUC -0.0040 (allowed: a loss below 0.02).`; empty before the first one."""
    if check.line is None:
        return ""
    gate, best = check.gate(GateKind.ANCHOR), check.line.best
    if gate is None or gate.delta is None:
        base = check.baseline
        there = base is not None and base.sha256 == check.line.sha256
        said = f"Best release so far: {best}{', which is in production' if there else ''}."
    else:
        moved = quantities.gain(gate.delta, relative=gate.relative)
        said = (
            f"Best release so far {best}: {sentences.metric(gate)} {moved} "
            f"(allowed: {sentences.demand(gate)})."
        )
    note = f" {sentences.capital(check.line.note)}" if check.line.note else ""
    return f"{said}{note}{_strip(check.line)}"


def levels(line: Line) -> list[tuple[str, float, bool]]:
    """(release, its place on the line, whether it was the best), each as many gains above the first one shown.

    A gain is of its own time and its own test rows; together they show where the line went, and judge nothing.
    """
    place, found = 0.0, []
    for number, each in enumerate(line.releases):
        place += (each.gain or 0.0) if number else 0.0
        found.append((each.model, place, each.best))
    return found


def _strip(line: Line) -> str:
    if len(line.releases) < 2:
        return ""
    told = [
        f"{_short(each.model)}{'★' if each.best else ''}"
        f"{'' if not place or each.gain is None else f' {quantities.gain(each.gain)}'}"
        for place, each in enumerate(line.releases)
    ]
    return f" Releases: {' → '.join(told)} (★ was the best when it came)."


def _short(model: str) -> str:
    return f"v{model.rpartition('-v')[2]}"
