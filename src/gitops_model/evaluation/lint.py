"""Gates that could never pass, or never fail, refused before anyone waits for them.

Works on gates.yaml and contract.yaml alone; with a test set (rows, slice sizes) it finds more.
"""

from __future__ import annotations

from collections.abc import Mapping

from gitops_model.evaluation import intervals, ledger
from gitops_model.evaluation.columns import Context
from gitops_model.evaluation.metrics import Metric, applicable, context, find
from gitops_model.formats.contract import Contract
from gitops_model.formats.gates import AnchorGate, ComparisonGate, Gates, Limit, Margin


def lint(
    gates: Gates,
    contract: Contract,
    *,
    rows: int | None = None,
    slices: Mapping[str, int] | None = None,
) -> list[str]:
    """One sentence for each impossible or empty demand: where, why, and what would work. Empty when all is well.

    `rows`: rows of the test set; `slices`: rows of each slice `column=value`.
    """
    ctx = context(contract, gates.metrics)
    known = {metric.name for metric in applicable(ctx)}
    found: list[str] = []
    if gates.metrics:
        # Its evaluator is not needed for anything else.
        from gitops_model.evaluation import custom_lint

        found += custom_lint.lint(gates, contract, ctx)
    compared: list[tuple[str, str, ComparisonGate]] = [
        ("primary", contract.success.primary, gates.primary),
        ("risk", contract.success.risk, gates.risk),
        *((f"metrics.{metric.name}", metric.name, metric) for metric in gates.metrics),
    ]
    for where, name, gate in compared:
        if gate.enabled:
            found += _comparison(where, find(name, ctx), gate, gates, rows)
    if gates.anchor is not None and gates.anchor.enabled:
        found += _anchor(gates.anchor, find(contract.success.primary, ctx), gates.primary.margin)
    for limit in gates.limits:
        if limit.enabled:
            found += _limit(limit, contract, ctx, known)
    found += _slices(gates, contract, ctx, known, slices)
    if gates.latency.enabled and (gates.latency.ratio_below or 0) <= 1:
        found.append(
            f"latency.ratio_below is {gates.latency.ratio_below:g}: a candidate as fast as production could never "
            "pass; allowed: above 1. Example: ratio_below: 1.1"
        )
    return [f"gates.yaml: {sentence}" for sentence in found]


def _comparison(
    where: str, metric: Metric, gate: ComparisonGate, gates: Gates, rows: int | None
) -> list[str]:
    margin = gate.margin
    if margin is None:
        return []
    found = _margin(f"{where}.margin", metric, margin)
    exact = metric.name == "accuracy" and gate.rule != "better" and not margin.relative
    if found or rows is None or not exact:
        return found
    needed = intervals.rows_for_identical(margin=margin.value, alpha=ledger.allowed(gates.alpha, 1))
    if rows >= needed:
        return []
    return [
        f"{where}.margin is {margin}: with {rows:,} test rows even a candidate that answers exactly like production "
        f"could not pass; use at least {needed:,} rows, or a larger margin."
    ]


def _anchor(gate: AnchorGate, metric: Metric, primary: Margin | None) -> list[str]:
    if gate.margin is None:
        return []
    found = _margin("anchor.margin", metric, gate.margin)
    if not gate.derived or not found:
        return found
    # What is wrong with the margin itself was said of `primary`.
    if primary is None or _margin("primary", metric, primary):
        return []
    return [
        f"primary.margin is {primary}: against the best release so far twice that may be lost, {gate.margin}, so that "
        f"gate could never fail. Give it its own margin. Example: anchor: {{margin: {primary}}}"
    ]


def _margin(where: str, metric: Metric, margin: Margin) -> list[str]:
    if margin.relative and metric.lower is None and metric.declared is None:
        return [
            (
                f"{where} is {margin}: {metric.name} may be zero or negative, where a share of it means nothing; give "
                "a plain number. Example: margin: 0.02"
            )
        ]
    if margin.relative and margin.value >= 1 and metric.higher_is_better:
        return [f"{where} is {margin}: nothing can lose all of it, so the gate could never fail."]
    if not margin.relative and metric.unit_scale and margin.value >= 1:
        return [
            (
                f"{where} is {margin}: {metric.name} lies between 0 and 1 and cannot lose that much, so the gate could "
                "never fail. Example: margin: 0.01"
            )
        ]
    return []


def _limit(limit: Limit, contract: Contract, ctx: Context, known: set[str]) -> list[str]:
    where, metric = f"limits.{limit.metric}", find(limit.metric, ctx)
    if limit.metric not in known:
        missing = metric.needs_costs and contract.problem in metric.problems
        why = (
            "needs success.costs in contract.yaml"
            if missing
            else f"is not defined for a {contract.problem} problem"
        )
        return [f"{where}: {limit.metric} {why}; allowed: {', '.join(sorted(known))}."]
    good = "above" if metric.higher_is_better else "below"
    if getattr(limit, good) is None:
        return [
            (
                f"{where} says {'below' if good == 'above' else 'above'}, but {limit.metric} is better when it is "
                f"{'higher' if good == 'above' else 'lower'}; write {good}."
            )
        ]
    value: float = getattr(limit, good)
    best, worst = metric.upper, metric.lower
    if not metric.higher_is_better:
        best, worst = worst, best
    sign = metric.sign
    if best is not None and sign * value >= sign * best:
        return [
            f"{where}.{good} is {value:g}: no model could ever pass, {limit.metric} ends at {best:g}."
        ]
    if worst is not None and sign * value < sign * worst:
        return [
            f"{where}.{good} is {value:g}: no model could ever fail, {limit.metric} ends at {worst:g}."
        ]
    return []


def _slices(
    gates: Gates,
    contract: Contract,
    ctx: Context,
    known: set[str],
    sizes: Mapping[str, int] | None,
) -> list[str]:
    rule = gates.slices
    if not rule.enabled or rule.margin is None:
        return []
    name = rule.metric or contract.success.primary
    if name not in known:
        return [
            f"slices.metric is '{name}'; allowed for a {contract.problem} problem: {', '.join(sorted(known))}."
        ]
    metric = find(name, ctx)
    if metric.declared is not None and metric.declared.at is not None:
        return [
            f"slices.metric is '{name}', a quantile, whose interval on few rows is not to be relied on; allowed: a "
            "mean, a sum or a ratio, and the library's metrics."
        ]
    found = _margin("slices.margin", metric, rule.margin)
    if sizes is not None and contract.slices and max(sizes.values(), default=0) < rule.min_rows:
        found.append(
            f"slices.min_rows is {rule.min_rows:,}: the largest slice has {max(sizes.values(), default=0):,} rows, so "
            "no slice is judged and the guard could never fail; lower min_rows or use more test rows."
        )
    for i, proof in enumerate(rule.prove):
        where = f"slices.prove[{i}]"
        column = proof.slice.partition("=")[0]
        found += _margin(f"{where}.margin", metric, proof.margin)
        if column not in contract.slices:
            found.append(
                f"{where}.slice is '{proof.slice}': contract.yaml declares no slice {column}, so the gate could never "
                f"pass; declared: {', '.join(contract.slices) or 'none'}."
            )
        elif proof.margin.relative != rule.margin.relative:
            found.append(
                f"{where}.margin is {proof.margin} and slices.margin is {rule.margin}; give both as numbers or both "
                "as shares."
            )
        elif sizes is not None:
            found += _proof_size(where, proof.slice, proof.margin, name, sizes, gates)
    return found


def _proof_size(
    where: str, name: str, margin: Margin, metric: str, sizes: Mapping[str, int], gates: Gates
) -> list[str]:
    rows = sizes.get(name)
    if rows is None:
        return [
            f"{where}.slice is '{name}', which no test row belongs to, so the gate could never pass."
        ]
    if metric != "accuracy" or margin.relative:
        return []
    needed = intervals.rows_for_identical(margin=margin.value, alpha=ledger.allowed(gates.alpha, 1))
    if rows >= needed:
        return []
    return [
        (
            f"{where}.margin is {margin}: with {rows:,} rows of {name} even a candidate that answers exactly like "
            f"production could not pass; use at least {needed:,} rows, or a larger margin."
        )
    ]
