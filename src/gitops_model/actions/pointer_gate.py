"""The gate of a pull request that changes production.yaml: may traffic move to what it names?

Runs on the trusted side. Of the pull request it reads one file, as data, and judges it by the releases that are there.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gitops_model.actions import client, release_page
from gitops_model.actions.client import Repository
from gitops_model.actions.job import Job
from gitops_model.delivery import (
    changes,
    pointer_checks,
    pointer_file,
    pointer_story,
    releases,
    signatures,
)
from gitops_model.delivery.git import Git
from gitops_model.errors import BadInput, GitopsError
from gitops_model.formats.contract import Contract
from gitops_model.formats.pointer import Pointer
from gitops_model.report.pointer_comment import Comparison, Move

SIZE_LIMIT = 100_000


@dataclass(frozen=True, kw_only=True)
class Judged:
    """The verdict on a change of production.yaml, and what its comment shows."""

    state: str
    sentence: str
    hint: str | None
    move: Move


def judge(
    repository: Repository, job: Job, sha: str, *, files: list[str], current: Pointer, at: str = ""
) -> Judged:
    """The verdict on production.yaml at commit `sha`; `current` is what main says, `at` when the check began."""
    move = _move(repository, job, sha, files=files, current=current, at=at)
    return Judged(state=move.state, sentence=move.sentence, hint=None, move=move)


def _move(
    repository: Repository, job: Job, sha: str, *, files: list[str], current: Pointer, at: str
) -> Move:
    reasons: list[str] = []
    others = [name for name in files if name != changes.POINTER]
    if others:
        more = f" and {len(others) - 5} more" if len(others) > 5 else ""
        reasons.append(
            f"a pull request that changes {changes.POINTER} changes nothing else, so that its revert is clean; this "
            f"one also changes {', '.join(others[:5])}{more}."
        )
    try:
        wanted = Pointer.parse(read(repository, sha), name=changes.POINTER)
    except BadInput as error:
        unread = f"{pointer_file.describe(current)} → a file that cannot be used"
        return Move(change=unread, reasons=(*reasons, *error.problems))
    git = Git.open(Path())
    with job.git_access():
        found = pointer_checks.examine(git, current, wanted)
    reasons += dict.fromkeys(map(str, found.problems))
    reasons += _unproven(repository, git, current, wanted)
    return Move(
        change=pointer_story.change(current, wanted),
        kind="rollback" if pointer_story.is_rollback(current, wanted) else "ship",
        reasons=tuple(reasons),
        notes=tuple(dict.fromkeys(found.notes)),
        # Numbers of a release that may not ship would only be taken for a reason to ship it.
        comparison=None if reasons else _comparison(git, current, wanted),
        served=pointer_story.served(git, current.stable, at=at),
        restorable=found.way_back,
        way_back=None if reasons else pointer_story.way_back(current, wanted),
        following=pointer_story.following(current, wanted, blocked=bool(reasons)),
    )


def _unproven(repository: Repository, git: Git, current: Pointer, wanted: Pointer) -> Iterator[str]:
    """Releases to come that nothing vouches for: no dvc.lock at their commit, no signature, no page of our workflow.

    Without a data storage nothing else ties a tag, which every writer may push, to what its commit built.
    """
    for ref in set(wanted.refs()) - set(current.refs()):
        try:
            release = releases.verify(git, ref)
        except GitopsError:
            continue  # said by `examine`
        signed = signatures.of_tag(git, release.tag.object)
        if not releases.is_locked(git, release) and not (signed and signed.by):
            with client.calling(f"look for the release {ref.model}"):
                published = release_page.published_by_us(repository, ref)
            if not published:
                yield (
                    f"nothing shows that {ref.model} is what its commit built: dvc.lock there names another bundle, "
                    "and the workflow `release` published no page with this one. Find out who made it: "
                    f"git show {ref.model}"
                )


def _comparison(git: Git, current: Pointer, wanted: Pointer) -> Comparison | None:
    try:
        contract = Contract.load(Path("contract.yaml"))
    except BadInput:
        return None
    return pointer_story.compare(git, current, wanted, contract)


def read(repository: Repository, sha: str) -> str:
    """production.yaml at `sha`. Raises BadInput when it is gone, too large or not text."""
    with client.calling(f"read {changes.POINTER} at {sha[:12]}"):
        data = repository.find(f"/contents/{changes.POINTER}?ref={sha}")
    if data is None:
        raise BadInput(f"{changes.POINTER} is deleted here; nothing could be deployed without it.")
    # A folder of that name is answered as a list.
    if not isinstance(data, dict) or data.get("type") != "file" or data.get("size", 0) > SIZE_LIMIT:
        raise BadInput(f"{changes.POINTER} is no ordinary file of less than {SIZE_LIMIT:,} bytes.")
    try:
        return base64.b64decode(data["content"]).decode("utf-8")
    except ValueError as error:
        raise BadInput(f"{changes.POINTER} is not UTF-8 text ({error}).") from None
