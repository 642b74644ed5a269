"""The steps that led to what is served now, read from the history of production.yaml."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gitops_model.delivery.desired import pointer_at
from gitops_model.delivery.git import Git
from gitops_model.delivery.releases import POINTER
from gitops_model.errors import BadArtifact, BadInput
from gitops_model.formats.pointer import Pointer


@dataclass(frozen=True, kw_only=True)
class Step:
    """A change of what is served: the commit, and the pointer after it."""

    commit: str
    pointer: Pointer


def traffic(pointer: Pointer) -> tuple[object, ...]:
    """Who gets requests."""
    return pointer.stable, pointer.canary, pointer.shadow


def served_line(
    git: Git,
    *,
    rev: str = "HEAD",
    limit: int | None = None,
    by: Callable[[Pointer], object] = traffic,
) -> list[Step]:
    """The releases that led to what is served now, oldest first; what was rolled back from is not among them.

    Read forward, each change adds a step, except one that returns to an earlier step: that removes what came after it.
    Changes that leave alone what `by` tells of a pointer (a freeze, a comment) are no step. `limit`: changes that are
    read, the newest ones.
    """
    line: list[Step] = []
    for commit in reversed(git.pointer_commits(rev, POINTER, limit=limit)):
        try:
            step = Step(commit=commit, pointer=pointer_at(git, commit))
        except (BadInput, BadArtifact):
            continue
        told = by(step.pointer)
        places = [i for i, earlier in enumerate(line) if by(earlier.pointer) == told]
        if places:
            del line[places[-1] + 1 :]
        else:
            line.append(step)
    return line
