"""The releases that served, and the best of them: what main's history and the records of its releases say."""

from __future__ import annotations

from dataclasses import dataclass

from gitops_model.delivery import releases
from gitops_model.delivery.baseline import Baseline
from gitops_model.delivery.git import Git
from gitops_model.errors import BadArtifact, BadInput
from gitops_model.evaluation.anchor import Served, milestones
from gitops_model.formats.line import Milestone
from gitops_model.formats.pointer import Pointer, Ref

# Changes of production.yaml that are read; older releases are forgotten as anchors.
DEEP = 300


@dataclass(frozen=True, kw_only=True)
class Past:
    """The releases that served on the base branch, oldest first, and with which of them the line begins."""

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
    found: dict[str, Ref] = {}
    for commit in reversed(git.pointer_commits(baseline.commit, releases.POINTER, limit=DEEP)):
        stable = _stable(git, commit)
        if stable is not None:
            found.setdefault(stable.sha256, stable)
    found.setdefault(baseline.stable.sha256, baseline.stable)
    told = tuple(_told(git, ref) for ref in found.values())
    return Past(served=told, metric=metric, since=rule.since)


def elsewhere(git: Git, baseline: Baseline) -> bool:
    """Whether the best release so far is another one than production."""
    found = past(git, baseline, metric=baseline.contract.success.primary)
    if baseline.stable is None or not found.served:
        return False
    return found.served[found.best(found.since)].sha256 != baseline.stable.sha256


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
