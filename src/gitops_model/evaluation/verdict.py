"""`evaluate`: candidate and production on the same rows, through all gates, to one JSON-able verdict.

Pure: the same inputs give the same bytes, whatever the order of rows. Files, Git and timing are the caller's.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from gitops_model.errors import CannotEvaluate
from gitops_model.evaluation import (
    alignment,
    curves,
    decision,
    ledger,
    measured,
    slice_finder,
    wording,
)
from gitops_model.evaluation import latency as timing
from gitops_model.evaluation import metrics as catalogue
from gitops_model.evaluation import slices as slice_rules
from gitops_model.evaluation.comparison import Rows
from gitops_model.evaluation.resampling import Resampler
from gitops_model.formats.contract import Contract
from gitops_model.formats.gates import Gates

Array = npt.NDArray[np.float64]
Column = Sequence[Any] | npt.NDArray[Any]
Json = dict[str, Any]

SCHEMA = 1
EXIT_CODES = {"pass": 0, "blocked": 1, "not_evaluated": 3}
# Printed and judged with this many significant digits, so that the last bits of a library's sums decide nothing.
DIGITS = 9


@dataclass(frozen=True, kw_only=True)
class TestSet:
    """The rows both models answer. All columns are (n,), in any order of rows.

    `labels`: 0/1 (binary), class name or index (multiclass), number (regression). `sha256` identifies the test set.
    `window` is (first, last) ISO time, inclusive. `explore` holds undeclared columns for the slice finder.
    """

    __test__ = False  # not a test class, whatever pytest thinks of the name

    keys: Sequence[str]
    labels: Column
    sha256: str
    window: tuple[str, str] | None = None
    slices: Mapping[str, Column] = field(default_factory=dict)
    group: Column | None = None
    time: Column | None = None
    explore: Mapping[str, Column] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Answers:
    """One model's scores with the keys they belong to, and what it costs to run.

    `model` is the release id, or None for a candidate that has none yet. `scores` None: it cannot answer these rows,
    for the reason in `unanswered`. `seconds` (m,) are single-row calls taken in turns with the other model's.
    """

    model: str | None
    sha256: str
    keys: Sequence[str] = ()
    scores: Array | None = None
    unanswered: str | None = None
    seconds: Array | None = None
    memory_mb: float | None = None
    size_bytes: int | None = None


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What the caller found out about data, contract and history.

    `train_keys` None: the training rows are unknown, and the leakage gate has no data. `incompatible` None likewise
    for the contract. `looks`: earlier evaluations on this test set. The diffs are carried into the report as they are.
    """

    train_keys: Sequence[str] | None
    train_window: tuple[str, str] | None = None
    production_test_sha256: str | None = None
    schema_version: int = 1
    production_schema_version: int | None = None
    incompatible: Sequence[str] | None = ()
    looks: Sequence[ledger.Look] = ()
    params_diff: Sequence[Mapping[str, Any]] = ()
    data_diff: Sequence[Mapping[str, Any]] = ()
    warnings: Sequence[str] = ()


def evaluate(
    *,
    test: TestSet,
    candidate: Answers,
    production: Answers | None,
    contract: Contract,
    gates: Gates,
    facts: Facts,
) -> Json:
    """The verdict as data for reports/check.json (schemas/check.schema.json).

    Raises CannotEvaluate when the rows of test set and models do not match one to one, or a declared slice or key
    column is absent. `production=None` is the first release: limits and budgets alone decide, and the verdict says so.
    """
    ctx = catalogue.context(contract)
    seed = int(test.sha256[:12], 16) ^ int(gates.digest[:12], 16)
    account = ledger.account(
        facts.looks,
        test_sha256=test.sha256,
        candidate_sha256=candidate.sha256,
        budget=gates.looks,
        alpha=gates.alpha,
    )
    raised = (
        facts.production_schema_version is not None
        and facts.schema_version > facts.production_schema_version
    )
    absolute = bool(facts.incompatible) and raised and gates.schema_change == "absolute_only"
    # A production model that cannot answer is still compared with: it has no data, and that blocks.
    compared = production is not None and not absolute
    order = np.argsort(np.asarray(test.keys, dtype=str), kind="stable")
    rows = _rows(test, candidate, production if compared else None, contract, order)
    group, time = _dependence(test, gates, order)
    resampler = Resampler(len(order), seed=seed, group=group, time=time)
    columns = _slice_columns(test, contract, order)
    rule = gates.slices
    table = slice_rules.measure(
        columns,
        rows,
        ctx,
        metric=rule.metric or contract.success.primary,
        alpha=account.alpha,
        relative=bool(rule.margin and rule.margin.relative),
        margin=rule.margin.value if rule.margin else 0.0,
        seed=seed,
        group=group,
        time=time,
    )
    timings = _timings(candidate, production, alpha=account.alpha, seed=seed)
    entries = [
        _leakage(test, facts),
        _schema(facts, excused=absolute),
        *measured.metric_gates(
            gates, contract, rows, ctx, resampler, alpha=account.alpha, compared=compared
        ),
        *measured.slice_gates(gates, contract, table, alpha=account.alpha, compared=compared),
        *measured.budget_gates(
            timings, candidate, production, pairs=0 if timings is None else timings.pairs
        ),
    ]
    overview = measured.metric_table(rows, ctx, resampler, alpha=account.alpha)
    entries, table, overview = _round(entries), _round(table), _round(overview)
    baseline = (
        None if production is None else {"model": production.model, "sha256": production.sha256}
    )
    decided = decision.decide(entries, table, gates, alpha=_round(account.alpha))
    state = decision.overall(decided)
    result: Json = {
        "schema": SCHEMA,
        "state": state,
        "exit_code": EXIT_CODES[state],
        "sentence": wording.headline(decided, baseline=baseline),
        "alpha": account.alpha,
        "turned_off": gates.turned_off,
        "warnings": _warnings(account, facts, production, absolute=absolute, decided=decided),
        "candidate": _model(candidate),
        "baseline": baseline,
        "test_set": {
            "sha256": test.sha256,
            "rows": len(order),
            "units": resampler.units,
            "unit": resampler.kind,
            "window": list(test.window) if test.window else None,
            "changed": _changed(test, facts, production),
            "looks": account.looks,
            "budget": account.budget,
            "luck": account.luck,
        },
        "schema_comparison": {
            "version": facts.schema_version,
            "production_version": facts.production_schema_version,
            "version_raised": raised,
            "problems": list(facts.incompatible or ()),
        },
        "gates": decided,
        "metrics": overview,
        "slices": table,
        "suspects": slice_finder.find(test.explore, rows, ctx, order=order, seed=seed),
        "latency": None if timings is None else vars(timings) | {},
        "curves": curves.all_curves(rows, ctx),
        "params_diff": [dict(change) for change in facts.params_diff],
        "data_diff": [dict(change) for change in facts.data_diff],
        "gates_digest": gates.digest,
    }
    rounded: Json = _round(result)
    return rounded


def not_evaluated(sentence: str, *, hint: str | None = None) -> Json:
    """The check.json of an evaluation that could not be made (exit 3); it never passes."""
    return {
        "schema": SCHEMA,
        "state": "not_evaluated",
        "exit_code": EXIT_CODES["not_evaluated"],
        "sentence": f"Not evaluated: {sentence}",
        "hint": hint,
    }


def _rows(
    test: TestSet,
    candidate: Answers,
    production: Answers | None,
    contract: Contract,
    order: npt.NDArray[np.intp],
) -> Rows:
    if len(test.keys) == 0:
        raise CannotEvaluate("the test set has no rows. Check data.window in params.yaml.")
    if candidate.scores is None:
        raise CannotEvaluate(
            f"the candidate cannot answer the test rows: {candidate.unanswered or 'no scores'}."
        )
    keys = np.asarray(test.keys, dtype=str)[order].tolist()
    labels = _labels(test.labels, contract)[order]

    def scores(answers: Answers, who: str) -> Array:
        given = np.asarray(answers.scores, dtype=np.float64)
        _check_shape(given, contract, who)
        return alignment.align(keys, [str(key) for key in answers.keys], given, who=who)

    return Rows(
        labels=labels,
        candidate=scores(candidate, "the candidate"),
        production=None
        if production is None or production.scores is None
        else scores(production, f"production ({production.model})"),
    )


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


def _check_shape(scores: Array, contract: Contract, who: str) -> None:
    wide = len(contract.output.classes or ()) if contract.problem == "multiclass" else None
    found = scores.shape[1] if scores.ndim == 2 else None
    if scores.ndim not in (1, 2) or found != wide:
        wanted = f"{wide} probabilities" if wide else "one number"
        raise CannotEvaluate(
            f"{who} must give {wanted} for each row, and gave shape {scores.shape}."
        )


def _dependence(
    test: TestSet, gates: Gates, order: npt.NDArray[np.intp]
) -> tuple[npt.NDArray[Any] | None, npt.NDArray[Any] | None]:
    """(group, time) columns in key order, of which at most one is set: what stands on its own."""
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
            "gates.yaml says rows: in_time_order, but the test set has no time column."
        )
    return None, None


def _slice_columns(
    test: TestSet, contract: Contract, order: npt.NDArray[np.intp]
) -> dict[str, npt.NDArray[Any]]:
    if absent := [name for name in contract.slices if name not in test.slices]:
        raise CannotEvaluate(
            f"contract.yaml declares the slices {', '.join(absent)}, and the test set lacks these columns."
        )
    return {name: np.asarray(test.slices[name])[order] for name in contract.slices}


def _timings(
    candidate: Answers, production: Answers | None, *, alpha: float, seed: int
) -> timing.Latency | None:
    if candidate.seconds is None or len(candidate.seconds) == 0:
        return None
    other = None if production is None else production.seconds
    if other is not None and len(other) != len(candidate.seconds):
        raise CannotEvaluate("the timings of candidate and production are not paired.")
    return timing.summarise(candidate.seconds, other, alpha=alpha, seed=seed)


def _leakage(test: TestSet, facts: Facts) -> Json:
    found = None
    if facts.train_keys is not None:
        found = alignment.leaks(
            test_keys=[str(key) for key in test.keys],
            train_keys=[str(key) for key in facts.train_keys],
            test_window=test.window,
            train_window=facts.train_window,
        )
    return decision.blank("leakage", problems=found, rows=len(test.keys))


def _schema(facts: Facts, *, excused: bool) -> Json:
    problems = None if facts.incompatible is None else list(facts.incompatible)
    if problems and not excused:
        advice = (
            "gates.yaml says that a raised schema_version blocks (schema_change)"
            if (facts.production_schema_version or 0) < facts.schema_version
            and facts.production_schema_version is not None
            else "raise schema_version in contract.yaml if this is meant"
        )
        problems.append(advice)
    return decision.blank("schema", problems=[] if excused else problems)


def _changed(test: TestSet, facts: Facts, production: Answers | None) -> bool:
    return (
        production is not None
        and facts.production_test_sha256 is not None
        and facts.production_test_sha256 != test.sha256
    )


def _warnings(
    account: ledger.Ledger,
    facts: Facts,
    production: Answers | None,
    *,
    absolute: bool,
    decided: Sequence[Json],
) -> list[str]:
    found = list(facts.warnings)
    if account.warning:
        found.append(account.warning)
    if production is None:
        found.append(
            "Nothing is in production: this first release is judged by limits and budgets alone."
        )
    elif production.scores is None:
        found.append(
            f"Production ({production.model}) cannot answer these test rows: {production.unanswered}."
        )
    if absolute:
        found.append(
            "The contract changed for callers and schema_version was raised: the candidate is judged by limits and "
            "budgets alone, as gates.yaml says (schema_change: absolute_only)."
        )
    found.extend(
        f"Undecided: {entry['sentence']}"
        for entry in decided
        if entry["state"] == "inconclusive" and not entry["blocks"]
    )
    return found


def _model(answers: Answers) -> Json:
    return {
        "model": answers.model,
        "sha256": answers.sha256,
        "size_bytes": answers.size_bytes,
        "memory_mb": answers.memory_mb,
    }


def _round(value: Any) -> Any:
    """Numbers with `DIGITS` significant digits, numpy scalars as Python's, NaN and infinity as None."""
    if isinstance(value, dict):
        return {key: _round(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_round(item) for item in value]
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, (float, np.floating)):
        number = float(value)
        if not math.isfinite(number):
            return None
        return float(f"{number:.{DIGITS}g}")
    return int(value) if isinstance(value, np.integer) else value
