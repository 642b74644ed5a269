"""The numbers of every gate and of the metric table, before anything is decided about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gitops_model.evaluation import alignment
from gitops_model.evaluation.columns import Context
from gitops_model.evaluation.comparison import compare, estimate, rows_needed
from gitops_model.evaluation.inputs import Answers, Facts, TestSet
from gitops_model.evaluation.metrics import applicable, find
from gitops_model.evaluation.resampling import Resampler
from gitops_model.evaluation.rows import Rows
from gitops_model.formats.check import (
    BY_KEYS,
    BY_KEYS_AND_TIME,
    Gate,
    GateKind,
    Latency,
    MetricRow,
    SliceRow,
)
from gitops_model.formats.contract import Contract
from gitops_model.formats.gates import Gates, Margin

MB = 1_000_000


def leakage_gate(test: TestSet, facts: Facts) -> Gate:
    """Whether test rows were seen in training: by key, and by time where both sides have one."""
    gate = Gate(kind=GateKind.LEAKAGE, rows=len(test.keys))
    if facts.train_keys is None:
        return gate
    timed = test.window is not None and facts.train_window is not None
    found = alignment.leaks(
        test_keys=[str(key) for key in test.keys],
        train_keys=[str(key) for key in facts.train_keys],
        test_window=test.window,
        train_window=facts.train_window,
    )
    return replace(gate, problems=tuple(found), method=BY_KEYS_AND_TIME if timed else BY_KEYS)


def schema_gate(facts: Facts, *, excused: bool) -> Gate:
    """Whether today's callers are served by the candidate's contract. `excused`: gates.yaml lets it break them."""
    gate = Gate(kind=GateKind.SCHEMA)
    if facts.incompatible is None and not excused:
        return gate
    if excused or not facts.incompatible:
        return replace(gate, problems=())
    advice = (
        "gates.yaml says that a raised schema_version blocks (schema_change)"
        if facts.version_raised
        else "raise schema_version in contract.yaml if this is meant"
    )
    return replace(gate, problems=(*facts.incompatible, advice))


def metric_gates(
    gates: Gates,
    contract: Contract,
    rows: Rows,
    ctx: Context,
    resampler: Resampler,
    *,
    alpha: float,
    compared: bool,
) -> list[Gate]:
    """Primary, risk, every limit, and every metric of gates.yaml that has a margin."""
    found = []
    for kind, metric, margin in (
        (GateKind.PRIMARY, contract.success.primary, gates.primary.margin),
        (GateKind.RISK, contract.success.risk, gates.risk.margin),
        *((GateKind.METRIC, own.name, own.margin) for own in gates.metrics if own.margin),
    ):
        gate = _gain(kind, metric, rows, ctx, resampler, margin, alpha=alpha)
        found.append(replace(gate, compared=compared))
    for limit in gates.limits:
        gate = Gate(
            kind=GateKind.LIMIT,
            metric=limit.metric,
            unit=find(limit.metric, ctx).unit,
            rows=len(rows.labels),
            units=resampler.units,
        )
        if ctx.problem in find(limit.metric, ctx).problems:
            value, lower, upper, method = estimate(limit.metric, rows, ctx, resampler, alpha=alpha)
            gate = replace(gate, candidate=value, lower=lower, upper=upper, method=method)
        found.append(gate)
    return found


def anchor_gate(
    gates: Gates,
    contract: Contract,
    rows: Rows,
    ctx: Context,
    resampler: Resampler,
    *,
    alpha: float,
) -> list[Gate]:
    """The primary metric against the best release so far, which `rows` hold in place of production."""
    if gates.anchor is None:
        return []
    metric, margin = contract.success.primary, gates.anchor.margin
    return [_gain(GateKind.ANCHOR, metric, rows, ctx, resampler, margin, alpha=alpha)]


def slice_gates(
    gates: Gates,
    contract: Contract,
    ctx: Context,
    table: Sequence[SliceRow],
    *,
    alpha: float,
    compared: bool,
) -> list[Gate]:
    """The guard over all slices, and one gate for each slice that must be proven safe."""
    metric = gates.slices.metric or contract.success.primary
    unit = find(metric, ctx).unit
    margin = gates.slices.margin
    guard = Gate(
        kind=GateKind.SLICE_GUARD,
        metric=metric,
        unit=unit,
        compared=compared,
        relative=bool(margin and margin.relative),
        rows=sum(row.rows for row in table),
        method="Holm over slices",
    )
    by_name = {row.slice: row for row in table}
    found = [guard]
    for proof in gates.slices.prove:
        gate = Gate(
            kind=GateKind.SLICE_PROOF,
            metric=metric,
            unit=unit,
            slice=proof.slice,
            compared=compared,
            relative=proof.margin.relative,
        )
        # The table is in the guard's units; a proof in other units has no number there.
        same = margin is not None and margin.relative == proof.margin.relative
        row = by_name.get(proof.slice) if same else None
        found.append(gate if row is None else _proof(gate, row, proof.margin, alpha=alpha))
    return found


def cost_gates(
    latency: Latency | None, candidate: Answers, production: Answers | None
) -> list[Gate]:
    """Latency against production and against its budget, memory and artifact size."""
    compared = production is not None
    pairs = 0 if latency is None else latency.pairs
    ratio = Gate(kind=GateKind.LATENCY_RATIO, unit="ratio", better="lower", compared=compared)
    slow = Gate(kind=GateKind.LATENCY_P95, unit="ms", better="lower", rows=pairs)
    if latency is not None:
        ratio = replace(
            ratio,
            candidate=latency.candidate_ms,
            production=latency.production_ms,
            delta=latency.ratio,
            lower=latency.ratio_lower,
            upper=latency.ratio_upper,
            rows=pairs,
            method="median of paired ratios, block bootstrap",
        )
        slow = replace(
            slow,
            candidate=latency.p95_ms,
            production=latency.production_p95_ms,
            lower=latency.p95_lower,
            upper=latency.p95_upper,
            method="order statistics",
        )
    return [
        ratio,
        slow,
        _size(GateKind.MEMORY, _memory(candidate), _memory(production)),
        _size(GateKind.ARTIFACT, _mb(candidate), _mb(production)),
    ]


def metric_table(
    rows: Rows, ctx: Context, resampler: Resampler, *, alpha: float
) -> tuple[MetricRow, ...]:
    """Every metric of the problem for both models, with the gain between them; for report and model card."""
    table = []
    for metric in applicable(ctx):
        value, lower, upper, method = estimate(metric.name, rows, ctx, resampler, alpha=alpha)
        row = MetricRow(
            metric=metric.name,
            title=metric.title,
            better="higher" if metric.higher_is_better else "lower",
            candidate=value,
            candidate_lower=lower,
            candidate_upper=upper,
            candidate_method=method,
            unit=metric.unit,
        )
        if rows.production is not None:
            found = compare(metric.name, rows, ctx, resampler, alpha=alpha)
            row = replace(
                row,
                production=found.production,
                delta=found.gain,
                lower=found.lower,
                upper=found.upper,
                method=found.method,
            )
        table.append(row)
    return tuple(table)


def _gain(
    kind: GateKind,
    metric: str,
    rows: Rows,
    ctx: Context,
    resampler: Resampler,
    margin: Margin | None,
    *,
    alpha: float,
) -> Gate:
    relative = bool(margin and margin.relative)
    found = compare(metric, rows, ctx, resampler, alpha=alpha, relative=relative)
    gate = Gate(
        kind=kind,
        metric=metric,
        unit=find(metric, ctx).unit,
        relative=relative,
        candidate=found.candidate,
        production=found.production,
        rows=found.rows,
        units=found.units,
    )
    if found.relative != relative:
        # Its bounds are in other units than the margin, so the gate has no number that could be judged.
        return gate
    return replace(
        gate,
        delta=found.gain,
        lower=found.lower,
        upper=found.upper,
        rows_needed=found.rows_needed(margin=margin.value, alpha=alpha) if margin else None,
        method=found.method,
    )


def _proof(gate: Gate, row: SliceRow, margin: Margin, *, alpha: float) -> Gate:
    gate = replace(gate, rows=row.rows, candidate=row.candidate, production=row.production)
    if margin.relative and row.production == 0 and row.delta:
        return gate
    return replace(
        gate,
        delta=row.delta,
        lower=row.lower,
        upper=row.upper,
        method=row.method,
        rows_needed=rows_needed(
            rows=row.rows,
            error=row.error,
            tango=row.wins is not None,
            margin=margin.value,
            alpha=alpha,
        ),
    )


def _size(kind: GateKind, new: float | None, old: float | None) -> Gate:
    return Gate(
        kind=kind,
        unit="MB",
        better="lower",
        candidate=new,
        lower=new,
        upper=new,
        production=old,
        method="measured",
    )


def _memory(answers: Answers | None) -> float | None:
    return None if answers is None else answers.memory_mb


def _mb(answers: Answers | None) -> float | None:
    return None if answers is None or answers.size_bytes is None else answers.size_bytes / MB
