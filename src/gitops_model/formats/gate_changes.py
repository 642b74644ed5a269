"""What a changed gates.yaml allows that the other one did not: for whoever has to review the change. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from gitops_model.formats.gates import (
    AnchorGate,
    BudgetGate,
    ComparisonGate,
    CustomMetric,
    Gates,
    LatencyGate,
    Limit,
    Margin,
    Policy,
    SliceGate,
    Switch,
)

# From the most lenient to the strictest view of which rows stand on their own; None lets contract.yaml say it.
_ROWS = ("independent", "grouped", None, "in_time_order")


def weakened(old: Gates, new: Gates) -> tuple[str, ...]:
    """Each value by which `new` asks for less than `old`, as `primary.margin 0.02 → 0.5`, in the order of the file.

    A margin that became a share, or a share that became a margin, cannot be compared, and is named with that remark.
    """
    return tuple(_all(old, new))


def _all(old: Gates, new: Gates) -> Iterator[str]:
    if new.confidence < old.confidence:
        yield _moved("confidence", old.confidence, new.confidence)
    if _ROWS.index(new.rows) < _ROWS.index(old.rows):
        yield _moved("rows", old.rows or "by contract.yaml", new.rows or "by contract.yaml")
    yield from _comparison("primary", old.primary, new.primary)
    yield from _comparison("risk", old.risk, new.risk)
    yield from _anchor(old.anchor, new.anchor)
    later = {limit.metric: limit for limit in new.limits}
    for limit in old.limits:
        yield from _limit(limit, later.get(limit.metric))
    declared = {metric.name: metric for metric in new.metrics}
    for metric in old.metrics:
        yield from _metric(metric, declared.get(metric.name))
    yield from _slices(old.slices, new.slices)
    yield from _latency(old.latency, new.latency)
    yield from _budget("memory", old.memory, new.memory)
    yield from _budget("artifact", old.artifact, new.artifact)
    if new.looks > old.looks:
        yield _moved("test_set.looks", old.looks, new.looks)
    if (old.schema_change, new.schema_change) == ("block", "absolute_only"):
        yield _moved("schema_change", old.schema_change, new.schema_change)


def _comparison(name: str, old: ComparisonGate, new: ComparisonGate) -> Iterator[str]:
    if not old.enabled or not new.enabled:
        yield from _off(name, old, new)
        return
    yield from _policy(name, old.inconclusive, new.inconclusive)
    if (old.rule, new.rule) == ("better", "not_worse"):
        yield _moved(f"{name}.rule", old.rule, new.rule)
    elif old.rule == new.rule:
        # Where a gain is demanded the margin is its size, so there less is weaker.
        yield from _margin(f"{name}.margin", old.margin, new.margin, gain=new.rule == "better")


def _metric(old: CustomMetric, new: CustomMetric | None) -> Iterator[str]:
    name = f"metrics.{old.name}"
    if new is None:
        yield _moved(name, "declared", "none")
        return
    measure = [(m.kind, m.expressions, m.at, m.better) for m in (old, new)]
    if measure[0] != measure[1]:
        yield f"{_moved(name, 'as it was', 'changed')} (another measure)"
    if old.enabled and new.enabled and old.margin is not None and new.margin is None:
        yield _moved(f"{name}.margin", old.margin, None)
        return
    yield from _comparison(name, old, new)


def _anchor(old: AnchorGate | None, new: AnchorGate | None) -> Iterator[str]:
    if old is None or not old.enabled or (old.derived and (new is None or new.derived)):
        # What follows from `primary` is said there.
        return
    if new is None or not new.enabled:
        yield _moved("anchor", "on", "off")
        return
    yield from _policy("anchor", old.inconclusive, new.inconclusive)
    yield from _margin("anchor.margin", old.margin, new.margin)
    if new.since is not None and new.since != old.since:
        yield _moved("anchor.since", old.since, new.since)


def _limit(old: Limit, new: Limit | None) -> Iterator[str]:
    name = f"limits.{old.metric}"
    if new is None:
        if old.enabled:
            yield _moved(name, "a limit", "none")
        return
    if not old.enabled or not new.enabled:
        yield from _off(name, old, new)
        return
    yield from _policy(name, old.inconclusive, new.inconclusive)
    if old.above is not None and (new.above is None or new.above < old.above):
        yield _moved(f"{name}.above", old.above, new.above)
    yield from _below(f"{name}.below", old.below, new.below)


def _slices(old: SliceGate, new: SliceGate) -> Iterator[str]:
    if not old.enabled or not new.enabled:
        yield from _off("slices", old, new)
        return
    yield from _policy("slices", old.inconclusive, new.inconclusive)
    if old.metric != new.metric:
        shown = (metric or "the primary metric" for metric in (old.metric, new.metric))
        yield f"{_moved('slices.metric', *shown)} (another measure)"
    yield from _margin("slices.margin", old.margin, new.margin)
    if new.min_rows > old.min_rows:
        yield _moved("slices.min_rows", old.min_rows, new.min_rows)
    later = {proof.slice: proof.margin for proof in new.prove}
    for proof in old.prove:
        name = f"slices.prove {proof.slice}"
        if proof.slice in later:
            yield from _margin(name, proof.margin, later[proof.slice])
        else:
            yield _moved(name, proof.margin, "none")


def _latency(old: LatencyGate, new: LatencyGate) -> Iterator[str]:
    if not old.enabled or not new.enabled:
        yield from _off("latency", old, new)
        return
    yield from _policy("latency", old.inconclusive, new.inconclusive)
    yield from _below("latency.ratio_below", old.ratio_below, new.ratio_below)
    yield from _below("latency.p95_ms_below", old.p95_ms_below, new.p95_ms_below)


def _budget(name: str, old: BudgetGate, new: BudgetGate) -> Iterator[str]:
    if not old.enabled or not new.enabled:
        yield from _off(name, old, new)
        return
    yield from _below(f"{name}.mb_below", old.mb_below, new.mb_below)


def _off(name: str, old: Switch, new: Switch) -> Iterator[str]:
    if old.enabled and not new.enabled:
        yield _moved(name, "on", "off")


def _policy(name: str, old: Policy, new: Policy) -> Iterator[str]:
    if (old, new) == ("block", "warn"):
        yield _moved(f"{name}.inconclusive", old, new)


def _below(name: str, old: float | None, new: float | None) -> Iterator[str]:
    if old is not None and (new is None or new > old):
        yield _moved(name, old, new)


def _margin(
    name: str, old: Margin | None, new: Margin | None, *, gain: bool = False
) -> Iterator[str]:
    if old is None or new is None or old == new:
        return
    if old.relative != new.relative:
        yield f"{_moved(name, old, new)} (another measure)"
    elif (new.value < old.value) if gain else (new.value > old.value):
        yield _moved(name, old, new)


def _moved(name: str, old: object, new: object) -> str:
    return f"{name} {_told(old)} → {_told(new)}"


def _told(value: object) -> str:
    return "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
