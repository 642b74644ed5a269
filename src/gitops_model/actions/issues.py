"""Issues and comments on GitHub, each known again by a hidden marker, so that nothing is written twice."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from gitops_model.actions.client import Refused, Repository

TITLE_LIMIT = 250
# "If issues are disabled in the repository, the API returns a 410 Gone status." (docs.github.com, "Create an issue");
# a list of them is not found.
SWITCHED_OFF = (404, 410)


@dataclass(frozen=True, kw_only=True)
class Comment:
    """A comment of an issue or a pull request."""

    id: int
    body: str


@dataclass(frozen=True, kw_only=True)
class Issue:
    """An issue; a pull request is none."""

    number: int
    url: str
    body: str
    open: bool

    @staticmethod
    def of(data: Mapping[str, Any]) -> Issue:
        """From GitHub's answer."""
        return Issue(
            number=data["number"],
            url=str(data["html_url"]),
            body=data.get("body") or "",
            open=data["state"] == "open",
        )


def labelled(
    repository: Repository,
    *,
    label: str,
    author: str,
    ours: Callable[[str], bool],
    state: str = "all",
) -> list[Issue]:
    """Issues with this label, of `author`, whose text is `ours`, oldest first; `state` is open, closed or all."""
    # GitHub lists pull requests as issues: "identify pull requests by the pull_request key" (docs.github.com,
    # "REST API endpoints for issues").
    found = [
        Issue.of(data)
        for data in repository.pages(f"/issues?state={state}&labels={label}")
        if "pull_request" not in data
        and (data.get("user") or {}).get("login") == author
        and ours(data.get("body") or "")
    ]
    return sorted(found, key=lambda issue: issue.number)


def open_issue(repository: Repository, *, title: str, body: str, label: str) -> Issue:
    """Open a new issue."""
    request = {"title": title[:TITLE_LIMIT], "body": body, "labels": [label]}
    return Issue.of(repository.send("POST", "/issues", request))


def edit_issue(repository: Repository, issue: Issue, body: str, *, close: bool = False) -> None:
    """Replace an issue's text, and close it when asked."""
    request = {"body": body, **({"state": "closed"} if close else {})}
    repository.send("PATCH", f"/issues/{issue.number}", request)


def comments(
    repository: Repository, number: int, *, author: str, ours: Callable[[str], bool]
) -> list[Comment]:
    """Comments of `author` whose text is `ours`, oldest first, from all pages."""

    def kept(data: Mapping[str, Any]) -> bool:
        return (data.get("user") or {}).get("login") == author and ours(data.get("body") or "")

    found = [
        Comment(id=data["id"], body=data["body"])
        for data in repository.pages(f"/issues/{number}/comments")
        if kept(data)
    ]
    return sorted(found, key=lambda comment: comment.id)


def add_comment(repository: Repository, number: int, body: str) -> None:
    """Write a new comment."""
    repository.send("POST", f"/issues/{number}/comments", {"body": body})


def edit_comment(repository: Repository, comment: Comment, body: str) -> None:
    """Replace a comment's text."""
    repository.send("PATCH", f"/issues/comments/{comment.id}", {"body": body})


def delete_comment(repository: Repository, comment: Comment) -> None:
    """Delete a comment; one that is gone already is no error."""
    try:
        repository.send("DELETE", f"/issues/comments/{comment.id}")
    except Refused as error:
        if error.status != 404:
            raise


def open_or_find(
    repository: Repository, *, title: str, body: str, label: str, marker: str
) -> str | None:
    """The address of the issue with this hidden marker, opened if there is none; None where issues are switched off."""
    hidden = f"<!-- {marker} -->"
    try:
        for issue in repository.pages(f"/issues?state=all&labels={label}"):
            if hidden in (issue.get("body") or ""):
                return str(issue["html_url"])
        whole = f"{body}\n\n{hidden}"
        return open_issue(repository, title=title, body=whole, label=label).url
    except Refused as error:
        if error.status in SWITCHED_OFF:
            return None
        raise
