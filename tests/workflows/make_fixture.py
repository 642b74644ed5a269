"""Reduce GitHub's own OpenAPI description to the operations the generated repository may use.

    npm pack @octokit/openapi@23.0.2 @octokit/app-permissions@2.1.0     # in a scratch directory
    python tests/workflows/make_fixture.py SCRATCH

SCRATCH holds the two .tgz files. The result, `openapi.json`, is what the fake GitHub validates every
request and every one of its own answers against; it also carries the permission each operation needs.
Both packages are MIT licensed (see OPENAPI_LICENSE.md). Prose and examples are dropped, `nullable` becomes
plain JSON Schema, so the file stays small and needs no OpenAPI library to use.
"""

from __future__ import annotations

import json
import sys
import tarfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
OUTPUT = HERE / "openapi.json"
REPO = "/repos/{owner}/{repo}"

# method, path, permissions (any one of them suffices). None: take it from @octokit/app-permissions.
# A value here overrides the package, whose data is older than the documentation pages and has gaps.
OPERATIONS: list[tuple[str, str, list[str] | None]] = [
    ("GET", "", ["metadata:read"]),
    ("GET", "/issues/{issue_number}/comments", None),
    ("POST", "/issues/{issue_number}/comments", None),
    ("GET", "/issues/comments/{comment_id}", None),
    ("PATCH", "/issues/comments/{comment_id}", None),
    ("DELETE", "/issues/comments/{comment_id}", None),
    ("GET", "/issues", None),
    ("POST", "/issues", None),
    ("GET", "/issues/{issue_number}", None),
    ("PATCH", "/issues/{issue_number}", None),
    ("GET", "/issues/{issue_number}/labels", None),
    ("POST", "/issues/{issue_number}/labels", None),
    ("GET", "/labels", None),
    ("POST", "/labels", None),
    ("GET", "/labels/{name}", None),
    ("POST", "/statuses/{sha}", None),
    ("GET", "/commits/{ref}/statuses", None),
    ("GET", "/commits/{ref}/status", None),
    ("GET", "/commits", None),
    ("GET", "/commits/{ref}", ["contents:read"]),
    ("GET", "/commits/{commit_sha}/pulls", ["pull_requests:read"]),
    ("GET", "/compare/{basehead}", ["contents:read"]),
    ("GET", "/releases", None),
    ("POST", "/releases", None),
    ("GET", "/releases/latest", None),
    ("GET", "/releases/tags/{tag}", None),
    ("GET", "/releases/{release_id}", None),
    ("PATCH", "/releases/{release_id}", None),
    ("DELETE", "/releases/{release_id}", None),
    ("GET", "/releases/{release_id}/assets", None),
    ("POST", "/releases/{release_id}/assets", ["contents:write"]),
    ("GET", "/releases/assets/{asset_id}", None),
    ("DELETE", "/releases/assets/{asset_id}", None),
    ("GET", "/git/ref/{ref}", None),
    ("GET", "/git/matching-refs/{ref}", None),
    ("POST", "/git/refs", None),
    ("PATCH", "/git/refs/{ref}", None),
    ("DELETE", "/git/refs/{ref}", None),
    ("GET", "/git/commits/{commit_sha}", ["contents:read"]),
    ("POST", "/git/commits", None),
    ("GET", "/git/trees/{tree_sha}", ["contents:read"]),
    ("POST", "/git/trees", None),
    ("GET", "/git/blobs/{file_sha}", ["contents:read"]),
    ("POST", "/git/blobs", None),
    ("GET", "/git/tags/{tag_sha}", ["contents:read"]),
    ("POST", "/git/tags", None),
    ("GET", "/contents/{path}", ["contents:read"]),
    ("PUT", "/contents/{path}", ["contents:write"]),
    ("GET", "/tags", None),
    ("GET", "/pulls", None),
    ("POST", "/pulls", None),
    ("GET", "/pulls/{pull_number}", None),
    ("PATCH", "/pulls/{pull_number}", None),
    ("GET", "/pulls/{pull_number}/files", None),
    ("PUT", "/pulls/{pull_number}/merge", None),
    ("GET", "/deployments", None),
    ("POST", "/deployments", None),
    ("GET", "/deployments/{deployment_id}", None),
    ("GET", "/deployments/{deployment_id}/statuses", None),
    ("POST", "/deployments/{deployment_id}/statuses", None),
    ("GET", "/actions/workflows/{workflow_id}", ["actions:read"]),
    ("GET", "/actions/workflows/{workflow_id}/runs", ["actions:read"]),
    ("POST", "/actions/workflows/{workflow_id}/dispatches", None),
    ("GET", "/actions/runs", ["actions:read"]),
    ("GET", "/actions/runs/{run_id}", ["actions:read"]),
    ("GET", "/actions/runs/{run_id}/artifacts", ["actions:read"]),
    ("GET", "/actions/runs/{run_id}/jobs", ["actions:read"]),
    ("GET", "/actions/artifacts", ["actions:read"]),
    ("GET", "/actions/artifacts/{artifact_id}", ["actions:read"]),
    ("GET", "/actions/artifacts/{artifact_id}/{archive_format}", ["actions:read"]),
    ("GET", "/actions/permissions/workflow", ["administration:read"]),
    ("GET", "/actions/secrets", ["secrets:read"]),
    ("GET", "/actions/runners", ["administration:read"]),
    ("GET", "/environments/{environment_name}/secrets", ["environments:read"]),
    ("GET", "/collaborators", ["metadata:read"]),
    ("POST", "/dispatches", None),
    ("GET", "/branches/{branch}", None),
    ("GET", "/branches/{branch}/protection", None),
    ("GET", "/rules/branches/{branch}", ["metadata:read"]),
    ("GET", "/rulesets", ["metadata:read"]),
    ("GET", "/rulesets/{ruleset_id}", ["metadata:read"]),
    ("GET", "/environments/{environment_name}", ["actions:read"]),
    (
        "GET",
        "/environments/{environment_name}/deployment-branch-policies",
        ["actions:read"],
    ),
    ("GET", "/codeowners/errors", None),
    ("GET", "/immutable-releases", ["administration:read"]),
]
PLAIN_OPERATIONS: list[tuple[str, str, list[str]]] = [
    ("GET", "/rate_limit", ["metadata:read"]),
    ("GET", "/user", ["metadata:read"]),
    ("GET", "/meta", ["metadata:read"]),
    (
        "POST",
        "/orgs/{org}/artifacts/metadata/deployment-record",
        ["artifact_metadata:write"],
    ),
]
PROSE = {"description", "example", "examples", "externalDocs", "summary", "title", "x-github"}
DROPPED_FORMATS = {"uri", "uri-template", "email", "date-time"}


def member(archive: Path, name: str) -> Any:
    with tarfile.open(archive) as tar:
        handle = tar.extractfile(name)
        assert handle is not None
        return json.load(handle)


def clean(node: Any, *, names: bool = False) -> Any:
    """Drop prose, turn `nullable` into JSON Schema. `names`: the keys here are property names, keep all."""
    if isinstance(node, list):
        return [clean(item) for item in node]
    if not isinstance(node, dict):
        return node
    if names:
        return {key: clean(value) for key, value in node.items()}
    result = {
        key: clean(value, names=key == "properties")
        for key, value in node.items()
        if key not in PROSE and key != "nullable"
    }
    if result.get("format") in DROPPED_FORMATS:
        del result["format"]
    if node.get("nullable") is True:
        if "type" in result:
            result["type"] = [result["type"], "null"]
            if "enum" in result and None not in result["enum"]:
                result["enum"] = [*result["enum"], None]
        else:
            result = {"anyOf": [result, {"type": "null"}]}
    return result


def references(node: Any) -> set[str]:
    if isinstance(node, list):
        return set().union(*[references(item) for item in node]) if node else set()
    if not isinstance(node, dict):
        return set()
    found = {node["$ref"]} if isinstance(node.get("$ref"), str) else set()
    for value in node.values():
        found |= references(value)
    return found


def operation(spec: dict[str, Any], method: str, path: str) -> dict[str, Any]:
    raw = spec["paths"][path][method.lower()]

    def resolve(item: dict[str, Any]) -> dict[str, Any]:
        if "$ref" not in item:
            return item
        kind, name = item["$ref"].split("/")[-2:]
        return spec["components"][kind][name]  # type: ignore[no-any-return]

    parameters = [
        {k: clean(v) for k, v in resolve(p).items() if k in ("name", "in", "required", "schema")}
        for p in [*spec["paths"][path].get("parameters", []), *raw.get("parameters", [])]
    ]
    result: dict[str, Any] = {"parameters": parameters, "responses": {}}
    body = raw.get("requestBody")
    if body:
        content = resolve(body)["content"]
        kind = next(iter(content))
        result["body"] = {
            "required": body.get("required", False),
            "type": kind,
            "schema": clean(content[kind].get("schema", {})),
        }
    for code, response in raw["responses"].items():
        content = resolve(response).get("content", {})
        schema = content.get("application/json", {}).get("schema")
        result["responses"][code] = clean(schema) if schema is not None else None
    return result


def main(scratch: Path) -> int:
    spec = member(
        next(scratch.glob("octokit-openapi-*.tgz")), "package/generated/api.github.com.json"
    )
    version = member(next(scratch.glob("octokit-openapi-*.tgz")), "package/package.json")["version"]
    scopes = member(
        next(scratch.glob("octokit-app-permissions-*.tgz")), "package/generated/api.github.com.json"
    )["permissions"]
    published: dict[str, list[str]] = {}
    for scope, levels in scopes.items():
        for level in ("read", "write"):
            for route in levels.get(level, []):
                published.setdefault(route, []).append(f"{scope}:{level}")
    paths: dict[str, Any] = {}
    for method, suffix, permissions in OPERATIONS:
        path = REPO + suffix
        entry = operation(spec, method, path)
        needed = permissions if permissions is not None else published[f"{method} {path}"]
        entry["permissions"] = sorted(set(needed))
        paths.setdefault(path, {})[method] = entry
    for method, path, permissions in PLAIN_OPERATIONS:
        entry = operation(spec, method, path)
        entry["permissions"] = permissions
        paths.setdefault(path, {})[method] = entry
    schemas: dict[str, Any] = {}
    wanted = references(paths)
    while wanted - set(schemas):
        for ref in sorted(wanted - set(schemas)):
            kind, name = ref.split("/")[-2:]
            assert kind == "schemas", ref
            schemas[ref] = clean(spec["components"]["schemas"][name])
        wanted |= references(schemas)
    result = {
        "source": f"@octokit/openapi {version} (MIT), reduced by make_fixture.py",
        "paths": paths,
        "components": {"schemas": {ref.split("/")[-1]: schemas[ref] for ref in sorted(schemas)}},
    }
    OUTPUT.write_text(json.dumps(result, separators=(",", ":"), sort_keys=True) + "\n")
    count = sum(len(v) for v in paths.values())
    print(
        f"{OUTPUT.name}: {count} operations, {len(schemas)} schemas, {OUTPUT.stat().st_size} bytes"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
