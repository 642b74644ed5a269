"""What is to be served: production.yaml on the branch `main`, as origin has it now."""

from __future__ import annotations

from dataclasses import dataclass

from gitops_model.delivery.git import FETCH_SECONDS, Git
from gitops_model.delivery.releases import POINTER
from gitops_model.errors import BadArtifact, BadInput
from gitops_model.formats.pointer import Pointer

MAIN = "main"
# How long to wait for origin when this clone holds commits that origin lacks: that is an emergency in which
# somebody reverted by hand, and which may well be that origin is down.
SHORT_FETCH_SECONDS = 3.0


@dataclass(frozen=True, kw_only=True)
class Desired:
    """The pointer, its commit, tags that origin has moved, and what people should know about the choice."""

    pointer: Pointer
    commit: str
    moved: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def resolve(git: Git, *, ref: str | None = None) -> Desired:
    """The pointer to deploy. With `ref`, the one there, without asking origin.

    Without origin in reach it is the newest that is known: local main where it continues origin's main, else
    origin's main as last seen. Raises BadInput (no such commit, bad file), BadArtifact (no production.yaml).
    """
    if ref is not None:
        return _at(git, git.need(ref))
    local = git.commit(f"refs/heads/{MAIN}")
    if not git.has_origin():
        return _at(git, local or git.need("HEAD"))
    fetched = git.fetch(
        branch=MAIN, timeout=SHORT_FETCH_SECONDS if _ahead(git, local) else FETCH_SECONDS
    )
    known = git.commit(f"refs/remotes/origin/{MAIN}")
    if fetched.reached and known is not None:
        notes: tuple[str, ...] = ()
        if _ahead(git, local):
            notes = (
                f"this clone's {MAIN} has commits that origin lacks; they are not deployed. "
                f"Push them, or deploy them: make deploy REF={MAIN}.",
            )
        return _at(git, known, moved=fetched.moved, notes=notes)
    if local is not None and (known is None or git.contains(ancestor=known, rev=local)):
        chosen, words = local, f"this clone's {MAIN}"
    elif known is not None:
        chosen, words = known, f"origin/{MAIN} as last seen"
    else:
        raise BadInput(
            f"neither origin nor this clone has a branch {MAIN}. Name a commit: make deploy REF=HEAD"
        )
    return _at(
        git,
        chosen,
        notes=(f"origin cannot be reached ({fetched.problem}); using {words}, {chosen[:12]}.",),
    )


def pointer_at(git: Git, commit: str) -> Pointer:
    """production.yaml at `commit`. Raises BadArtifact when it is missing, BadInput when it is wrong."""
    text = git.text(commit, POINTER)
    if text is None:
        raise BadArtifact(f"commit {commit[:12]} has no {POINTER}.", reason="missing")
    return Pointer.parse(text, name=f"{POINTER} at {commit[:12]}")


def _ahead(git: Git, local: str | None) -> bool:
    known = git.commit(f"refs/remotes/origin/{MAIN}")
    return (
        local is not None
        and known is not None
        and local != known
        and git.contains(ancestor=known, rev=local)
    )


def _at(
    git: Git, commit: str, *, moved: tuple[str, ...] = (), notes: tuple[str, ...] = ()
) -> Desired:
    return Desired(pointer=pointer_at(git, commit), commit=commit, moved=moved, notes=notes)
