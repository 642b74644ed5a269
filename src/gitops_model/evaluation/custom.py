"""Metrics that gates.yaml declares: what their expressions may name, their value on each row, and how rows become one.

| problem | names besides the columns of numbers |
|---|---|
| binary | `label` (0, 1), `score` (probability of 1), `threshold`, `answer` (0, 1) |
| multiclass | `label`, `answer` (place of a class); for each class `score_NAME` (probability), `class_NAME` (place) |
| regression | `label`, `score` |

A mean, a sum and a ratio are ratios of sums like the built-in metrics. A quantile is resampled by itself, and has an
influence of each row for its standard error.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from gitops_model.evaluation import columns as of_row
from gitops_model.evaluation.columns import Context
from gitops_model.formats.contract import Contract
from gitops_model.formats.gates import CustomMetric

if TYPE_CHECKING:
    # It needs scipy, which the monitor does without.
    from gitops_model.evaluation.resampling import Resampler

Array = npt.NDArray[np.float64]
Named = Mapping[str, Array]

# Fewer rows on one side of a quantile tell nothing about where it lies.
MIN_TAIL_ROWS = 10
# Standard errors on each side, values between them, and how many of those at once: 100,000 rows take 25 MB.
_REACH, _TRIED, _AT_ONCE = 6, 121, 32

_WORD = re.compile(r"[a-z]\w*", re.ASCII)


def spelled(name: str) -> str:
    """The name of a class as part of a name in an expression: `very late` is `very_late`."""
    return re.sub(r"\W", "_", name, flags=re.ASCII)


def columns_of(contract: Contract) -> list[str]:
    """The columns of numbers that test rows carry: numeric and boolean inputs, and `success.columns`."""
    inputs = [name for name, rules in contract.inputs.items() if rules.type != "category"]
    return [*inputs, *contract.success.columns]


def spoken(ctx: Context) -> list[str]:
    """The names that the problem gives besides columns."""
    if ctx.problem == "multiclass":
        each = [f"{what}_{spelled(name)}" for what in ("score", "class") for name in ctx.classes]
        return ["label", "answer", *each]
    return ["label", "score", *(("threshold", "answer") if ctx.problem == "binary" else ())]


def columns_read(metrics: Iterable[CustomMetric], columns: Collection[str]) -> list[str]:
    """Those of `columns` that some expression may read: each that is written in one, as a word."""
    words = {word for each in metrics for text in each.expressions for word in _WORD.findall(text)}
    return [name for name in columns if name in words]


def rows_of(
    metric: CustomMetric, labels: Array, scores: Array, ctx: Context, named: Named
) -> Array:
    """(n, k) its expressions on each row; all NaN when one is not finite, is huge, or names what is not there."""
    # Its evaluator is installed where models are judged, and not where they are watched.
    from gitops_model.evaluation import expression

    count = len(labels)
    known = values(labels, scores, ctx, named)
    nothing = np.full((count, len(metric.expressions)), np.nan)
    try:
        parsed = [expression.parse(text, names=known) for text in metric.expressions]
    except expression.Refused:
        return nothing
    each = [found(known, rows=count) for found in parsed]
    table = np.column_stack(each)
    return table if (np.abs(table) <= expression.LARGEST).all() else nothing


def combined(metric: CustomMetric, rows: int) -> Callable[[Array], Array]:
    """From column means (..., k) to the metric (...), for a mean, a sum over `rows` rows, or a ratio."""
    if metric.kind == "ratio":
        return of_row.precision
    return of_row.first if metric.kind == "mean" else lambda means: rows * means[..., 0]


def quantile(values: Array, at: float) -> tuple[float, Array]:
    """(value, influence (n,)) of the quantile `at` of `values` (n,): the smallest value that so many do not exceed.

    The influence is (at - [x <= Q]) / f(Q), with 1 / f(Q) from the quantiles at - h and at + h, h as of Hall and
    Sheather (1988): R. Koenker, "Quantile Regression" (2005), sections 3.2 and 3.4.1.
    """
    normal = NormalDist()
    z = normal.inv_cdf(at)
    curve = 1.5 * normal.pdf(z) ** 2 / (2 * z * z + 1)
    reach = (normal.inv_cdf(0.975) ** 2 * curve / len(values)) ** (1 / 3)
    low, high = max(0.0, at - reach), min(1.0, at + reach)
    value, below, above = np.quantile(values, [at, low, high], method="inverted_cdf")
    influence = (at - (values <= value)) * (above - below) / (high - low)
    return float(value), influence - influence.mean()


def resampled_quantile(values: Array, at: float, resampler: Resampler) -> Array:
    """(B, 1) the quantile `at` of `values` (n,) in each resample.

    Only values within `_REACH` standard errors of the share `at` are tried, and of each resample only its share of rows
    below each of them is needed. Where many rows have one value the influence tells nothing, and this does.
    """
    value = np.quantile(values, at, method="inverted_cdf")
    below = (values <= value).astype(np.float64)
    error = min(1.0, resampler.standard_error(below - below.mean()))
    levels = np.clip(at + error * np.linspace(-_REACH, _REACH, _TRIED), 0.0, 1.0)
    tried = np.unique(np.quantile(values, levels, method="inverted_cdf"))
    first = np.zeros(resampler.replicates, dtype=np.intp)
    for start in range(0, len(tried), _AT_ONCE):
        below = (values[:, None] <= tried[start : start + _AT_ONCE]).astype(np.float64)
        # A sum of shares is not exact, and a share of exactly `at` is enough.
        first += (resampler.means(below) < at - 1e-12).sum(axis=1)
    return tried[np.minimum(first, len(tried) - 1)][:, None]


def values(labels: Array, scores: Array, ctx: Context, named: Named) -> dict[str, Array | float]:
    """What each name of an expression stands for: (n,), or one number for all rows."""
    found: dict[str, Array | float] = {**named, "label": labels}
    if ctx.problem == "regression":
        return found | {"score": scores}
    found["answer"] = of_row.decisions(scores, ctx).astype(np.float64)
    if ctx.problem == "binary":
        return found | {"score": scores, "threshold": ctx.threshold}
    for place, name in enumerate(ctx.classes):
        found |= {
            f"score_{spelled(name)}": scores[:, place],
            f"class_{spelled(name)}": float(place),
        }
    return found
