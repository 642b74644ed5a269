"""Repository settings, protections and commit statuses of the fake GitHub."""

from __future__ import annotations

import re
from typing import Any

from tests.workflows.fake_api import REPO, UPGRADE, ApiError, Call, Reply, route, user
from tests.workflows.fake_state import DESCRIPTION_LIMIT, STATUS_LIMIT


@route("GET", REPO)
def repository(call: Call) -> Reply:
    settings = call.state.settings
    owner, name = call.full_name.split("/")
    body: dict[str, Any] = {
        "id": 1,
        "name": name,
        "full_name": call.full_name,
        "private": settings.private,
        "visibility": "private" if settings.private else "public",
        "owner": {
            **user(owner),
            "type": "Organization" if settings.organization else "User",
        },
        "default_branch": settings.default_branch,
        "has_issues": settings.issues_enabled,
        "html_url": call.html(""),
        "url": call.url(""),
        "allow_merge_commit": settings.allow_merge_commit,
        "allow_squash_merge": settings.allow_squash_merge,
        "allow_rebase_merge": settings.allow_rebase_merge,
        "license": None,
    }
    if not call.token.is_job:
        body["permissions"] = {
            "admin": True,
            "pull": True,
            "push": True,
            "maintain": True,
            "triage": True,
        }
    return Reply(body=body)


@route("GET", "/user")
def whoami(call: Call) -> Reply:
    if call.token.is_job:
        raise ApiError(403, "Resource not accessible by integration")
    return Reply(body=user(call.token.login))


# "The GitHub metadata endpoint now contains our SSH host keys" (change log, 2022-01-18).
@route("GET", "/meta")
def meta(call: Call) -> Reply:
    return Reply(
        body={"verifiable_password_authentication": False, "ssh_keys": ["ssh-ed25519 AAAAfake"]}
    )


@route("GET", "/rate_limit")
def rate_limit(call: Call) -> Reply:
    core = {"limit": 1000, "remaining": 999, "reset": 4_000_000_000, "used": 1}
    return Reply(body={"rate": core, "resources": {"core": core, "search": core}})


def _plan(call: Call) -> None:
    if call.state.settings.free_private_plan:
        raise ApiError(403, UPGRADE)


@route("GET", REPO + "/actions/permissions/workflow")
def workflow_permissions(call: Call) -> Reply:
    allowed = call.state.settings.actions_may_create_prs
    return Reply(
        body={"default_workflow_permissions": "read", "can_approve_pull_request_reviews": allowed}
    )


@route("GET", REPO + "/branches/{branch}")
def branch(call: Call) -> Reply:
    sha = call.git.ref(f"refs/heads/{call.params['branch']}")
    if sha is None:
        raise ApiError(404, "Branch not found")
    settings = call.state.settings
    protected = bool(settings.required_statuses or settings.required_reviews or settings.rulesets)
    return Reply(
        body={
            "name": call.params["branch"],
            "commit": {"sha": sha},
            "protected": protected,
            "protection": {},
            "protection_url": call.url(f"/branches/{call.params['branch']}/protection"),
        }
    )


@route("GET", REPO + "/branches/{branch}/protection")
def branch_protection(call: Call) -> Reply:
    _plan(call)
    settings = call.state.settings
    if not (settings.required_statuses or settings.required_reviews):
        raise ApiError(404, "Branch not protected")
    body: dict[str, Any] = {"url": call.url("/branches/main/protection")}
    if settings.required_statuses:
        body["required_status_checks"] = {
            "contexts": settings.required_statuses,
            "checks": [{"context": c, "app_id": None} for c in settings.required_statuses],
            "strict": False,
        }
    if settings.required_reviews:
        body["required_pull_request_reviews"] = {
            "required_approving_review_count": settings.required_reviews,
            "require_code_owner_reviews": settings.codeowner_review,
            "dismiss_stale_reviews": False,
        }
    return Reply(body=body)


@route("GET", REPO + "/rules/branches/{branch}")
def branch_rules(call: Call) -> Reply:
    _plan(call)
    rules = [
        {
            **rule,
            "ruleset_id": item["id"],
            "ruleset_source": call.full_name,
            "ruleset_source_type": "Repository",
        }
        for item in call.state.settings.rulesets
        if item.get("target") == "branch" and item.get("enforcement") == "active"
        for rule in item.get("rules", [])
    ]
    return Reply(body=rules, paginate="")


@route("GET", REPO + "/rulesets")
def rulesets(call: Call) -> Reply:
    _plan(call)
    listed = [
        {
            **{k: v for k, v in item.items() if k not in ("rules", "conditions")},
            "source": call.full_name,
        }
        for item in call.state.settings.rulesets
    ]
    return Reply(body=listed, paginate="")


@route("GET", REPO + "/rulesets/{ruleset_id}")
def ruleset(call: Call) -> Reply:
    _plan(call)
    for item in call.state.settings.rulesets:
        if str(item["id"]) == call.params["ruleset_id"]:
            return Reply(body={**item, "source": call.full_name})
    raise ApiError(404, "Not Found")


@route("GET", REPO + "/environments/{environment_name}")
def environment(call: Call) -> Reply:
    name = call.params["environment_name"]
    if call.state.settings.free_private_plan or name not in call.state.settings.environments:
        raise ApiError(404, "Not Found")
    return Reply(body={"name": name, **call.state.settings.environments[name]})


@route("GET", REPO + "/environments/{environment_name}/deployment-branch-policies")
def deployment_branch_policies(call: Call) -> Reply:
    environment(call)
    names = call.state.settings.environment_branches.get(call.params["environment_name"], [])
    listed = [{"id": n, "name": name, "type": "branch"} for n, name in enumerate(names, start=1)]
    return Reply(
        body={"total_count": len(listed), "branch_policies": listed}, paginate="branch_policies"
    )


@route("GET", REPO + "/codeowners/errors")
def codeowners_errors(call: Call) -> Reply:
    if not any(
        call.git.read("main", p) for p in (".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS")
    ):
        raise ApiError(404, "Not Found")
    return Reply(body={"errors": call.state.settings.codeowners_errors})


@route("GET", REPO + "/immutable-releases")
def immutable_releases(call: Call) -> Reply:
    if not call.state.settings.immutable_releases:
        raise ApiError(404, "Not Found")
    return Reply(body={"enabled": True, "enforced_by_owner": False})


@route("GET", REPO + "/actions/secrets")
def secrets(call: Call) -> Reply:
    listed = [{"name": n, "created_at": "", "updated_at": ""} for n in call.state.settings.secrets]
    return Reply(body={"total_count": len(listed), "secrets": listed}, paginate="secrets")


@route("GET", REPO + "/environments/{environment_name}/secrets")
def environment_secrets(call: Call) -> Reply:
    names = call.state.settings.environment_secrets.get(call.params["environment_name"])
    if names is None:
        raise ApiError(404, "Not Found")
    listed = [{"name": n, "created_at": "", "updated_at": ""} for n in names]
    return Reply(body={"total_count": len(listed), "secrets": listed}, paginate="secrets")


@route("GET", REPO + "/collaborators")
def collaborators(call: Call) -> Reply:
    if call.token.is_job:
        raise ApiError(403, "Resource not accessible by integration")
    rights = {"admin": True, "pull": True, "push": True, "maintain": True, "triage": True}
    listed = [{**user(n), "permissions": rights} for n in call.state.settings.maintainers]
    return Reply(body=listed, paginate="")


@route("GET", REPO + "/actions/runners")
def runners(call: Call) -> Reply:
    if call.token.is_job:
        raise ApiError(403, "Resource not accessible by integration")
    names = enumerate(call.state.settings.self_hosted_runners, start=1)
    fixed = {"os": "linux", "status": "online", "busy": False, "labels": []}
    listed = [{"id": number, "name": name, **fixed} for number, name in names]
    return Reply(body={"total_count": len(listed), "runners": listed}, paginate="runners")


def _status_json(call: Call, status: dict[str, Any]) -> dict[str, Any]:
    return {**{k: v for k, v in status.items() if k != "login"}, "creator": user(status["login"])}


@route("POST", REPO + "/statuses/{sha}")
def create_status(call: Call) -> Reply:
    sha = call.params["sha"]
    if not re.fullmatch(r"[0-9a-f]{40}", sha) or call.git.kind(sha) != "commit":
        raise ApiError(422, f"No commit found for SHA: {sha}")
    context = call.body.get("context", "default")
    if len(call.body.get("description") or "") > DESCRIPTION_LIMIT:
        message = f"description is too long (maximum is {DESCRIPTION_LIMIT} characters)"
        raise ApiError(
            422,
            "Validation Failed",
            [{"code": "custom", "field": "description", "message": message}],
        )
    target = call.body.get("target_url")
    if target and not re.match(r"https?://", target):
        raise ApiError(
            422,
            "Validation Failed",
            [{"code": "custom", "message": "target_url must use http(s) scheme"}],
        )
    if (
        sum(1 for s in call.state.statuses if (s["sha"], s["context"]) == (sha, context))
        >= STATUS_LIMIT
    ):
        message = "This SHA and context has reached the maximum number of statuses."
        raise ApiError(422, "Validation Failed", [{"code": "custom", "message": message}])
    at = call.state.now()
    status = {
        "id": next(call.state.ids),
        "sha": sha,
        "state": call.body["state"],
        "description": call.body.get("description"),
        "target_url": target,
        "context": context,
        "created_at": at,
        "updated_at": at,
        "login": call.token.login,
    }
    call.state.statuses.append(status)
    return Reply(status=201, body=_status_json(call, status))


def statuses_of(call: Call, sha: str) -> list[dict[str, Any]]:
    """Newest first."""
    return [s for s in reversed(call.state.statuses) if s["sha"] == sha]


def latest_statuses(call: Call, sha: str) -> dict[str, dict[str, Any]]:
    latest: dict[str, dict[str, Any]] = {}
    for status in statuses_of(call, sha):
        latest.setdefault(status["context"], status)
    return latest


@route("GET", REPO + "/commits/{ref}/statuses")
def list_statuses(call: Call) -> Reply:
    sha = call.git.resolve(call.params["ref"])
    if sha is None:
        raise ApiError(404, "Not Found")
    return Reply(body=[_status_json(call, s) for s in statuses_of(call, sha)], paginate="")


@route("GET", REPO + "/commits/{ref}/status")
def combined_status(call: Call) -> Reply:
    sha = call.git.resolve(call.params["ref"])
    if sha is None:
        raise ApiError(404, "Not Found")
    latest = latest_statuses(call, sha)
    states = {s["state"] for s in latest.values()}
    overall = (
        "failure"
        if states & {"failure", "error"}
        else "success"
        if states == {"success"}
        else "pending"
    )
    listed = [_status_json(call, s) for s in latest.values()]
    return Reply(
        body={"state": overall, "sha": sha, "total_count": len(listed), "statuses": listed},
        paginate="statuses",
    )
