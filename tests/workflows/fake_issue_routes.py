"""Issues, comments and labels of the fake GitHub."""

from __future__ import annotations

from typing import Any

from tests.workflows.fake_api import REPO, ApiError, Call, Reply, found, limit_body, route, user


def issue_json(call: Call, issue: dict[str, Any]) -> dict[str, Any]:
    number = issue["number"]
    comments = sum(1 for c in call.state.comments.values() if c["number"] == number)
    result = {
        "id": issue["id"],
        "number": number,
        "title": issue["title"],
        "body": issue["body"],
        "state": issue["state"],
        "user": user(issue["login"]),
        "labels": [{"name": name} for name in issue["labels"]],
        "comments": comments,
        "locked": False,
        "html_url": call.html(f"/issues/{number}"),
        "url": call.url(f"/issues/{number}"),
        "comments_url": call.url(f"/issues/{number}/comments"),
        "created_at": issue["created_at"],
        "updated_at": issue["created_at"],
        "milestone": None,
        "assignee": None,
    }
    if issue.get("pull"):
        result["pull_request"] = {
            "url": call.url(f"/pulls/{number}"),
            "diff_url": "",
            "html_url": "",
            "patch_url": "",
        }
    return result


def _issue(call: Call) -> dict[str, Any]:
    number = call.params["issue_number"]
    if number.isdigit() and int(number) in call.state.pulls:
        return {**call.state.pulls[int(number)], "pull": True}
    return found(call.state.issues, number)


def _needs_issue_write(call: Call, number: int) -> None:
    """pull-requests: write lets a job talk on pull requests only."""
    if call.state.issue_number_kind(number) == "issue" and not call.token.allows("issues:write"):
        raise ApiError(403, "Resource not accessible by integration")


@route("GET", REPO + "/issues")
def issues(call: Call) -> Reply:
    wanted = call.query.get("state", "open")
    labels = [name for name in call.query.get("labels", "").split(",") if name]
    everything = [
        *call.state.issues.values(),
        *({**p, "pull": True} for p in call.state.pulls.values()),
    ]
    listed = [
        issue_json(call, issue)
        for issue in sorted(everything, key=lambda i: -i["number"])
        if wanted in ("all", issue["state"])
        and all(label in issue["labels"] for label in labels)
        and call.query.get("creator") in (None, issue["login"])
    ]
    if call.query.get("direction") == "asc":
        listed.reverse()
    return Reply(body=listed, paginate="")


@route("POST", REPO + "/issues")
def create_issue(call: Call) -> Reply:
    if not call.state.settings.issues_enabled:
        raise ApiError(410, "Issues has been disabled in this repository.")
    limit_body(call.body.get("body"), "body")
    number = next(call.state.numbers)
    labels = [
        label if isinstance(label, str) else label["name"] for label in call.body.get("labels", [])
    ]
    for name in labels:
        call.state.labels.setdefault(
            name, {"id": next(call.state.ids), "name": name, "color": "ededed"}
        )
    issue = {
        "id": next(call.state.ids),
        "number": number,
        "title": str(call.body["title"]),
        "body": call.body.get("body"),
        "state": "open",
        "labels": labels,
        "login": call.token.login,
        "created_at": call.state.now(),
    }
    call.state.issues[number] = issue
    call.emit("issues", {"action": "opened", "issue": {"number": number}})
    return Reply(status=201, body=issue_json(call, issue))


@route("GET", REPO + "/issues/{issue_number}")
def get_issue(call: Call) -> Reply:
    return Reply(body=issue_json(call, _issue(call)))


@route("PATCH", REPO + "/issues/{issue_number}")
def patch_issue(call: Call) -> Reply:
    number = int(_issue(call)["number"])
    _needs_issue_write(call, number)
    stored = call.state.issues.get(number) or call.state.pulls[number]
    limit_body(call.body.get("body"), "body")
    for field in ("title", "body", "state"):
        if field in call.body:
            stored[field] = call.body[field]
    if "labels" in call.body:
        stored["labels"] = list(call.body["labels"])
    return Reply(body=issue_json(call, _issue(call)))


def comment_json(call: Call, comment: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": comment["id"],
        "body": comment["body"],
        "user": user(comment["login"]),
        "created_at": comment["created_at"],
        "updated_at": comment["updated_at"],
        "url": call.url(f"/issues/comments/{comment['id']}"),
        "issue_url": call.url(f"/issues/{comment['number']}"),
        "html_url": call.html(f"/issues/{comment['number']}#issuecomment-{comment['id']}"),
        "author_association": "NONE",
    }


@route("GET", REPO + "/issues/{issue_number}/comments")
def list_comments(call: Call) -> Reply:
    number = _issue(call)["number"]
    mine = [c for c in call.state.comments.values() if c["number"] == number]
    return Reply(
        body=[comment_json(call, c) for c in sorted(mine, key=lambda c: c["id"])], paginate=""
    )


@route("POST", REPO + "/issues/{issue_number}/comments")
def create_comment(call: Call) -> Reply:
    number = _issue(call)["number"]
    _needs_issue_write(call, number)
    if call.state.issue_number_kind(number) == "issue" and not call.state.settings.issues_enabled:
        raise ApiError(410, "Issues has been disabled in this repository.")
    limit_body(call.body["body"], "body")
    if not call.body["body"].strip():
        raise ApiError(422, "Validation Failed", [{"code": "missing_field", "field": "body"}])
    at = call.state.now()
    comment = {
        "id": next(call.state.ids),
        "number": number,
        "body": call.body["body"],
        "login": call.token.login,
        "created_at": at,
        "updated_at": at,
    }
    call.state.comments[comment["id"]] = comment
    return Reply(status=201, body=comment_json(call, comment))


@route("GET", REPO + "/issues/comments/{comment_id}")
def get_comment(call: Call) -> Reply:
    return Reply(body=comment_json(call, found(call.state.comments, call.params["comment_id"])))


def _own_comment(call: Call) -> dict[str, Any]:
    comment = found(call.state.comments, call.params["comment_id"])
    _needs_issue_write(call, comment["number"])
    # A write token may edit anybody's comment on GitHub too; a client of ours never should.
    if call.token.is_job and comment["login"] != call.token.login:
        call.state.violations.append(f"{call.token.job} touched the comment of {comment['login']}")
    return comment


@route("PATCH", REPO + "/issues/comments/{comment_id}")
def patch_comment(call: Call) -> Reply:
    comment = _own_comment(call)
    limit_body(call.body["body"], "body")
    comment["body"] = call.body["body"]
    comment["updated_at"] = call.state.now()
    return Reply(body=comment_json(call, comment))


@route("DELETE", REPO + "/issues/comments/{comment_id}")
def delete_comment(call: Call) -> Reply:
    del call.state.comments[_own_comment(call)["id"]]
    return Reply(status=204)


@route("GET", REPO + "/issues/{issue_number}/labels")
def issue_labels(call: Call) -> Reply:
    return Reply(body=[_label_json(call, name) for name in _issue(call)["labels"]], paginate="")


@route("POST", REPO + "/issues/{issue_number}/labels")
def add_labels(call: Call) -> Reply:
    number = int(_issue(call)["number"])
    _needs_issue_write(call, number)
    stored = call.state.issues.get(number) or call.state.pulls[number]
    names = call.body["labels"] if isinstance(call.body, dict) else call.body
    for name in names:
        call.state.labels.setdefault(
            name, {"id": next(call.state.ids), "name": name, "color": "ededed"}
        )
        if name not in stored["labels"]:
            stored["labels"].append(name)
    return Reply(body=[_label_json(call, name) for name in stored["labels"]])


def _label_json(call: Call, name: str) -> dict[str, Any]:
    label = call.state.labels[name]
    return {
        "id": label["id"],
        "name": name,
        "color": label["color"],
        "description": label.get("description"),
    }


@route("GET", REPO + "/labels")
def labels(call: Call) -> Reply:
    return Reply(body=[_label_json(call, name) for name in sorted(call.state.labels)], paginate="")


@route("POST", REPO + "/labels")
def create_label(call: Call) -> Reply:
    name = call.body["name"]
    if name in call.state.labels:
        raise ApiError(422, "Validation Failed", [{"code": "already_exists", "field": "name"}])
    call.state.labels[name] = {
        "id": next(call.state.ids),
        "name": name,
        "color": call.body.get("color", "ededed"),
        "description": call.body.get("description"),
    }
    return Reply(status=201, body=_label_json(call, name))


@route("GET", REPO + "/labels/{name}")
def get_label(call: Call) -> Reply:
    if call.params["name"] not in call.state.labels:
        raise ApiError(404, "Not Found")
    return Reply(body=_label_json(call, call.params["name"]))
