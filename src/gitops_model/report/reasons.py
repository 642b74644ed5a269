"""Why a check blocks or may ship, in a few words with both numbers: what stands in a heading."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gitops_model.formats.check import Check, Gate, GateKind, GateState, SliceRow
from gitops_model.report.quantities import limit, number, of_gate
from gitops_model.report.sentences import (
    blocking,
    capital,
    change,
    demand,
    demands_gain,
    metric,
    no_interval,
    tally,
    title,
    told,
    worst_slice,
)


def reason(check: Check) -> str:
    """Why the check blocks, or how the primary metric moved: a few words with both numbers."""
    stopped = blocking(check.gates)
    if stopped:
        more = f", and {len(stopped) - 1} more" if len(stopped) > 1 else ""
        return f"{_short(stopped[0], check.slices)}{more}"
    first = check.gate(GateKind.PRIMARY)
    return "" if first is None else moved(first)


def moved(gate: Gate) -> str:
    """A gate's number from production to the candidate: `accuracy rises 0.7608 → 0.7742`."""
    name = title(gate)
    if gate.candidate is None or gate.production is None:
        return f"{name} is {of_gate(gate.candidate, gate)}"
    new, old = of_gate(gate.candidate, gate), of_gate(gate.production, gate)
    if new == old:
        return f"{name} stays at {new}"
    return f"{name} {'rises' if gate.candidate > gate.production else 'falls'} {old} → {new}"


def explanation(check: Check) -> str:
    """What lies behind `reason`, in one sentence or two."""
    stopped, first = blocking(check.gates), check.gate(GateKind.PRIMARY)
    if not stopped:
        first_release = check.baseline is None
        rest = "; nothing is in production to compare with" if first_release else ""
        return f"{tally(check)}{rest}."
    why = told(stopped[0], check)
    if first is None or first.blocks or first.delta is None:
        return capital(why)
    overall = f"Overall {title(first)} {change(first.production, first.candidate, first.unit)}"
    return f"{overall}, but {why}" if first.delta > 0 else f"{overall}. {capital(why)}"


def _short(gate: Gate, slices: Sequence[SliceRow]) -> str:
    if gate.state is GateState.NO_DATA:
        return f"{title(gate)} has no data"
    if gate.kind is GateKind.LEAKAGE:
        return "the test set is not unseen"
    if gate.kind is GateKind.SCHEMA:
        return "the contract would break today's callers"
    if gate.kind is GateKind.SLICE_GUARD:
        row = worst_slice(slices)
        if row is None:
            return "a slice clearly lost too much"
        way = "falls" if (row.candidate or 0.0) < (row.production or 0.0) else "rises"
        old, new = number(row.production, gate.unit), number(row.candidate, gate.unit)
        return f"{metric(gate)} at {row.slice} {way} {old} → {new}"
    # The candidate's own 95th percentile is judged; production's only tells whether the machine was busy.
    said = moved(replace(gate, production=None) if gate.kind is GateKind.LATENCY_P95 else gate)
    if why := no_interval(gate):
        return f"{said}, and {why}"
    if gate.state is GateState.INCONCLUSIVE:
        return f"{said}, too uncertain to tell"
    return f"{said}, {_required(gate)}" if gate.delta is None or demands_gain(gate) else said


def _required(gate: Gate) -> str:
    """What the gate demands, as the end of a sentence."""
    if gate.limit is None:
        return "and no limit is set"
    if gate.delta is None:
        side = "above" if gate.better == "higher" else "below"
        return f"and it must be {side} {limit(gate.limit, gate.unit)}"
    return f"and {demand(gate)} is required"
