"""A fake GitHub on 127.0.0.1: REST API, release and artifact downloads, and git over HTTP.

It checks every request against GitHub's OpenAPI description and the permissions of the job whose token
signed it, answers from real state and a real bare repository, and checks its own answers too. Use it as a
context manager in a test, or as a process: `python tests/workflows/fake_github.py BARE_REPO`.
"""

from __future__ import annotations

import json
import re
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.workflows import (
    fake_deployment_routes,  # noqa: F401
    fake_git_routes,  # noqa: F401 - importing registers the handlers
    fake_issue_routes,  # noqa: F401
    fake_organization_routes,  # noqa: F401
    fake_pull_routes,
    fake_release_routes,  # noqa: F401
    fake_repo_routes,  # noqa: F401
    fake_tag_routes,  # noqa: F401
)
from tests.workflows.bare_git import BareGit
from tests.workflows.fake_api import HANDLERS, Call, Reply
from tests.workflows.fake_http import Handler, Server
from tests.workflows.fake_state import BOT, Event, Fault, State, Token
from tests.workflows.openapi import Description, Operation, complete

DESCRIPTION = Description()
YAML_SCOPES = {"pull-requests": "pull_requests", "artifact-metadata": "artifact_metadata"}


class FakeGitHub:
    """One repository, `full_name`, with its bare git repository and API server."""

    description = DESCRIPTION

    def __init__(self, bare: Path, full_name: str = "acme/model", *, pace: float = 0.0) -> None:
        self.git = BareGit(bare)
        self.full_name = full_name
        self.state = State()
        self.settings = self.state.settings
        self.state.tokens["ghp_owner0123456789"] = Token(login="acme")
        # Called with (number of the call, "before" | "after"); a test may kill its client here.
        self.on_call: Callable[[int, str], None] = lambda number, phase: None
        self._calls = 0
        self._server = Server(("127.0.0.1", 0), Handler)
        self._server.fake = self
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), daemon=True
        )

    def __enter__(self) -> FakeGitHub:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    # -- what tests say to it ---------------------------------------------------------------------

    def person(self, login: str) -> str:
        """A token of a person with every right."""
        token = f"ghp_{login}0123456789"
        self.state.tokens[token] = Token(login=login)
        return token

    def job_token(self, job: str, permissions: dict[str, str], *, fork: bool = False) -> str:
        """The token GitHub would give a job with this `permissions:` block (names as in the YAML)."""
        with self.state.lock:
            token = f"ghs_{re.sub('[^A-Za-z0-9]', '', job)}{next(self.state.ids):010d}"
            scopes = {YAML_SCOPES.get(name, name): level for name, level in permissions.items()}
            self.state.tokens[token] = Token(login=BOT, permissions=scopes, job=job, fork=fork)
        return token

    def fault(self, **kind: Any) -> None:
        self.state.faults.append(Fault(**kind))

    def take_events(self) -> list[Event]:
        with self.state.lock:
            events, self.state.events[:] = list(self.state.events), []
        return events

    def used_scopes(self, job: str) -> set[str]:
        """The permissions this job's successful calls needed, as `scope:level` alternatives joined by `|`."""
        return {
            "|".join(call.permissions)
            for call in self.state.calls
            if call.job == job and call.status < 400
        }

    def pull(self, number: int) -> dict[str, Any]:
        return self.state.pulls[number]

    def pull_payload(self, number: int) -> dict[str, Any]:
        with self.state.lock:
            return fake_pull_routes.pull_json(self.call(), self.state.pulls[number])

    def comments_on(self, number: int) -> list[dict[str, Any]]:
        mine = [c for c in self.state.comments.values() if c["number"] == number]
        return sorted(mine, key=lambda c: c["id"])

    def latest_status(self, sha: str, context: str = "model-gate") -> dict[str, Any] | None:
        mine = [s for s in self.state.statuses if (s["sha"], s["context"]) == (sha, context)]
        return mine[-1] if mine else None

    def emit(self, name: str, payload: dict[str, Any], actor: str = "acme") -> None:
        with self.state.lock:
            self.state.events.append(Event(name=name, payload=payload, actor=actor))

    # -- answering ----------------------------------------------------------------------------------

    def call(self, **fields: Any) -> Call:
        defaults: dict[str, Any] = {
            "params": {}, "query": {}, "body": None, "raw": b"", "headers": {}, "token": Token(login="acme"),
        }  # fmt: skip
        return Call(
            **{**defaults, **fields},
            state=self.state, git=self.git, base_url=self.url, full_name=self.full_name,
        )  # fmt: skip

    def fault_for(self, method: str, path: str) -> Fault | None:
        for fault in self.state.faults:
            if (
                fault.times > 0
                and re.fullmatch(fault.method, method)
                and re.search(fault.path, path)
            ):
                fault.times -= 1
                return fault
        return None

    def next_call(self) -> int:
        with self.state.lock:
            self._calls += 1
            return self._calls

    def reset_calls(self) -> None:
        with self.state.lock:
            self._calls = 0

    def answer(
        self, operation: Operation, params: dict[str, str], query: dict[str, list[str]], headers: dict[str, str],
        raw: bytes, token: Token,
    ) -> tuple[int, Any, dict[str, str]]:  # fmt: skip
        """Authorise, validate and run one request: status, body, extra headers."""
        if not any(token.allows(needed) for needed in operation.permissions):
            self.state.denials.append(
                f"{token.job or token.login}: {operation.key} needs {operation.permissions}"
            )
            return (
                403,
                {"message": "Resource not accessible by integration", "documentation_url": ""},
                {},
            )
        if "owner" in params and f"{params['owner']}/{params['repo']}" != self.full_name:
            return 404, {"message": "Not Found", "documentation_url": ""}, {}
        problems = DESCRIPTION.request_problems(
            operation, query, headers.get("content-type", ""), raw
        )
        if problems:
            self.state.violations += [f"{operation.key}: {problem}" for problem in problems]
            return (
                422,
                {"message": "Invalid request: " + "; ".join(problems), "documentation_url": ""},
                {},
            )
        upload = operation.spec.get("body", {}).get("type") not in (None, "application/json")
        call = self.call(
            params=params, query={k: v[-1] for k, v in query.items()}, raw=raw, headers=headers, token=token,
            body=json.loads(raw) if raw and not upload else None,
        )  # fmt: skip
        handler = HANDLERS.get(operation.key)
        if handler is None:
            raise LookupError(f"the fake has no handler for {operation.key}")
        with self.state.lock:
            reply = handler(call)
        extra: dict[str, str] = {}
        if reply.paginate is not None:
            extra = _cut_page(call, operation, reply)
        if reply.location:
            return reply.status, None, {"Location": reply.location}
        schema = operation.spec["responses"].get(str(reply.status))
        body = (
            complete(DESCRIPTION, schema, reply.body)
            if schema and reply.body is not None
            else reply.body
        )
        wrong = DESCRIPTION.response_problems(operation, reply.status, body)
        self.state.violations += [
            f"fake's answer to {operation.key}: {problem}" for problem in wrong
        ]
        return reply.status, body, extra


def _cut_page(call: Call, operation: Operation, reply: Reply) -> dict[str, str]:
    """Replace the list in `reply` by the page asked for; the Link header that goes with it."""
    size = min(int(call.query.get("per_page", 30)), 100)
    page = max(int(call.query.get("page", 1)), 1)
    items = reply.body[reply.paginate] if reply.paginate else reply.body
    last = max(1, -(-len(items) // size))
    part = items[(page - 1) * size : page * size]
    if reply.paginate:
        reply.body[reply.paginate] = part
    else:
        reply.body = part

    def link(number: int, rel: str) -> str:
        path = re.sub(r"\{(\w+)\}", lambda m: call.params.get(m[1], ""), operation.path)
        query = "&".join(f"{k}={v}" for k, v in {**call.query, "page": str(number)}.items())
        return f'<{call.base_url}{path}?{query}>; rel="{rel}"'

    links = []
    if page < last:
        links += [link(page + 1, "next"), link(last, "last")]
    if page > 1:
        links += [link(page - 1, "prev"), link(1, "first")]
    return {"Link": ", ".join(links)} if links else {}


def main() -> int:
    with FakeGitHub(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "acme/model") as fake:
        print(json.dumps({"url": fake.url, "token": "ghp_owner0123456789"}), flush=True)
        threading.Event().wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
