"""A repository in which v2 serves and v1 served before, and the jobs of the buttons run in fresh checkouts of it."""

from __future__ import annotations

import json
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml

from gitops_model.delivery import looks
from tests.support import trees
from tests.support.places import TEMPLATE
from tests.workflows import filters
from tests.workflows.bare_git import BareGit
from tests.workflows.commands import Commands, Done, Running
from tests.workflows.fake_github import FakeGitHub

WORKFLOWS = filters.load_all(TEMPLATE / ".github" / "workflows")
MODULES = {
    ("deploy.yml", "deploy"): "ci-deploy",
    ("deploy.yml", "revert"): "ci-revert",
    ("monitor.yml", "revert"): "ci-revert",
    ("rollback.yml", "rollback"): "ci-rollback",
}


class Site:
    """The repository of `shipped`, and jobs run in fresh checkouts of its main."""

    def __init__(self, shipped: Path, commands: Commands, folder: Path) -> None:
        self.commands, self.folder = commands, folder
        trees.copy(shipped / "origin.git", folder / "origin.git")
        self.git = BareGit(folder / "origin.git")
        self.fake = FakeGitHub(folder / "origin.git")
        self.v1, self.v2 = sorted(
            ref.removeprefix("refs/tags/") for ref in self.git.refs("refs/tags/")
        )
        self.runs = 900

    def checkout(self) -> Path:
        self.runs += 1
        folder = self.folder / f"checkout-{self.runs}"
        subprocess.run(
            ["git", "clone", "-q", str(self.folder / "origin.git"), str(folder)], check=True
        )
        origin = f"{self.fake.url}/acme/model.git"
        subprocess.run(["git", "remote", "set-url", "origin", origin], cwd=folder, check=True)
        return folder

    def start(
        self, file: str, job: str, *, without: str = "", run_id: int | None = None, **env: str
    ) -> Running:
        """Begin the command of a job with the permissions its workflow declares, less `without`."""
        checkout = self.checkout()
        base = self.environment(file, job, without=without, run_id=run_id)
        command = f"ci-{job}" if file == "release.yml" else MODULES[file, job]
        return self.commands.start(command, cwd=checkout, env={**base, **env})

    def environment(
        self, file: str, job: str, *, without: str = "", run_id: int | None = None
    ) -> dict[str, str]:
        """What GitHub tells the job, and a token with the permissions its workflow declares, less `without`."""
        declared = WORKFLOWS[file]["jobs"][job]["permissions"]
        granted = {name: level for name, level in declared.items() if name != without}
        return {
            "GITHUB_REPOSITORY": "acme/model", "GITHUB_API_URL": self.fake.url, "GITHUB_SERVER_URL": self.fake.url,
            "GITHUB_ACTIONS": "true", "GITHUB_API_PACE": "0", "GITHUB_RUN_ID": str(run_id or self.runs),
            "GITHUB_TOKEN": self.fake.job_token(f"{file}/{job}", granted), "GITHUB_ACTOR": "ada",
            "GITHUB_STEP_SUMMARY": str(self.folder / "summary.md"), "DVC_NO_ANALYTICS": "1",
        }  # fmt: skip

    def run(self, file: str, job: str, **options: Any) -> Done:
        return self.start(file, job, **options).wait()

    def rollback(self, reason: str = "wrong", **options: Any) -> Done:
        return self.run("rollback.yml", "rollback", REASON=reason, **options)

    def pointer(self) -> dict[str, Any]:
        loaded: dict[str, Any] = yaml.safe_load(self.git.read("main", "production.yaml") or b"")
        return loaded

    def branches(self) -> list[str]:
        """Without the one that every check adds its look to."""
        names = [name.removeprefix("refs/heads/") for name in self.git.refs("refs/heads/")]
        return [name for name in names if name != looks.BRANCH]

    def summary(self) -> str:
        return (self.folder / "summary.md").read_text()


@contextmanager
def served_by_agent(site: Site) -> Iterator[dict[str, str]]:
    """What a deployment needs that waits for an agent; its service serves what main says."""

    class Service(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            pointer = site.pointer()
            live = {role: pointer[role] for role in ("stable", "canary", "shadow")}
            body = json.dumps({"desired": None, "live": live, "errors": []}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Service) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield {"DEPLOY": "agent", "SERVICE_URL": f"http://127.0.0.1:{server.server_address[1]}"}
        server.shutdown()


def put(git: BareGit, path: str, text: str) -> str:
    """Commit one file on main."""
    tip = git.ref("refs/heads/main")
    assert tip is not None
    blob = git.text("hash-object", "-w", "--stdin", stdin=text.encode())
    with tempfile.TemporaryDirectory() as folder:
        env = {"GIT_INDEX_FILE": str(Path(folder) / "index")}
        git.run("read-tree", tip, env=env)
        git.run("update-index", "--add", "--cacheinfo", f"100644,{blob},{path}", env=env)
        tree = git.text("write-tree", env=env)
    sha = git.commit_tree(tree, [tip], f"Change {path}\n")
    git.update("refs/heads/main", sha)
    return sha


def with_canary(site: Site) -> tuple[str, str]:
    """v1 serves and v2 is its canary, at 5 % and then at 10 %: the commit, and the canary's sha256."""
    pointer, commit = site.pointer(), ""
    now, before = pointer["stable"], pointer["previous"]
    for percent in (5, 10):
        canary = {**now, "percent": percent, "key": None}
        text = yaml.safe_dump({**pointer, "stable": before, "previous": None, "canary": canary})
        commit = put(site.git, "production.yaml", text)
    return commit, now["sha256"]
