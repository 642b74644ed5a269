"""Contracts, gates and test sets for the tests of the verdict: all valid, all small, every part replaceable."""

from __future__ import annotations

import copy
import hashlib
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from gitops_model import strict_yaml
from gitops_model.delivery.check import worded
from gitops_model.errors import CannotEvaluate
from gitops_model.evaluation import ranks, verdict
from gitops_model.evaluation.inputs import Answers, Facts, TestSet
from gitops_model.formats.check import Check, Gate
from gitops_model.formats.contract import Contract
from gitops_model.formats.gates import Gates

Array = npt.NDArray[np.float64]

PRODUCTION = "b" * 64
CANDIDATE = "a" * 64

_CONTRACT = """
task: parcel-delay
problem: {problem}
schema_version: 1
inputs:
  weight: {{type: number, min: 0, max: 50}}
output: {{name: late{output}}}
label: {{name: was_late, definition: delivered after the promised day, arrives_after_days: 2}}
keys: {{request: parcel, time: sent_at}}
slices: [depot]
success: {{primary: {primary}, risk: {risk}, costs: {costs}}}
"""
_OUTPUT = {"binary": ", threshold: 0.5", "multiclass": ", classes: [low, middle, high]"}
_METRICS = {
    "binary": ("accuracy", "expected_cost"),
    "multiclass": ("accuracy", "log_loss"),
    "regression": ("rmse", "expected_cost"),
}
_COSTS = {"binary": "{false_positive: 1, false_negative: 4}"}
_LIMITS: dict[str, Any] = {
    "binary": {"roc_auc": {"above": 0.6}, "ece": {"below": 0.15}},
    "multiclass": {"accuracy": {"above": 0.4}},
    "regression": {"r2": {"above": 0.1}},
}


def contract(
    problem: str = "binary", primary: str | None = None, risk: str | None = None
) -> Contract:
    """A contract of the problem, with slices by depot."""
    default = _METRICS[problem]
    text = _CONTRACT.format(
        problem=problem,
        output=_OUTPUT.get(problem, ""),
        primary=primary or default[0],
        risk=risk or default[1],
        costs=_COSTS.get(problem, "{under: 1, over: 3}"),
    )
    return Contract.parse(text, name="contract.yaml")


def gates_data(problem: str = "binary", **changes: Any) -> dict[str, Any]:
    """The dict of a valid gates.yaml; `changes` replace whole sections."""
    points = problem != "regression"
    data: dict[str, Any] = {
        "confidence": 0.95,
        "inconclusive": "block",
        "rows": "independent",
        "primary": {"rule": "not_worse", "margin": 0.02 if points else "3%"},
        "risk": {"rule": "not_worse", "margin": "10%"},
        "limits": copy.deepcopy(_LIMITS[problem]),
        "slices": {"margin": 0.05 if points else "15%", "min_rows": 100},
        "latency": {"ratio_below": 1.25, "p95_ms_below": 20},
        "memory": {"mb_below": 500},
        "artifact": {"mb_below": 50},
        "test_set": {"looks": 20},
    }
    return data | changes


def gates(problem: str = "binary", **changes: Any) -> Gates:
    """Validated gates."""
    data = gates_data(problem, **changes)
    strict_yaml.check(data, kind="gates", name="gates.yaml")
    return Gates.from_dict(data)


@dataclass(frozen=True)
class World:
    """Labels, and the scores of a model with a given amount of noise; larger noise is a worse model."""

    problem: str
    labels: Array
    signal: Array
    depot: npt.NDArray[np.str_]
    seed: int

    def scores(self, noise: float, *, draw: int = 0, only: str | None = None) -> Array:
        """Scores of a model; `draw` is the random stream, `only` confines the extra noise to one depot."""
        generator = np.random.default_rng([self.seed, draw])
        amount = np.full(len(self.labels), noise)
        if only is not None:
            amount = np.where(self.depot == only, noise, 0.0)
        shape = (len(self.labels), 3) if self.problem == "multiclass" else (len(self.labels),)
        error = generator.normal(size=shape)
        if self.problem == "regression":
            return self.signal + amount * error
        if self.problem == "binary":
            return 1 / (1 + np.exp(-(self.signal + amount * error)))
        logits = np.stack([-self.signal, np.zeros_like(self.signal), self.signal], axis=1)
        raised = np.exp(logits + amount[:, None] * error)
        shares: Array = raised / raised.sum(axis=1, keepdims=True)
        return shares


def world(problem: str = "binary", rows: int = 4000, *, seed: int = 0, depots: int = 5) -> World:
    """A random test set whose best possible model scores well but not perfectly."""
    generator = np.random.default_rng(seed)
    signal = 2 * generator.normal(size=rows)
    depot = np.array([f"d{i:02d}" for i in generator.integers(depots, size=rows)])
    uniform = generator.random(rows)
    if problem == "regression":
        labels = signal + generator.normal(size=rows)
    elif problem == "binary":
        labels = (uniform < 1 / (1 + np.exp(-signal))).astype(np.float64)
    else:
        logits = np.exp(np.stack([-signal, np.zeros(rows), signal], axis=1))
        edges = np.cumsum(logits / logits.sum(axis=1, keepdims=True), axis=1)
        labels = (uniform[:, None] > edges).sum(axis=1).clip(0, 2).astype(np.float64)
    return World(problem, labels, signal, depot, seed)


def keys(rows: int) -> list[str]:
    """Unique row keys whose sorted order is the row order."""
    return [f"p{i:07d}" for i in range(rows)]


def inputs(
    problem: str = "binary",
    *,
    candidate: Array | None = None,
    production: Array | None = None,
    of: World | None = None,
    rows: int = 4000,
    seed: int = 0,
) -> dict[str, Any]:
    """Keyword arguments of `verdict.evaluate` for a candidate equal to production, unless scores are given."""
    place = of or world(problem, rows, seed=seed)
    count = len(place.labels)
    generator = np.random.default_rng([seed, 99])
    times = generator.lognormal(-8.5, 0.1, size=(2, 400))
    base = place.scores(0.3, draw=1)

    def answers(model: str | None, sha256: str, scores: Array, seconds: Array) -> Answers:
        return Answers(
            model=model,
            sha256=sha256,
            keys=keys(count),
            scores=scores,
            seconds=seconds,
            memory_mb=120.0,
            size_bytes=2_000_000,
        )

    return {
        "test": TestSet(
            keys=keys(count),
            labels=place.labels,
            sha256=hashlib.sha256(f"{problem}-{count}-{seed}".encode()).hexdigest(),
            window=("2024-04-01", "2024-04-30"),
            slices={"depot": place.depot},
            time=np.arange(count),
        ),
        "candidate": answers(None, CANDIDATE, base if candidate is None else candidate, times[0]),
        "production": answers(
            "parcel-delay-v3", PRODUCTION, base if production is None else production, times[1]
        ),
        "contract": contract(problem),
        "gates": gates(problem),
        "facts": Facts(
            train_keys=["t0000001", "t0000002"], train_window=("2024-01-01", "2024-03-31")
        ),
    }


def change(kwargs: dict[str, Any], part: str, **fields: Any) -> dict[str, Any]:
    """The same inputs with some fields of one part replaced."""
    return kwargs | {part: replace(kwargs[part], **fields)}


def check(**kwargs: Any) -> Check:
    """The verdict on these inputs, with its sentences."""
    return worded(verdict.evaluate(**kwargs))


def gate(found: Check, name: str) -> Gate:
    """One gate of a check by its id."""
    return next(gate for gate in found.gates if gate.id == name)


def with_gate(found: Check, name: str, **fields: Any) -> Check:
    """The check with some fields of one gate replaced."""
    gates = tuple(replace(gate, **fields) if gate.id == name else gate for gate in found.gates)
    return replace(found, gates=gates)


def with_slice(found: Check, place: int, **fields: Any) -> Check:
    """The check with some fields of one slice replaced."""
    rows = list(found.slices)
    rows[place] = replace(rows[place], **fields)
    return replace(found, slices=tuple(rows))


def delong(labels: Array, first: Array, second: Array) -> tuple[float, float, float]:
    """(AUC of first, AUC of second, standard error of their difference), as `comparison` puts it together."""
    (one, of_one), (other, of_other) = (ranks.roc_auc(labels, s) for s in (first, second))
    return one, other, ranks.delong_error(labels, of_one - of_other)[0]


def refused(kwargs: Any) -> str:
    """Why these inputs cannot be evaluated."""
    with pytest.raises(CannotEvaluate) as caught:
        verdict.evaluate(**kwargs)
    assert caught.value.exit_code == 3
    return str(caught.value)
