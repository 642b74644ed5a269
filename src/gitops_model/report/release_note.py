"""The release note, and the section "Verdict at release" that a model card gets when its bundle is released.

Every number comes from check.json (the comparison) or the release record (what was released), and is formatted by
`report_view`, so note, card, comment and page can never disagree.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gitops_model.evaluation.metrics import CATALOGUE
from gitops_model.formats.contract import Contract
from gitops_model.pipeline import card
from gitops_model.report import view as view
from gitops_model.report.markdown import code, escape, prose, row, table

Check = Mapping[str, Any]

UNKNOWN = "The gate's report was not at hand when this was released."


def render_note(record: Mapping[str, Any], check: Check | None) -> str:
    """Markdown for the body of a GitHub Release: model, code, data, primary metric, trade-off, rollback target.

    `record` is the release record (schemas/record.schema.json); `check` is the check.json of the very bytes that are
    released, or None when there is none, which the note then says.
    """
    data, target = record["data"], record["rollback_target"]
    back = (
        f"`{target}`: revert the pull request that ships this, or run `make rollback`"
        if target
        else "none, this is the first"
    )
    facts = [
        ("Model", f"{code(record['model'])}, sha256 {code(record['sha256'])}"),
        ("Code", f"commit {code(record['code']['commit'])}"),
        (
            "Data",
            f"snapshot {code(data['snapshot'])}, {_named(data['split'])}; rows: {_named(data['rows'])}",
        ),
        ("Primary metric", primary(check)),
        ("Trade-off", trade_off(check)),
        ("Rollback target", back),
        (
            "Released",
            f"by {escape(record['released']['by'], limit=100)} at {escape(record['released']['at'], limit=40)}",
        ),
    ]
    lines = "".join(f"- **{name}:** {said}\n" for name, said in facts)
    return f"# {escape(record['model'])}\n\n{lines}\n{verdict_section(check)}"


def render_card(contract: Contract, manifest: Mapping[str, Any], check: Check | None) -> str:
    """The model card as it lies in the bundle, with the verdict at release appended: the GitHub Release's asset."""
    return f"{card.render(contract, manifest).rstrip()}\n\n{verdict_section(check)}"


def append_verdict(card_text: str, check: Check | None) -> str:
    """The same for a card that was read from a bundle."""
    return f"{card_text.rstrip()}\n\n{verdict_section(check)}"


def verdict_section(check: Check | None) -> str:
    """Markdown: the sentence, gates that were off, the primary and risk metrics, and what the release trades."""
    if check is None or not check.get("gates"):
        said = UNKNOWN if check is None else prose(check["sentence"], limit=2000)
        return f"## Verdict at release\n\n{said}\n"
    off = "".join(
        f"**OFF: {escape(gate['gate'], limit=80)} was turned off: {escape(gate['reason'], limit=400)}**\n\n"
        for gate in check["turned_off"]
    )
    gates = [gate for gate in view.gate_rows(check) if gate.limit or gate.blocks]
    body = "".join(
        row(
            [
                f"{gate.mark} {escape(gate.name, limit=120)} <sub>{gate.role}</sub>",
                *(
                    escape(text, limit=60)
                    for text in (
                        gate.production,
                        gate.candidate,
                        gate.change,
                        gate.bounds,
                        gate.limit,
                    )
                ),
            ]
        )
        for gate in gates
    )
    head = table(["gate", "production", "this model", "gain", "bounds", "limit"], right=(1, 2, 3))
    special = "".join(f"- {prose(text, limit=500)}\n" for text in view.warnings(check))
    return (
        f"## Verdict at release\n\n{off}{prose(check['sentence'], limit=2000)}\n\n"
        f"On {escape(view.compared(check))}. A gain is positive when it is better; each bound holds with "
        f"{view.confidence(check)} confidence.\n\n{head}{body}"
        + (f"\n{special}" if special else "")
    )


def primary(check: Check | None) -> str:
    """The primary metric with its gain over production; Markdown."""
    entry = None if check is None else view.primary(check)
    if entry is None or check is None:
        return UNKNOWN
    said = escape(view.movement(check)) or "no data"
    bounds = view.span(entry["lower"], entry["upper"], relative=entry["relative"])
    if entry["delta"] is None:
        return f"{said}; nothing to compare with" if entry["production"] is None else said
    return (
        f"{said}, {escape(bounds)} with {view.confidence(check)} confidence each"
        if bounds
        else said
    )


def trade_off(check: Check | None) -> str:
    """The most notable thing that became worse; Markdown.

    Clear losses come first: of a metric, then of a judged slice, then of latency. What lies within noise is no
    trade-off, and the note says that nothing became clearly worse.
    """
    if check is None or not check.get("gates"):
        return UNKNOWN
    if check["baseline"] is None:
        return "nothing was in production to trade against"
    found = [*_worse_metrics(check), *_worse_slices(check), *_slower(check)]
    return (
        escape("; ".join(found[:2]), limit=600)
        if found
        else "nothing measured became clearly worse"
    )


def _worse_metrics(check: Check) -> list[str]:
    worse = [
        m
        for m in check["metrics"]
        if m["upper"] is not None and m["upper"] < 0 and m["delta"] is not None
    ]
    # Metrics have different units, so the loss is ranked as a share of production's value.
    worse.sort(key=lambda m: (m["delta"] / (abs(m["production"]) or 1.0), m["metric"]))
    return [
        f"{m['title']} {view.number(m['production'])} → {view.number(m['candidate'])} ({view.gain(m['delta'])})"
        for m in worse[:1]
    ]


def _worse_slices(check: Check) -> list[str]:
    relative = view.slices_relative(check)
    worse = [
        s for s in view.slice_entries(check)
        if s["state"] in ("pass", "fail") and s["upper"] is not None and s["delta"] is not None and s["upper"] < 0
    ]  # fmt: skip
    guard = next((e for e in check["gates"] if e["id"] == "slices"), None)
    name = (
        CATALOGUE[guard["metric"]].title if guard and guard["metric"] in CATALOGUE else "the metric"
    )
    return [
        f"{name} on the slice {s['slice']} {view.number(s['production'])} → {view.number(s['candidate'])} "
        f"({view.gain(s['delta'], relative=relative)}, {s['rows']:,} rows)"
        for s in worse[:1]
    ]


def _slower(check: Check) -> list[str]:
    latency = check["latency"]
    if latency is None or latency["ratio_lower"] is None or latency["ratio_lower"] <= 1:
        return []
    return [
        f"median latency {latency['production_ms']:.3g} ms → {latency['candidate_ms']:.3g} ms (×{latency['ratio']:.2f})"
    ]


def _named(values: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{escape(key, limit=40)} {escape(_text(value), limit=80)}" for key, value in values.items()
    )


def _text(value: object) -> str:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return " to ".join(map(str, value))
    return f"{value:,}" if isinstance(value, int) else str(value)
