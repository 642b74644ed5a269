"""Pull requests on GitHub: found, opened, merged."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from gitops_model.actions.client import Refused, Repository
from gitops_model.delivery.desired import MAIN

BODY_LIMIT = 60_000
METHODS = ("squash", "merge", "rebase")
PAUSES = (1, 2, 4, 8)


@dataclass(frozen=True, kw_only=True)
class Pull:
    """A pull request. `head_repository` None: the fork it came from was deleted. `merge_commit` None: not merged."""

    number: int
    url: str
    state: str
    head_sha: str
    head_branch: str
    head_repository: str | None
    base_branch: str
    merged: bool
    merge_commit: str | None

    @staticmethod
    def parse(data: Mapping[str, Any]) -> Pull:
        """From the API's JSON."""
        head, merged = data["head"], data.get("merged_at") is not None
        return Pull(
            number=data["number"],
            url=data["html_url"],
            state=data["state"],
            head_sha=head["sha"],
            head_branch=head["ref"],
            head_repository=head["repo"]["full_name"] if head.get("repo") else None,
            base_branch=data["base"]["ref"],
            merged=merged,
            merge_commit=data.get("merge_commit_sha") if merged else None,
        )


def load(repository: Repository, number: int) -> Pull:
    """The pull request of this number, as it is now."""
    return Pull.parse(repository.get(f"/pulls/{number}"))


def into_main(repository: Repository, *, owner: str, branch: str, state: str) -> Iterator[Pull]:
    """Pull requests from OWNER's `branch` into main; `state` is open, closed or all."""
    head = quote(f"{owner}:{branch}", safe="")
    for data in repository.pages(f"/pulls?state={state}&head={head}&base={MAIN}"):
        yield Pull.parse(data)


def open_into_main(repository: Repository) -> list[Pull]:
    """All open pull requests into main."""
    return [Pull.parse(data) for data in repository.pages(f"/pulls?state=open&base={MAIN}")]


def elsewhere(repository: Repository, *, owner: str, branch: str) -> Iterator[Pull]:
    """Pull requests, open or closed, from OWNER's `branch` into other branches than main."""
    head = quote(f"{owner}:{branch}", safe="")
    for data in repository.pages(f"/pulls?state=all&head={head}"):
        found = Pull.parse(data)
        if found.base_branch != MAIN:
            yield found


def newest(repository: Repository, *, owner: str, branch: str) -> Pull | None:
    """The newest pull request from this branch, open or not."""
    found = into_main(repository, owner=owner, branch=branch, state="all")
    return max(found, key=lambda pull: pull.number, default=None)


def files(repository: Repository, number: int) -> list[Mapping[str, Any]]:
    """The files that the pull request changes now, each with `filename` and perhaps `previous_filename`."""
    return list(repository.pages(f"/pulls/{number}/files"))


def open_or_find(
    repository: Repository, *, owner: str, branch: str, title: str, body: str
) -> Pull | None:
    """The pull request of the branch, opened if there is none; None where Actions may not open one."""
    known = newest(repository, owner=owner, branch=branch)
    if known is not None:
        return known
    request = {"base": MAIN, "head": branch, "title": title, "body": body[:BODY_LIMIT]}
    try:
        return Pull.parse(repository.send("POST", "/pulls", request))
    except Refused as error:
        if error.status == 403 and "not permitted" in error.reason:
            return None
        # The answer to an earlier attempt was lost on the way: the pull request is there.
        known = newest(repository, owner=owner, branch=branch) if error.status == 422 else None
        if known is None:
            raise
        return known


def merge(repository: Repository, number: int, *, commit: str, message: str, pace: float) -> str:
    """Merge the pull request at exactly this commit. Returns "" on success, else why GitHub will not.

    `message` is what main's commit says: by default the repository's settings decide, and may leave the reason out.
    Right after a pull request was opened, or main moved, GitHub may refuse with "Base branch was modified" until it
    has computed whether the two fit; that passes. `pace` stretches the pauses meanwhile.
    """
    if load(repository, number).merged:
        return ""
    pauses = iter(PAUSES)
    subject, _, body = message.strip().partition("\n")
    words = {"commit_title": f"{subject} (#{number})", "commit_message": body.strip()}
    reason = ""
    for method in METHODS:
        while True:
            reason = _refusal(repository, number, {"merge_method": method, "sha": commit, **words})
            pause = next(pauses, None) if "Base branch was modified" in reason else None
            if pause is None:
                break
            time.sleep(pause * pace)
        if "not allowed on this repository" not in reason:
            return reason
    return reason


def _refusal(repository: Repository, number: int, request: dict[str, Any]) -> str:
    try:
        repository.send("PUT", f"/pulls/{number}/merge", request)
    except Refused as error:
        # The answer to an earlier attempt was lost: what the pull request says now decides.
        if load(repository, number).merged:
            return ""
        if error.status not in (403, 405, 409, 422):
            raise
        return error.reason
    return ""
