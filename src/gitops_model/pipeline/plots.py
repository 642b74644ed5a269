"""Points of the plots that dvc.yaml declares, small tables that `dvc plots show` and `dvc plots diff` draw."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.metrics import roc_curve

from gitops_model.formats.contract import Contract

Array = NDArray[np.float64]
BINS = 10
MOST_POINTS = 500
FOLDER = Path("reports/plots")


def tables(contract: Contract, labels: Array, scores: Array) -> dict[str, pd.DataFrame]:
    """By file name, the tables that fit the problem; `labels` (n,), `scores` (n,) or (n, k)."""
    if contract.problem == "regression":
        return {"residuals.csv": _residuals(labels, scores)}
    if contract.problem == "multiclass":
        right = (scores.argmax(axis=1) == labels).astype(float)
        return {
            "calibration.csv": calibration(right, scores.max(axis=1)),
            "confusion.csv": _confusion(contract, labels, scores),
        }
    return {"calibration.csv": calibration(labels, scores), "roc.csv": _roc(labels, scores)}


def calibration(happened: Array, predicted: Array) -> pd.DataFrame:
    """Mean prediction and share that happened in ten bins of equally many rows."""
    edges = np.quantile(predicted, np.linspace(0, 1, BINS + 1))
    place = np.clip(np.searchsorted(edges, predicted, side="right") - 1, 0, BINS - 1)
    bins = pd.DataFrame({"bin": place, "predicted": predicted, "happened": happened}).groupby("bin")
    return bins.mean().assign(rows=bins.size()).reset_index(drop=True)


def _roc(labels: Array, scores: Array) -> pd.DataFrame:
    if not 0 < labels.sum() < len(labels):
        return pd.DataFrame({"false_positive_rate": [], "true_positive_rate": []})
    wrong, right, _ = roc_curve(labels, scores)
    return _few(pd.DataFrame({"false_positive_rate": wrong, "true_positive_rate": right}))


def _confusion(contract: Contract, labels: Array, scores: Array) -> pd.DataFrame:
    names = np.array(contract.output.classes)
    return pd.DataFrame(
        {"actual": names[labels.astype(int)], "predicted": names[scores.argmax(axis=1)]}
    )


def _residuals(labels: Array, scores: Array) -> pd.DataFrame:
    return _few(pd.DataFrame({"predicted": scores, "residual": labels - scores}))


def _few(points: pd.DataFrame) -> pd.DataFrame:
    places = np.unique(np.linspace(0, len(points) - 1, min(len(points), MOST_POINTS)).astype(int))
    return points.iloc[places]
