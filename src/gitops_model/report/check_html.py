"""A check as one HTML page: self-contained, under 300 KB, readable without scripts, in light, dark and print."""

from __future__ import annotations

import functools
import importlib.resources
from dataclasses import dataclass

from gitops_model import templates
from gitops_model.formats.check import Check, GateKind, GateState, Outcome
from gitops_model.report import (
    charts,
    facts,
    gate_lines,
    heading,
    line_words,
    quantities,
    sentences,
    sight_line,
    strips,
    view,
)

PACKAGE = "gitops_model.report"
MAX_BYTES = 300_000
# Rows of each long table; the first that fits is taken.
ROWS = (150, 80, 40, 15, 5)
_TONES = {"pass": "pass", "blocked": "fail", "not_evaluated": "maybe"}
_ICONS = {
    "pass": "M5 18l8 9L29 8",
    "blocked": "M7 7l20 20M27 7L7 27",
    "not_evaluated": "M17 5v16M17 28v1",
}


@dataclass(frozen=True, kw_only=True)
class Number:
    """One of the large numbers below the verdict."""

    name: str
    value: str
    way: str = ""


def render(check: Outcome) -> str:
    """The page. The same check gives the same bytes."""
    values = {**_head(check), **(_body(check) if isinstance(check, Check) else {"check": None})}
    page = ""
    for most in ROWS:
        page = templates.render(PACKAGE, "check.html.j2", most=most, **values)
        if len(page.encode()) < MAX_BYTES:
            break
    return page


@functools.cache
def style() -> str:
    """The page's style sheet."""
    sheet = importlib.resources.files(PACKAGE).joinpath("templates", "check.css")
    return sheet.read_text(encoding="utf-8")


def _head(check: Outcome) -> dict[str, object]:
    head = heading.verdict(check)
    return {
        "head": head,
        "css": style(),
        "tone": _TONES.get(head.state, "none"),
        "icon": _ICONS.get(head.state, "M6 17h22"),
        "figures": _figures(check) if isinstance(check, Check) else [],
    }


def _body(check: Check) -> dict[str, object]:
    slices = view.slice_lines(check)
    return {
        "check": check,
        "sight": sight_line.line(check),
        "anchor": line_words.line(check),
        "confidence": facts.confidence(check),
        "gates": gate_lines.every(check),
        "strip": strips,
        "slices": slices,
        "strips": strips.slices(check, slices[: ROWS[0]]),
        "curves": charts.figures(check),
        "confusions": charts.confusions(check),
        "metrics": view.metric_lines(check),
        "costs": facts.costs(check),
        "changes": facts.changes(check),
        "suspects": facts.suspects(check),
        "facts": facts.test_set(check),
    }


def _figures(check: Check) -> list[Number]:
    gate = check.gate(GateKind.PRIMARY)
    if gate is None:
        return []
    name = sentences.title(gate)
    found = [Number(name=f"{name}, this PR", value=quantities.of_gate(gate.candidate, gate))]
    if gate.production is not None:
        old = quantities.of_gate(gate.production, gate)
        found.insert(0, Number(name=f"{name}, {facts.production(check)}", value=old))
        line = next(line for line in gate_lines.every(check) if line.gate.kind is GateKind.PRIMARY)
        found.append(Number(name="change", value=line.change, way=line.way))
    passed = sum(gate.state is GateState.PASS for gate in check.gates)
    return [
        *found,
        Number(name="gates passed", value=f"{passed} of {len(check.gates)}"),
        Number(name="test rows", value=f"{check.test_set.rows:,}"),
    ]
