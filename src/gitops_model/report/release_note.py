"""The release note, and the section "Verdict at release" that a model card gets when its bundle is released.

Every number comes from check.json (the comparison) or the release record (what was released), and is formatted as in
comment and page, so they can never disagree.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gitops_model import markdown, templates
from gitops_model.formats.check import JUDGED, Check, GateKind, Outcome
from gitops_model.report import facts, gate_lines, heading, quantities, sentences, view

PACKAGE = "gitops_model.report"
UNKNOWN = "The report of the check was not found when this was released."


def render_note(record: Mapping[str, Any], check: Outcome | None) -> str:
    """Markdown for the body of a GitHub Release: model, code, data, primary metric, trade-off, rollback target.

    `record` is the release record (schemas/record.schema.json); `check` is the check of the very bytes that are
    released, or None when there is none, which the note then says.
    """
    shown = templates.render(
        PACKAGE,
        "release_note.md.j2",
        record=record,
        split=_named(record["data"]["split"]),
        rows=_named(record["data"]["rows"]),
        primary=primary(check),
        trade_off=trade_off(check),
        **_verdict(check),
    )
    return markdown.tidy(shown)


def append_verdict(card_text: str, check: Outcome | None) -> str:
    """The card of a bundle with the verdict at release."""
    return f"{card_text.rstrip()}\n\n{verdict_section(check)}"


def verdict_section(check: Outcome | None) -> str:
    """Markdown: the sentence, gates that were off, and every gate that has a limit."""
    return markdown.tidy(templates.render(PACKAGE, "verdict.md.j2", **_verdict(check)))


def primary(check: Outcome | None) -> str:
    """The primary metric with its change against production."""
    gate = check.gate(GateKind.PRIMARY) if isinstance(check, Check) else None
    if gate is None or not isinstance(check, Check):
        return UNKNOWN
    name, new = sentences.title(gate), quantities.of_gate(gate.candidate, gate)
    if gate.production is None:
        return f"{name} {new}; nothing to compare with"
    old = quantities.of_gate(gate.production, gate)
    said = f"{name} {old} → {new}"
    if gate.delta is None:
        return said
    change = quantities.arrow(gate.delta, relative=gate.relative)
    bounds = quantities.span(gate.lower, gate.upper, relative=gate.relative)
    sure = f", {bounds} with {facts.confidence(check)} confidence each" if bounds else ""
    return f"{said} ({change}){sure}"


def trade_off(check: Outcome | None) -> str:
    """The most notable thing that became worse.

    Clear losses come first: of a metric, then of a judged slice, then of latency. What lies within noise is no
    trade-off, and the note says that nothing became clearly worse.
    """
    if not isinstance(check, Check):
        return UNKNOWN
    if check.baseline is None:
        return "nothing was in production to trade against"
    found = [*_worse_metric(check), *_worse_slice(check), *_slower(check)]
    return "; ".join(found[:2]) or "nothing measured became clearly worse"


def _verdict(check: Outcome | None) -> dict[str, object]:
    if not isinstance(check, Check):
        sentence = UNKNOWN if check is None else check.sentence
        return {"check": None, "sentence": sentence, "turned_off": ()}
    return {
        "check": check,
        "sentence": check.sentence,
        "turned_off": check.turned_off,
        "compared": facts.compared(check),
        "confidence": facts.confidence(check),
        "lines": [line for line in gate_lines.every(check) if line.allowed],
        "warnings": heading.verdict(check).warnings,
    }


def _worse_metric(check: Check) -> list[str]:
    return [
        f"{line.row.title} {line.production} → {line.candidate} ({line.change})"
        for line in view.clearly_worse(check, gated=True)[:1]
    ]


def _worse_slice(check: Check) -> list[str]:
    guard = check.gate(GateKind.SLICE_GUARD)
    name = "the metric" if guard is None else sentences.metric(guard)
    return [
        f"{name} on the slice {line.row.slice} {line.production} → {line.candidate} "
        f"({line.change}, {line.row.rows:,} rows)"
        for line in view.slice_lines(check)
        if line.row.state in JUDGED and line.way == "down"
    ][:1]


def _slower(check: Check) -> list[str]:
    times = check.latency
    if times is None or times.ratio is None or (times.ratio_lower or 0.0) <= 1:
        return []
    old = quantities.number(times.production_ms, "ms")
    return [f"median latency {old} → {facts.ms(times.candidate_ms)} (×{times.ratio:.2f})"]


def _named(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {_text(value)}" for key, value in values.items())


def _text(value: object) -> str:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return " to ".join(map(str, value))
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
