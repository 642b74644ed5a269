"""A pull request that changes production.yaml and nothing else, made so that making it again changes nothing.

Branch and commit follow from what is proposed: the same proposal is the same commit. Whatever step was the last one
before a run died, the next run finds what is there and goes on.
"""

from __future__ import annotations

from dataclasses import dataclass

from gitops_model.actions import client, pulls, ready
from gitops_model.actions.client import Repository
from gitops_model.actions.job import BOT, BOT_ADDRESS, Job
from gitops_model.delivery.git import Git
from gitops_model.delivery.releases import POINTER
from gitops_model.errors import ExternalFailure
from gitops_model.formats.pointer import Pointer


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
    """The pull request at `url`. `number` None: Actions may not open one, and `url` is the page where a person does.

    `open` False: somebody has closed or merged it already.
    """

    commit: str
    number: int | None
    url: str
    open: bool = True


def propose(git: Git, repository: Repository, job: Job, wanted: Proposal) -> Proposed:
    """Push the branch, open the pull request, set the status on it. The branch stays in any case.

    The checks of a pull request that Actions open wait until somebody approves them, so the status, which says that the
    releases were verified here, is set by hand. Where a person opens it, the checks run by themselves and set it.
    Raises ExternalFailure.
    """
    commit = write_commit(git, wanted)
    with job.git_access():
        ref = f"refs/heads/{wanted.branch}"
        problem = git.push(f"{commit}:{ref}")
        # Another run may have pushed the same proposal at the same moment.
        if problem and git.remote_refs(ref).get(ref) != commit:
            raise ExternalFailure(
                f"branch {wanted.branch} cannot be pushed: {problem}. Run the command again."
            )
    with client.calling(f"open the pull request '{wanted.title}'"):
        pull = pulls.open_or_find(
            repository,
            owner=job.owner,
            branch=wanted.branch,
            title=wanted.title,
            body=wanted.body,
        )
    if pull is None:
        first = wanted.body.split("\n\n")[0]
        link = ready.link(job, branch=wanted.branch, title=wanted.title, body=first)
        return Proposed(commit=commit, number=None, url=link)
    if pull.state == "open":
        client.set_status(
            repository, commit, state="success", description=wanted.status, url=job.run_url
        )
    still = pull.state == "open"
    return Proposed(commit=commit, number=pull.number, url=pull.url, open=still)


def write_commit(git: Git, wanted: Proposal) -> str:
    """The commit with the new pointer on top of `base`, in this clone only; its bytes follow from the proposal."""
    blob = git.out("hash-object", "-w", "--stdin", stdin=wanted.pointer.to_yaml().encode())
    entries = git.out("ls-tree", wanted.base).splitlines()
    kept = [line for line in entries if line.split("\t", 1)[1] != POINTER]
    tree = git.out(
        "mktree", stdin="\n".join([*kept, f"100644 blob {blob}\t{POINTER}", ""]).encode()
    )
    when = git.out("log", "-1", "--format=%cI", wanted.base)
    who = f"{BOT} <{BOT_ADDRESS}>"
    seconds = git.out("log", "-1", "--format=%ct", wanted.base)
    zone = when[-6:].replace(":", "") if when[-6] in "+-" else "+0000"
    text = f"tree {tree}\nparent {wanted.base}\nauthor {who} {seconds} {zone}\ncommitter {who} {seconds} {zone}\n\n"
    return git.out(
        "hash-object", "-t", "commit", "-w", "--stdin", stdin=(text + wanted.message).encode()
    )
