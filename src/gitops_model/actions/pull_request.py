"""A pull request that changes production.yaml and nothing else, made so that making it again changes nothing.

Branch and commit follow from what is proposed: the same proposal is the same commit. Whatever step was the last one
before a run died, the next run finds what is there and goes on.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gitops_model.actions import client
from gitops_model.delivery.git import Git
from gitops_model.delivery.releases import POINTER
from gitops_model.errors import ExternalFailure
from gitops_model.formats.pointer import Pointer

if TYPE_CHECKING:
    from github.PullRequest import PullRequest
    from github.Repository import Repository

BODY_LIMIT = 60_000


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """What is proposed: `pointer` on top of `base`. The branch's name must follow from these."""

    branch: str
    base: str
    pointer: Pointer
    message: str
    title: str
    body: str
    status: str


@dataclass(frozen=True, kw_only=True)
class Proposed:
    """The pull request; None where GitHub Actions may not open one. `compare` shows the change in any case."""

    commit: str
    number: int | None
    url: str
    compare: str


def propose(git: Git, repository: Repository, job: client.Run, wanted: Proposal) -> Proposed:
    """Push the branch, open the pull request, set model-gate on it. Leaves no branch without a pull request.

    Pull requests that Actions open start no workflow, so the status, which says that the releases were verified here,
    is set by hand. Raises ExternalFailure.
    """
    commit = write_commit(git, wanted)
    with client.git_as(job):
        ref = f"refs/heads/{wanted.branch}"
        problem = git.push(f"{commit}:{ref}")
        # Another run may have pushed the same proposal at the same moment.
        if problem and git.remote_refs(ref).get(ref) != commit:
            raise ExternalFailure(
                f"branch {wanted.branch} cannot be pushed: {problem}. Run the command again."
            )
    compare = job.page(f"compare/{wanted.base[:12]}...{commit[:12]}")
    with client.calling(f"open the pull request '{wanted.title}'"):
        pull = _open(repository, job, wanted)
    if pull is None:
        with client.calling(f"delete the branch {wanted.branch}"):
            _delete_branch(repository, wanted.branch)
        return Proposed(commit=commit, number=None, url="", compare=compare)
    if pull.state == "open":
        client.set_status(
            repository, commit, state="success", description=wanted.status, url=job.run_url
        )
    return Proposed(commit=commit, number=pull.number, url=pull.html_url, compare=compare)


def write_commit(git: Git, wanted: Proposal) -> str:
    """The commit with the new pointer on top of `base`, in this clone only; its bytes follow from the proposal."""
    blob = git.out("hash-object", "-w", "--stdin", stdin=wanted.pointer.to_yaml().encode())
    entries = git.out("ls-tree", wanted.base).splitlines()
    kept = [line for line in entries if line.split("\t", 1)[1] != POINTER]
    tree = git.out(
        "mktree", stdin="\n".join([*kept, f"100644 blob {blob}\t{POINTER}", ""]).encode()
    )
    when = git.out("log", "-1", "--format=%cI", wanted.base)
    who = f"{client.BOT} <41898282+{client.BOT}@users.noreply.github.com>"
    seconds = git.out("log", "-1", "--format=%ct", wanted.base)
    zone = when[-6:].replace(":", "") if when[-6] in "+-" else "+0000"
    text = f"tree {tree}\nparent {wanted.base}\nauthor {who} {seconds} {zone}\ncommitter {who} {seconds} {zone}\n\n"
    return git.out(
        "hash-object", "-t", "commit", "-w", "--stdin", stdin=(text + wanted.message).encode()
    )


def of_branch(repository: Repository, job: client.Run, branch: str) -> PullRequest | None:
    """The newest pull request from this branch, open or not."""
    found = repository.get_pulls(state="all", head=f"{job.owner}:{branch}", base="main")
    return next(iter(sorted(found, key=lambda pull: -pull.number)), None)


def _open(repository: Repository, job: client.Run, wanted: Proposal) -> PullRequest | None:
    """The pull request of the branch, opened if there is none; None when Actions may not."""
    import github as pygithub

    known = of_branch(repository, job, wanted.branch)
    if known is not None:
        return known
    try:
        return repository.create_pull(
            base="main", head=wanted.branch, title=wanted.title, body=wanted.body[:BODY_LIMIT]
        )
    except pygithub.GithubException as error:
        if error.status == 403 and "not permitted" in client.error_text(error):
            return None
        # An answer that was lost on the way: the pull request is there.
        known = of_branch(repository, job, wanted.branch) if error.status == 422 else None
        if known is None:
            raise
        return known


def _delete_branch(repository: Repository, branch: str) -> None:
    import github as pygithub

    try:
        repository.requester.requestJsonAndCheck(
            "DELETE", f"{repository.url}/git/refs/heads/{branch}"
        )
    except pygithub.UnknownObjectException:
        return
    except pygithub.GithubException as error:
        if error.status != 422:
            raise


def merge(repository: Repository, job: client.Run, proposed: Proposed) -> str:
    """Merge the pull request at exactly the commit proposed. Returns "" on success, else why GitHub will not.

    Right after a pull request was opened, or main moved, GitHub may refuse with "Base branch was modified" until it
    has computed whether the two fit; that passes.
    """
    import github as pygithub

    pull = repository.get_pull(proposed.number or 0)
    if pull.merged:
        return ""
    reason = "no way of merging is allowed"
    methods, pauses = ["rebase", "merge", "squash"], [8, 4, 2, 1]
    while methods:
        method = methods[-1]
        try:
            pull.merge(merge_method=method, sha=proposed.commit)
            return ""
        except pygithub.GithubException as error:
            # A lost answer, tried again: what the pull request says now decides.
            if repository.get_pull(pull.number).merged:
                return ""
            if error.status not in (403, 405, 409, 422):
                raise
            reason = client.error_text(error)
            if "Base branch was modified" in reason and pauses:
                time.sleep(pauses.pop() * job.pace)
            elif "not allowed on this repository" in reason:
                methods.pop()
            else:
                return reason
    return reason


def open_issue(
    repository: Repository, *, title: str, body: str, label: str, marker: str
) -> str | None:
    """The address of the issue with this hidden marker, opened if there is none; None where issues are switched off."""
    import github as pygithub

    hidden = f"<!-- {marker} -->"
    try:
        for issue in repository.get_issues(state="all", labels=[label]):
            if hidden in (issue.body or ""):
                return str(issue.html_url)
        made: Any = repository.create_issue(
            title=title[:250], body=f"{body}\n\n{hidden}", labels=[label]
        )
        return str(made.html_url)
    except pygithub.GithubException as error:
        if error.status in (404, 410):
            return None
        raise
