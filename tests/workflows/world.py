"""A small GitHub: the fake, the generated repository in it, and workflows that start when their filters say so.

`World.settle` takes the events that happened, starts exactly the workflows whose `on:` matches, and goes on until
nothing happens any more, as GitHub would. Concurrency groups are served one after the other.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

from tests.support import trees
from tests.support.warm import Warm
from tests.workflows import fake_queue, filters
from tests.workflows.act_runner import ActRunner, Result
from tests.workflows.fake_actions_routes import run_json
from tests.workflows.fake_api import HANDLERS
from tests.workflows.fake_github import FakeGitHub
from tests.workflows.fake_state import Event, Token

ZERO = "0" * 40
# Jobs that run only after another one failed, or when another one said so.
CONDITIONAL = {
    "deploy.yml": {"revert"},
    "release.yml": {"release"},
    "monitor.yml": {"retrain", "propose", "revert"},
}


def empty_origin(folder: Path) -> Path:
    """A bare repository without a commit in `folder`."""
    bare = folder / "origin.git"
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(bare)], check=True)
    return bare


class World:
    """`origin` behind the fake, a developer's clone, and the runner."""

    def __init__(self, fake: FakeGitHub, folder: Path, warm: Warm) -> None:
        self.fake, self.folder, self.warm = fake, folder, warm
        self.runner = ActRunner(fake, folder, python=warm.python)
        self.runner.environment["GITHUB_API_PACE"] = "0"
        self.clone = folder / "clone"
        self.results: list[Result] = []

    # -- what people do -------------------------------------------------------------------------------

    def git(self, *words: str) -> str:
        done = subprocess.run(
            ["git", *words], cwd=self.clone, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"git {words}: {done.stderr}"
        return done.stdout.strip()

    def adopt(self, generated: Path) -> None:
        """The generated repository becomes the clone; nothing is pushed yet."""
        trees.copy(generated, self.clone)
        if not (self.clone / ".git").exists():
            self.git("init", "-q", "-b", "main")
        self.git("remote", "add", "origin", str(self.fake.git.path))

    def take_over(self, source: Path) -> None:
        """Bring another training's parameters, lock and outputs into the clone, as after `make train`."""
        for name in ("params.yaml", "dvc.lock", "data/raw.dvc", "build", "reports", ".dvc/cache"):
            target = self.clone / name
            if (source / name).is_dir():
                trees.copy(source / name, target)
            else:
                shutil.copy(source / name, target)

    def bring(self, source: Path) -> None:
        """Another training's parameters, lock and outputs, as after `make train` and `dvc push`."""
        for name in ("params.yaml", "dvc.lock", "data/raw.dvc"):
            shutil.copy(source / name, self.clone / name)
        for name in ("build", "reports"):
            trees.copy(source / name, self.clone / name)
        trees.copy(source / ".dvc" / "cache" / "files", self.storage / "files")

    @property
    def storage(self) -> Path:
        """The DVC remote of this world."""
        return self.folder / "objects"

    def own_storage(self, before: Path) -> None:
        """A copy of the remote `before`, which belongs to all tests; jobs learn its place by the secret."""
        trees.copy(before / "files", self.storage / "files")
        local = f"['remote \"store\"']\n    url = {self.storage}\n"
        (self.clone / ".dvc" / "config.local").write_text(local)
        self.runner.secrets["DVC_CONFIG_LOCAL"] = local

    def dvc(self, *words: str) -> None:
        """A dvc command in the clone."""
        run(self.warm, "dvc", *words, folder=self.clone)

    def push(self, branch: str, *, actor: str = "ada") -> str:
        """Commit everything on `branch`, push it, and raise the events of a push by a person."""
        self.git("checkout", "-q", "-B", branch)
        self.git("add", "-A")
        if self.git("status", "--porcelain"):
            self.git("commit", "-q", "--no-verify", "-m", f"Work on {branch}")
        before = self.fake.git.ref(f"refs/heads/{branch}") or ZERO
        self.git("push", "-q", "origin", branch)
        after = self.git("rev-parse", "HEAD")
        self.fake.emit(
            "push", {"ref": f"refs/heads/{branch}", "before": before, "after": after}, actor
        )
        for pull in list(self.fake.state.pulls.values()):
            if (
                pull["state"] == "open"
                and pull["head"] == branch
                and pull["head_repo"] == self.fake.full_name
            ):
                self.pull_event(pull["number"], "synchronize", actor)
        return after

    def call(self, key: str, *, login: str = "ada", **fields: Any) -> Any:
        """Call an API handler as a person would through the web page."""
        with self.fake.state.lock:
            return HANDLERS[key](self.fake.call(token=Token(login=login), **fields)).body

    def open_pull(self, branch: str, title: str, *, login: str = "ada") -> int:
        body = {"title": title, "head": branch, "base": "main", "body": ""}
        return int(self.call("POST /repos/{owner}/{repo}/pulls", login=login, body=body)["number"])

    def pull_event(self, number: int, action: str, actor: str) -> None:
        payload = {
            "action": action,
            "number": number,
            "pull_request": self.fake.pull_payload(number),
        }
        self.fake.emit("pull_request", payload, actor)

    def merge(self, number: int, method: str = "squash") -> str:
        key = "PUT /repos/{owner}/{repo}/pulls/{pull_number}/merge"
        merged = self.call(key, params={"pull_number": str(number)}, body={"merge_method": method})
        self.git("fetch", "-q", "--tags", "origin")
        self.git("checkout", "-q", "-B", "main", "origin/main")
        return str(merged["sha"])

    def enqueue(self, number: int) -> dict[str, Any]:
        """Add a pull request to the merge queue; its group, as the event names it."""
        with self.fake.state.lock:
            return fake_queue.enqueue(self.fake.call(token=Token(login="ada")), number)

    def dispatch(self, workflow: str, **inputs: str) -> None:
        key = "POST /repos/{owner}/{repo}/actions/workflows/{workflow_id}/dispatches"
        self.call(key, params={"workflow_id": workflow}, body={"ref": "main", "inputs": inputs})

    # -- what GitHub does -----------------------------------------------------------------------------

    def settle(self, *, expect_failure: tuple[str, ...] = ()) -> list[Result]:
        """Run what the events start, until all is quiet. A workflow not in `expect_failure` must end well."""
        done: list[Result] = []
        while events := self.fake.take_events():
            for event in events:
                for file in sorted(self.started(event)):
                    result = self.run(file, event)
                    done.append(result)
                    if file not in expect_failure:
                        assert result.conclusion == "success", f"{file}\n{result.log[-6000:]}"
        self.results += done
        return done

    def started(self, event: Event) -> set[str]:
        payload = event.payload
        workflows = self.workflows("main")
        if event.name == "push":
            if payload["after"] == ZERO:
                return set()
            return filters.started(
                workflows, "push", ref=payload["ref"], files=self.pushed_files(payload)
            )
        if event.name == "pull_request":
            number = payload["number"]
            changed = [p for _, p in self.fake.git.changed("main", f"refs/pull/{number}/head")]
            return filters.started(
                workflows, "pull_request", action=payload["action"], ref="main", files=changed
            )
        if event.name == "workflow_run":
            run = payload["workflow_run"]
            return filters.started(
                workflows, "workflow_run", action="completed", completed=run["name"]
            )
        if event.name == "workflow_dispatch":
            return {Path(payload["workflow"]).name}
        return filters.started(workflows, event.name, action=payload.get("action", ""))

    def workflows(self, commit: str) -> dict[str, dict[str, Any]]:
        listed = self.fake.git.text(
            "ls-tree", "--name-only", commit, ".github/workflows/"
        ).splitlines()
        return {Path(p).name: filters.load(self.fake.git.read(commit, p) or b"") for p in listed}

    def pushed_files(self, payload: dict[str, Any]) -> list[str]:
        git = self.fake.git
        if payload["before"] == ZERO:
            return git.text("ls-tree", "-r", "--name-only", payload["after"]).splitlines()
        return git.changed_between(payload["before"], payload["after"])

    def run(self, file: str, event: Event, **options: Any) -> Result:
        """One workflow run for one event; its completion is an event itself."""
        git, payload = self.fake.git, dict(event.payload)
        main = git.resolve("main") or ZERO
        commit, ref, head, branch, source, fork = (
            main,
            "refs/heads/main",
            main,
            "main",
            self.fake.full_name,
            False,
        )
        if event.name == "pull_request":
            pull = self.fake.pull_payload(payload["number"])
            payload["pull_request"] = pull
            head, branch = pull["head"]["sha"], pull["head"]["ref"]
            source = pull["head"]["repo"]["full_name"]
            fork = source != self.fake.full_name or event.actor == "dependabot[bot]"
            merged = git.merge(main, head, "merge", f"Merge {head} into {main}\n")
            assert merged is not None, "the pull request has conflicts"
            ref = f"refs/pull/{payload['number']}/merge"
            git.update(ref, merged)
            commit = merged
        elif event.name == "merge_group":
            commit = head = payload["merge_group"]["head_sha"]
            ref = payload["merge_group"]["head_ref"]
            branch = ref.removeprefix("refs/heads/")
        elif event.name == "push":
            commit = head = payload["after"]
            ref = payload["ref"]
            branch = ref.removeprefix("refs/heads/")
        options.setdefault("optional", frozenset(CONDITIONAL.get(file, ())))
        number = self.register(file, event, head=head, branch=branch, source=source)
        result = self.runner.run(
            file, Event(name=event.name, payload=payload, actor=event.actor), commit=commit, ref=ref, fork=fork,
            run_id=number, inputs=payload.get("inputs") or {}, **options,
        )  # fmt: skip
        record = self.fake.state.runs[number]
        record |= {"conclusion": result.conclusion, "failed_steps": result.failed_steps}
        with self.fake.state.lock:
            described = run_json(self.fake.call(), record)
        self.fake.emit(
            "workflow_run", {"action": "completed", "workflow_run": described}, event.actor
        )
        return result

    def register(self, file: str, event: Event, *, head: str, branch: str, source: str) -> int:
        with self.fake.state.lock:
            number = next(self.fake.state.ids)
            self.fake.state.runs[number] = {
                "id": number, "name": Path(file).stem, "event": event.name, "head_sha": head, "head_branch": branch,
                "head_repository": source, "conclusion": None, "run_attempt": 1, "workflow_file": file,
                "created_at": self.fake.state.now(), "updated_at": self.fake.state.now(),
                "actor": {"login": event.actor},
            }  # fmt: skip
        return number


def run(warm: Warm, module: str, *words: str, folder: Path) -> None:
    """`python -P -m MODULE WORDS`, which must end well."""
    done = warm.run("-m", module, *words, cwd=folder, env=warm.environment())
    assert done.code == 0, done.output


def data(folder: Path, warm: Warm) -> None:
    """`make data` of a generated repository."""
    run(warm, "gitops_model", "data", folder=folder)
    run(warm, "dvc", "add", "-q", "data/raw", folder=folder)


def train(folder: Path, warm: Warm, *stages: str) -> None:
    """`make train` of a generated repository, or some of its stages."""
    run(warm, "dvc", "repro", "-q", *stages, folder=folder)
