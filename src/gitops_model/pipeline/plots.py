"""Pictures of one evaluation, for people: is it calibrated, does it rank, where is it weak?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.metrics import precision_recall_curve, roc_curve

from gitops_model.formats.contract import Contract

Array = NDArray[np.float64]
INK, ACCENT = "#44546a", "#c8553d"


def draw(
    contract: Contract, labels: Array, scores: Array, slices: pd.DataFrame, *, folder: Path
) -> list[Path]:
    """Write the pictures that fit the problem as PNG; `labels` (n,), `scores` (n,) or (n, k). Returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    pictures = {"slices.png": _slices(contract, slices)}
    if contract.problem == "regression":
        pictures["residuals.png"] = _residuals(contract, labels, scores)
    elif contract.problem == "multiclass":
        pictures["confusion.png"] = _confusion(contract, labels, scores)
        top = scores.argmax(axis=1)
        pictures["calibration.png"] = _calibration(
            (top == labels).astype(float), scores.max(axis=1), "top class"
        )
    else:
        pictures["calibration.png"] = _calibration(labels, scores, contract.output.name)
        if 0 < labels.sum() < len(labels):
            pictures["curves.png"] = _curves(labels, scores)
    paths = []
    for name, figure in pictures.items():
        # Without a date or a version in it, the same picture is the same file.
        figure.savefig(folder / name, dpi=110, bbox_inches="tight", metadata={"Software": None})
        plt.close(figure)
        paths.append(folder / name)
    return paths


def _slices(contract: Contract, slices: pd.DataFrame) -> Any:
    metric = contract.success.primary
    known = slices[slices[metric].notna()]
    figure, axes = plt.subplots(figsize=(7, 1 + 0.24 * max(1, len(known))))
    axes.barh(
        [
            f"{s} = {v}  ({n:,})"
            for s, v, n in zip(known["slice"], known["value"], known["rows"], strict=True)
        ],
        known[metric].astype(float),
        color=INK,
    )
    axes.invert_yaxis()
    axes.set_xlabel(metric)
    axes.set_title(f"{metric} by slice (rows)")
    return figure


def _calibration(happened: Array, said: Array, name: str) -> Any:
    edges = np.quantile(said, np.linspace(0, 1, 11))
    place = np.clip(np.searchsorted(edges, said, side="right") - 1, 0, 9)
    points = [
        (said[place == b].mean(), happened[place == b].mean())
        for b in range(10)
        if (place == b).any()
    ]
    figure, axes = plt.subplots(figsize=(5, 5))
    top = max(max(p) for p in points) * 1.1
    axes.plot([0, top], [0, top], color="#bbbbbb", linestyle="--")
    axes.plot(*zip(*points, strict=True), marker="o", color=ACCENT)
    axes.set(
        xlabel="predicted",
        ylabel="happened",
        title=f"Calibration of {name}: ten bins of equal size",
    )
    return figure


def _curves(labels: Array, scores: Array) -> Any:
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4.2))
    false_positives, true_positives, _ = roc_curve(labels, scores)
    left.plot(false_positives, true_positives, color=ACCENT)
    left.plot([0, 1], [0, 1], color="#bbbbbb", linestyle="--")
    left.set(xlabel="false positive rate", ylabel="true positive rate", title="ROC")
    precision, recall, _ = precision_recall_curve(labels, scores)
    right.plot(recall, precision, color=ACCENT)
    right.axhline(labels.mean(), color="#bbbbbb", linestyle="--")
    right.set(xlabel="recall", ylabel="precision", title="Precision and recall")
    return figure


def _confusion(contract: Contract, labels: Array, scores: Array) -> Any:
    names = contract.output.classes or ()
    counts = np.zeros((len(names), len(names)))
    np.add.at(counts, (labels.astype(int), scores.argmax(axis=1)), 1)
    shares = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    figure, axes = plt.subplots(figsize=(5, 4.4))
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for row, column in np.ndindex(shares.shape):
        axes.text(column, row, f"{shares[row, column]:.0%}", ha="center", va="center")
    axes.set_xticks(range(len(names)), names)
    axes.set_yticks(range(len(names)), names)
    axes.set(xlabel="predicted", ylabel="happened", title="Share of each true class")
    return figure


def _residuals(contract: Contract, labels: Array, scores: Array) -> Any:
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4.2))
    unit = f" ({contract.output.unit})" if contract.output.unit else ""
    left.hexbin(scores, labels, gridsize=40, bins="log", cmap="Blues")
    left.set(xlabel=f"predicted{unit}", ylabel=f"happened{unit}", title="Predicted and happened")
    right.hist(labels - scores, bins=60, color=INK)
    right.set(xlabel=f"happened - predicted{unit}", title="Residuals")
    return figure
