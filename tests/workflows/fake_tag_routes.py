"""Tags of the fake GitHub, on the real bare repository."""

from __future__ import annotations

import re
from typing import Any

from tests.workflows.fake_api import REPO, ApiError, Call, Reply, route


def _tag_json(call: Call, sha: str) -> dict[str, Any]:
    raw = call.git.run("cat-file", "tag", sha).decode()
    header, _, message = raw.partition("\n\n")
    fields = dict(line.split(" ", 1) for line in header.splitlines())
    name, email = re.match(r"(.*) <(.*)>", fields["tagger"]).groups()  # type: ignore[union-attr]
    return {
        "sha": sha,
        "tag": fields["tag"],
        "message": message,
        "object": {"sha": fields["object"], "type": fields["type"], "url": ""},
        "tagger": {"name": name, "email": email, "date": ""},
        "url": call.url(f"/git/tags/{sha}"),
    }


@route("GET", REPO + "/git/tags/{tag_sha}")
def get_tag(call: Call) -> Reply:
    if call.git.kind(call.params["tag_sha"]) != "tag":
        raise ApiError(404, "Not Found")
    return Reply(body=_tag_json(call, call.params["tag_sha"]))


@route("POST", REPO + "/git/tags")
def create_tag(call: Call) -> Reply:
    body = call.body
    if call.git.kind(body["object"]) != body["type"]:
        raise ApiError(422, "Object does not exist")
    tagger = body.get("tagger") or {"name": "GitHub", "email": "noreply@github.test"}
    when = tagger.get("date", "2026-01-05T09:00:00Z")
    stamp = call.git.text("var", "GIT_COMMITTER_IDENT", env={"GIT_COMMITTER_DATE": when}).rsplit(
        "> ", 1
    )[1]
    message = body["message"] if body["message"].endswith("\n") else body["message"] + "\n"
    if call.state.settings.tags_are_rewritten:
        # Nothing is documented about the bytes of a message: a signed tag must not rely on them.
        message += "\n"
    text = (
        f"object {body['object']}\ntype {body['type']}\ntag {body['tag']}\n"
        f"tagger {tagger['name']} <{tagger['email']}> {stamp}\n\n{message}"
    )
    sha = call.git.text("mktag", "--no-strict", stdin=text.encode())
    return Reply(status=201, body=_tag_json(call, sha))


@route("GET", REPO + "/tags")
def list_tags(call: Call) -> Reply:
    names = [ref.removeprefix("refs/tags/") for ref in call.git.refs("refs/tags/")]
    listed = [
        {"name": n, "commit": {"sha": call.git.resolve(f"refs/tags/{n}"), "url": ""}}
        for n in sorted(names)
    ]
    return Reply(body=listed, paginate="")
