"""The numbers of every gate, before anything is decided about them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from gitops_model.evaluation.columns import Context
from gitops_model.evaluation.comparison import Rows, compare, estimate, rows_needed
from gitops_model.evaluation.decision import blank
from gitops_model.evaluation.latency import Latency
from gitops_model.evaluation.metrics import CATALOGUE, applicable
from gitops_model.evaluation.resampling import Resampler
from gitops_model.formats.contract import Contract
from gitops_model.formats.gates import Gates, Margin

if TYPE_CHECKING:
    from gitops_model.evaluation.verdict import Answers

Json = dict[str, Any]

MB = 1_000_000


def metric_gates(
    gates: Gates,
    contract: Contract,
    rows: Rows,
    ctx: Context,
    resampler: Resampler,
    *,
    alpha: float,
    compared: bool,
) -> list[Json]:
    """Primary, risk and every limit."""
    entries = []
    for name, metric, rule in (
        ("primary", contract.success.primary, gates.primary),
        ("risk", contract.success.risk, gates.risk),
    ):
        entries.append(
            _gain(name, metric, rows, ctx, resampler, rule.margin, alpha=alpha, compared=compared)
        )
    for limit in gates.limits:
        entry = blank(f"limit:{limit.metric}", metric=limit.metric, rows=len(rows.labels))
        if ctx.problem in CATALOGUE[limit.metric].problems:
            value, lower, upper, method = estimate(limit.metric, rows, ctx, resampler, alpha=alpha)
            entry |= {"candidate": value, "lower": lower, "upper": upper, "method": method}
        entry["units"] = resampler.units
        entries.append(entry)
    return entries


def slice_gates(
    gates: Gates,
    contract: Contract,
    table: Sequence[Json],
    *,
    alpha: float,
    compared: bool,
) -> list[Json]:
    """The guard over all slices, and one entry for each slice that must be proven safe."""
    metric = gates.slices.metric or contract.success.primary
    margin = gates.slices.margin
    guard = blank(
        "slices",
        metric=metric,
        compared=compared,
        relative=bool(margin and margin.relative),
        rows=sum(numbers["rows"] for numbers in table),
        method="Holm over slices",
    )
    by_name = {numbers["slice"]: numbers for numbers in table}
    entries = [guard]
    for proof in gates.slices.prove:
        entry = blank(
            f"prove:{proof.slice}", metric=metric, compared=compared, relative=proof.margin.relative
        )
        numbers = by_name.get(proof.slice)
        # The table is in the guard's units; a proof in other units has no number there.
        same = margin is not None and margin.relative == proof.margin.relative
        if numbers is not None and same:
            for key in ("rows", "candidate", "production", "delta", "lower", "upper", "method"):
                entry[key] = numbers[key]
            entry["rows_needed"] = rows_needed(
                rows=numbers["rows"],
                error=numbers["error"],
                tango=numbers["wins"] is not None,
                margin=proof.margin.value,
                alpha=alpha,
            )
        entries.append(entry)
    return entries


def budget_gates(
    timings: Latency | None, candidate: Answers, production: Answers | None, *, pairs: int
) -> list[Json]:
    """Latency against production and against its budget, memory and artifact size."""
    ratio = blank("latency", unit="ratio", better="lower", compared=production is not None)
    slow = blank("latency_p95", unit="ms", better="lower", rows=pairs)
    if timings is not None:
        ratio |= {
            "candidate": timings.candidate_ms,
            "production": timings.production_ms,
            "delta": timings.ratio,
            "lower": timings.ratio_lower,
            "upper": timings.ratio_upper,
            "rows": pairs,
            "method": "median of paired ratios, block bootstrap",
        }
        slow |= {
            "candidate": timings.p95_ms,
            "lower": timings.p95_lower,
            "upper": timings.p95_upper,
            "method": "order statistics",
        }
    memory = blank("memory", unit="MB", better="lower")
    artifact = blank("artifact", unit="MB", better="lower")
    for entry, read in ((memory, _memory), (artifact, _size)):
        new = read(candidate)
        entry |= {"candidate": new, "lower": new, "upper": new, "method": "measured"}
        entry["production"] = None if production is None else read(production)
    return [ratio, slow, memory, artifact]


def metric_table(rows: Rows, ctx: Context, resampler: Resampler, *, alpha: float) -> list[Json]:
    """Every metric of the problem for both models, with the gain between them; for report and model card."""
    table = []
    for metric in applicable(ctx):
        value, lower, upper, method = estimate(metric.name, rows, ctx, resampler, alpha=alpha)
        entry: Json = {
            "metric": metric.name,
            "title": metric.title,
            "better": "higher" if metric.higher_is_better else "lower",
            "candidate": value,
            "candidate_lower": lower,
            "candidate_upper": upper,
            "candidate_method": method,
            "production": None,
            "delta": None,
            "lower": None,
            "upper": None,
            "method": "none",
        }
        if rows.production is not None:
            found = compare(metric.name, rows, ctx, resampler, alpha=alpha)
            entry |= {
                "production": found.production,
                "delta": found.gain,
                "lower": found.lower,
                "upper": found.upper,
                "method": found.method,
            }
        table.append(entry)
    return table


def _gain(
    name: str,
    metric: str,
    rows: Rows,
    ctx: Context,
    resampler: Resampler,
    margin: Margin | None,
    *,
    alpha: float,
    compared: bool,
) -> Json:
    relative = bool(margin and margin.relative)
    found = compare(metric, rows, ctx, resampler, alpha=alpha, relative=relative)
    return blank(
        name,
        metric=metric,
        relative=relative,
        compared=compared,
        candidate=found.candidate,
        production=found.production,
        delta=found.gain,
        lower=found.lower,
        upper=found.upper,
        rows=found.rows,
        units=found.units,
        rows_needed=found.rows_needed(margin=margin.value, alpha=alpha) if margin else None,
        method=found.method,
    )


def _memory(answers: Answers) -> float | None:
    return answers.memory_mb


def _size(answers: Answers) -> float | None:
    return None if answers.size_bytes is None else answers.size_bytes / MB
