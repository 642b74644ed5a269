"""`evaluate`: candidate and production on the same rows, through all gates, to one check.

Pure: the same inputs give the same check, whatever the order of rows. Files, Git and timing are the caller's, words are
`report.sentences`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from gitops_model.errors import CannotEvaluate
from gitops_model.evaluation import (
    calendar,
    curves,
    decision,
    latency,
    ledger,
    metrics,
    slice_finder,
    suspicious,
)
from gitops_model.evaluation import columns as of_row
from gitops_model.evaluation import gates as numbers
from gitops_model.evaluation import slices as slice_rules
from gitops_model.evaluation.digits import rounded
from gitops_model.evaluation.inputs import Answers, Facts, TestSet
from gitops_model.evaluation.resampling import Resampler
from gitops_model.evaluation.rows import Columns, Rows, aligned
from gitops_model.formats.check import (
    BaselineModel,
    CandidateModel,
    Check,
    ContractChange,
    Curves,
    Latency,
    TestSummary,
)
from gitops_model.formats.contract import Contract
from gitops_model.formats.gates import Gates
from gitops_model.formats.line import Line

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]

# A unit that holds more of the rows than this is named.
DOMINANT = 0.2


def evaluate(
    *,
    test: TestSet,
    candidate: Answers,
    production: Answers | None,
    contract: Contract,
    gates: Gates,
    facts: Facts,
    best: Answers | None = None,
    line: Line | None = None,
    brief: bool = False,
) -> Check:
    """The verdict with everything it rests on, without sentences. `brief`: without what decides nothing.

    Raises CannotEvaluate when the rows of test set and models do not match one to one, or a declared slice or key
    column is absent. `production=None` is the first release: limits and budgets alone decide, and a warning says so.
    `best` is the best release so far, of the releases in `line`; it may be production.
    """
    look = ledger.Look(
        test_sha256=test.sha256, candidate_sha256=candidate.sha256, sketch=test.sketch
    )
    account = ledger.account(facts.looks, look, budget=gates.looks, alpha=gates.alpha)
    excused = _is_excused(facts, gates)
    # A production model that cannot answer is still compared with: it has no data, and that blocks.
    compared = production is not None and not excused
    ctx = metrics.context(contract, gates.metrics)
    seed = int(test.sha256[:12], 16) ^ int(gates.digest[:12], 16)
    rows, columns = aligned(test, candidate, production if compared else None, contract, gates)
    day, block = days_and_blocks(columns.time, rows, ctx)
    first = _copies(rows, columns)
    group = columns.group
    if first is not None and group is None and columns.time is None:
        # A copy tells nothing new, so all copies of a row count as one.
        group = first
    resampler = Resampler(len(rows.labels), seed=seed, group=group, block=block, time=columns.time)
    rule = gates.slices
    table = slice_rules.compare_each(
        columns.slices,
        rows,
        ctx,
        metric=rule.metric or contract.success.primary,
        alpha=account.alpha,
        relative=bool(rule.margin and rule.margin.relative),
        margin=rule.margin.value if rule.margin else 0.0,
        seed=seed,
        group=group,
        block=block,
        time=columns.time,
    )
    # Timings are fresh in every run, so nothing of them was spent before.
    timings = _timings(candidate, production, alpha=gates.alpha, seed=seed)
    measured = [
        numbers.leakage_gate(test, facts),
        numbers.schema_gate(facts, excused=excused),
        *numbers.metric_gates(
            gates, contract, rows, ctx, resampler, alpha=account.alpha, compared=compared
        ),
        *(
            numbers.anchor_gate(
                gates,
                contract,
                aligned(test, candidate, best, contract, gates)[0],
                ctx,
                resampler,
                alpha=min(
                    account.alpha,
                    ledger.held(facts.looks, look, best_sha256=best.sha256, alpha=gates.alpha),
                ),
            )
            if compared
            and best is not None
            and production is not None
            # Where the best release is in production, the primary gate asks for more.
            and best.sha256 != production.sha256
            else []
        ),
        *numbers.slice_gates(gates, contract, ctx, table, alpha=account.alpha, compared=compared),
        *numbers.cost_gates(timings, candidate, production),
    ]
    # Judged as they are printed, so that whoever reads the file comes to the same verdict.
    decided = decision.decide(rounded(measured), rounded(table), gates)
    return rounded(
        Check(
            state=decided.state,
            problem=contract.problem,
            alpha=account.alpha,
            turned_off=gates.turned_off,
            warnings=(
                *_warnings(account, facts, production, excused=excused),
                *_about_scores(rows, production, contract),
                *_about_copies(first),
                *_about_rows(resampler, None if block is not None else day),
            ),
            candidate=CandidateModel(
                model=candidate.model,
                sha256=candidate.sha256,
                size_bytes=candidate.size_bytes,
                memory_mb=candidate.memory_mb,
            ),
            baseline=None
            if production is None
            else BaselineModel(model=production.model, sha256=production.sha256),
            test_set=replace(
                _summary(test, facts, production, resampler, account),
                unit="rows" if group is not None and group is first else resampler.kind,
            ),
            schema_comparison=ContractChange(
                version=facts.schema_version,
                production_version=facts.production_schema_version,
                version_raised=facts.version_raised,
                problems=tuple(facts.incompatible or ()),
            ),
            gates=decided.gates,
            metrics=()
            if brief
            else numbers.metric_table(rows, ctx, resampler, alpha=account.alpha),
            slices=decided.slices,
            suspects=() if brief else slice_finder.find(columns.explore, rows, ctx, seed=seed),
            latency=timings,
            curves=Curves(candidate=None, production=None)
            if brief
            else curves.all_curves(rows, ctx),
            params_diff=tuple(facts.params_diff),
            data_diff=tuple(facts.data_diff),
            gates_digest=gates.digest,
            line=line,
        )
    )


def _is_excused(facts: Facts, gates: Gates) -> bool:
    """Whether the candidate may break callers and is judged by limits and budgets alone."""
    return (
        bool(facts.incompatible) and facts.version_raised and gates.schema_change == "absolute_only"
    )


def days_and_blocks(
    time: npt.NDArray[Any] | None, rows: Rows, ctx: of_row.Context
) -> tuple[Ints | None, Ints | None]:
    """(day, block of days) of each row (n,); None where there are none."""
    day = None if time is None else calendar.days(time)
    return day, None if day is None else calendar.blocks(day, _losses(rows, ctx))


def _losses(rows: Rows, ctx: of_row.Context) -> Array:
    """(n, k) loss of each row of the candidate, and its difference to production's: how far dependence reaches."""
    with np.errstate(all="ignore"):
        candidate, *other = (
            of_row.loss(rows.labels, scores, ctx)
            for scores in (rows.candidate, rows.production)
            if scores is not None
        )
    return np.column_stack([candidate, *(candidate - each for each in other)])


def _copies(rows: Rows, columns: Columns) -> Ints | None:
    scores = [each for each in (rows.candidate, rows.production) if each is not None]
    told = [each for each in (columns.time, columns.group) if each is not None]
    if not columns.explore:
        return None
    inputs = {**columns.explore, **columns.slices}
    return suspicious.copies(inputs, *scores, rows.labels, *told)


def _about_copies(first: Ints | None) -> list[str]:
    if first is None:
        return []
    count, different = len(first), len(np.unique(first))
    return [
        f"{count - different:,} of {count:,} test rows are copies of others under keys of their own: label, inputs and "
        "answers are the same. A copy counts with its original, so the bounds are no narrower for it."
    ]


def _about_scores(rows: Rows, production: Answers | None, contract: Contract) -> list[str]:
    """What is wrong with production's scores. It is no reason to refuse the candidate that mends it."""
    if rows.production is None or production is None:
        return []
    why = suspicious.out_of_range(rows.production, contract.problem)
    return (
        [f"Production ({production.model}) {why}. What it is compared by may mean nothing."]
        if why
        else []
    )


def _about_rows(resampler: Resampler, day: Ints | None) -> list[str]:
    """What a reader must know of how the rows hang together. `day` is set where there are too few days."""
    found = []
    if resampler.kind != "rows" and resampler.largest > DOMINANT:
        name = "group" if resampler.kind == "groups" else "block of days"
        found.append(
            f"One {name} holds {resampler.largest:.0%} of the test rows: {resampler.units} of them tell as much as "
            f"{resampler.effective:.1f} of equal size, and the bounds are that much wider."
        )
    if day is None:
        return found
    count = int(day.max()) + 1
    return [
        *found,
        f"The test rows lie on {count} {'day' if count == 1 else 'days'}, and with fewer than {calendar.MIN_BLOCKS} "
        "nothing tells how much a whole day moves: the bounds may be too narrow.",
    ]


def _timings(
    candidate: Answers, production: Answers | None, *, alpha: float, seed: int
) -> Latency | None:
    if candidate.seconds is None or len(candidate.seconds) == 0:
        return None
    other = None if production is None else production.seconds
    if other is not None and len(other) != len(candidate.seconds):
        raise CannotEvaluate("the timings of candidate and production are not paired.")
    return latency.summarise(candidate.seconds, other, alpha=alpha, seed=seed)


def _summary(
    test: TestSet,
    facts: Facts,
    production: Answers | None,
    resampler: Resampler,
    account: ledger.Ledger,
) -> TestSummary:
    before = None if production is None else facts.production_test_sha256
    return TestSummary(
        sha256=test.sha256,
        rows=resampler.rows,
        units=resampler.units,
        unit=resampler.kind,
        window=test.window,
        changed=before is not None and before != test.sha256,
        on_base=facts.test_on_base,
        looks=account.looks,
        budget=account.budget,
        luck=account.luck,
        sketch=test.sketch,
    )


def _warnings(
    account: ledger.Ledger, facts: Facts, production: Answers | None, *, excused: bool
) -> tuple[str, ...]:
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
    if excused:
        found.append(
            "The contract changed for callers and schema_version was raised: the candidate is judged by limits and "
            "budgets alone, as gates.yaml says (schema_change: absolute_only)."
        )
    return tuple(found)
