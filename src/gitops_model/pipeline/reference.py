"""The reference profile: what inputs and scores looked like in training and test, in a few kilobytes of JSON.

Drift is measured against it later without the training data. Numbers are kept as quantile edges with the share of
rows between them, so one outlier moves nothing; categories as the share of each value, rare ones pooled.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gitops_model.formats.contract import Contract
from gitops_model.formats.inputs import MISSING

BINS = 10
MOST_VALUES = 200
OTHER = "(other)"


def build(
    contract: Contract, columns: Mapping[str, NDArray[Any]], scores: NDArray[np.float64]
) -> dict[str, Any]:
    """A profile of n rows: `columns` as `Model.predict` takes them (training), `scores` (m,) or (m, k) (test)."""
    inputs = {
        name: _category(columns[name]) if rules.type == "category" else _number(columns[name])
        for name, rules in contract.inputs.items()
    }
    matrix = scores.reshape(len(scores), -1)
    names = contract.output.classes or (contract.output.name,)
    return {
        "schema": 1,
        "rows": len(next(iter(columns.values()))),
        "inputs": inputs,
        "scores": {
            "rows": len(scores),
            **{name: _number(matrix[:, place]) for place, name in enumerate(names)},
        },
    }


def _number(values: NDArray[Any]) -> dict[str, Any]:
    known = values[~np.isnan(values)].astype(np.float64)
    missing = 1.0 - len(known) / max(1, len(values))
    if len(known) == 0:
        return {"kind": "number", "missing": missing, "edges": [], "shares": []}
    # Inner quantiles only: the outer bins are open, so values beyond those of training still fall somewhere.
    edges = np.unique(np.quantile(known, np.linspace(0, 1, BINS + 1)[1:-1]))
    counts = np.bincount(np.searchsorted(edges, known, side="right"), minlength=len(edges) + 1)
    return {
        "kind": "number",
        "missing": missing,
        "edges": [float(edge) for edge in edges],
        "shares": [float(share) for share in counts / len(known)],
        "mean": float(known.mean()),
        "std": float(known.std()),
        "min": float(known.min()),
        "max": float(known.max()),
    }


def _category(values: NDArray[Any]) -> dict[str, Any]:
    counts = Counter(values.tolist())
    missing = counts.pop(MISSING, 0)
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    shares = {value: count / len(values) for value, count in ordered[:MOST_VALUES]}
    rest = sum(count for _, count in ordered[MOST_VALUES:])
    if rest:
        shares[OTHER] = rest / len(values)
    return {"kind": "category", "missing": missing / max(1, len(values)), "shares": shares}
