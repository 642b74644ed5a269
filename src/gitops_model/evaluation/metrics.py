"""The catalogue of metrics: what each means, which way is better, and how it is built from rows.

Every metric is one of

- a *ratio of sums*: each row gives k columns, and the metric is a function (`combine`) of their means, or
- a *rank* metric (ROC AUC, average precision), which gives its value and each row's influence on it, or
- a *custom* metric, which gates.yaml declares: a mean, a sum or a ratio is a ratio of sums, a quantile has influences.

All forms give the value and its resampling distribution from the same numbers, so the two cannot disagree.
A metric that is not defined on the rows (no rows, one class only, a score that is not finite) is None: no data.
It is never NaN and never 0.

Labels: binary (n,) of 0 and 1; multiclass (n,) class index in the order of `Context.classes`; regression (n,).
Scores: binary (n,) probability of 1; multiclass (n, k) probabilities; regression (n,) predictions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from gitops_model.evaluation import columns as of_row
from gitops_model.evaluation import custom, ranks
from gitops_model.evaluation.columns import Context
from gitops_model.evaluation.custom import Named
from gitops_model.formats.contract import Contract
from gitops_model.formats.gates import CustomMetric

Array = npt.NDArray[np.float64]

BINARY, MULTICLASS, REGRESSION = "binary", "multiclass", "regression"


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One metric. `upper` is None when it has no upper bound; `unit_scale` means it lives in 0..1.

    `declared` is set for a custom metric, and what it is made of stands there.
    """

    name: str
    title: str
    higher_is_better: bool
    problems: frozenset[str]
    lower: float | None = 0.0
    upper: float | None = 1.0
    needs_costs: bool = False
    columns: Callable[[Array, Array, Context], Array] | None = None
    combine: Callable[[Array], Array] = field(default=of_row.first)
    rank: Callable[[Array, Array], tuple[float, Array]] | None = None
    unit: str = "metric"
    declared: CustomMetric | None = None

    @property
    def sign(self) -> int:
        """+1 when higher is better, else -1: `sign * (candidate - production)` is a gain when positive."""
        return 1 if self.higher_is_better else -1

    @property
    def unit_scale(self) -> bool:
        """True for metrics between 0 and 1, whose margins are points and not shares of production's value."""
        return self.lower == 0.0 and self.upper == 1.0


@dataclass(frozen=True, kw_only=True)
class Linear:
    """A metric on given rows: `combine(means)` of the row columns (n, k) is its value.

    The only column of a rank metric or a quantile is the influence itself, and `ranked` is true. `of` (n,) are the
    values of which a quantile is taken; it is resampled from them.
    """

    value: float
    columns: Array
    combine: Callable[[Array], Array]
    ranked: bool = False
    of: Array | None = None

    def influence(self) -> Array:
        """(n,) influence of each row: the derivative of the metric with respect to the row's weight, mean 0."""
        if self.ranked:
            return self.columns[:, 0]
        mean = self.columns.mean(axis=0)
        spread = self.columns.std(axis=0)
        influence: Array = (self.columns - mean) @ gradient_at(mean, spread, self.combine)
        return influence


def gradient_at(means: Array, spread: Array, combine: Callable[[Array], Array]) -> Array:
    """(k,) derivative of `combine` at these column means, by central differences; 0 where it is not defined.

    `spread` (k,) are the columns' standard deviations: steps follow them, so that units do not matter.
    """
    step = 1e-6 * np.maximum(np.abs(means), 1e-3 * spread)
    step = np.where(step > 0, step, 1e-9)
    shift = np.diag(step)
    with np.errstate(all="ignore"):
        gradient = (combine(means + shift) - combine(means - shift)) / (2 * step)
    return np.where(np.isfinite(gradient), gradient, 0.0)


def _metric(
    name: str, title: str, better: str, problems: tuple[str, ...], **more: Any
) -> tuple[str, Metric]:
    metric = Metric(
        name=name,
        title=title,
        higher_is_better=better == "higher",
        problems=frozenset(problems),
        **more,
    )
    return name, metric


CATALOGUE: Mapping[str, Metric] = dict(
    [
        _metric("roc_auc", "ROC AUC", "higher", (BINARY,), rank=ranks.roc_auc),
        _metric("pr_auc", "PR AUC", "higher", (BINARY,), rank=ranks.average_precision),
        _metric("f1", "F1", "higher", (BINARY,), columns=of_row.cells, combine=of_row.f1),
        _metric(
            "precision", "precision", "higher", (BINARY,),
            columns=of_row.cells, combine=of_row.precision,
        ),
        _metric("recall", "recall", "higher", (BINARY,), columns=of_row.cells, combine=of_row.recall),
        _metric("accuracy", "accuracy", "higher", (BINARY, MULTICLASS), columns=of_row.correct),
        _metric(
            "f1_macro", "macro F1", "higher", (MULTICLASS,),
            columns=of_row.class_cells, combine=of_row.f1_macro,
        ),
        _metric(
            "log_loss", "log loss", "lower", (BINARY, MULTICLASS), columns=of_row.log_loss, upper=None
        ),
        _metric("brier", "Brier score", "lower", (BINARY,), columns=of_row.squared_error),
        _metric(
            "ece", "calibration error (ECE)", "lower", (BINARY, MULTICLASS),
            columns=of_row.calibration, combine=of_row.sum_of_absolutes,
        ),
        _metric(
            "expected_cost", "expected cost per row", "lower", (BINARY, MULTICLASS, REGRESSION),
            columns=of_row.cost, upper=None, needs_costs=True,
        ),
        _metric(
            "rmse", "RMSE", "lower", (REGRESSION,),
            columns=of_row.squared_error, combine=of_row.root, upper=None,
        ),
        _metric("mae", "MAE", "lower", (REGRESSION,), columns=of_row.absolute_error, upper=None),
        _metric(
            "r2", "R²", "higher", (REGRESSION,),
            columns=of_row.variance_parts, combine=of_row.r2, lower=None,
        ),
    ]
)  # fmt: skip


def applicable(ctx: Context) -> list[Metric]:
    """The metrics of the problem, in catalogue order; cost metrics only when the contract states costs.

    Those that gates.yaml declares come last.
    """
    built_in = [
        m
        for m in CATALOGUE.values()
        if ctx.problem in m.problems and (ctx.costs or not m.needs_costs)
    ]
    return [*built_in, *map(_custom, ctx.metrics)]


def title(name: str) -> str:
    """What people call a metric; one that gates.yaml declares has its own name."""
    return CATALOGUE[name].title if name in CATALOGUE else name.replace("_", " ")


def find(name: str, ctx: Context) -> Metric:
    """The metric called `name`, of the catalogue or declared in gates.yaml. Raises KeyError."""
    if name in CATALOGUE:
        return CATALOGUE[name]
    return {each.name: _custom(each) for each in ctx.metrics}[name]


def _custom(declared: CustomMetric) -> Metric:
    return Metric(
        name=declared.name,
        title=title(declared.name),
        higher_is_better=declared.better == "higher",
        problems=frozenset((BINARY, MULTICLASS, REGRESSION)),
        lower=None,
        upper=None,
        unit=declared.unit,
        declared=declared,
    )


def linear(
    metric: Metric, labels: Array, scores: Array, ctx: Context, named: Named = MappingProxyType({})
) -> Linear | None:
    """The metric on these rows, ready for resampling; None when it is not defined on them (no data).

    `named` are the columns that expressions of gates.yaml read.
    """
    if len(labels) == 0 or not (np.isfinite(labels).all() and np.isfinite(scores).all()):
        return None
    with np.errstate(all="ignore"):
        if metric.declared is not None:
            found = _declared(metric.declared, labels, scores, ctx, named)
        elif metric.rank is not None:
            found = _ranked(*metric.rank(labels, scores))
        else:
            assert metric.columns is not None, metric.name
            found = _of_sums(metric.columns(labels, scores, ctx), metric.combine)
    return found if np.isfinite(found.value) else None


def _declared(
    metric: CustomMetric, labels: Array, scores: Array, ctx: Context, named: Named
) -> Linear:
    table = custom.rows_of(metric, labels, scores, ctx, named)
    if metric.at is not None:
        point, influence = custom.quantile(table[:, 0], metric.at)
        return Linear(
            value=point,
            columns=influence[:, None],
            combine=of_row.first,
            ranked=True,
            of=table[:, 0],
        )
    return _of_sums(table, custom.combined(metric, len(labels)))


def _ranked(point: float, influence: Array) -> Linear:
    return Linear(
        value=point,
        columns=influence[:, None],
        combine=lambda means: point + np.asarray(means)[..., 0],
        ranked=True,
    )


def _of_sums(table: Array, combine: Callable[[Array], Array]) -> Linear:
    return Linear(value=float(combine(table.mean(axis=0))), columns=table, combine=combine)


def value(name: str, labels: Array, scores: Array, ctx: Context) -> float | None:
    """The metric `name` on these rows, or None when it is not defined on them."""
    found = linear(CATALOGUE[name], labels, scores, ctx)
    return None if found is None else found.value


def context(contract: Contract, declared: tuple[CustomMetric, ...] = ()) -> Context:
    """What the metrics need to know from contract.yaml, and the metrics that gates.yaml declares."""
    return Context(
        problem=contract.problem,
        threshold=0.5 if contract.output.threshold is None else float(contract.output.threshold),
        classes=tuple(map(str, contract.output.classes or ())),
        costs=dict(contract.success.costs or {}),
        metrics=declared,
    )
