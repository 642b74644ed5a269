"""Releases and assets of the fake GitHub: draft, upload, publish, immutable from then on."""

from __future__ import annotations

import hashlib
import re
from typing import Any

from tests.workflows.fake_api import REPO, ApiError, Call, Reply, found, route, user
from tests.workflows.fake_rules import stale_workflows


def _asset_json(call: Call, release: dict[str, Any], asset: dict[str, Any]) -> dict[str, Any]:
    data = call.state.assets[asset["id"]]
    return {
        "id": asset["id"],
        "name": asset["name"],
        "label": asset["label"],
        "content_type": asset["content_type"],
        "size": len(data),
        "digest": "sha256:" + hashlib.sha256(data).hexdigest(),
        "state": "uploaded",
        "url": call.url(f"/releases/assets/{asset['id']}"),
        "browser_download_url": call.html(
            f"/releases/download/{release['tag_name']}/{asset['name']}"
        ),
        "created_at": asset["at"],
        "updated_at": asset["at"],
        "uploader": user(asset["login"]),
    }


def _release_json(call: Call, release: dict[str, Any]) -> dict[str, Any]:
    number = release["id"]
    return {
        **{k: v for k, v in release.items() if k not in ("assets", "login")},
        "author": user(release["login"]),
        "assets": [_asset_json(call, release, a) for a in release["assets"]],
        "url": call.url(f"/releases/{number}"),
        "html_url": call.html(f"/releases/tag/{release['tag_name']}"),
        "assets_url": call.url(f"/releases/{number}/assets"),
        "upload_url": call.url(f"/releases/{number}/assets") + "{?name,label}",
    }


def _visible(call: Call, release: dict[str, Any]) -> bool:
    """Drafts are shown to those who may push, to nobody else."""
    return not release["draft"] or call.token.allows("contents:write")


def _release(call: Call) -> dict[str, Any]:
    release = found(call.state.releases, call.params["release_id"])
    if not _visible(call, release):
        raise ApiError(404, "Not Found")
    return release


@route("GET", REPO + "/releases")
def list_releases(call: Call) -> Reply:
    newest = sorted(call.state.releases.values(), key=lambda r: -r["id"])
    return Reply(body=[_release_json(call, r) for r in newest if _visible(call, r)], paginate="")


@route("GET", REPO + "/releases/latest")
def latest_release(call: Call) -> Reply:
    published = [r for r in call.state.releases.values() if not r["draft"] and not r["prerelease"]]
    if not published:
        raise ApiError(404, "Not Found")
    return Reply(body=_release_json(call, max(published, key=lambda r: r["id"])))


@route("GET", REPO + "/releases/tags/{tag}")
def release_by_tag(call: Call) -> Reply:
    for release in call.state.releases.values():
        if release["tag_name"] == call.params["tag"] and not release["draft"]:
            return Reply(body=_release_json(call, release))
    raise ApiError(404, "Not Found")


@route("POST", REPO + "/releases")
def create_release(call: Call) -> Reply:
    body = call.body
    if len(body.get("body") or "") > 125_000:
        raise ApiError(
            422, "Validation Failed", [{"code": "custom", "message": "body is too long"}]
        )
    if body["tag_name"] in call.state.burned_tags:
        raise ApiError(
            422,
            "Validation Failed",
            [{"code": "custom", "message": "tag_name was used by an immutable release"}],
        )
    target = call.git.resolve(body["target_commitish"]) if "target_commitish" in body else None
    if target is not None and stale_workflows(call.git, call.token, target):
        raise ApiError(403, "Resource not accessible by integration")
    release = {
        "id": next(call.state.ids),
        "tag_name": body["tag_name"],
        "target_commitish": body.get("target_commitish", "main"),
        "name": body.get("name"),
        "body": body.get("body"),
        "draft": True,
        "prerelease": body.get("prerelease", False),
        "immutable": False,
        "created_at": call.state.now(),
        "published_at": None,
        "assets": [],
        "login": call.token.login,
    }
    if not body.get("draft", False):
        _publish(call, release)
    call.state.releases[release["id"]] = release
    return Reply(status=201, body=_release_json(call, release))


def _publish(call: Call, release: dict[str, Any]) -> None:
    tag = release["tag_name"]
    if any(r["tag_name"] == tag and not r["draft"] for r in call.state.releases.values()):
        raise ApiError(
            422,
            "Validation Failed",
            [{"resource": "Release", "code": "already_exists", "field": "tag_name"}],
        )
    if call.git.ref(f"refs/tags/{tag}") is None:
        target = call.git.resolve(release["target_commitish"])
        if target is None:
            raise ApiError(
                422, "Validation Failed", [{"field": "target_commitish", "code": "invalid"}]
            )
        call.git.update(f"refs/tags/{tag}", target)
    release |= {"draft": False, "published_at": call.state.now()}
    # "Assets cannot be added, modified or removed" from then on, and the tag stays locked to its commit; title and note
    # may change: https://docs.github.com/en/code-security/supply-chain-security/understanding-your-software-supply-chain/immutable-releases.
    # A used tag is never free again (orgs/community discussions/178351).
    if call.state.settings.immutable_releases:
        release["immutable"] = True
        call.state.burned_tags.add(tag)
    call.emit("release", {"action": "published", "release": {"tag_name": tag}})


@route("GET", REPO + "/releases/{release_id}")
def get_release(call: Call) -> Reply:
    return Reply(body=_release_json(call, _release(call)))


@route("PATCH", REPO + "/releases/{release_id}")
def patch_release(call: Call) -> Reply:
    release, body = _release(call), call.body
    if release["immutable"] and set(body) - {
        "name",
        "body",
        "make_latest",
        "draft",
        "prerelease",
        "tag_name",
    }:
        raise ApiError(422, "Cannot change an immutable release")
    if release["immutable"] and body.get("tag_name", release["tag_name"]) != release["tag_name"]:
        raise ApiError(422, "Cannot change the tag of an immutable release")
    for field in ("name", "body", "prerelease", "target_commitish", "tag_name"):
        if field in body:
            release[field] = body[field]
    if release["draft"] and body.get("draft") is False:
        _publish(call, release)
    elif not release["draft"] and body.get("draft") is True and release["immutable"]:
        raise ApiError(422, "Cannot make an immutable release a draft")
    return Reply(body=_release_json(call, release))


@route("DELETE", REPO + "/releases/{release_id}")
def delete_release(call: Call) -> Reply:
    del call.state.releases[_release(call)["id"]]
    return Reply(status=204)


@route("GET", REPO + "/releases/{release_id}/assets")
def list_assets(call: Call) -> Reply:
    release = _release(call)
    return Reply(body=[_asset_json(call, release, a) for a in release["assets"]], paginate="")


@route("POST", REPO + "/releases/{release_id}/assets")
def upload_asset(call: Call) -> Reply:
    release = _release(call)
    if release["immutable"]:
        raise ApiError(422, "Cannot upload assets to an immutable release.")
    name = re.sub(r"[^A-Za-z0-9._-]", ".", call.query["name"])
    if any(a["name"] == name for a in release["assets"]):
        raise ApiError(
            422,
            "Validation Failed",
            [{"resource": "ReleaseAsset", "code": "already_exists", "field": "name"}],
        )
    if not call.raw:
        raise ApiError(400, "Bad Content-Length: 0")
    asset = {
        "id": next(call.state.ids),
        "name": name,
        "label": call.query.get("label") or None,
        "content_type": call.headers.get("content-type", "application/octet-stream"),
        "at": call.state.now(),
        "login": call.token.login,
    }
    call.state.assets[asset["id"]] = call.raw
    release["assets"].append(asset)
    return Reply(status=201, body=_asset_json(call, release, asset))


def _asset(call: Call) -> tuple[dict[str, Any], dict[str, Any]]:
    for release in call.state.releases.values():
        for asset in release["assets"]:
            if str(asset["id"]) == call.params["asset_id"] and _visible(call, release):
                return release, asset
    raise ApiError(404, "Not Found")


@route("GET", REPO + "/releases/assets/{asset_id}")
def get_asset(call: Call) -> Reply:
    release, asset = _asset(call)
    if "octet-stream" in call.headers.get("accept", ""):
        return Reply(status=302, location=f"{call.base_url}/_signed/asset/{asset['id']}")
    return Reply(body=_asset_json(call, release, asset))


@route("DELETE", REPO + "/releases/assets/{asset_id}")
def delete_asset(call: Call) -> Reply:
    release, asset = _asset(call)
    if release["immutable"]:
        raise ApiError(422, "Cannot delete an asset of an immutable release.")
    release["assets"].remove(asset)
    return Reply(status=204)
