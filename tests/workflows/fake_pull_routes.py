"""Pull requests of the fake GitHub; merging happens in the bare repository."""

from __future__ import annotations

from typing import Any

from tests.workflows.fake_actions_routes import run_json, workflow_files
from tests.workflows.fake_api import REPO, ApiError, Call, Reply, route, user
from tests.workflows.fake_git_routes import files_json, push_event
from tests.workflows.fake_rules import refusal
from tests.workflows.fake_state import BOT, Event


def head_ref(pull: dict[str, Any], full_name: str) -> str:
    """Where the head branch of a pull request lives in the bare repository (forks apart)."""
    if pull["head_repo"] == full_name:
        return f"refs/heads/{pull['head']}"
    return f"refs/forks/{pull['head_repo'].split('/')[0]}/{pull['head']}"


def head_sha(call: Call, pull: dict[str, Any]) -> str:
    if pull["state"] == "open":
        live = call.git.ref(head_ref(pull, call.full_name))
        if live is not None and live != pull["head_sha"]:
            pull["head_sha"] = live
            call.git.update(f"refs/pull/{pull['number']}/head", live)
    return str(pull["head_sha"])


def pull_json(call: Call, pull: dict[str, Any], *, full: bool = False) -> dict[str, Any]:
    owner, name = pull["head_repo"].split("/")
    number, sha = pull["number"], head_sha(call, pull)
    base_owner, base_name = call.full_name.split("/")
    result: dict[str, Any] = {
        "id": pull["id"],
        "number": number,
        "state": pull["state"],
        "title": pull["title"],
        "body": pull["body"],
        "draft": pull["draft"],
        "user": user(pull["login"]),
        "labels": [{"name": n} for n in pull["labels"]],
        "created_at": pull["created_at"],
        "updated_at": pull["created_at"],
        "merged_at": pull["merged_at"],
        "merge_commit_sha": pull["merge_commit_sha"],
        "url": call.url(f"/pulls/{number}"),
        "html_url": call.html(f"/pull/{number}"),
        "issue_url": call.url(f"/issues/{number}"),
        "comments_url": call.url(f"/issues/{number}/comments"),
        "head": {
            "ref": pull["head"],
            "sha": sha,
            "label": f"{owner}:{pull['head']}",
            "repo": {"full_name": pull["head_repo"], "name": name, "owner": user(owner)},
            "user": user(owner),
        },
        "base": {
            "ref": pull["base"],
            "sha": call.git.ref(f"refs/heads/{pull['base']}"),
            "label": f"{base_owner}:{pull['base']}",
            "repo": {"full_name": call.full_name, "name": base_name, "owner": user(base_owner)},
            "user": user(base_owner),
        },
    }
    if full:
        result |= {
            "merged": pull["merged_at"] is not None,
            "mergeable": True,
            "mergeable_state": "clean",
        }
    return result


def _newest_first(call: Call) -> list[dict[str, Any]]:
    return sorted(call.state.pulls.values(), key=lambda p: -p["number"])


@route("GET", REPO + "/pulls")
def list_pulls(call: Call) -> Reply:
    wanted = call.query.get("state", "open")
    listed = [
        pull_json(call, pull)
        for pull in _newest_first(call)
        if wanted in ("all", pull["state"])
        and call.query.get("head") in (None, f"{pull['head_repo'].split('/')[0]}:{pull['head']}")
        and call.query.get("base") in (None, pull["base"])
    ]
    return Reply(body=listed, paginate="")


@route("GET", REPO + "/commits/{commit_sha}/pulls")
def pulls_of_commit(call: Call) -> Reply:
    sha = call.params["commit_sha"]
    # GitHub answers for commits of the base repository; a fork's head is found by listing instead.
    listed = [
        pull_json(call, pull)
        for pull in _newest_first(call)
        if pull["head_repo"] == call.full_name
        and sha in (head_sha(call, pull), pull["merge_commit_sha"])
    ]
    return Reply(body=listed, paginate="")


@route("POST", REPO + "/pulls")
def create_pull(call: Call) -> Reply:
    # "Allow GitHub Actions to create and approve pull requests" is off in a new repository:
    # https://docs.github.com/en/repositories/managing-your-repositorys-settings-and-features/enabling-features-for-your-repository/managing-github-actions-settings-for-a-repository
    if call.token.is_job and not call.state.settings.actions_may_create_prs:
        raise ApiError(403, "GitHub Actions is not permitted to create or approve pull requests.")
    body = call.body
    owner, _, head = body["head"].rpartition(":")
    head_repo = (
        call.full_name
        if owner in ("", call.full_name.split("/")[0])
        else f"{owner}/{call.full_name.split('/')[1]}"
    )
    pull: dict[str, Any] = {
        "head": head,
        "head_repo": head_repo,
        "base": body["base"],
        "state": "open",
    }
    sha = call.git.ref(head_ref(pull, call.full_name))
    base = call.git.ref(f"refs/heads/{body['base']}")
    if sha is None or base is None:
        field = "head" if sha is None else "base"
        raise ApiError(
            422,
            "Validation Failed",
            [{"resource": "PullRequest", "field": field, "code": "invalid"}],
        )
    same = [
        p
        for p in call.state.pulls.values()
        if p["state"] == "open"
        and (p["head"], p["head_repo"], p["base"]) == (head, head_repo, body["base"])
    ]
    if same:
        message = f"A pull request already exists for {head_repo.split('/')[0]}:{head}."
        raise ApiError(
            422,
            "Validation Failed",
            [{"resource": "PullRequest", "code": "custom", "message": message}],
        )
    if not call.git.commits(base, sha):
        message = f"No commits between {body['base']} and {head}"
        raise ApiError(
            422,
            "Validation Failed",
            [{"resource": "PullRequest", "code": "custom", "message": message}],
        )
    if len(body.get("body") or "") > 65_536:
        raise ApiError(
            422, "Validation Failed", [{"code": "custom", "message": "body is too long"}]
        )
    pull |= {
        "id": next(call.state.ids),
        "number": next(call.state.numbers),
        "title": body.get("title", head),
        "body": body.get("body"),
        "draft": body.get("draft", False),
        "head_sha": sha,
        "login": call.token.login,
        "labels": [],
        "created_at": call.state.now(),
        "merged_at": None,
        "merge_commit_sha": None,
    }
    call.state.pulls[pull["number"]] = pull
    call.git.update(f"refs/pull/{pull['number']}/head", sha)
    if call.token.is_job:
        hold_runs(call, pull)
    call.emit(
        "pull_request",
        {"action": "opened", "number": pull["number"], "pull_request": pull_json(call, pull)},
    )
    return Reply(status=201, body=pull_json(call, pull, full=True))


def hold_runs(call: Call, pull: dict[str, Any]) -> None:
    """The runs of a pull request that a workflow's token opened: they are there, and nothing runs until approved.

    "GITHUB_TOKEN-created pull requests now create workflow runs in an approval-required state" (change log,
    2026-06-11); they arrive as status completed, conclusion action_required (pytorch/test-infra#8029).
    """
    for file, parsed in workflow_files(call).items():
        on = parsed.get("on", {})
        if "pull_request" not in on:
            continue
        number, at = next(call.state.ids), call.state.now()
        run = {
            "id": number, "name": parsed.get("name", file), "event": "pull_request", "head_sha": pull["head_sha"],
            "head_branch": pull["head"], "head_repository": pull["head_repo"], "conclusion": "action_required",
            "run_attempt": 1, "workflow_file": file, "created_at": at, "updated_at": at, "actor": {"login": BOT},
        }  # fmt: skip
        call.state.runs[number] = run
        # Whether workflow_run is raised for them is not documented, so both are tried.
        if call.state.settings.held_runs_reported:
            payload = {"action": "completed", "workflow_run": run_json(call, run)}
            call.state.events.append(Event(name="workflow_run", payload=payload, actor=BOT))


def _pull(call: Call) -> dict[str, Any]:
    number = call.params["pull_number"]
    if not number.isdigit() or int(number) not in call.state.pulls:
        raise ApiError(404, "Not Found")
    return call.state.pulls[int(number)]


@route("GET", REPO + "/pulls/{pull_number}")
def get_pull(call: Call) -> Reply:
    return Reply(body=pull_json(call, _pull(call), full=True))


@route("PATCH", REPO + "/pulls/{pull_number}")
def patch_pull(call: Call) -> Reply:
    pull = _pull(call)
    head_sha(call, pull)
    for field in ("title", "body", "state", "base"):
        if field in call.body:
            pull[field] = call.body[field]
    return Reply(body=pull_json(call, pull, full=True))


@route("GET", REPO + "/pulls/{pull_number}/files")
def pull_files(call: Call) -> Reply:
    pull = _pull(call)
    return Reply(
        body=files_json(call, f"refs/heads/{pull['base']}", head_sha(call, pull)), paginate=""
    )


@route("POST", REPO + "/pulls/{pull_number}/reviews")
def create_review(call: Call) -> Reply:
    """An approval. People give it on the web page: no token of ours asks for it, so openapi.json does not describe it.

    Nobody approves a pull request of their own: 422 "Can not approve your own pull request" (hubtty/hubtty#33). A
    workflow may only where the setting allows it: 422, too (github/docs#31550).
    """
    pull = _pull(call)
    if call.token.login == pull["login"]:
        raise ApiError(422, "Can not approve your own pull request")
    if call.token.is_job and not call.state.settings.actions_may_create_prs:
        raise ApiError(422, "GitHub Actions is not permitted to approve pull requests.")
    pull["approved_by"] = {*pull.get("approved_by", ()), call.token.login}
    body = {"id": next(call.state.ids), "user": user(call.token.login), "state": "APPROVED"}
    return Reply(body=body)


@route("PUT", REPO + "/pulls/{pull_number}/merge")
def merge_pull(call: Call) -> Reply:
    pull, body, settings = _pull(call), call.body or {}, call.state.settings
    sha = head_sha(call, pull)
    if pull["state"] != "open" or pull["draft"]:
        raise ApiError(405, "Pull Request is not mergeable")
    how = body.get("merge_method", "merge")
    if not getattr(settings, {"merge": "allow_merge_commit"}.get(how, f"allow_{how}_merge")):
        raise ApiError(405, f"{how.capitalize()} merges are not allowed on this repository.")
    if body.get("sha") not in (None, sha):
        raise ApiError(409, "Head branch was modified. Review and try the merge again.")
    if why := refusal(call, pull, sha):
        raise ApiError(405, why)
    ref = f"refs/heads/{pull['base']}"
    base = call.git.ref(ref)
    assert base is not None
    title = body.get("commit_title") or (
        f"Merge pull request #{pull['number']} from {pull['head']}"
        if how == "merge"
        else f"{pull['title']} (#{pull['number']})"
    )
    message = f"{title}\n\n{body.get('commit_message') or pull['title']}\n"
    merged = call.git.merge(base, sha, how, message)
    if merged is None:
        raise ApiError(405, "Pull Request has merge conflicts")
    call.git.update(ref, merged, base)
    pull |= {"state": "closed", "merged_at": call.state.now(), "merge_commit_sha": merged}
    push_event(call, ref, base, merged)
    return Reply(
        body={"merged": True, "message": "Pull Request successfully merged", "sha": merged}
    )
