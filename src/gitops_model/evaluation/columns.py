"""What one row adds to a metric, and how the means of those columns become the metric.

`combine` functions take means of shape (..., k) and return (...), so that thousands of resamples are combined
in one call. Where the metric is not defined they return NaN, which `metrics` turns into "no data".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from gitops_model.formats.gates import CustomMetric

Array = npt.NDArray[np.float64]

CALIBRATION_BINS = 10


@dataclass(frozen=True, kw_only=True)
class Context:
    """What a metric must know besides labels and scores.

    `costs`: binary {false_positive, false_negative} per row; regression {under, over} per unit of the label;
    multiclass {matrix: cost[true][predicted]} or {under, over} per step in the order of `classes`. `metrics` are those
    that gates.yaml declares.
    """

    problem: str
    threshold: float = 0.5
    classes: tuple[str, ...] = ()
    costs: Mapping[str, Any] = field(default_factory=dict)
    metrics: tuple[CustomMetric, ...] = ()


def decisions(scores: Array, ctx: Context) -> npt.NDArray[np.intp]:
    """The class index the service would answer: score >= threshold, or the most probable class."""
    answer: npt.NDArray[np.intp] = (
        np.argmax(scores, axis=1) if scores.ndim == 2 else (scores >= ctx.threshold).astype(np.intp)
    )
    return answer


def correct(labels: Array, scores: Array, ctx: Context) -> Array:
    """(n, 1) 1 where the answer is right."""
    right: Array = (decisions(scores, ctx) == labels).astype(np.float64)[:, None]
    return right


def cells(labels: Array, scores: Array, ctx: Context) -> Array:
    """(n, 3) true positive, predicted positive, actually positive."""
    predicted = decisions(scores, ctx).astype(np.float64)
    return np.column_stack([labels * predicted, predicted, labels])


def class_cells(labels: Array, scores: Array, ctx: Context) -> Array:
    """(n, 3k) the columns of `cells` for each class against the rest: all hits, then predicted, then actual."""
    names = np.arange(scores.shape[1])
    predicted = (decisions(scores, ctx)[:, None] == names).astype(np.float64)
    actual = (labels[:, None] == names).astype(np.float64)
    return np.hstack([predicted * actual, predicted, actual])


def log_loss(labels: Array, scores: Array, ctx: Context) -> Array:
    """(n, 1) negative log of the probability given to what happened, clipped as scikit-learn does."""
    if scores.ndim == 2:
        likelihood = scores[np.arange(len(labels)), labels.astype(np.intp)] / scores.sum(axis=1)
    else:
        likelihood = np.where(labels == 1, scores, 1 - scores)
    eps = np.finfo(np.float64).eps
    loss: Array = -np.log(np.clip(likelihood, eps, 1 - eps))[:, None]
    return loss


def squared_error(labels: Array, scores: Array, ctx: Context) -> Array:
    """(n, 1) squared difference."""
    return ((scores - labels) ** 2)[:, None]


def absolute_error(labels: Array, scores: Array, ctx: Context) -> Array:
    """(n, 1) absolute difference."""
    return np.abs(scores - labels)[:, None]


def loss(labels: Array, scores: Array, ctx: Context) -> Array:
    """(n,) how wrong each answer is: the absolute difference, or the log loss."""
    per_row = absolute_error if ctx.problem == "regression" else log_loss
    return per_row(labels, scores, ctx)[:, 0]


def variance_parts(labels: Array, scores: Array, ctx: Context) -> Array:
    """(n, 3) squared error, label, squared label; labels are centred first so that squares stay small."""
    centred = labels - labels.mean()
    return np.column_stack([(scores - labels) ** 2, centred, centred**2])


def calibration(labels: Array, scores: Array, ctx: Context) -> Array:
    """(n, bins) confidence minus outcome, in the column of the row's bin; bins of equal counts by confidence.

    Multiclass uses the probability of the answered class and whether it was right (top-label calibration).
    """
    if scores.ndim == 2:
        confidence, outcome = scores.max(axis=1), (np.argmax(scores, axis=1) == labels) * 1.0
    else:
        confidence, outcome = scores, labels
    edges = np.quantile(confidence, np.linspace(0, 1, CALIBRATION_BINS + 1)[1:-1])
    table = np.zeros((len(labels), CALIBRATION_BINS))
    table[np.arange(len(labels)), np.searchsorted(edges, confidence, side="right")] = (
        confidence - outcome
    )
    return table


def cost(labels: Array, scores: Array, ctx: Context) -> Array:
    """(n, 1) cost of each answer in the contract's money."""
    costs = ctx.costs
    if ctx.problem == "regression":
        difference = scores - labels
    else:
        answer = decisions(scores, ctx)
        if ctx.problem == "binary":
            wrong = np.where(answer == 1, costs["false_positive"], costs["false_negative"])
            priced: Array = (wrong * (answer != labels)).astype(np.float64)[:, None]
            return priced
        if "matrix" in costs:
            matrix = np.asarray(costs["matrix"], dtype=np.float64)
            listed: Array = matrix[labels.astype(np.intp), answer][:, None]
            return listed
        difference = answer - labels
    sided: Array = np.where(
        difference < 0, -difference * costs["under"], difference * costs["over"]
    )
    return sided[:, None]


def first(means: Array) -> Array:
    """The mean itself."""
    return means[..., 0]


def root(means: Array) -> Array:
    """Square root of the mean."""
    result: Array = np.sqrt(means[..., 0])
    return result


def f1(means: Array) -> Array:
    """2 tp / (predicted + actual)."""
    hit, predicted, actual = (means[..., i] for i in range(3))
    return 2 * hit / (predicted + actual)


def precision(means: Array) -> Array:
    """tp / predicted."""
    return means[..., 0] / means[..., 1]


def recall(means: Array) -> Array:
    """tp / actual."""
    return means[..., 0] / means[..., 2]


def f1_macro(means: Array) -> Array:
    """Mean F1 over the classes that occur among labels or answers."""
    hit, predicted, actual = np.split(means, 3, axis=-1)
    occurs = (predicted + actual) > 0
    each = np.where(occurs, 2 * hit / np.where(occurs, predicted + actual, 1), 0.0)
    result: Array = each.sum(axis=-1) / occurs.sum(axis=-1)
    return result


def sum_of_absolutes(means: Array) -> Array:
    """Sum over bins of share x |confidence - outcome|, which is the expected calibration error."""
    result: Array = np.abs(means).sum(axis=-1)
    return result


def r2(means: Array) -> Array:
    """1 - squared error / variance of the labels."""
    variance = means[..., 2] - means[..., 1] ** 2
    return 1 - means[..., 0] / np.where(variance > 0, variance, np.nan)
