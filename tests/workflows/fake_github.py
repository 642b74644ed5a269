"""A fake GitHub on 127.0.0.1: REST API, release and artifact downloads, and git over HTTP.

It checks every request against GitHub's OpenAPI description and the permissions of the job whose token
signed it, answers from real state and a real bare repository, and checks its own answers too. Use it as a
context manager in a test, or as a process: `python tests/workflows/fake_github.py BARE_REPO`.
"""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.workflows import (
    fake_actions_routes,
    fake_git_routes,  # noqa: F401 - importing registers the handlers
    fake_issue_routes,  # noqa: F401
    fake_organization_routes,  # noqa: F401
    fake_pull_routes,
    fake_release_routes,  # noqa: F401
    fake_repo_routes,  # noqa: F401
    fake_rules,
)
from tests.workflows.bare_git import BareGit
from tests.workflows.fake_api import HANDLERS, ApiError, Call, Reply
from tests.workflows.fake_state import BOT, Event, Fault, Recorded, State, Token
from tests.workflows.openapi import Description, Operation, complete

DESCRIPTION = Description()
GIT_PATH = re.compile(
    r"/(?P<repo>[^/]+/[^/]+?)(?:\.git)?/(?P<rest>info/refs|git-upload-pack|git-receive-pack)"
)
YAML_SCOPES = {"pull-requests": "pull_requests", "artifact-metadata": "artifact_metadata"}


class FakeGitHub:
    """One repository, `full_name`, with its bare git repository and API server."""

    def __init__(self, bare: Path, full_name: str = "acme/model", *, pace: float = 0.0) -> None:
        self.git = BareGit(bare)
        self.full_name = full_name
        self.state = State()
        self.settings = self.state.settings
        self.state.tokens["ghp_owner0123456789"] = Token(login="acme")
        # Called with (number of the call, "before" | "after"); a test may kill its client here.
        self.on_call: Callable[[int, str], None] = lambda number, phase: None
        self._calls = 0
        self._server = _Server(("127.0.0.1", 0), _Handler)
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
            raise NotImplementedError(operation.key)
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


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256
    fake: FakeGitHub

    def handle_error(self, request: Any, client_address: Any) -> None:
        error = sys.exc_info()[1]
        if not isinstance(error, (ConnectionError, BrokenPipeError)):
            self.fake.state.violations.append("fake crashed: " + traceback.format_exc(limit=-3))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Head and body in one packet: two would wait for each other's acknowledgement, 40 ms a request.
    wbufsize = -1
    disable_nagle_algorithm = True
    server: _Server

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def _serve(self) -> None:
        fake, split = self.server.fake, urlsplit(self.path)
        raw = self._body()
        if found := GIT_PATH.fullmatch(split.path):
            number = fake.next_call()
            fake.on_call(number, "before")
            self._git(found["repo"], found["rest"], split.query, raw, number)
            return
        if split.path.startswith("/_signed/"):
            self._signed(split.path)
            return
        if split.path == "/_upload/artifact":
            query = parse_qs(split.query)
            self._send(*fake_actions_routes.upload_artifact(fake.state, query, raw), {})
            return
        if "/releases/download/" in split.path and not split.path.startswith("/repos/"):
            self._release_download(split.path)
            return
        number = fake.next_call()
        fake.on_call(number, "before")
        fault = fake.fault_for(self.command, split.path)
        if fault and not fault.applied:
            self._fail(fault)
            return
        token = self._token()
        headers = {k.lower(): v for k, v in self.headers.items()}
        matched = DESCRIPTION.match(self.command, split.path)
        if token is None:
            status, body, extra = 401, {"message": "Bad credentials"}, {}
        elif matched is None:
            fake.state.violations.append(
                f"no such operation in the fixture: {self.command} {split.path}"
            )
            status, body, extra = 404, {"message": "Not Found"}, {}
        else:
            query = parse_qs(split.query, keep_blank_values=True)
            try:
                status, body, extra = fake.answer(
                    matched[0], matched[1], query, headers, raw, token
                )
            except ApiError as error:
                status, body, extra = error.status, error.body, {}
            except Exception:
                fake.state.violations.append("fake crashed: " + traceback.format_exc(limit=-4))
                status, body, extra = 500, {"message": fake.state.violations[-1]}, {}
        fake.state.calls.append(
            Recorded(
                number=number, method=self.command, path=self.path, status=status, headers=headers,
                operation=matched[0].key if matched else "", job=token.job if token else "",
                permissions=matched[0].permissions if matched else [],
            )
        )  # fmt: skip
        fake.on_call(number, "after")
        if fault:
            self._fail(fault)
            return
        self._send(status, None if body is None else json.dumps(body).encode(), extra)

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _serve

    def _body(self) -> bytes:
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            chunks = []
            while size := int(self.rfile.readline().strip() or b"0", 16):
                chunks.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(chunks)
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _token(self) -> Token | None:
        kind, _, value = self.headers.get("Authorization", "").partition(" ")
        if kind.lower() == "basic":
            value = base64.b64decode(value).decode().partition(":")[2]
        return self.server.fake.state.tokens.get(value)

    def _send(self, status: int, body: bytes | None, headers: dict[str, str]) -> None:
        try:
            self.send_response(status)
            headers.setdefault("Content-Type", "application/json; charset=utf-8")
            headers.setdefault("X-RateLimit-Remaining", "999")
            headers.setdefault("X-RateLimit-Limit", "1000")
            headers.setdefault("X-RateLimit-Reset", "4000000000")
            for name, value in headers.items():
                self.send_header(name, value)
            if status != 204:
                self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            if body and status != 204:
                self.wfile.write(body)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def _fail(self, fault: Fault) -> None:
        if fault.kind == "reset":
            self.close_connection = True
            self.connection.close()
            return
        headers = {"Retry-After": str(fault.retry_after)} if fault.retry_after is not None else {}
        self._send(int(fault.kind), json.dumps({"message": fault.message}).encode(), headers)

    def _signed(self, path: str) -> None:
        _, _, kind, number = path.split("/")
        store = self.server.fake.state
        data = (store.assets if kind == "asset" else store.artifact_bytes).get(int(number))
        if data is None:
            self._send(404, b"", {})
        else:
            self._send(200, data, {"Content-Type": "application/octet-stream"})

    def _release_download(self, path: str) -> None:
        fake = self.server.fake
        tag, name = path.split("/releases/download/")[1].split("/", 1)
        token = self._token()
        if fake.settings.private and (token is None or not token.allows("contents:read")):
            self._send(404, b"", {})
            return
        for release in fake.state.releases.values():
            for asset in release["assets"]:
                if (release["tag_name"], asset["name"], release["draft"]) == (tag, name, False):
                    self._send(302, None, {"Location": f"{fake.url}/_signed/asset/{asset['id']}"})
                    return
        self._send(404, b"", {})

    def _git(self, repo: str, rest: str, query: str, raw: bytes, number: int) -> None:
        """Smart HTTP by git's own `http-backend`, behind the same tokens and permissions."""
        fake, token = self.server.fake, self._token()
        writes = "git-receive-pack" in rest or "git-receive-pack" in query
        needed = "contents:write" if writes else "contents:read"
        if repo != fake.full_name:
            self._send(404, b"", {})
            return
        if token is None:
            self._send(401, b"", {"WWW-Authenticate": 'Basic realm="GitHub"'})
            return
        if not token.allows(needed):
            fake.state.denials.append(f"{token.job or token.login}: git {rest} needs {needed}")
            self._send(403, b"", {})
            return
        before = fake.git.refs() if rest == "git-receive-pack" else {}
        # GitHub answers "GH013: Repository rule violations found for refs/heads/main".
        bound = any(fake_rules.binding(fake.settings, token, api=False))
        if rest == "git-receive-pack" and b" refs/heads/main" in raw[:400] and bound:
            self._send(403, b"GH013: Repository rule violations found for refs/heads/main", {})
            return
        if self.headers.get("Content-Encoding") == "gzip":
            import gzip

            raw = gzip.decompress(raw)
        env = {
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": str(fake.git.path),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": "/" + rest,
            "QUERY_STRING": query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(raw)),
            "REMOTE_USER": token.login,
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "GIT_CONFIG_GLOBAL": os.devnull,
            "FAKE_JOB": "yes" if token.is_job else "no",
            "GIT_CONFIG_COUNT": "3",
            "GIT_CONFIG_KEY_2": "core.hooksPath",
            "GIT_CONFIG_VALUE_2": str(Path(__file__).with_name("hooks")),
            "GIT_CONFIG_KEY_0": "http.receivepack",
            "GIT_CONFIG_VALUE_0": "true",
            "GIT_CONFIG_KEY_1": "safe.directory",
            "GIT_CONFIG_VALUE_1": "*",
        }
        done = subprocess.run(
            ["git", "http-backend"], input=raw, capture_output=True, env=env, check=False
        )
        head, _, body = done.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if ": " in line)
        status = int(headers.pop("Status", "200").split()[0])
        fake.state.calls.append(
            Recorded(
                number=number, method=self.command, path=self.path, status=status, headers={}, operation=f"git {rest}",
                job=token.job, permissions=[needed],
            )
        )  # fmt: skip
        if rest == "git-receive-pack":
            self._pushed(before, token)
        fake.on_call(number, "after")
        self._send(status, body, headers)

    def _pushed(self, before: dict[str, str], token: Token) -> None:
        fake = self.server.fake
        after = fake.git.refs()
        call = fake.call(token=token)
        for ref in sorted(set(before) | set(after)):
            old, new = before.get(ref, "0" * 40), after.get(ref, "0" * 40)
            if old != new:
                call.emit("push", {"ref": ref, "before": old, "after": new})
        main = after.get("refs/heads/main")
        for pull in fake.state.pulls.values():
            # "Indirect merges": a pull request whose head reaches the base branch by a push is marked as merged.
            if pull["state"] == "open" and main and fake.git.is_ancestor(pull["head_sha"], main):
                at = fake.state.now()
                pull |= {"state": "closed", "merged_at": at, "merge_commit_sha": pull["head_sha"]}


def main() -> int:
    with FakeGitHub(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "acme/model") as fake:
        print(json.dumps({"url": fake.url, "token": "ghp_owner0123456789"}), flush=True)
        threading.Event().wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
