"""Gates as a report shows them: as texts, in their order. The same for the comment, the page and the release note.

The templates decide where each text stands; nothing is formatted or worded there.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from gitops_model.formats.check import JUDGED, Check, Gate, GateKind, GateState, SliceState
from gitops_model.report import guard_words, interval, quantities, sentences
from gitops_model.report.interval import Interval
from gitops_model.report.sentences import capital

GATES = {
    GateState.PASS: ("✅", "pass"),
    GateState.FAIL: ("❌", "fail"),
    GateState.INCONCLUSIVE: ("⚠️", "undecided"),
    GateState.NO_DATA: ("❌", "no data"),
    GateState.NOT_COMPARED: ("➖", "not compared"),
    GateState.OFF: ("⏸️", "turned off"),
}
# One metric against production.
AGAINST = (
    *(GateKind.PRIMARY, GateKind.RISK, GateKind.METRIC),
    *(GateKind.ANCHOR, GateKind.SLICE_PROOF),
)
# The guard passed, and some slice was not decided.
OPEN = GATES[GateState.INCONCLUSIVE]
SHORT = {
    GateKind.LEAKAGE: "leakage",
    GateKind.SCHEMA: "contract",
    GateKind.ANCHOR: "best release",
    GateKind.SLICE_GUARD: "slices",
    GateKind.SLICE_PROOF: "slice proofs",
    GateKind.LATENCY_RATIO: "latency",
    GateKind.LATENCY_P95: "p95",
    GateKind.MEMORY: "memory",
    GateKind.ARTIFACT: "size",
}


@dataclass(frozen=True, kw_only=True)
class GateLine:
    """One gate as texts; empty where it has no such number. `short` is made of fixed words alone.

    `way` is `up` or `down` for a clear change.
    """

    gate: Gate
    mark: str
    word: str
    name: str
    short: str
    about: str
    production: str
    candidate: str
    change: str
    bounds: str
    way: str
    allowed: str
    picture: Interval | None
    sentence: str


def every(check: Check) -> list[GateLine]:
    """Every gate: what blocks, then what needs a look, then what passed; else in the order of gates.yaml."""
    order = list(GateState)
    looked = [GateState.FAIL, GateState.NO_DATA, GateState.INCONCLUSIVE, GateState.OFF]
    rank = {state: looked.index(state) if state in looked else 9 for state in order}
    ordered = sorted(check.gates, key=lambda gate: (not gate.blocks, rank[gate.state]))
    return [_gate_line(gate, check) for gate in ordered]


def split(lines: Iterable[GateLine]) -> tuple[list[GateLine], list[GateLine]]:
    """Which gates a reader sees at once (all but passed limits and budgets), and the others."""
    known = (GateKind.PRIMARY, GateKind.RISK, GateKind.METRIC)
    seen: list[GateLine] = []
    rest: list[GateLine] = []
    for line in lines:
        quiet = line.gate.state in (GateState.PASS, GateState.NOT_COMPARED) and not line.gate.blocks
        quiet = quiet and line.mark != OPEN[0]
        (rest if quiet and line.gate.kind not in known else seen).append(line)
    return seen, rest


def _gate_line(gate: Gate, check: Check) -> GateLine:
    mark, word = GATES[gate.state]
    if gate.state is GateState.INCONCLUSIVE and gate.blocks:
        mark, word = "❌", "undecided, blocks"
    elif gate.state is GateState.NO_DATA:
        word = "no data, blocks"
    candidate = _value(gate.candidate, gate)
    if gate.problems is not None:
        candidate = f"{len(gate.problems)} found" if gate.problems else "none found"
    line = GateLine(
        gate=gate,
        mark=mark,
        word=word,
        name=capital(sentences.title(gate).removeprefix("the ")),
        short=SHORT.get(gate.kind) or sentences.metric(gate, other="a metric of gates.yaml"),
        about=_about(gate),
        production=_value(gate.production, gate),
        candidate=candidate,
        change=_change(gate),
        bounds=_bounds(gate),
        way=_gate_way(gate),
        allowed=_allowed(gate),
        picture=interval.of_gate(gate),
        sentence=gate.sentence,
    )
    if gate.kind is GateKind.ANCHOR and check.line is not None:
        name = f"{capital(sentences.metric(gate))} against {check.line.best}, the best so far"
        return replace(line, name=name)
    return _worst(line, check) if gate.kind is GateKind.SLICE_GUARD else line


def _worst(line: GateLine, check: Check) -> GateLine:
    """The slice guard, for which the slice that lost most stands."""
    gate, row = line.gate, sentences.worst_slice(check.slices)
    left = guard_words.open_ended(check) if gate.state is GateState.PASS else ""
    if left:
        line = replace(line, mark=OPEN[0], word=left)
    if row is None or gate.state not in (GateState.PASS, GateState.FAIL):
        return replace(line, name="Slices", about=_unjudged(check), change="")
    judged = sum(other.state in JUDGED for other in check.slices)
    metric, relative = sentences.metric(gate), quantities.share(row, relative=gate.relative)
    return replace(
        line,
        name=row.slice
        if row.state is SliceState.FAIL
        else f"The only slice judged: {row.slice}"
        if judged == 1
        else f"Worst of {judged} slices{f' ({left})' if left else ''}: {row.slice}",
        about=f"{metric}, {row.rows:,} rows",
        production=quantities.number(row.production, gate.unit),
        candidate=quantities.number(row.candidate, gate.unit),
        change=quantities.arrow(row.delta, relative=relative),
        bounds=quantities.span(row.lower, row.upper, relative=relative),
        way=interval.way(row.delta, row.lower, row.upper),
        picture=interval.of_slice(row, limit=gate.limit if relative == gate.relative else 0.0),
    )


def _unjudged(check: Check) -> str:
    small = sum(row.state is SliceState.TOO_SMALL for row in check.slices)
    return (
        f"{small} of {len(check.slices)} have too few rows"
        if small
        else f"{len(check.slices)} declared"
    )


def _about(gate: Gate) -> str:
    if gate.kind in AGAINST:
        return f"{gate.rows:,} rows"
    return {
        GateKind.LEAKAGE: "leakage",
        GateKind.SCHEMA: "compatibility",
        GateKind.LIMIT: "limit",
        GateKind.LATENCY_RATIO: "one row",
        GateKind.LATENCY_P95: "one row",
        GateKind.MEMORY: "process",
        GateKind.ARTIFACT: "file",
    }.get(gate.kind, "")


def _value(value: float | None, gate: Gate) -> str:
    return "" if value is None else quantities.of_gate(value, gate)


def _change(gate: Gate) -> str:
    if gate.kind is GateKind.LATENCY_RATIO:
        return quantities.ratio(gate.delta)
    if gate.kind in quantities.RATIOS:
        old, new = gate.production, gate.candidate
        return "" if old is None or new is None or old <= 0 else quantities.ratio(new / old)
    return quantities.arrow(gate.delta, relative=gate.relative)


def _bounds(gate: Gate) -> str:
    if gate.lower == gate.upper:
        return ""
    if gate.kind is GateKind.LATENCY_RATIO:
        return quantities.times(gate.lower, gate.upper)
    if gate.delta is not None:
        return quantities.span(gate.lower, gate.upper, relative=gate.relative)
    return quantities.between(gate.lower, gate.upper, gate.unit)


def _allowed(gate: Gate) -> str:
    limit = gate.limit
    if limit is None:
        return "none" if gate.kind in (GateKind.LEAKAGE, GateKind.SCHEMA) else ""
    if gate.kind is GateKind.LATENCY_RATIO:
        return f"< ×{limit:g}"
    if gate.kind in (*AGAINST, GateKind.SLICE_GUARD):
        size = quantities.margin(limit, relative=gate.relative)
        return f"gain > {size}" if limit > 0 else f"loss < {size}"
    side = ">" if gate.better == "higher" else "<"
    return f"{side} {quantities.limit(limit, gate.unit)}"


def _gate_way(gate: Gate) -> str:
    if gate.kind is GateKind.LATENCY_RATIO:
        ends = [None if end is None else 1 - end for end in (gate.upper, gate.lower)]
        return interval.way(gate.delta, *ends)
    return interval.way(gate.delta, gate.lower, gate.upper)
