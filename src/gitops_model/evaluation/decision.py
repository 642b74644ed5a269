"""From the numbers of gates to a verdict. Nothing here looks at rows, so whoever has check.json can repeat it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from gitops_model.evaluation import slices as slice_rules
from gitops_model.evaluation.limit import against_limit
from gitops_model.formats.check import (
    JUDGED,
    Better,
    Gate,
    GateKind,
    GateState,
    SliceRow,
    SliceState,
    State,
    gate_id,
)
from gitops_model.formats.gates import (
    AnchorGate,
    BudgetGate,
    ComparisonGate,
    Gates,
    LatencyGate,
    Limit,
    Margin,
    Policy,
    SliceGate,
)


@dataclass(frozen=True, kw_only=True)
class Demand:
    """What gates.yaml demands of one gate. `compares`: its gain is judged, else the candidate's own value."""

    kind: GateKind
    metric: str | None = None
    slice: str | None = None
    limit: float | None = None
    better: Better = "higher"
    relative: bool = False
    inconclusive: Policy = "block"
    enabled: bool = True
    reason: str | None = None
    compares: bool = False

    @property
    def id(self) -> str:
        """The id of the gate it is about."""
        return gate_id(self.kind, metric=self.metric, slice=self.slice)


@dataclass(frozen=True, kw_only=True)
class Decision:
    """Every demanded gate in the order of the report, and every slice, with their states."""

    gates: tuple[Gate, ...]
    slices: tuple[SliceRow, ...]

    @property
    def state(self) -> State:
        """PASS when no gate blocks."""
        return State.BLOCKED if any(gate.blocks for gate in self.gates) else State.PASS


def demands(gates: Gates) -> list[Demand]:
    """What gates.yaml demands, in the order of the report."""
    return [
        Demand(kind=GateKind.LEAKAGE),
        Demand(kind=GateKind.SCHEMA),
        _of_comparison(GateKind.PRIMARY, gates.primary),
        _of_comparison(GateKind.RISK, gates.risk),
        *_of_anchor(gates.anchor),
        *(_of_limit(limit) for limit in gates.limits),
        *(
            _of_comparison(GateKind.METRIC, metric, metric.name)
            for metric in gates.metrics
            if metric.margin is not None or not metric.enabled
        ),
        *_of_slices(gates.slices),
        *_of_latency(gates.latency),
        _of_budget(GateKind.MEMORY, gates.memory),
        _of_budget(GateKind.ARTIFACT, gates.artifact),
    ]


def decide(measured: Sequence[Gate], slices: Sequence[SliceRow], gates: Gates) -> Decision:
    """Judge the numbers of `measured` and `slices` by gates.yaml; states they already carry are ignored.

    A demanded gate that was not measured becomes NO_DATA, which blocks. Gates that nothing demands are left out.
    """
    by_id = {gate.id: gate for gate in measured}
    decided = []
    table = tuple(slices)
    for demand in demands(gates):
        if demand.kind is GateKind.ANCHOR and demand.id not in by_id:
            # The best release so far is in production, or there is none.
            continue
        gate = by_id.get(demand.id) or Gate(
            kind=demand.kind, metric=demand.metric, slice=demand.slice
        )
        if demand.kind is GateKind.SLICE_GUARD:
            gate, table = _guard(gate, demand, table, gates)
        else:
            gate = replace(gate, state=_state(gate, demand))
        decided.append(
            replace(
                gate,
                limit=demand.limit,
                better=demand.better,
                blocks=_blocks(gate.state, demand),
                reason=None if demand.enabled else demand.reason,
            )
        )
    return Decision(gates=tuple(decided), slices=table)


def _blocks(state: GateState, demand: Demand) -> bool:
    if state is GateState.INCONCLUSIVE:
        return demand.inconclusive == "block"
    return state in (GateState.FAIL, GateState.NO_DATA)


def _state(gate: Gate, demand: Demand) -> GateState:
    if not demand.enabled:
        return GateState.OFF
    if demand.kind in (GateKind.LEAKAGE, GateKind.SCHEMA):
        if gate.problems is None:
            return GateState.NO_DATA
        return GateState.FAIL if gate.problems else GateState.PASS
    if demand.compares and not gate.compared:
        return GateState.NOT_COMPARED
    if demand.limit is None:
        return GateState.NO_DATA
    state = against_limit(
        value=gate.delta if demand.compares else gate.candidate,
        lower=gate.lower,
        upper=gate.upper,
        limit=demand.limit,
        better=demand.better,
    )
    if state is GateState.FAIL and demand.kind is GateKind.LATENCY_P95:
        # Where production is too slow in the same minutes, it is the machine that was measured, not the candidate.
        slow = gate.production is not None and gate.production > demand.limit
        return GateState.INCONCLUSIVE if slow else state
    return state


def _guard(
    gate: Gate, demand: Demand, table: Sequence[SliceRow], gates: Gates
) -> tuple[Gate, tuple[SliceRow, ...]]:
    # Slices are shown with their numbers also when the gate is off or nothing is in production.
    if not demand.enabled or not gate.compared or demand.limit is None:
        state = GateState.NOT_COMPARED if demand.enabled else GateState.OFF
        unjudged = tuple(replace(row, state=SliceState.NOT_JUDGED) for row in table)
        return replace(gate, state=state), unjudged
    judged = slice_rules.guarded(
        table,
        margin=-demand.limit,
        min_rows=gates.slices.min_rows,
        # Not what is left of the test set: a guard that asks for less certainty errs by blocking, not by passing.
        alpha=gates.alpha,
        relative=demand.relative,
    )
    states = {row.state for row in judged}
    if SliceState.FAIL in states:
        state = GateState.FAIL
    elif SliceState.NO_DATA in states or gate.metric is None:
        # The metric is set by whoever measured the slices; without it nobody did.
        state = GateState.NO_DATA
    else:
        state = GateState.PASS
    # A gate shows no number that it did not judge.
    worst = min(
        (row.delta for row in judged if row.state in JUDGED and row.delta is not None),
        default=None,
    )
    return replace(gate, state=state, delta=worst), judged


def _of_comparison(kind: GateKind, rule: ComparisonGate, metric: str | None = None) -> Demand:
    size = rule.margin.value if rule.margin else None
    if size is not None and rule.rule == "not_worse":
        size = -size
    return Demand(
        kind=kind,
        metric=metric,
        limit=size,
        relative=bool(rule.margin and rule.margin.relative),
        inconclusive=rule.inconclusive,
        enabled=rule.enabled,
        reason=rule.reason,
        compares=True,
    )


def _of_anchor(rule: AnchorGate | None) -> list[Demand]:
    if rule is None:
        return []
    return [
        Demand(
            kind=GateKind.ANCHOR,
            limit=-rule.margin.value if rule.margin else None,
            relative=bool(rule.margin and rule.margin.relative),
            inconclusive=rule.inconclusive,
            enabled=rule.enabled,
            reason=rule.reason,
            compares=True,
        )
    ]


def _of_limit(rule: Limit) -> Demand:
    return Demand(
        kind=GateKind.LIMIT,
        metric=rule.metric,
        limit=rule.above if rule.above is not None else rule.below,
        better="higher" if rule.above is not None else "lower",
        inconclusive=rule.inconclusive,
        enabled=rule.enabled,
        reason=rule.reason,
    )


def _of_slices(rule: SliceGate) -> list[Demand]:
    def demand(kind: GateKind, margin: Margin | None, slice: str | None = None) -> Demand:
        return Demand(
            kind=kind,
            slice=slice,
            limit=-margin.value if margin else None,
            relative=bool(margin and margin.relative),
            inconclusive=rule.inconclusive,
            enabled=rule.enabled,
            reason=rule.reason,
            compares=True,
        )

    proofs = [demand(GateKind.SLICE_PROOF, proof.margin, proof.slice) for proof in rule.prove]
    return [demand(GateKind.SLICE_GUARD, rule.margin), *proofs]


def _of_latency(rule: LatencyGate) -> list[Demand]:
    ratio = Demand(
        kind=GateKind.LATENCY_RATIO,
        limit=rule.ratio_below,
        better="lower",
        inconclusive=rule.inconclusive,
        enabled=rule.enabled,
        reason=rule.reason,
        compares=True,
    )
    slowest = replace(ratio, kind=GateKind.LATENCY_P95, limit=rule.p95_ms_below, compares=False)
    return [ratio, slowest]


def _of_budget(kind: GateKind, rule: BudgetGate) -> Demand:
    return Demand(
        kind=kind,
        limit=rule.mb_below,
        better="lower",
        enabled=rule.enabled,
        reason=rule.reason,
    )
