"""Refs, commits, trees, blobs and contents of the fake GitHub, all on the real bare repository."""

from __future__ import annotations

import base64
import os
import re
import tempfile
from pathlib import Path
from typing import Any

from tests.workflows.bare_git import GitError
from tests.workflows.fake_api import REPO, ApiError, Call, Reply, route
from tests.workflows.fake_rules import stale_workflows


def protected(call: Call, ref: str) -> bool:
    settings = call.state.settings
    return ref == "refs/heads/main" and bool(
        settings.required_statuses or settings.required_reviews
    )


def push_event(call: Call, ref: str, before: str, after: str) -> None:
    call.emit("push", {"ref": ref, "before": before, "after": after})


def commit_json(call: Call, sha: str) -> dict[str, Any]:
    raw = call.git.text(
        "log", "-1", "--format=%T%x00%P%x00%an%x00%ae%x00%aI%x00%cn%x00%ce%x00%cI%x00%B", sha
    )
    tree, parents, an, ae, at, cn, ce, ct, message = raw.split("\0")
    author = {"name": an, "email": ae, "date": at}
    committer = {"name": cn, "email": ce, "date": ct}
    return {
        "sha": sha,
        "tree": {"sha": tree, "url": ""},
        "parents": [{"sha": p, "url": "", "html_url": ""} for p in parents.split()],
        "author": author,
        "committer": committer,
        "message": message.strip(),
        "url": call.url(f"/git/commits/{sha}"),
        "html_url": call.html(f"/commit/{sha}"),
    }


def repo_commit_json(call: Call, sha: str) -> dict[str, Any]:
    inner = commit_json(call, sha)
    return {
        "sha": sha,
        "commit": {k: inner[k] for k in ("tree", "author", "committer", "message", "url")},
        "parents": inner["parents"],
        "author": None,
        "committer": None,
        "html_url": inner["html_url"],
        "url": call.url(f"/commits/{sha}"),
    }


@route("GET", REPO + "/commits")
def list_commits(call: Call) -> Reply:
    start = call.git.resolve(call.query.get("sha", "main"))
    if start is None:
        raise ApiError(404, "Not Found")
    path = ["--", call.query["path"]] if "path" in call.query else []
    shas = call.git.text("rev-list", "--max-count=300", start, *path).split()
    return Reply(body=[repo_commit_json(call, sha) for sha in shas], paginate="")


@route("GET", REPO + "/commits/{ref}")
def get_commit(call: Call) -> Reply:
    sha = call.git.resolve(call.params["ref"])
    if sha is None:
        raise ApiError(422, f"No commit found for SHA: {call.params['ref']}")
    result = repo_commit_json(call, sha)
    files = call.git.text(
        "diff-tree", "-r", "--root", "--no-commit-id", "--name-only", "-m", "--first-parent", sha
    )
    result["files"] = [_file_json(path, "modified") for path in files.splitlines()]
    return Reply(body=result)


def _file_json(path: str, status: str) -> dict[str, Any]:
    return {"filename": path, "status": status, "sha": "0" * 40}


def files_json(call: Call, base: str, head: str) -> list[dict[str, Any]]:
    kinds = {"A": "added", "D": "removed", "M": "modified"}
    return [
        _file_json(path, kinds.get(letter, "changed"))
        for letter, path in call.git.changed(base, head)
    ]


@route("GET", REPO + "/compare/{basehead}")
def compare(call: Call) -> Reply:
    base_name, _, head_name = call.params["basehead"].partition("...")
    base, head = call.git.resolve(base_name), call.git.resolve(head_name)
    if base is None or head is None:
        raise ApiError(404, "Not Found")
    ahead, behind = call.git.commits(base, head), call.git.commits(head, base)
    status = (
        "diverged"
        if ahead and behind
        else "ahead"
        if ahead
        else "behind"
        if behind
        else "identical"
    )
    return Reply(
        body={
            "status": status,
            "ahead_by": len(ahead),
            "behind_by": len(behind),
            "total_commits": len(ahead),
            "base_commit": repo_commit_json(call, base),
            "merge_base_commit": repo_commit_json(call, call.git.text("merge-base", base, head)),
            "commits": [repo_commit_json(call, sha) for sha in ahead],
            "files": files_json(call, base, head),
            "html_url": call.html(f"/compare/{call.params['basehead']}"),
        }
    )


# -- refs ---------------------------------------------------------------------------------------------


def _ref_json(call: Call, ref: str, sha: str) -> dict[str, Any]:
    kind = call.git.kind(sha)
    return {
        "ref": ref,
        "object": {"sha": sha, "type": kind, "url": ""},
        "url": call.url(f"/git/{ref}"),
    }


@route("GET", REPO + "/git/ref/{ref}")
def get_ref(call: Call) -> Reply:
    ref = "refs/" + call.params["ref"]
    sha = call.git.ref(ref)
    if sha is None:
        raise ApiError(404, "Not Found")
    return Reply(body=_ref_json(call, ref, sha))


@route("GET", REPO + "/git/matching-refs/{ref}")
def matching_refs(call: Call) -> Reply:
    listed = call.git.refs("refs/" + call.params["ref"])
    return Reply(
        body=[_ref_json(call, ref, sha) for ref, sha in sorted(listed.items())], paginate=""
    )


@route("POST", REPO + "/git/refs")
def create_ref(call: Call) -> Reply:
    ref, sha = call.body["ref"], call.body["sha"]
    if not re.fullmatch(r"refs/[^/]+/.+", ref):
        raise ApiError(
            422, "Reference name must start with 'refs' and contain at least two slashes."
        )
    kind = call.git.kind(sha) if re.fullmatch(r"[0-9a-f]{40}", sha) else None
    if kind is None or (ref.startswith("refs/heads/") and kind != "commit"):
        raise ApiError(422, "Object does not exist")
    if call.git.ref(ref) is not None:
        raise ApiError(422, "Reference already exists")
    if ref.startswith("refs/tags/") and ref.removeprefix("refs/tags/") in call.state.burned_tags:
        raise ApiError(422, "tag_name was used by an immutable release")
    if not call.state.settings.api_takes_stale_workflows and stale_workflows(
        call.git, call.token, sha
    ):
        raise ApiError(422, "refusing to allow a GitHub App to create or update workflow")
    call.git.update(ref, sha, "0" * 40)
    push_event(call, ref, "0" * 40, sha)
    return Reply(status=201, body=_ref_json(call, ref, sha))


@route("PATCH", REPO + "/git/refs/{ref}")
def update_ref(call: Call) -> Reply:
    ref, sha = "refs/" + call.params["ref"], call.body["sha"]
    old = call.git.ref(ref)
    if old is None:
        raise ApiError(422, "Reference does not exist")
    if protected(call, ref):
        raise ApiError(422, "Changes must be made through a pull request.")
    if not call.body.get("force") and not call.git.is_ancestor(old, sha):
        raise ApiError(422, "Update is not a fast forward")
    call.git.update(ref, sha)
    push_event(call, ref, old, sha)
    return Reply(body=_ref_json(call, ref, sha))


@route("DELETE", REPO + "/git/refs/{ref}")
def delete_ref(call: Call) -> Reply:
    ref = "refs/" + call.params["ref"]
    if call.git.ref(ref) is None:
        raise ApiError(422, "Reference does not exist")
    published = {
        r["tag_name"] for r in call.state.releases.values() if not r["draft"] and r["immutable"]
    }
    if ref.removeprefix("refs/tags/") in published:
        raise ApiError(422, "Cannot delete a tag of an immutable release")
    call.git.delete(ref)
    return Reply(status=204)


# -- objects ------------------------------------------------------------------------------------------


@route("GET", REPO + "/git/commits/{commit_sha}")
def get_git_commit(call: Call) -> Reply:
    if call.git.kind(call.params["commit_sha"]) != "commit":
        raise ApiError(404, "Not Found")
    return Reply(body=commit_json(call, call.params["commit_sha"]))


def _person(prefix: str, person: dict[str, str] | None) -> dict[str, str]:
    if not person:
        return {}
    fields = {"name": "NAME", "email": "EMAIL", "date": "DATE"}
    return {f"GIT_{prefix}_{env}": person[key] for key, env in fields.items() if key in person}


@route("POST", REPO + "/git/commits")
def create_commit(call: Call) -> Reply:
    body = call.body
    if call.git.kind(body["tree"]) != "tree":
        raise ApiError(422, "Tree SHA does not exist")
    if any(call.git.kind(p) != "commit" for p in body.get("parents", [])):
        raise ApiError(422, "Parent SHA does not exist or is not a commit object")
    env = _person("AUTHOR", body.get("author")) | _person("COMMITTER", body.get("committer"))
    sha = call.git.commit_tree(body["tree"], body.get("parents", []), body["message"], env)
    return Reply(status=201, body=commit_json(call, sha))


def _tree_json(call: Call, sha: str, *, recursive: bool = False) -> dict[str, Any]:
    lines = (
        call.git.run("ls-tree", "-z", *(["-r", "-t"] if recursive else []), sha)
        .decode()
        .split("\0")[:-1]
    )
    tree = []
    for line in lines:
        meta, path = line.split("\t", 1)
        mode, kind, item = meta.split()
        tree.append({"path": path, "mode": mode, "type": kind, "sha": item, "url": ""})
    return {"sha": sha, "url": call.url(f"/git/trees/{sha}"), "tree": tree, "truncated": False}


@route("GET", REPO + "/git/trees/{tree_sha}")
def get_tree(call: Call) -> Reply:
    try:
        sha = call.git.text("rev-parse", "--verify", call.params["tree_sha"] + "^{tree}")
    except GitError as error:
        raise ApiError(404, "Not Found") from error
    return Reply(body=_tree_json(call, sha, recursive="recursive" in call.query))


@route("POST", REPO + "/git/trees")
def create_tree(call: Call) -> Reply:
    with tempfile.TemporaryDirectory() as folder:
        env = {"GIT_INDEX_FILE": os.path.join(folder, "index")}
        if call.body.get("base_tree"):
            call.git.run("read-tree", call.body["base_tree"], env=env)
        for item in call.body["tree"]:
            sha = item.get("sha")
            if "content" in item:
                sha = call.git.text("hash-object", "-w", "--stdin", stdin=item["content"].encode())
            if sha is None:
                call.git.run("update-index", "--force-remove", item["path"], env=env)
                continue
            if call.git.kind(sha) is None:
                raise ApiError(422, "GitRPC::BadObjectState")
            call.git.run(
                "update-index",
                "--add",
                "--cacheinfo",
                f"{item['mode']},{sha},{item['path']}",
                env=env,
            )
        tree = call.git.text("write-tree", env=env)
    return Reply(status=201, body=_tree_json(call, tree))


@route("GET", REPO + "/git/blobs/{file_sha}")
def get_blob(call: Call) -> Reply:
    sha = call.params["file_sha"]
    if call.git.kind(sha) != "blob":
        raise ApiError(404, "Not Found")
    data = call.git.run("cat-file", "blob", sha)
    body = {
        "sha": sha,
        "size": len(data),
        "content": base64.b64encode(data).decode(),
        "encoding": "base64",
    }
    return Reply(body=body)


@route("POST", REPO + "/git/blobs")
def create_blob(call: Call) -> Reply:
    content = call.body["content"]
    data = base64.b64decode(content) if call.body.get("encoding") == "base64" else content.encode()
    sha = call.git.text("hash-object", "-w", "--stdin", stdin=data)
    return Reply(status=201, body={"sha": sha, "url": call.url(f"/git/blobs/{sha}")})


# -- contents -----------------------------------------------------------------------------------------


def _content_json(call: Call, ref: str, path: str, data: bytes) -> dict[str, Any]:
    sha = call.git.text("rev-parse", f"{ref}:{path}")
    url = call.url(f"/contents/{path}")
    return {
        "type": "file",
        "encoding": "base64",
        "size": len(data),
        "name": Path(path).name,
        "path": path,
        "content": base64.b64encode(data).decode(),
        "sha": sha,
        "url": url,
        "git_url": None,
        "html_url": call.html(f"/blob/{ref}/{path}"),
        "download_url": None,
        "_links": {"self": url, "git": None, "html": None},
    }


@route("GET", REPO + "/contents/{path}")
def get_contents(call: Call) -> Reply:
    ref = call.git.resolve(call.query.get("ref", "main"))
    data = call.git.read(ref, call.params["path"]) if ref else None
    if ref is None or data is None:
        raise ApiError(404, "Not Found")
    return Reply(body=_content_json(call, ref, call.params["path"], data))


@route("PUT", REPO + "/contents/{path}")
def put_contents(call: Call) -> Reply:
    branch, path = call.body.get("branch", "main"), call.params["path"]
    ref = f"refs/heads/{branch}"
    tip = call.git.ref(ref)
    if tip is None:
        raise ApiError(404, f"Branch {branch} not found")
    if protected(call, ref):
        raise ApiError(409, "Repository rule violations found")
    existing = call.git.read(tip, path)
    if existing is not None and call.git.text("rev-parse", f"{tip}:{path}") != call.body.get("sha"):
        raise ApiError(409, f"{path} does not match {call.body.get('sha')}")
    data = base64.b64decode(call.body["content"])
    blob = call.git.text("hash-object", "-w", "--stdin", stdin=data)
    with tempfile.TemporaryDirectory() as folder:
        env = {"GIT_INDEX_FILE": os.path.join(folder, "index")}
        call.git.run("read-tree", tip, env=env)
        call.git.run("update-index", "--add", "--cacheinfo", f"100644,{blob},{path}", env=env)
        tree = call.git.text("write-tree", env=env)
    sha = call.git.commit_tree(tree, [tip], call.body["message"])
    call.git.update(ref, sha)
    push_event(call, ref, tip, sha)
    return Reply(
        status=201 if existing is None else 200,
        body={"content": _content_json(call, sha, path, data), "commit": commit_json(call, sha)},
    )
