"""A pull request before the two jobs that decide about it, run as commands: `judge`, then `publish`."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support import trees
from tests.workflows.commands import Commands
from tests.workflows.fake_state import BOT
from tests.workflows.scene import PERMISSIONS as PUBLISHING
from tests.workflows.scene import PUBLISH, zipped
from tests.workflows.world import World

PERMISSIONS = PUBLISH["jobs"]["judge"]["permissions"]
MEMBERS = ("model.tar", "prepared/test.csv", "prepared/train.csv")


class Court:
    """A pull request of `town` and its check run, without the runner; `served` by a storage or without one."""

    def __init__(self, town: World, commands: Commands, *, storage: bool = True) -> None:
        self.town, self.commands, self.fake = town, commands, town.fake
        self.storage, self.run_id, self.number, self.head = storage, 0, 0, ""
        if not storage:
            (town.clone / ".dvc" / "config").write_text("[core]\n    analytics = false\n")
            town.push("main")

    def open(self, branch: str = "topic", *, candidate: Any = "built", **run: Any) -> str:
        """Push the working tree as a pull request and finish its check; the commit."""
        head = self.town.push(branch)
        self.number = self.number or self.town.open_pull(branch, "Change")
        self.town.fake.take_events()
        self.checked(head, branch, candidate=candidate, **run)
        return head

    def checked(self, head: str, branch: str, *, candidate: Any = "built", **run: Any) -> None:
        """A finished check of this commit, with the candidate it built where there is no storage."""
        self.head = head
        self.run_id += 1
        self.fake.state.runs[7000 + self.run_id] = {
            "id": 7000 + self.run_id, "name": "check", "event": "pull_request", "head_sha": head, "head_branch": branch,
            "head_repository": "acme/model", "conclusion": "success", "run_attempt": 1, "workflow_file": "check.yml",
            "created_at": "2026-01-05T09:00:00Z", "updated_at": "2026-01-05T09:00:00Z", "actor": {"login": "ada"},
            **run,
        }  # fmt: skip
        if not self.storage and candidate is not None:
            data = self.built() if candidate == "built" else candidate
            self.fake.state.add_artifact(7000 + self.run_id, "candidate", data)

    def built(self, **changed: bytes) -> bytes:
        """What the check uploads, with other bytes for some members."""
        build = self.town.clone / "build"
        return zipped(
            *((name, changed.get(name.rpartition("/")[2].partition(".")[0], (build / name).read_bytes()))
              for name in MEMBERS)
        )  # fmt: skip

    def judge(
        self, command: str = "ci-judge", *, permissions: dict[str, str] | None = None, code: int = 0
    ) -> dict[str, Any]:
        """Run a command of the job in a fresh checkout of main; its report."""
        folder = self.checkout("judge")
        if not self.storage:
            # No release is on GitHub here: the model in production comes from a cache.
            trees.copy(self.town.storage / "files", folder / ".dvc" / "cache" / "files")
        self.output = self.town.folder / "output"
        self.output.write_text("")
        granted = PERMISSIONS if permissions is None else permissions
        env = self.environment("judge", granted) | {"GITHUB_OUTPUT": str(self.output)}
        self.done = self.commands.run(command, cwd=folder, env=env)
        assert self.done.code == code, self.done.output
        path = folder / "reports" / "check.json"
        return json.loads(path.read_text()) if path.exists() else {}

    def decide(self, *, code: int = 0) -> tuple[str, str]:
        """Both jobs as publish.yml strings them together: (state of model-gate, our comment) of the newest commit.

        Without a status the state is "expected", as GitHub calls it: a required status keeps such a commit from main.
        """
        report = self.judge("ci-look", code=code)
        if "model=true" in self.output.read_text():
            report = self.judge(code=code)
        folder = self.checkout("publish")
        if "verdict=true" in self.output.read_text():
            (folder / "verdict").mkdir()
            (folder / "verdict" / "check.json").write_text(json.dumps(report))
        self.done = self.commands.run(
            "publish", cwd=folder, env=self.environment("publish", PUBLISHING)
        )
        assert self.done.code == code, self.done.output
        status = self.fake.latest_status(self.head)
        said = [c["body"] for c in self.fake.comments_on(self.number) if c["login"] == BOT]
        assert len(said) < 2
        return str(status["state"]) if status else "expected", "".join(said)

    def checkout(self, job: str) -> Path:
        """main, as a job of the newest check run gets it."""
        folder = self.town.folder / f"{job}-{self.run_id}"
        shutil.rmtree(folder, ignore_errors=True)
        origin = str(self.fake.git.path)
        subprocess.run(["git", "clone", "-q", origin, str(folder)], check=True)
        return folder

    def environment(self, job: str, permissions: dict[str, str]) -> dict[str, str]:
        event = self.town.folder / "event.json"
        event.write_text(json.dumps({"workflow_run": {"id": 7000 + self.run_id}}))
        return {
            "GITHUB_REPOSITORY": "acme/model", "GITHUB_API_URL": self.fake.url, "GITHUB_SERVER_URL": self.fake.url,
            "GITHUB_ACTIONS": "true", "GITHUB_API_PACE": "0", "GITHUB_EVENT_PATH": str(event),
            "GITHUB_TOKEN": self.fake.job_token(job, permissions),
            "GITHUB_STEP_SUMMARY": str(self.town.folder / "summary.md"),
            "DVC_CONFIG_LOCAL": self.town.runner.secrets["DVC_CONFIG_LOCAL"] if self.storage else "",
        }  # fmt: skip


@pytest.fixture
def court(served: World, commands: Commands) -> Court:
    return Court(served, commands)


@pytest.fixture
def bare_court(served: World, commands: Commands) -> Court:
    return Court(served, commands, storage=False)
