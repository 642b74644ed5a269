"""From the caller's columns, in any order, to aligned rows: row i is the same request for labels and both models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from gitops_model.errors import CannotEvaluate
from gitops_model.evaluation import alignment, custom, suspicious
from gitops_model.evaluation.columns import Context
from gitops_model.evaluation.inputs import Answers, Column, TestSet
from gitops_model.evaluation.metrics import Linear, Metric, linear
from gitops_model.evaluation.resampling import Resampler
from gitops_model.formats.contract import Contract
from gitops_model.formats.gates import Gates

Array = npt.NDArray[np.float64]
Order = npt.NDArray[np.intp]


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Labels and both models' scores, aligned.

    `production` is None at the first release, or when production cannot answer these rows. `named` are the columns that
    metrics of gates.yaml read.
    """

    labels: Array
    candidate: Array
    production: Array | None
    named: Mapping[str, Array] = field(default_factory=dict)
    _known: dict[str, tuple[Linear | None, Linear | None]] = field(
        default_factory=dict, repr=False, compare=False
    )

    _drawn: dict[tuple[str, Resampler], tuple[Array, Array | None]] = field(
        default_factory=dict, repr=False, compare=False
    )

    def linear(self, metric: Metric, ctx: Context) -> tuple[Linear | None, Linear | None]:
        """The metric of candidate and production, kept because several gates ask for the same one.

        `ctx` must be the same in every call on these rows.
        """
        if metric.name not in self._known:
            both = [
                None if scores is None else linear(metric, self.labels, scores, ctx, self.named)
                for scores in (self.candidate, self.production)
            ]
            self._known[metric.name] = (both[0], both[1])
        return self._known[metric.name]

    def resampled(
        self, metric: Metric, ctx: Context, resampler: Resampler
    ) -> tuple[Array, Array | None]:
        """Column means (B, k) of candidate and production on the same resamples; drawn once for all who ask.

        For a quantile they are its values (B, 1). The metric must be defined for the candidate.
        """
        known = (metric.name, resampler)
        if known not in self._drawn:
            candidate, production = self.linear(metric, ctx)
            assert candidate is not None
            both = [each for each in (candidate, production) if each is not None]
            at = None if metric.declared is None else metric.declared.at
            means = (
                resampler.means(np.hstack([each.columns for each in both]))
                if at is None
                else np.hstack(
                    [
                        custom.resampled_quantile(each.of, at, resampler)
                        for each in both
                        if each.of is not None
                    ]
                )
            )
            width = candidate.columns.shape[1]
            self._drawn[known] = (
                means[:, :width],
                None if production is None else means[:, width:],
            )
        return self._drawn[known]

    def subset(self, mask: npt.NDArray[np.bool_]) -> Rows:
        """The rows where `mask` is true."""
        production = None if self.production is None else self.production[mask]
        return Rows(
            labels=self.labels[mask],
            candidate=self.candidate[mask],
            production=production,
            named={name: column[mask] for name, column in self.named.items()},
        )


@dataclass(frozen=True, kw_only=True)
class Columns:
    """The columns that go with `Rows`. At most one of `group` and `time` is set: what stands on its own."""

    slices: Mapping[str, npt.NDArray[Any]]
    group: npt.NDArray[Any] | None
    time: npt.NDArray[Any] | None
    explore: Mapping[str, npt.NDArray[Any]]


def aligned(
    test: TestSet, candidate: Answers, production: Answers | None, contract: Contract, gates: Gates
) -> tuple[Rows, Columns]:
    """Everything in the order of the row keys, so that the caller's order changes nothing.

    Raises CannotEvaluate when keys do not match one to one, or labels, scores or a declared column cannot be used.
    """
    if len(test.keys) == 0:
        raise CannotEvaluate("the test set has no rows. Check the split in params.yaml (data).")
    if candidate.scores is None:
        raise CannotEvaluate(
            f"the candidate cannot answer the test rows: {candidate.unanswered or 'no scores'}."
        )
    order = np.argsort(np.asarray(test.keys, dtype=str), kind="stable")
    keys = np.asarray(test.keys, dtype=str)[order].tolist()
    scores = _scores(candidate, keys, contract, "the candidate")
    if why := suspicious.out_of_range(scores, contract.problem):
        raise CannotEvaluate(f"the candidate {why}.")
    read = custom.columns_read(gates.metrics, test.numbers)
    rows = Rows(
        labels=_labels(test.labels, contract)[order],
        candidate=scores,
        production=None
        if production is None or production.scores is None
        else _scores(production, keys, contract, f"production ({production.model})"),
        named={name: np.asarray(test.numbers[name])[order] for name in read},
    )
    group, time = _dependence(test, gates, order)
    if absent := [name for name in contract.slices if name not in test.slices]:
        raise CannotEvaluate(
            f"contract.yaml declares the slices {', '.join(absent)}, and the test set lacks these columns."
        )
    return rows, Columns(
        slices={name: np.asarray(test.slices[name])[order] for name in contract.slices},
        group=group,
        time=time,
        explore={name: np.asarray(column)[order] for name, column in test.explore.items()},
    )


def _scores(answers: Answers, keys: list[str], contract: Contract, who: str) -> Array:
    scores = np.asarray(answers.scores, dtype=np.float64)
    wide = len(contract.output.classes or ()) if contract.problem == "multiclass" else None
    found = scores.shape[1] if scores.ndim == 2 else None
    if scores.ndim not in (1, 2) or found != wide:
        wanted = f"{wide} probabilities" if wide else "one number"
        raise CannotEvaluate(
            f"{who} must give {wanted} for each row, and gave shape {scores.shape}."
        )
    return alignment.align(keys, [str(key) for key in answers.keys], scores, who=who)


def _labels(raw: Column, contract: Contract) -> Array:
    values = np.asarray(raw)
    if contract.problem == "multiclass" and values.dtype.kind in "OUST":
        place = {name: i for i, name in enumerate(contract.output.classes or ())}
        unknown = sorted({str(v) for v in values} - set(place))
        if unknown:
            raise CannotEvaluate(
                f"the test labels contain {', '.join(unknown[:5])}; allowed: {', '.join(place)} "
                "(contract.yaml: output.classes)."
            )
        return np.array([place[str(v)] for v in values], dtype=np.float64)
    try:
        numbers = values.astype(np.float64)
    except (TypeError, ValueError):
        raise CannotEvaluate("the test labels are not numbers.") from None
    if not np.isfinite(numbers).all():
        missing = int((~np.isfinite(numbers)).sum())
        raise CannotEvaluate(f"{missing} of {len(numbers)} test labels are missing or infinite.")
    classes = {"binary": 2, "multiclass": len(contract.output.classes or ())}.get(contract.problem)
    if classes and not np.isin(numbers, np.arange(classes)).all():
        raise CannotEvaluate(f"the test labels must be 0 to {classes - 1} for {contract.problem}.")
    return numbers


def _dependence(
    test: TestSet, gates: Gates, order: Order
) -> tuple[npt.NDArray[Any] | None, npt.NDArray[Any] | None]:
    """(group, time) in key order. What gates.yaml says, else by group, else in time order, else each row by itself."""
    kind = gates.rows or ("grouped" if test.group is not None else "in_time_order")
    if kind == "grouped":
        if test.group is None:
            raise CannotEvaluate(
                "gates.yaml says rows: grouped, but the test set has no group column. "
                "Name it in contract.yaml: keys.group"
            )
        return np.asarray(test.group)[order], None
    if kind == "in_time_order" and test.time is not None:
        return None, np.asarray(test.time)[order]
    if gates.rows == "in_time_order":
        raise CannotEvaluate(
            "gates.yaml says rows: in_time_order, but the test set has no time column. "
            "Name it in contract.yaml: keys.time"
        )
    return None, None
