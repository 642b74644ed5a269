"""Workflows, runs, artifacts and dispatches of the fake GitHub."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

import yaml

from tests.workflows.fake_api import REPO, ApiError, Call, Reply, found, route, user
from tests.workflows.fake_state import DISPATCH_INPUT_LIMIT, State


def workflow_files(call: Call, ref: str = "main") -> dict[str, dict[str, Any]]:
    """Parsed workflow files on a branch, by file name."""
    try:
        listed = call.git.text("ls-tree", "--name-only", ref, ".github/workflows/").splitlines()
    except Exception:
        return {}
    parsed = {}
    for path in listed:
        content = call.git.read(ref, path)
        if content is not None:
            parsed[PurePosixPath(path).name] = yaml.load(content, Loader=yaml.BaseLoader)  # noqa: S506
    return parsed


def workflow_id(name: str) -> int:
    return sum(ord(c) * (i + 1) for i, c in enumerate(name))


def _workflow(call: Call, ref: str = "main") -> tuple[str, dict[str, Any]]:
    wanted = call.params["workflow_id"]
    for name, parsed in workflow_files(call, ref).items():
        if wanted in (name, str(workflow_id(name))):
            return name, parsed
    raise ApiError(404, "Not Found")


@route("GET", REPO + "/actions/workflows/{workflow_id}")
def get_workflow(call: Call) -> Reply:
    name, parsed = _workflow(call)
    settings = call.state.settings
    body = {
        "id": workflow_id(name),
        "name": parsed.get("name", name),
        "state": settings.workflow_states.get(name, "active"),
        "created_at": settings.workflows_since,
        "updated_at": settings.workflows_since,
    }
    return Reply(
        body={
            **body,
            "path": f".github/workflows/{name}",
            "url": call.url(f"/actions/workflows/{workflow_id(name)}"),
        }
    )


@route("POST", REPO + "/actions/workflows/{workflow_id}/dispatches")
def dispatch(call: Call) -> Reply:
    ref = call.body["ref"].removeprefix("refs/heads/")
    if call.git.resolve(ref) is None:
        raise ApiError(422, f"No ref found for: {ref}")
    name, parsed = _workflow(call, ref)
    triggers = parsed.get("on", {})
    if "workflow_dispatch" not in triggers:
        raise ApiError(422, "Workflow does not have 'workflow_dispatch' trigger")
    given = call.body.get("inputs", {})
    declared = (triggers["workflow_dispatch"] or {}) if isinstance(triggers, dict) else {}
    declared = (declared.get("inputs") or {}) if isinstance(declared, dict) else {}
    if len(given) > DISPATCH_INPUT_LIMIT or set(given) - set(declared):
        raise ApiError(422, f"Unexpected inputs provided: {sorted(set(given) - set(declared))}")
    for key, spec in declared.items():
        if spec.get("required") == "true" and "default" not in spec and not given.get(key):
            raise ApiError(422, f"Required input '{key}' not provided")
    call.emit(
        "workflow_dispatch",
        {"inputs": given, "ref": f"refs/heads/{ref}", "workflow": f".github/workflows/{name}"},
    )
    return Reply(status=204)


@route("POST", REPO + "/dispatches")
def repository_dispatch(call: Call) -> Reply:
    call.emit(
        "repository_dispatch",
        {"action": call.body["event_type"], "client_payload": call.body.get("client_payload", {})},
    )
    return Reply(status=204)


def run_json(call: Call, run: dict[str, Any]) -> dict[str, Any]:
    owner, name = run["head_repository"].split("/")
    return {
        **{
            k: v
            for k, v in run.items()
            if k not in ("head_repository", "workflow_file", "failed_steps")
        },
        "run_number": run["id"],
        "status": "completed" if run["conclusion"] else "in_progress",
        "path": f".github/workflows/{run['workflow_file']}",
        "workflow_id": workflow_id(run["workflow_file"]),
        "url": call.url(f"/actions/runs/{run['id']}"),
        "html_url": call.html(f"/actions/runs/{run['id']}"),
        "display_title": run["name"],
        "pull_requests": [],
        "head_repository": {
            "full_name": run["head_repository"],
            "name": name,
            "owner": user(owner),
        },
        "repository": {"full_name": call.full_name, "name": call.full_name.split("/")[1]},
    }


@route("GET", REPO + "/actions/runs")
@route("GET", REPO + "/actions/workflows/{workflow_id}/runs")
def list_runs(call: Call) -> Reply:
    name = _workflow(call)[0] if "workflow_id" in call.params else None
    wanted = {k: call.query[k] for k in ("event", "head_sha") if k in call.query}
    listed = [
        run_json(call, run)
        for run in sorted(call.state.runs.values(), key=lambda r: -r["id"])
        if name in (None, run["workflow_file"])
        and all(run[k] == v for k, v in wanted.items())
        and call.query.get("branch") in (None, run["head_branch"])
        and call.query.get("status")
        in (None, run["conclusion"], "completed" if run["conclusion"] else "in_progress")
    ]
    return Reply(
        body={"total_count": len(listed), "workflow_runs": listed}, paginate="workflow_runs"
    )


@route("GET", REPO + "/actions/runs/{run_id}")
def get_run(call: Call) -> Reply:
    return Reply(body=run_json(call, found(call.state.runs, call.params["run_id"])))


def _artifact_json(call: Call, item: dict[str, Any]) -> dict[str, Any]:
    path = f"/actions/artifacts/{item['id']}"
    return {
        "id": item["id"],
        "name": item["name"],
        "size_in_bytes": len(call.state.artifact_bytes[item["id"]]),
        "url": call.url(path),
        "archive_download_url": call.url(path + "/zip"),
        "expired": call.state.has_expired(item),
        "created_at": item["at"],
        "updated_at": item["at"],
        "expires_at": item["expires_at"],
        "workflow_run": {"id": item["run_id"]},
    }


@route("GET", REPO + "/actions/runs/{run_id}/artifacts")
def run_artifacts(call: Call) -> Reply:
    number = int(found(call.state.runs, call.params["run_id"])["id"])
    listed = [
        _artifact_json(call, item)
        for item in call.state.artifacts.values()
        if item["run_id"] == number and call.query.get("name") in (None, item["name"])
    ]
    return Reply(body={"total_count": len(listed), "artifacts": listed}, paginate="artifacts")


# Any run may keep an artifact of any name, and all are listed together:
# https://docs.github.com/en/rest/actions/artifacts#list-artifacts-for-a-repository
@route("GET", REPO + "/actions/artifacts")
def list_artifacts(call: Call) -> Reply:
    listed = [
        _artifact_json(call, item)
        for item in sorted(call.state.artifacts.values(), key=lambda item: -item["id"])
        if call.query.get("name") in (None, item["name"])
    ]
    return Reply(body={"total_count": len(listed), "artifacts": listed}, paginate="artifacts")


@route("GET", REPO + "/actions/runs/{run_id}/jobs")
def run_jobs(call: Call) -> Reply:
    """Its jobs with the steps that did not end well, as a test has set them."""
    run = found(call.state.runs, call.params["run_id"])
    listed = [
        {
            "id": run["id"] * 10, "run_id": run["id"], "name": run["name"], "head_sha": run["head_sha"],
            "run_url": call.url(f"/actions/runs/{run['id']}"), "node_id": "J_1", "html_url": None, "runner_id": 1,
            "url": call.url(f"/actions/jobs/{run['id'] * 10}"), "status": "completed", "conclusion": run["conclusion"],
            "created_at": run["created_at"], "started_at": run["created_at"], "completed_at": run["updated_at"],
            "labels": [], "runner_name": "r", "runner_group_id": 1, "runner_group_name": "g", "workflow_name": None,
            "head_branch": run["head_branch"], "check_run_url": call.url(f"/check-runs/{run['id']}"),
            "steps": [
                {"name": name, "status": "completed", "conclusion": "failure", "number": place + 1}
                for place, name in enumerate(run.get("failed_steps", ()))
            ],
        }
    ]  # fmt: skip
    return Reply(body={"total_count": len(listed), "jobs": listed}, paginate="jobs")


@route("GET", REPO + "/actions/artifacts/{artifact_id}")
def get_artifact(call: Call) -> Reply:
    return Reply(body=_artifact_json(call, found(call.state.artifacts, call.params["artifact_id"])))


# 410 Gone once it has expired: https://docs.github.com/en/rest/actions/artifacts#download-an-artifact
@route("GET", REPO + "/actions/artifacts/{artifact_id}/{archive_format}")
def download_artifact(call: Call) -> Reply:
    item = found(call.state.artifacts, call.params["artifact_id"])
    if call.state.has_expired(item):
        raise ApiError(410, "Artifact has expired")
    return Reply(status=302, location=f"{call.base_url}/_signed/artifact/{item['id']}")


# In the words of actions/upload-artifact#307 and SibtainOcn/Hazel#27.
QUOTA = (
    "Failed to CreateArtifact: Artifact storage quota has been hit. Unable to upload any new artifacts. "
    "Usage is recalculated every 6-12 hours."
)


def upload_artifact(state: State, query: dict[str, list[str]], content: bytes) -> tuple[int, bytes]:
    """What the action asks of GitHub's store for artifacts, which is no part of the REST API: status, message."""
    with state.lock:
        run_id, name = int(query["run"][0]), query["name"][0]
        if any((a["run_id"], a["name"]) == (run_id, name) for a in state.artifacts.values()):
            why = "an artifact with this name already exists on the workflow run"
            return 409, f"Failed to CreateArtifact: Received non-retryable error: {why}".encode()
        if state.storage_is_full():
            return 403, QUOTA.encode()
        days = query.get("days", [""])[0]
        state.add_artifact(run_id, name, content, days=int(days) if days else None)
    return 201, b""
