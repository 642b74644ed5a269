"""Points of the curves a report draws for both models, few enough to be read and stored."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gitops_model.evaluation.columns import Context, decisions
from gitops_model.evaluation.rows import Rows
from gitops_model.formats.check import Curves, ModelCurves, Points

Array = npt.NDArray[np.float64]

POINTS = 60
BINS = 10


def all_curves(rows: Rows, ctx: Context) -> Curves:
    """The curves of both models that fit the problem."""
    return Curves(
        candidate=_curves(rows.labels, rows.candidate, ctx),
        production=None if rows.production is None else _curves(rows.labels, rows.production, ctx),
    )


def _curves(labels: Array, scores: Array, ctx: Context) -> ModelCurves | None:
    if not np.isfinite(scores).all():
        return None
    if ctx.problem == "regression":
        return ModelCurves(residuals=residuals(labels, scores))
    if ctx.problem == "multiclass":
        right = (np.argmax(scores, axis=1) == labels).astype(np.float64)
        return ModelCurves(
            calibration=calibration(right, scores.max(axis=1)),
            confusion=confusion(labels, scores, ctx),
        )
    roc = pr = None
    if 0 < labels.sum() < len(labels):
        roc, pr = roc_and_pr(labels, scores)
    return ModelCurves(calibration=calibration(labels, scores), roc=roc, pr=pr)


def roc_and_pr(labels: Array, scores: Array) -> tuple[Points, Points]:
    """[false positive rate, true positive rate] and [recall, precision] at about `POINTS` thresholds each."""
    order = np.argsort(-scores, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))
    hits = np.cumsum(labels[order])[ends]
    alarms = ends + 1 - hits
    positives, negatives = labels.sum(), len(labels) - labels.sum()
    roc = np.column_stack([alarms / negatives, hits / positives])
    pr = np.column_stack([hits / positives, hits / (ends + 1)])
    return _thin(np.vstack([[0.0, 0.0], roc])), _thin(pr)


def calibration(outcome: Array, confidence: Array) -> Points:
    """[mean confidence, share that came true, rows] in bins of equal counts."""
    edges = np.quantile(confidence, np.linspace(0, 1, BINS + 1)[1:-1])
    place = np.searchsorted(edges, confidence, side="right")
    rows = np.bincount(place, minlength=BINS)
    used = rows > 0
    mean = np.bincount(place, weights=confidence, minlength=BINS)[used] / rows[used]
    share = np.bincount(place, weights=outcome, minlength=BINS)[used] / rows[used]
    return tuple(
        (float(m), float(s), int(r)) for m, s, r in zip(mean, share, rows[used], strict=True)
    )


def confusion(labels: Array, scores: Array, ctx: Context) -> tuple[tuple[int, ...], ...]:
    """Rows counted by [true class][answered class], in the contract's order of classes."""
    size = scores.shape[1]
    counts = np.bincount(labels.astype(np.intp) * size + decisions(scores, ctx), minlength=size**2)
    return tuple(tuple(line) for line in counts.reshape(size, size).tolist())


def residuals(labels: Array, scores: Array) -> Points:
    """[mean prediction, 10th, 50th and 90th percentile of prediction - label] in bins of equal counts."""
    chunks = np.array_split(np.argsort(scores, kind="stable"), min(2 * BINS, len(scores)))
    points = []
    for chunk in chunks:
        low, middle, high = np.quantile(scores[chunk] - labels[chunk], [0.1, 0.5, 0.9])
        points.append((float(scores[chunk].mean()), float(low), float(middle), float(high)))
    return tuple(points)


def _thin(points: Array) -> Points:
    """About `POINTS` points, evenly along the curve's length, first and last kept."""
    if len(points) > POINTS:
        along = np.append(0.0, np.cumsum(np.abs(np.diff(points, axis=0)).sum(axis=1)))
        wanted = np.searchsorted(along, np.linspace(0, along[-1], POINTS))
        points = points[np.unique(np.append(wanted, [0, len(points) - 1]))]
    return tuple(tuple(point) for point in points.tolist())
