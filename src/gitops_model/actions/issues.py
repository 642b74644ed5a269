"""Issues and comments on GitHub, each known again by a hidden marker, so that nothing is written twice."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from gitops_model.actions.client import Refused, Repository

TITLE_LIMIT = 250


@dataclass(frozen=True, kw_only=True)
class Comment:
    """A comment of an issue or a pull request."""

    id: int
    body: str


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
        request = {
            "title": title[:TITLE_LIMIT],
            "body": f"{body}\n\n{hidden}",
            "labels": [label],
        }
        return str(repository.send("POST", "/issues", request)["html_url"])
    except Refused as error:
        if error.status in (404, 410):
            return None
        raise
