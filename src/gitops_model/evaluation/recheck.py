"""What cannot be true in a check that need not be trusted: it believes no state, only numbers that fit together.

The gates are then decided again from those numbers (`decision.decide`).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from gitops_model.evaluation import ledger
from gitops_model.evaluation.decision import Demand, demands
from gitops_model.evaluation.metrics import CATALOGUE
from gitops_model.formats.check import Check, Gate, GateKind, SliceRow
from gitops_model.formats.gates import Gates

TOLERANCE = 1e-6
# More contradictions than this are not counted: the report is wrong already.
MOST = 20


@dataclass(frozen=True, kw_only=True)
class Trusted:
    """What the trusted side knows: gates.yaml of the base branch, the metrics and slice columns its contract names,
    and the model in production. `production_sha256` None means that nothing is in production. `served`: the sha256 of
    the best release so far, then of those that served after it; () where a candidate is held to none.
    """

    gates: Gates
    primary: str | None = None
    risk: str | None = None
    slices: Sequence[str] = ()
    production_sha256: str | None = None
    served: Sequence[str] = ()


def contradictions(check: Check, trusted: Trusted) -> list[str]:
    """Why the numbers cannot be right, at most MOST sentences' worth; empty when they may be."""
    return list(itertools.islice(_all(check, trusted), MOST))


def _all(check: Check, trusted: Trusted) -> Iterator[str]:
    yield from _confidence(check, trusted.gates)
    yield from _gates(check, trusted)
    yield from _slices(check, _signs(trusted.gates))
    yield from _incomplete(check, trusted.slices)
    compared = check.baseline.sha256 if check.baseline else None
    if compared != trusted.production_sha256:
        yield f"it compares with {_short(compared)}, and {_short(trusted.production_sha256)} is in production"


def _confidence(check: Check, gates: Gates) -> Iterator[str]:
    # As `ledger` makes it stricter with each look, and `evaluate` rounds it.
    alpha = ledger.allowed(gates.alpha, max(1, check.test_set.looks))
    if not 0 < check.alpha <= float(f"{alpha:.9g}") * (1 + 1e-9):
        yield f"its bounds have confidence {1 - check.alpha:.10g}, not {1 - alpha:.10g}"


def _gates(check: Check, trusted: Trusted) -> Iterator[str]:
    gates = trusted.gates
    # `absolute_only` is the one way in which a comparison may be left out while something is in production.
    excused = check.baseline is None or (
        gates.schema_change == "absolute_only" and check.schema_comparison.version_raised
    )
    metrics = {
        GateKind.PRIMARY: trusted.primary,
        GateKind.RISK: trusted.risk,
        GateKind.ANCHOR: trusted.primary,
        GateKind.SLICE_GUARD: gates.slices.metric or trusted.primary,
    }
    known = {demand.id: demand for demand in demands(gates)}
    signs = _signs(gates)
    ids = [gate.id for gate in check.gates]
    if len(set(ids)) != len(ids):
        yield "a gate stands in it twice"
    yield from _held(check, trusted, excused=excused)
    for gate in check.gates:
        demand = known.get(gate.id)
        if demand is None or not demand.enabled:
            continue
        if (wanted := metrics.get(gate.kind)) and gate.metric != wanted:
            yield f"{gate.id} is about {gate.metric}, not {wanted}"
        yield from _against_demand(gate, demand, excused=excused)
        yield from (f"{gate.id}: {problem}" for problem in _impossible(gate, signs))


def _held(check: Check, trusted: Trusted, *, excused: bool) -> Iterator[str]:
    """It is held to the best release so far, or says why only a later one could be asked."""
    line, served = check.line, trusted.served
    if line is not None and line.sha256 not in served:
        yield f"it takes {_short(line.sha256)} for the best release so far"
    elif line is not None and line.sha256 != served[0] and not line.note:
        yield f"it is held to {_short(line.sha256)}, and {_short(served[0])} is the best release so far"
    if not served or served[0] == trusted.production_sha256 or excused:
        return
    in_production = line is not None and line.sha256 == trusted.production_sha256
    if line is None or not (in_production or check.gate(GateKind.ANCHOR)):
        yield "it does not compare with the best release so far"


def _against_demand(gate: Gate, demand: Demand, *, excused: bool) -> Iterator[str]:
    if not demand.compares:
        return
    if not gate.compared and not excused:
        yield f"{gate.id} was not compared with production"
    if gate.compared and gate.relative != demand.relative:
        yield f"{gate.id} has a gain in other units than its margin"


def _slices(check: Check, signs: Mapping[str, int]) -> Iterator[str]:
    guard = check.gate(GateKind.SLICE_GUARD) or Gate(kind=GateKind.SLICE_GUARD)
    for row in check.slices:
        yield from (
            f"{row.slice}: {problem}"
            for problem in (
                *_out_of_order(row),
                *_wrong_gain(row, signs.get(guard.metric or ""), relative=guard.relative),
                *_wrong_wins(row),
            )
        )


def _incomplete(check: Check, columns: Sequence[str]) -> Iterator[str]:
    """Slices left out: the values of each column must add up to the whole test set."""
    rows = dict.fromkeys(columns, 0)
    for row in check.slices:
        column = row.slice.partition("=")[0]
        rows[column] = rows.get(column, 0) + row.rows
    total = check.test_set.rows
    for column, found in rows.items():
        if found != total:
            yield f"the slices of {column} hold {found:,} of {total:,} rows"


def _impossible(gate: Gate, signs: Mapping[str, int]) -> Iterator[str]:
    yield from _out_of_order(gate)
    match gate.kind:
        case (
            GateKind.PRIMARY
            | GateKind.RISK
            | GateKind.METRIC
            | GateKind.ANCHOR
            | GateKind.SLICE_PROOF
        ):
            yield from _wrong_gain(gate, signs.get(gate.metric or ""), relative=gate.relative)
        case GateKind.LATENCY_RATIO:
            yield from _gain_of_nothing(gate)
        case GateKind.LIMIT | GateKind.LATENCY_P95 if gate.delta is not None:
            yield "a limit has no gain"
        case GateKind.MEMORY | GateKind.ARTIFACT:
            if not gate.candidate == gate.lower == gate.upper:
                yield "a size has no interval"
        case _:
            pass


def _signs(gates: Gates) -> dict[str, int]:
    """+1 for each metric that is better when higher, -1 for the others."""
    built_in = {name: metric.sign for name, metric in CATALOGUE.items()}
    return built_in | {each.name: 1 if each.better == "higher" else -1 for each in gates.metrics}


def _wrong_gain(numbers: Gate | SliceRow, sign: int | None, *, relative: bool) -> Iterator[str]:
    new, old, gain = numbers.candidate, numbers.production, numbers.delta
    yield from _gain_of_nothing(numbers)
    if sign is None or new is None or old is None or gain is None:
        return
    expected = sign * (new - old) / (abs(old) if relative and old else 1.0)
    if abs(expected - gain) > TOLERANCE * max(1.0, abs(expected)):
        yield f"{new} against {old} is not a gain of {gain}"


def _wrong_wins(row: SliceRow) -> Iterator[str]:
    if (row.wins is None) != (row.losses is None):
        yield "wins without losses"
    if row.wins is None or row.losses is None or row.delta is None:
        return
    if abs((row.wins - row.losses) / max(1, row.rows) - row.delta) > TOLERANCE:
        yield f"{row.wins} wins and {row.losses} losses are not a gain of {row.delta}"


def _gain_of_nothing(numbers: Gate | SliceRow) -> Iterator[str]:
    known = numbers.candidate is not None and numbers.production is not None
    if not known and numbers.delta is not None:
        yield "a gain without both values"


def _out_of_order(numbers: Gate | SliceRow) -> Iterator[str]:
    middle = numbers.delta if numbers.delta is not None else numbers.candidate
    lower, upper = numbers.lower, numbers.upper
    if middle is None:
        return
    slack = TOLERANCE * max(1.0, abs(middle))
    if (lower is not None and lower > middle + slack) or (
        upper is not None and upper < middle - slack
    ):
        yield f"the interval {lower} to {upper} does not hold {middle}"


def _short(sha256: str | None) -> str:
    return f"model {sha256[:12]}" if sha256 else "no model"
