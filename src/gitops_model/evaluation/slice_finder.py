"""Suspicious slices nobody declared. For information only: nothing found here ever blocks.

One half of the rows proposes (effect size and Welch's t test, Benjamini-Hochberg over all proposals), the other half,
untouched until then, confirms. Looking for the worst of many slices always finds one; confirming on fresh rows does
not. Idea: Y. Chung et al. (2019), "Slice Finder".
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import stdtr

from gitops_model.evaluation.columns import Context, loss
from gitops_model.evaluation.rows import Rows
from gitops_model.evaluation.slices import members
from gitops_model.formats.check import Suspect

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

MIN_ROWS = 50
MIN_EFFECT = 0.1
FALSE_DISCOVERY = 0.1
CONFIRM = 0.05
BINS = 4
MAX_VALUES = 30
SHOWN = 10


def find(
    columns: Mapping[str, npt.NDArray[Any]], rows: Rows, ctx: Context, *, seed: int
) -> tuple[Suspect, ...]:
    """Slices of `columns` where the candidate lost against production (or errs most, without production).

    Columns are in the order of `rows`. Numbers with many values are cut into quarters. `effect` is the difference of
    mean losses over their pooled standard deviation.
    """
    with np.errstate(all="ignore"):
        lost = loss(rows.labels, rows.candidate, ctx)
        if rows.production is not None:
            lost = lost - loss(rows.labels, rows.production, ctx)
    if not np.isfinite(lost).all() or len(lost) < 4 * MIN_ROWS:
        return ()
    first = np.random.default_rng(seed).permutation(len(lost)) % 2 == 0
    proposals = []
    for name, mask in members({n: _grouped(column) for n, column in columns.items()}).items():
        if (mask & first).sum() >= MIN_ROWS and (mask & ~first).sum() >= MIN_ROWS:
            effect, p = _welch(lost, mask, first)
            if effect >= MIN_EFFECT:
                proposals.append((name, mask, p))
    kept = _benjamini_hochberg([p for _, _, p in proposals], rate=FALSE_DISCOVERY)
    found = []
    for (name, mask, _), keep in zip(proposals, kept, strict=True):
        if keep:
            effect, p = _welch(lost, mask, ~first)
            if effect >= MIN_EFFECT and p <= CONFIRM:
                found.append(Suspect(slice=name, rows=int(mask.sum()), effect=effect, p_value=p))
    return tuple(sorted(found, key=lambda s: (-s.effect, s.slice))[:SHOWN])


def _grouped(column: npt.NDArray[Any]) -> npt.NDArray[Any]:
    if column.dtype.kind in "fiu" and len(np.unique(column)) > MAX_VALUES:
        finite = column[np.isfinite(column.astype(np.float64))]
        edges = np.quantile(finite, np.linspace(0, 1, BINS + 1)[1:-1])
        names = [f"below {edges[0]:.4g}"]
        names += [f"{a:.4g} to {b:.4g}" for a, b in itertools.pairwise(edges)]
        names.append(f"{edges[-1]:.4g} and above")
        return np.array(names)[np.searchsorted(edges, column, side="right")]
    text = column.astype(str)
    values, counts = np.unique(text, return_counts=True)
    frequent = values[np.argsort(-counts, kind="stable")][:MAX_VALUES]
    return np.where(np.isin(text, frequent), text, "(other)")


def _welch(loss: Array, mask: Mask, half: Mask) -> tuple[float, float]:
    """(effect size, one-sided p) that the slice's mean loss is above the rest's, on the rows of `half`."""
    inside, outside = loss[mask & half], loss[~mask & half]
    if len(outside) < 2:
        return 0.0, 1.0
    a, b = inside.var(ddof=1) / len(inside), outside.var(ddof=1) / len(outside)
    gap = float(inside.mean() - outside.mean())
    if a + b == 0:
        return 0.0, 1.0
    degrees = (a + b) ** 2 / (a**2 / (len(inside) - 1) + b**2 / (len(outside) - 1))
    pooled = float(np.sqrt((inside.var(ddof=1) + outside.var(ddof=1)) / 2))
    return gap / pooled, float(stdtr(degrees, -gap / np.sqrt(a + b)))


def _benjamini_hochberg(p_values: Sequence[float], *, rate: float) -> list[bool]:
    """Which are kept at the given false discovery rate: all up to the largest k with p(k) <= rate k / m."""
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    last = -1
    for k, i in enumerate(order):
        if p_values[i] <= rate * (k + 1) / len(p_values):
            last = k
    kept = set(order[: last + 1])
    return [i in kept for i in range(len(p_values))]
