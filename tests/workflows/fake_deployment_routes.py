"""Deployments of the fake GitHub, and their statuses."""

from __future__ import annotations

from typing import Any

from tests.workflows.fake_api import REPO, ApiError, Call, Reply, found, route, user
from tests.workflows.fake_repo_routes import latest_statuses
from tests.workflows.fake_state import DESCRIPTION_LIMIT


def _deployment_json(call: Call, item: dict[str, Any]) -> dict[str, Any]:
    return {
        **{k: v for k, v in item.items() if k != "login"},
        "creator": user(item["login"]),
        "statuses_url": call.url(f"/deployments/{item['id']}/statuses"),
        "url": call.url(f"/deployments/{item['id']}"),
        "repository_url": call.url(""),
    }


@route("GET", REPO + "/deployments")
def list_deployments(call: Call) -> Reply:
    listed = [
        _deployment_json(call, item)
        for item in reversed(call.state.deployments.values())
        if all(
            item[k] == call.query[k]
            for k in ("sha", "ref", "task", "environment")
            if k in call.query
        )
    ]
    return Reply(body=listed, paginate="")


@route("POST", REPO + "/deployments")
def create_deployment(call: Call) -> Reply:
    body = call.body
    sha = call.git.resolve(body["ref"])
    if sha is None:
        raise ApiError(422, f"No ref found for: {body['ref']}")
    main = call.git.resolve("main")
    if body.get("auto_merge", True) and main and not call.git.is_ancestor(main, sha):
        return Reply(status=202, body={"message": "Auto-merged main into the ref on deployment."})
    latest = latest_statuses(call, sha)
    contexts = body.get("required_contexts")
    needed = list(latest) if contexts is None else contexts
    if any(latest.get(c, {"state": "pending"})["state"] != "success" for c in needed):
        raise ApiError(409, "Conflict: Commit status checks failed for main.")
    at = call.state.now()
    item = {
        "id": next(call.state.ids),
        "sha": sha,
        "ref": body["ref"],
        "task": body.get("task", "deploy"),
        "environment": body.get("environment", "production"),
        "production_environment": body.get(
            "production_environment", body.get("environment", "production") == "production"
        ),
        "description": body.get("description"),
        "payload": body.get("payload", {}),
        "created_at": at,
        "updated_at": at,
        "login": call.token.login,
    }
    call.state.deployments[item["id"]] = item
    call.state.deployment_statuses[item["id"]] = []
    return Reply(status=201, body=_deployment_json(call, item))


@route("GET", REPO + "/deployments/{deployment_id}")
def get_deployment(call: Call) -> Reply:
    return Reply(
        body=_deployment_json(call, found(call.state.deployments, call.params["deployment_id"]))
    )


@route("GET", REPO + "/deployments/{deployment_id}/statuses")
def deployment_statuses(call: Call) -> Reply:
    number = found(call.state.deployments, call.params["deployment_id"])["id"]
    listed = [
        {**{k: v for k, v in s.items() if k != "login"}, "creator": user(s["login"])}
        for s in reversed(call.state.deployment_statuses[number])
    ]
    return Reply(body=listed, paginate="")


@route("POST", REPO + "/deployments/{deployment_id}/statuses")
def create_deployment_status(call: Call) -> Reply:
    item = found(call.state.deployments, call.params["deployment_id"])
    if len(call.body.get("description") or "") > DESCRIPTION_LIMIT:
        raise ApiError(422, "Validation Failed", [{"code": "custom", "field": "description"}])
    at = call.state.now()
    status = {
        "id": next(call.state.ids),
        "state": call.body["state"],
        "description": call.body.get("description", ""),
        "log_url": call.body.get("log_url", ""),
        "target_url": call.body.get("target_url", call.body.get("log_url", "")),
        "environment_url": call.body.get("environment_url", ""),
        "environment": item["environment"],
        "created_at": at,
        "updated_at": at,
        "login": call.token.login,
    }
    if status["state"] == "success" and call.body.get("auto_inactive", True):
        # "... to all prior non-transient, non-production environment deployments with the same environment name"
        for other, history in call.state.deployment_statuses.items():
            former = call.state.deployments[other]
            same = former["environment"] == item["environment"]
            same = same and not former["production_environment"]
            if other != item["id"] and same and history and history[-1]["state"] == "success":
                history.append({**status, "id": next(call.state.ids), "state": "inactive"})
    call.state.deployment_statuses[item["id"]].append(status)
    body = {**{k: v for k, v in status.items() if k != "login"}, "creator": user(status["login"])}
    return Reply(status=201, body=body)
