"""`rollback`: go back to what production.yaml said before, by a commit that says what it takes back.

The file is put back to what it was before the last change of what is served, whether that change was a plain commit, a
merge, or a squash, and whatever else the commit touched. Nothing but production.yaml changes.

Rolling back again goes further back, never forward: a release that was rolled back from is passed over, whoever
rolled it back and however (this command, `git revert`, GitHub's button).
"""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from gitops_model.delivery import deploy, fetch, pointer_file, releases
from gitops_model.delivery.desired import MAIN, pointer_at
from gitops_model.delivery.git import Git
from gitops_model.delivery.steps import Step, served_line
from gitops_model.errors import BadArtifact, BadInput, Blocked, GitopsError
from gitops_model.formats import pointer as pointers
from gitops_model.formats.pointer import Pointer, Ref

FETCH_SECONDS = 5.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument(
        "--to", metavar="MODEL", help="go back to this release (default: to what served before)"
    )
    parser.add_argument("--reason", default="", help="what went wrong; stands in the commit")
    parser.add_argument(
        "--freeze",
        action="store_true",
        help="let nothing but a rollback ship until the freeze is lifted",
    )
    parser.add_argument("--push", action="store_true", help="push the commit to origin")
    parser.add_argument(
        "--deploy",
        action="store_true",
        help="deploy the commit here at once, without asking origin",
    )
    parser.add_argument(
        "--store",
        type=Path,
        help="with --deploy: directory to fill (default: store in serving.yaml)",
    )


@dataclass(frozen=True, kw_only=True)
class Options:
    """`to`: a release id (None: what served before). `reason` stands in the commit, and with `freeze` in the file.

    `push` the commit to origin; `deploy` it here, into `store` (None: that of serving.yaml), without asking origin.
    """

    to: str | None = None
    reason: str = ""
    freeze: bool = False
    push: bool = False
    deploy: bool = False
    store: Path | None = None


def run(options: Options) -> int:
    """Commit the way back, and say how it goes on."""
    git = Git.open(Path.cwd())
    pointer_file.require_committable(git, push=options.push)
    _catch_up(git)
    line = served_line(git)
    current = pointer_file.standing(git)
    target, undone = aim(git, line, current, to=options.to)
    if options.freeze:
        reason = options.reason.strip() or f"rolled back from {pointer_file.describe(current)}"
        target = pointers.frozen(target, reason[:500])
    print(f"rollback: {pointer_file.describe(current)} -> {pointer_file.describe(target)}")
    _say_whether_at_hand(git, target)
    pointer_file.write(git, target.to_yaml())
    # Hooks may want the network or take minutes; this file was written by a program and validated by it.
    commit = git.commit_file(
        releases.POINTER, message(git, target, current, undone, options.reason), hooks=False
    )
    print(f"  Committed as {commit[:12]}. Nothing but production.yaml changed.")
    print(f"  The commit is on {pointer_file.where_committed(git)}.")
    failure: GitopsError | None = None
    if options.push:
        try:
            pointer_file.push(git)
            print("  Pushed.")
        except GitopsError as error:
            failure = error
    if options.deploy:
        deploy.deploy(git, deploy.target(git, store=options.store), ref="HEAD")
    else:
        print(
            "  Next: git push (or a pull request) makes it true for everybody; `make deploy` makes it live here."
        )
    if failure is not None:
        raise failure
    return 0


def way_back(git: Git, rev: str) -> Ref | None:
    """The release that a rollback would bring back from the pointer at `rev`; None when nothing served before."""
    current = pointer_file.standing(git, rev)
    if current is not None and current.previous is not None:
        return current.previous
    try:
        target, _ = aim(git, served_line(git, rev=rev), current, to=None, rev=rev)
    except (BadArtifact, BadInput, Blocked):
        return None
    return target.stable


def aim(
    git: Git, line: list[Step], current: Pointer | None, *, to: str | None, rev: str = "HEAD"
) -> tuple[Pointer, str | None]:
    """The pointer to go back to from `current`, which stands at `rev`, and the commit that is undone (None with `to`).

    `current` None: the file cannot be read, so nobody deployed it, and what it said before is what serves. A freeze
    stays. Raises Blocked when there is nothing to go back to, BadArtifact for an unknown release.
    """
    last = current or _last_readable(git, rev)
    if to is not None:
        ref = _served(git, to, rev)
        if current is not None and current.stable == ref and not (current.canary or current.shadow):
            raise Blocked(
                f"{to} is what production.yaml names already; there is nothing to roll back."
            )
        earlier = next(
            (s.pointer for s in reversed(line) if s.pointer.stable == ref and not s.pointer.canary),
            None,
        )
        previous = earlier.previous if earlier else None
        return Pointer(stable=ref, previous=previous, freeze=last.freeze), None
    if current is None:
        return last, git.pointer_commits(rev, releases.POINTER, limit=1)[0]
    earlier_steps = (step.pointer for step in reversed(line[:-1]))
    before = next((one for one in earlier_steps if _sane(git, one, current, rev)), None)
    if before is None or before.stable is None:
        raise Blocked(
            f"nothing served before {pointer_file.describe(current)}, so there is nothing to roll back to. To stop "
            "answering, stop the service; to go forward, ship another release."
        )
    return replace(before, freeze=current.freeze), line[-1].commit


def _sane(git: Git, before: Pointer, current: Pointer, rev: str) -> bool:
    """Whether a pointer of the past is a way back from `current`.

    Not one in which what serves now was on trial: the way back takes it out altogether. Not one that would give
    everything to what is on trial now, and not one with a sha256 that was corrected after it: a rebased pull request,
    or an edit by hand, leaves pointers on main that never served.
    """
    stable = before.stable
    return stable is None or (
        current.stable not in _on_trial(before)
        and stable not in _on_trial(current)
        and _served(git, stable.model, rev) == stable
    )


def _on_trial(pointer: Pointer) -> list[Ref]:
    tried = (pointer.canary.ref if pointer.canary else None, pointer.shadow)
    return [ref for ref in tried if ref is not None]


def _pointers(git: Git, rev: str) -> Iterator[Pointer]:
    """Every pointer in the history of `rev` that can still be read, newest first."""
    for commit in git.pointer_commits(rev, releases.POINTER):
        with contextlib.suppress(BadInput, BadArtifact):
            yield pointer_at(git, commit)


def _last_readable(git: Git, rev: str) -> Pointer:
    found = next(_pointers(git, rev), None)
    return found or pointer_file.committed(git)  # which says what is wrong with it


def _served(git: Git, model: str, rev: str) -> Ref:
    """The release as it once was stable. One that never was has passed no gate on its way there, and is no way back."""
    stables = (pointer.stable for pointer in _pointers(git, rev))
    refs = [ref for ref in stables if ref is not None and ref.model == model]
    if not refs:
        releases.load(git, model)
        raise Blocked(
            f"{model} never served, so nothing can go back to it. What served: git log -p -- production.yaml. To go "
            f"forward to it: make ship MODEL={model}"
        )
    try:
        promised = releases.load(git, model).ref
    except BadArtifact:
        return refs[0]
    return promised if promised in refs else refs[0]


def message(
    git: Git, target: Pointer, current: Pointer | None, undone: str | None, reason: str
) -> str:
    """The commit message. Like git's own, so that people and tools recognise a revert."""
    lines = []
    if undone is None:
        lines.append(f"Roll back to {pointer_file.describe(target)}")
    else:
        lines.append(f'Revert "{git.out("log", "-1", "--format=%s", undone)}"')
    lines += [
        "",
        f"production.yaml: {pointer_file.describe(current)} -> {pointer_file.describe(target)}",
    ]
    if undone is not None:
        lines.append(f"This reverts commit {undone}.")
        if _touched_more(git, undone):
            lines.append("That commit changed other files too; they are left as they are.")
    if reason.strip():
        lines += ["", f"Reason: {reason.strip()}"]
    return "\n".join(lines) + "\n"


def _touched_more(git: Git, commit: str) -> bool:
    names = git.out(
        "diff-tree", "-m", "--first-parent", "-r", "--root", "--no-commit-id", "--name-only", commit
    ).split("\n")
    return any(name and name != releases.POINTER for name in names)


def _catch_up(git: Git) -> None:
    """On main, take in what origin has, if that is a plain step forward. A rollback of an old state would mislead."""
    if git.branch() != MAIN or not git.has_origin():
        return
    fetched = git.fetch(branch=MAIN, timeout=FETCH_SECONDS)
    remote = git.commit(f"refs/remotes/origin/{MAIN}")
    if not fetched.reached:
        print(f"rollback: origin cannot be reached ({fetched.problem}); using this clone's state.")
    if remote is None or git.contains(ancestor=remote, rev="HEAD"):
        return
    if not git.contains(ancestor="HEAD", rev=remote):
        raise Blocked(
            f"this clone's {MAIN} and origin's have different commits. Bring them together "
            "(git pull --rebase), then roll back."
        )
    git.out("merge", "--ff-only", "--quiet", remote)
    print(f"rollback: took in what origin/{MAIN} has.")


def _say_whether_at_hand(git: Git, target: Pointer) -> None:
    if target.stable is None:
        return
    md5 = None
    try:
        md5 = releases.verify(git, target.stable).record["artifact"]["md5"]
    except BadArtifact as error:
        print(f"  Note: {error}")
    where = fetch.nearby(target.stable, md5=md5, places=fetch.places(git))
    if where is None:
        print(
            f"  The bundle of {target.stable.model} is not on this machine; the deploy fetches it."
        )
    else:
        print(f"  The bundle of {target.stable.model} is on this machine ({where}).")
