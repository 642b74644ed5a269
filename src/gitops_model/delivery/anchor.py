"""The best release so far, fetched and asked the test rows, or the nearest that can answer them."""

from __future__ import annotations

import pandas as pd

from gitops_model.delivery import fetch, scoring
from gitops_model.delivery.baseline import Baseline
from gitops_model.delivery.git import Git
from gitops_model.delivery.served import SHOWN, Past
from gitops_model.errors import BadArtifact, CannotEvaluate
from gitops_model.evaluation.inputs import Answers
from gitops_model.formats.bundle import Bundle
from gitops_model.formats.contract import Contract
from gitops_model.formats.line import Line
from gitops_model.formats.pointer import Ref

# Releases that are fetched and tried until one can answer the rows.
TRIED = 3


def answers(
    git: Git,
    baseline: Baseline,
    found: Past,
    *,
    production: Answers | None,
    table: pd.DataFrame,
    keys: list[str],
    rules: Contract,
    trust: scoring.Trust,
) -> tuple[Answers | None, Line | None]:
    """The scores of the best release that can answer these rows, and the line; None where nothing served yet.

    The work is bounded: TRIED releases at most are fetched and asked, then production stands in.
    """
    if production is None or baseline.stable is None or not found.served:
        return None, None
    why: list[str] = []
    since = found.since
    for _ in range(TRIED):
        place = found.best(since)
        ref = Ref(model=found.served[place].model, sha256=found.served[place].sha256)
        if ref == baseline.stable:
            break
        try:
            scored = _scored(git, ref, table=table, keys=keys, rules=rules, trust=trust)
        except (BadArtifact, CannotEvaluate) as error:
            why.append(f"{ref.model} cannot be compared on these rows: {error}".rstrip("."))
            if place + 1 == len(found.served):
                break
            since = found.served[place + 1].model
            continue
        return scored, _line(found, since, ref, why)
    return production, _line(found, since, baseline.stable, why)


def _line(found: Past, since: str | None, ref: Ref, why: list[str]) -> Line:
    note = f"{'; '.join(why)}. The nearest that can is {ref.model}." if why else ""
    return Line(
        best=ref.model,
        sha256=ref.sha256,
        note=note[:1000],
        releases=tuple(found.line(since)[-SHOWN:]),
    )


def _scored(
    git: Git,
    ref: Ref,
    *,
    table: pd.DataFrame,
    keys: list[str],
    rules: Contract,
    trust: scoring.Trust,
) -> Answers:
    path = fetch.released(git, ref)
    bundle = Bundle.read(path, sha256=ref.sha256)
    if bundle.contract.question != rules.question:
        raise CannotEvaluate("it answers another label, or other classes")
    print(f"check: {ref.model}, the best release so far, answers the same rows", flush=True)
    found, _ = scoring.scores(
        model_id=ref.model, bundle=bundle, table=table, keys=keys, trust=trust
    )
    if found.scores is None:
        raise CannotEvaluate(found.unanswered or "it gave no scores")
    return found
