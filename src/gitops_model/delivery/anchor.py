"""The best release so far, fetched and asked the test rows: what main's history and the records of its releases say."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from gitops_model.delivery import fetch, releases, scoring
from gitops_model.delivery.baseline import Baseline
from gitops_model.delivery.git import Git
from gitops_model.errors import BadArtifact, BadInput, CannotEvaluate
from gitops_model.evaluation.anchor import Served, milestones
from gitops_model.evaluation.inputs import Answers
from gitops_model.formats.bundle import Bundle
from gitops_model.formats.contract import Contract
from gitops_model.formats.line import Line, Milestone
from gitops_model.formats.pointer import Pointer, Ref

# Changes of production.yaml that are read; older releases are forgotten as anchors.
DEEP = 300
# Releases that are fetched and tried until one can answer the rows.
TRIED = 3
SHOWN = 12


@dataclass(frozen=True, kw_only=True)
class Past:
    """The releases that served on the base branch, oldest first, with what they are to the line."""

    served: tuple[Served, ...] = ()
    metric: str = ""
    since: str | None = None

    def line(self, since: str | None) -> list[Milestone]:
        """The line, begun anew with the release `since`."""
        return milestones(self.served, metric=self.metric, since=since)

    def best(self, since: str | None) -> int:
        """The place of the best release so far."""
        return max(place for place, each in enumerate(self.line(since)) if each.best)


def past(git: Git, baseline: Baseline, *, metric: str) -> Past:
    """Of the base branch's history alone: what a pull request says of releases is not looked at.

    A release counts from the moment production.yaml there named it `stable`, which somebody reviewed.
    """
    rule = baseline.gates.anchor
    if rule is None or not rule.enabled or not baseline.commit or baseline.stable is None:
        return Past()
    served: dict[str, Ref] = {}
    for commit in reversed(git.pointer_commits(baseline.commit, releases.POINTER, limit=DEEP)):
        stable = _stable(git, commit)
        if stable is not None:
            served.setdefault(stable.sha256, stable)
    served.setdefault(baseline.stable.sha256, baseline.stable)
    told = tuple(_told(git, ref) for ref in served.values())
    return Past(served=told, metric=metric, since=rule.since)


def elsewhere(git: Git, baseline: Baseline) -> bool:
    """Whether the best release so far is another one than production."""
    found = past(git, baseline, metric=baseline.contract.success.primary)
    stable = baseline.stable
    return (
        bool(found.served)
        and stable is not None
        and (found.served[found.best(found.since)].sha256 != stable.sha256)
    )


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
    mine, asked = (
        (each.problem, each.output.classes, each.label.name) for each in (bundle.contract, rules)
    )
    if mine != asked:
        raise CannotEvaluate("it answers another label, or other classes")
    print(f"check: {ref.model}, the best release so far, answers the same rows", flush=True)
    found, _ = scoring.scores(
        model_id=ref.model, bundle=bundle, table=table, keys=keys, trust=trust
    )
    if found.scores is None:
        raise CannotEvaluate(found.unanswered or "it gave no scores")
    return found


def _stable(git: Git, commit: str) -> Ref | None:
    try:
        return Pointer.parse(git.text(commit, releases.POINTER) or "").stable
    except BadInput:
        return None


def _told(git: Git, ref: Ref) -> Served:
    try:
        record = releases.promised(git, ref).record
    except (BadArtifact, BadInput):
        # Its tag is gone or was moved: it served, and says nothing of itself.
        return Served(model=ref.model, sha256=ref.sha256, gates={}, baseline=None)
    return Served(
        model=ref.model, sha256=ref.sha256, gates=record["gates"], baseline=record["baseline"]
    )
