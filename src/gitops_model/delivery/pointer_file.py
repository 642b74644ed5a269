"""production.yaml in the working tree: written in one step, committed alone, pushed without force."""

from __future__ import annotations

from pathlib import Path

from gitops_model.delivery.desired import pointer_at
from gitops_model.delivery.git import Git
from gitops_model.delivery.releases import POINTER
from gitops_model.errors import BadArtifact, BadInput, Blocked, ExternalFailure
from gitops_model.files import write_atomic
from gitops_model.formats.pointer import Pointer


def committed(git: Git) -> Pointer:
    """The pointer at HEAD. Raises BadInput or BadArtifact when there is none that makes sense."""
    return pointer_at(git, git.need("HEAD"))


def standing(git: Git, rev: str = "HEAD") -> Pointer | None:
    """The pointer at `rev`; None when there is no file, or none that makes sense."""
    try:
        return pointer_at(git, git.need(rev))
    except (BadInput, BadArtifact):
        return None


def require_readable(git: Git) -> None:
    """Raises BadInput when the working tree's file was changed and makes no sense: in a merge conflict, say."""
    if not path(git).is_file() or not git.changes(POINTER):
        return
    try:
        Pointer.parse(path(git).read_bytes().decode(errors="replace"), name=POINTER)
    except BadInput as error:
        error.add_note(f"Or take the committed file again: git checkout HEAD -- {POINTER}")
        raise


def write(git: Git, text: str) -> None:
    """Replace the file by `text`, in one step.

    Raises BadInput or Blocked when it has changes that are not committed, and which this would overwrite. A killed run
    may have left the very same text there; that is no reason to stop.
    """
    require_readable(git)
    if git.changes(POINTER) and path(git).is_file() and path(git).read_bytes() != text.encode():
        raise Blocked(
            f"{POINTER} has changes that are not committed. Commit them, or undo them: git checkout HEAD -- {POINTER}"
        )
    write_atomic(path(git), text)


def require_committable(git: Git, *, push: bool) -> None:
    """Raises before anything is written when the file could not be committed, or the commit could not be pushed."""
    git.need("HEAD")
    require_readable(git)
    git.require_can_commit()
    if push and git.branch() is None:
        raise Blocked(
            "HEAD is on no branch, so there is nothing to push to. Check out the branch first: git switch main"
        )


def where_committed(git: Git) -> str:
    """The branch in words, and what to know where there is none."""
    branch = git.branch()
    if branch is not None:
        return branch
    return "no branch (HEAD is detached). Git drops such a commit one day; keep it: git switch -c a-name"


def require_alone(git: Git) -> None:
    """Raises Blocked when other files are staged: a pointer change stands alone, so that its revert is clean."""
    others = [line[3:] for line in git.changes() if line[0] not in " ?" and line[3:] != POINTER]
    if others:
        raise Blocked(
            f"other files are staged ({', '.join(others[:5])}), and a commit that changes {POINTER} changes nothing "
            "else. Commit them first, or unstage them: git restore --staged ."
        )


def push(git: Git) -> None:
    """Push the branch that is checked out. Raises ExternalFailure with what to do."""
    branch = git.branch()
    if branch is None:
        raise ExternalFailure(
            "HEAD is on no branch, so there is nothing to push to. Check out the branch first: git switch main"
        )
    if not git.has_origin():
        raise ExternalFailure(
            "there is no remote called origin to push to; the commit is in this clone."
        )
    problem = git.push(f"HEAD:refs/heads/{branch}")
    if "(fetch first)" in problem or "(non-fast-forward)" in problem:
        raise ExternalFailure(
            f"the commit is in this clone, but origin's {branch} has commits that this clone lacks. Take them in and "
            "push: git pull --rebase && git push"
        )
    if problem:
        name = f"pointer-{git.need('HEAD')[:8]}"
        raise ExternalFailure(
            f"the commit is in this clone, but cannot be pushed: {problem}. Where {branch} is protected, push it as "
            f"a branch and open a pull request: git push origin HEAD:refs/heads/{name}"
        )


def describe(pointer: Pointer | None) -> str:
    """The pointer in a few words: `flight-delay-v2, canary flight-delay-v3 at 10 %`. None: see `standing`."""
    if pointer is None:
        return f"no {POINTER} that can be read"
    words = [pointer.stable.model if pointer.stable else "no release"]
    if pointer.canary:
        words.append(f"canary {pointer.canary.model} at {pointer.canary.percent:g} %")
    if pointer.shadow:
        words.append(f"shadow {pointer.shadow.model}")
    if pointer.freeze:
        words.append("frozen")
    return ", ".join(words)


def path(git: Git) -> Path:
    """Where the file lies."""
    return git.root / POINTER
