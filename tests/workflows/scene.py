"""One pull request of the fake GitHub and the job that publishes: what the tests of `publish` share."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import warnings
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.support.places import TEMPLATE
from tests.workflows import filters
from tests.workflows.bare_git import BareGit, put_workflow
from tests.workflows.commands import Commands, Done, Running
from tests.workflows.fake_github import FakeGitHub
from tests.workflows.fake_state import BOT

PUBLISH = filters.load((TEMPLATE / ".github/workflows/publish.yml").read_text())
PERMISSIONS = PUBLISH["jobs"]["publish"]["permissions"]


class Scene:
    """A pull request on the fake GitHub and a trusted checkout to publish from."""

    def __init__(self, fake: FakeGitHub, commands: Commands, rendered: Path, folder: Path) -> None:
        self.fake, self.commands, self.folder = fake, commands, folder / "trusted"
        subprocess.run(["git", "init", "-q", "-b", "main", str(self.folder)], check=True)
        for name in ("contract.yaml", "gates.yaml", "params.yaml", "production.yaml"):
            shutil.copy(rendered / name, self.folder / name)
        self.produce("a" * 64)
        self.number = 0
        self.run_id = 7000

    def produce(self, sha256: str | None) -> None:
        stable = f"{{model: flight-delay-v1, sha256: {sha256}}}" if sha256 else "null"
        (self.folder / "production.yaml").write_text(
            f"stable: {stable}\nprevious: null\ncanary: null\nshadow: null\nfreeze: null\n"
        )
        for words in (["add", "*.yaml"], ["commit", "-q", "-m", "What main says"]):
            subprocess.run(["git", *words], cwd=self.folder, check=True)

    def push(self, path: str = "dvc.lock", content: str = "1", *, repo: str = "acme/model") -> str:
        """Commit to the pull request's branch, opening it the first time; its new head."""
        git = self.fake.git
        ref = (
            "refs/heads/topic"
            if repo == "acme/model"
            else f"refs/forks/{repo.split('/', maxsplit=1)[0]}/topic"
        )
        tip = git.ref(ref) or git.ref("refs/heads/main")
        assert tip is not None
        blob = git.text("hash-object", "-w", "--stdin", stdin=content.encode())
        env = {"GIT_INDEX_FILE": str(self.folder / "index")}
        git.run("read-tree", tip, env=env)
        git.run("update-index", "--add", "--cacheinfo", f"100644,{blob},{path}", env=env)
        head = git.commit_tree(git.text("write-tree", env=env), [tip], f"Change {path}\n")
        git.update(ref, head)
        if not self.number:
            owner = repo.split("/", maxsplit=1)[0]
            self.number = self.open(f"{owner}:topic")
        return head

    def open(self, head: str, *, base: str = "main") -> int:
        from tests.workflows.fake_api import HANDLERS

        body = {"title": "Topic", "head": head, "base": base}
        with self.fake.state.lock:
            reply = HANDLERS["POST /repos/{owner}/{repo}/pulls"](self.fake.call(body=body))
        return int(reply.body["number"])

    def open_other(self) -> int:
        """A second pull request, which nothing may touch."""
        git = self.fake.git
        tip = git.ref("refs/heads/main")
        assert tip is not None
        tree = git.text("rev-parse", f"{tip}^{{tree}}")
        git.update("refs/heads/other", git.commit_tree(tree, [tip], "Other\n"))
        return self.open("acme:other")

    def checked(
        self, head: str, content: Any, *, repo: str = "acme/model", conclusion: str = "success",
        actor: str = "ada",
    ) -> int:  # fmt: skip
        """A finished check run of `head` whose artifact holds `content` (a report, or the bytes of a zip)."""
        self.run_id += 1
        self.fake.state.runs[self.run_id] = {
            "id": self.run_id, "name": "check", "event": "pull_request", "head_sha": head, "head_branch": "topic",
            "head_repository": repo, "conclusion": conclusion, "run_attempt": 1, "workflow_file": "check.yml",
            "created_at": "2026-01-05T09:00:00Z", "updated_at": "2026-01-05T09:00:00Z",
            "actor": {"login": actor},
        }  # fmt: skip
        if content is not None:
            self.judged(self.run_id, content)
        return self.run_id

    def judged(
        self, run_id: int, content: Any, *, file: str = "publish.yml", event: str = "workflow_run"
    ) -> int:
        """A run whose judge found `content` (a report, or the bytes of a zip) about this check run."""
        judge = 100_000 + len(self.fake.state.runs)
        self.fake.state.runs[judge] = {
            **self.fake.state.runs[run_id], "id": judge, "name": "publish", "event": event, "workflow_file": file,
            "head_branch": "main", "head_sha": self.fake.git.ref("refs/heads/main"), "conclusion": None,
        }  # fmt: skip
        data = (
            content if isinstance(content, bytes) else {"check.json": json.dumps(content).encode()}
        )
        self.fake.state.add_artifact(judge, f"verdict-{run_id}", data)
        return judge

    def start(self, run_id: int, *, permissions: dict[str, str] | None = None) -> Running:
        event = self.folder / f"event-{run_id}.json"
        event.write_text(json.dumps({"workflow_run": {"id": run_id}}))
        env = {
            "GITHUB_REPOSITORY": "acme/model", "GITHUB_API_URL": self.fake.url, "GITHUB_SERVER_URL": self.fake.url,
            "GITHUB_ACTIONS": "true", "GITHUB_API_PACE": "0", "GITHUB_EVENT_PATH": str(event),
            "GITHUB_TOKEN": self.fake.job_token("publish", PERMISSIONS if permissions is None else permissions),
            "GITHUB_STEP_SUMMARY": str(self.folder / "summary.md"),
        }  # fmt: skip
        return self.commands.start("publish", cwd=self.folder, env=env)

    def publish(self, run_id: int, **options: Any) -> Done:
        return self.start(run_id, **options).wait()

    def bodies(self) -> list[str]:
        return [c["body"] for c in self.fake.comments_on(self.number) if c["login"] == BOT]

    def status(self, head: str) -> tuple[str, str]:
        found = self.fake.latest_status(head)
        assert found is not None
        return found["state"], found["description"]


@pytest.fixture
def scene(
    fake: FakeGitHub, commands: Commands, rendered: Path, tmp_path: Path, bare: BareGit
) -> Scene:
    put_check_workflow(bare)
    return Scene(fake, commands, rendered, tmp_path)


CHECK = "name: check\non: [pull_request]\njobs: {}\n"


def put_check_workflow(bare: BareGit) -> None:
    put_workflow(bare, CHECK, "check.yml")


def zipped(*members: tuple[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # a name twice is what one forgery is about
                archive.writestr(name, data)
    return buffer.getvalue()
