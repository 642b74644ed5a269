"""Ready links: the page on which one click opens the pull request that Actions were not allowed to open."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from gitops_model.actions import client, pulls
from gitops_model.actions.client import Repository
from gitops_model.actions.job import Job
from gitops_model.delivery.desired import MAIN
from gitops_model.delivery.releases import POINTER

PREFIXES = ("ship/", "rollback/", "revert/", "retrain/")
# Browsers and servers take longer addresses, but not all of them, and chat programs cut them.
LENGTH = 2000


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """A proposal without a pull request: its branch, and the link that opens one."""

    branch: str
    link: str


def link(job: Job, *, branch: str, title: str, body: str = "") -> str:
    """The page that opens a pull request from `branch`, filled in. A long body is left to whoever opens it."""
    start = job.page(f"compare/{MAIN}...{quote(branch)}?quick_pull=1&title={quote(title, safe='')}")
    whole = f"{start}&body={quote(body, safe='')}"
    return whole if body and len(whole) <= LENGTH else start


def waiting(repository: Repository, job: Job) -> list[Waiting]:
    """The proposals that still fit what main says and that nobody opened or closed a pull request for."""
    found = []
    with client.calling("look for proposals without a pull request"):
        for prefix in PREFIXES:
            for ref in repository.get(f"/git/matching-refs/heads/{prefix}"):
                branch, sha = ref["ref"].removeprefix("refs/heads/"), ref["object"]["sha"]
                if pulls.newest(repository, owner=job.owner, branch=branch) is not None:
                    continue
                if _fits(repository, sha):
                    message = repository.get(f"/git/commits/{sha}")["message"]
                    address = link(job, branch=branch, title=message.splitlines()[0])
                    found.append(Waiting(branch=branch, link=address))
    return found


def _fits(repository: Repository, sha: str) -> bool:
    """Whether main's production.yaml still is the one that the proposal changes."""
    compared = repository.get(f"/compare/{MAIN}...{sha}")
    before = compared["merge_base_commit"]["sha"]
    return bool(compared["ahead_by"]) and _blob(repository, before) == _blob(repository, MAIN)


def _blob(repository: Repository, ref: str) -> str | None:
    found = repository.find(f"/contents/{POINTER}?ref={ref}")
    return None if found is None else str(found["sha"])
