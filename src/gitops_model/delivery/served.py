"""The releases that served, and the best of them: what main's history and the records of its releases say."""

from __future__ import annotations

from dataclasses import dataclass

from gitops_model.delivery import releases
from gitops_model.delivery.baseline import Baseline
from gitops_model.delivery.git import Git
from gitops_model.delivery.steps import served_line
from gitops_model.errors import BadArtifact, BadInput
from gitops_model.evaluation.anchor import Served, milestones
from gitops_model.formats.line import Line, Milestone
from gitops_model.formats.pointer import Ref

# Changes of production.yaml that are read; older releases are forgotten as anchors.
DEEP = 300
SHOWN = 12
# In place of a stranger's words.
STANDS_IN = "A better one could not be compared on these rows; the full report says why."


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

    @property
    def from_best(self) -> list[str]:
        """The sha256 of the best release so far, and of those that served after it."""
        return [each.sha256 for each in self.served[self.best(self.since) :]] if self.served else []

    @property
    def warnings(self) -> tuple[str, ...]:
        """Said where the line cannot begin with the release that gates.yaml names."""
        if self.since is None or not self.served:
            return ()
        if any(each.model == self.since for each in self.served):
            return ()
        return (
            f"gates.yaml: anchor.since names {self.since}, which is not in the line of releases that served: it never "
            f"served, or was rolled back. The line begins with {self.served[0].model}.",
        )

    def told(self, line: Line | None) -> Line | None:
        """Of a line that need not be believed the choice of the release alone; None for a release that is none here."""
        shas = [each.sha256 for each in self.served]
        if line is None or line.sha256 not in shas:
            return None
        place = shas.index(line.sha256)
        return Line(
            best=self.served[place].model,
            sha256=line.sha256,
            note="" if place == self.best(self.since) else STANDS_IN,
            releases=tuple(self.line(self.since)[-SHOWN:]),
        )


def past(git: Git, baseline: Baseline, *, metric: str) -> Past:
    """Of the base branch's history alone: what a pull request says of releases is not looked at.

    A release counts from the moment production.yaml there named it `stable`, which somebody reviewed, and no more once
    that was rolled back, whatever its bounds were.
    """
    rule = baseline.gates.anchor
    if rule is None or not rule.enabled or not baseline.commit or baseline.stable is None:
        return Past()
    line = served_line(git, rev=baseline.commit, limit=DEEP, by=lambda pointer: pointer.stable)
    stables = [step.pointer.stable for step in line]
    told = tuple(_told(git, ref) for ref in stables if ref is not None)
    return Past(served=told, metric=metric, since=rule.since)


def _told(git: Git, ref: Ref) -> Served:
    try:
        record = releases.promised(git, ref).record
    except (BadArtifact, BadInput):
        # Its tag is gone or was moved: it served, and says nothing of itself.
        return Served(model=ref.model, sha256=ref.sha256, gates={}, baseline=None)
    return Served(
        model=ref.model, sha256=ref.sha256, gates=record["gates"], baseline=record["baseline"]
    )
