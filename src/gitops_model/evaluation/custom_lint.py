"""Metrics of gates.yaml that could not be computed, found before there are rows.

Each expression is read, and computed where contract.yaml says that rows may lie: at the ends of the ranges of scores,
labels and inputs, and where an input may be missing.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from gitops_model.evaluation import custom, expression
from gitops_model.evaluation.columns import Context
from gitops_model.formats.contract import Contract
from gitops_model.formats.gates import CustomMetric, Gates
from gitops_model.formats.inputs import Input

Array = npt.NDArray[np.float64]

MOST_ROWS = 4096
# A number without a range may be anything, and 0 may never occur.
_ANYWHERE = (1.0, 2.0)


def lint(gates: Gates, contract: Contract, ctx: Context) -> list[str]:
    """One sentence for each thing that is wrong, with its place in gates.yaml; empty when all is well."""
    spelled = [custom.spelled(name) for name in ctx.classes]
    if gates.metrics and len(set(spelled)) < len(spelled):
        return [
            "metrics: two classes of contract.yaml (output.classes) are spelled alike in expressions, where all but "
            "letters and digits is _; rename one."
        ]
    return [sentence for metric in gates.metrics for sentence in _all(metric, gates, contract, ctx)]


def _all(metric: CustomMetric, gates: Gates, contract: Contract, ctx: Context) -> Iterator[str]:
    names = [*custom.spoken(ctx), *custom.columns_of(contract)]
    read: set[str] = set()
    known: dict[str, expression.Expression] = {}
    for place, text in zip(metric.places, metric.expressions, strict=True):
        try:
            known[place] = expression.parse(text, names=names)
        except expression.Refused as why:
            yield f"{place}: {why}{'' if str(why).endswith('?') else '.'}"
            continue
        read |= known[place].names
    if len(known) < len(metric.expressions):
        return
    answers = [name for name in custom.spoken(ctx) if name.startswith(("score", "answer"))]
    if not read & set(answers):
        yield (
            f"metrics.{metric.name}: reads nothing that a model answers, so it is the same for every model; use one of "
            f"{', '.join(answers)}."
        )
        return
    labels, scores, columns = _rows(contract, ctx, read)
    values = custom.values(labels, scores, ctx, columns)
    for place, found in known.items():
        yield from _computed(place, found, values, rows=len(labels))
    divisor = known.get(f"metrics.{metric.name}.ratio.to")
    if divisor is not None and not np.any(divisor(values, rows=len(labels))):
        yield f"metrics.{metric.name}.ratio.to: is 0 on every row; divide by something else."
    for place, found in known.items():
        got = found(values, rows=len(labels))
        if (got < 0).any() and (got > 0).any():
            for where in _shares(metric, gates):
                yield (
                    f"{where}: {place} is negative on some rows and positive on others, so {metric.name} may have "
                    "either sign or be zero, where a share of it means nothing; give a plain number. Example: "
                    "margin: 0.02"
                )
            break


def _shares(metric: CustomMetric, gates: Gates) -> Iterator[str]:
    """Each place where a share of production's value of this metric is a margin, with that margin."""
    asked = [(f"metrics.{metric.name}", metric.enabled, metric.margin)]
    rule = gates.slices
    if rule.metric == metric.name:
        asked.append(("slices", rule.enabled, rule.margin))
        asked += [
            (f"slices.prove[{i}]", rule.enabled, each.margin) for i, each in enumerate(rule.prove)
        ]
    for where, enabled, margin in asked:
        if enabled and margin is not None and margin.relative:
            yield f"{where}.margin is {margin}"


def _computed(
    place: str, found: expression.Expression, values: Mapping[str, Any], *, rows: int
) -> Iterator[str]:
    got = found(values, rows=rows)
    bad = np.flatnonzero(~(np.abs(got) <= expression.LARGEST))
    if not len(bad):
        return
    row = bad[0]
    here = {
        name: float(np.broadcast_to(values[name], (rows,))[row]) for name in sorted(found.names)
    }
    absent = [name for name, value in here.items() if np.isnan(value)]
    where = " and ".join(
        f"{name} is {'missing' if np.isnan(value) else f'{value:g}'}"
        for name, value in itertools.islice(here.items(), 4)
    )
    what = (
        "is no finite number" if not np.isfinite(got[row]) else f"is beyond {expression.LARGEST:g}"
    )
    mend = (
        f"where(missing({absent[0]}), 0, {absent[0]})"
        if absent
        else "max(score, 0.001), or where(condition, value, otherwise)"
    )
    yield f"{place}: {what} where {where or 'nothing is read'}. Say what counts there, for example {mend}."


def _rows(
    contract: Contract, ctx: Context, read: set[str]
) -> tuple[Array, Array, dict[str, Array]]:
    """(labels, scores, columns) of made-up rows: every combination of ends, or MOST_ROWS drawn from them."""
    scores, labels = _scores(ctx), _labels(ctx)
    ends = {name: _ends(rules) for name, rules in contract.inputs.items() if name in read}
    ends |= {name: _ANYWHERE for name in contract.success.columns if name in read}
    sizes = [len(labels), len(scores), *map(len, ends.values())]
    count = int(np.prod([float(size) for size in sizes]).clip(max=MOST_ROWS + 1))
    if count <= MOST_ROWS:
        picked = [each.ravel() for each in np.meshgrid(*map(np.arange, sizes), indexing="ij")]
    else:
        generator = np.random.default_rng(0)
        picked = [generator.integers(size, size=MOST_ROWS) for size in sizes]
    columns = {
        name: np.asarray(values)[place]
        for (name, values), place in zip(ends.items(), picked[2:], strict=True)
    }
    return labels[picked[0]], scores[picked[1]], columns


def _labels(ctx: Context) -> Array:
    if ctx.problem == "regression":
        return np.array(_ANYWHERE)
    return np.arange(float(len(ctx.classes) or 2))


def _scores(ctx: Context) -> Array:
    if ctx.problem == "regression":
        return np.array(_ANYWHERE)
    if ctx.problem == "binary":
        return np.array([0.0, ctx.threshold, 1.0])
    count = len(ctx.classes)
    return np.vstack([np.eye(count), np.full((1, count), 1 / count)])


def _ends(rules: Input) -> tuple[float, ...]:
    nothing = (float("nan"),) if rules.missing != "reject" else ()
    if rules.type == "boolean":
        return (0.0, 1.0, *nothing)
    given = [float(end) for end in (rules.min, rules.max) if end is not None]
    # Both ends and 0 when it lies between them; without both, somewhere inside.
    if len(given) == 2 and given[0] < 0 < given[1]:
        given.append(0.0)
    return (*(given or _ANYWHERE), *nothing)
