"""The HTTP side of the fake GitHub: the API, signed downloads, and git over HTTP by git's own server."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
import traceback
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from tests.workflows import fake_actions_routes, fake_rules
from tests.workflows.fake_api import ApiError
from tests.workflows.fake_state import Fault, Recorded, Token

if TYPE_CHECKING:
    from tests.workflows.fake_github import FakeGitHub

GIT_PATH = re.compile(
    r"/(?P<repo>[^/]+/[^/]+?)(?:\.git)?/(?P<rest>info/refs|git-upload-pack|git-receive-pack)"
)


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256
    fake: FakeGitHub

    def handle_error(self, request: Any, client_address: Any) -> None:
        error = sys.exc_info()[1]
        if not isinstance(error, (ConnectionError, BrokenPipeError)):
            self.fake.state.violations.append("fake crashed: " + traceback.format_exc(limit=-3))


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Head and body in one packet: two would wait for each other's acknowledgement, 40 ms a request.
    wbufsize = -1
    disable_nagle_algorithm = True
    server: Server

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
        matched = fake.description.match(self.command, split.path)
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
