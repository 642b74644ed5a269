"""`ci-deploy`: make what serves equal to what main says now, and leave a GitHub Deployment that says how it went.

Three ways, chosen by the repository variable DEPLOY. `runner`: this runner stands on the serving host and writes the
store. `agent`: a host that polls Git does it, this waits until its service says so. Anything else is a rehearsal:
store, service and golden requests on this runner, which is then thrown away.
"""

from __future__ import annotations

import argparse
import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gitops_model.actions import check as check_job
from gitops_model.actions import client
from gitops_model.delivery import confirm, deploy, desired, service
from gitops_model.delivery.desired import Desired
from gitops_model.delivery.git import Git
from gitops_model.delivery.pointer_file import describe
from gitops_model.delivery.programs import COMMAND
from gitops_model.delivery.store import Store
from gitops_model.errors import BadInput, ExternalFailure, GitopsError

if TYPE_CHECKING:
    from github.Repository import Repository

ENVIRONMENTS = {"runner": "production", "agent": "production", "rehearsal": "rehearsal"}
AGENT_SECONDS = 600.0
POLL_SECONDS = 1.0
START_SECONDS = 60.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `ci-deploy`: none; the job's environment says everything."""


def run(args: argparse.Namespace) -> int:
    """Exit 0 when the service was seen to serve what main names; else the error's code, the former model serving on."""
    job = client.Run.from_environ(os.environ)
    git = Git.open(Path())
    mode = chosen_mode(os.environ.get("DEPLOY", ""))
    try:
        with client.git_as(job):
            wanted = desired.resolve(git)
    except GitopsError as error:
        job.summarise(f"### ❌ Nothing is deployed\n\n{error}")
        raise
    # For the job that proposes to take back what could not be deployed.
    job.set_output("commit", wanted.commit)
    stable = wanted.pointer.stable
    if stable is None:
        job.summarise("production.yaml names no release yet, so there is nothing to deploy.")
        return 0
    repository = client.connect(job)
    record = Record(
        repository, job, commit=wanted.commit, model=stable.model, environment=ENVIRONMENTS[mode]
    )
    record.say("in_progress", f"{mode}: deploying {stable.model}")
    try:
        check_job.write_credentials(git.root, os.environ)
        with client.git_as(job):
            sentence = DEPLOYS[mode](git, wanted)
    except (GitopsError, OSError) as error:
        record.say("failure", str(error))
        more = "\n\n".join([str(error), *getattr(error, "__notes__", ())])
        job.summarise(f"### ❌ {stable.model} is not live\n\n{more}")
        raise
    record.say("success", sentence)
    job.summarise(f"### ✅ {sentence}")
    print(f"ci-deploy: {sentence}")
    return 0


def chosen_mode(text: str) -> str:
    """The value of the variable DEPLOY as a mode. Raises BadInput for a word that is none."""
    mode = text.strip() or "rehearsal"
    if mode not in ENVIRONMENTS:
        raise BadInput(
            f"the repository variable DEPLOY is '{mode}'; allowed: {', '.join(ENVIRONMENTS)} (or unset)."
        )
    return mode


class Record:
    """A GitHub Deployment of one commit. What cannot be recorded is said, and stops no deployment."""

    def __init__(
        self, repository: Repository, job: client.Run, *, commit: str, model: str, environment: str
    ) -> None:
        self._repository, self._job, self._environment = repository, job, environment
        self._id: int | None = None
        body: dict[str, Any] = {
            "ref": commit,
            "environment": environment,
            "description": f"{model}",
            "auto_merge": False,
            "required_contexts": [],
            "production_environment": environment == "production",
        }
        answer = self._post("/deployments", body)
        if answer is not None:
            self._id = answer.get("id")

    def say(self, state: str, description: str) -> None:
        """Add a status: in_progress, success or failure."""
        if self._id is None:
            return
        text = " ".join(description.split())
        body = {
            "state": state,
            "description": text if len(text) <= 140 else text[:139] + "…",
            "log_url": self._job.run_url,
        }
        self._post(f"/deployments/{self._id}/statuses", body)
        if state == "success":
            self._retire_former()

    def _retire_former(self) -> None:
        """Call the deployments before this one inactive. GitHub does so by itself, but not for production."""
        query = f"/deployments?environment={self._environment}&per_page=10"
        for former in self._call("GET", query) or ():
            if former["id"] == self._id:
                continue
            path = f"/deployments/{former['id']}/statuses"
            last = next(iter(self._call("GET", path) or ()), {"state": "pending"})["state"]
            if last == "inactive":
                return
            if last not in ("failure", "error"):
                self._post(path, {"state": "inactive", "log_url": self._job.run_url})

    def _post(self, path: str, body: dict[str, Any]) -> Any:
        return self._call("POST", path, body)

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        try:
            with client.calling("record the deployment"):
                _, data = self._repository.requester.requestJsonAndCheck(
                    method, self._repository.url + path, input=body
                )
        except ExternalFailure as error:
            self._job.annotate(
                "warning", f"The deployment goes on without a record on GitHub. {error}"
            )
            return None
        return data


def on_this_host(git: Git, wanted: Desired) -> str:
    """Fill the store of this host and see its service serve it."""
    store = os.environ.get("STORE", "").strip()
    goal = deploy.target(git, store=Path(store) if store else None, required=True)
    deploy.deploy(git, goal)
    # main may have moved on since the job began, and what it says now was deployed.
    stored = goal.store.read()
    words = describe(stored.pointer if stored else wanted.pointer)
    return f"{words} is live on this host, its golden requests answered as recorded"


def by_agent(git: Git, wanted: Desired) -> str:
    """Wait until the service says that it serves what main says: `wanted`, or what came after it meanwhile."""
    url = os.environ.get("SERVICE_URL", "").strip().rstrip("/")
    url = url or service.address(service.settings(git.root)) or ""
    if not url.startswith(("http://", "https://")):
        raise BadInput(
            f"the repository variable SERVICE_URL is '{url}'; allowed: the address of the service that serves. "
            "Example: http://10.0.0.7:8080"
        )
    until = time.monotonic() + float(os.environ.get("AGENT_SECONDS") or AGENT_SECONDS)
    looked_up = wanted.commit
    while True:
        try:
            state = service.status(url)
            seen = _seen(state)
        except ExternalFailure as error:
            # A proxy in front of a service that starts anew: it may come yet.
            state, seen = None, f"nothing: {error}"
        commit = str(((state or {}).get("desired") or {}).get("commit") or looked_up)
        if commit not in (wanted.commit, looked_up):
            wanted, looked_up = desired.resolve(git), commit
        if state is not None and confirm.serves(state["live"], wanted.pointer):
            return f"{describe(wanted.pointer)} is live at {url}: the agent deployed it"
        if time.monotonic() > until:
            raise ExternalFailure(
                f"the service at {url} was to serve {describe(wanted.pointer)} by now, and serves {seen.rstrip('.')}. "
                "The agent on its host (make deploy WATCH=1) says why."
            )
        time.sleep(POLL_SECONDS)


def _seen(state: Mapping[str, Any] | None) -> str:
    """What a service serves, and what it says against the rest, in words."""
    if state is None:
        return "nothing: it does not answer"
    live = state["live"]
    words = [live["stable"]["model"] if live.get("stable") else "no model"]
    if canary := live.get("canary"):
        words.append(f"canary {canary['model']} at {canary['percent']:g} %")
    if shadow := live.get("shadow"):
        words.append(f"shadow {shadow['model']}")
    return ", ".join(words) + "".join(f" ({error['sentence']})" for error in state["errors"][:1])


def rehearse(git: Git, wanted: Desired) -> str:
    """Deploy to a store and a service of our own, and throw both away."""
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "store"
        store.mkdir()
        with _service(git.root, store) as url:
            goal = deploy.Target(store=Store(folder=store), url=url, required=True)
            deploy.deploy(git, goal, ref=wanted.commit)
    return (
        f"Rehearsed: {describe(wanted.pointer)} loads, answers its golden requests as recorded, and would serve. "
        "Nothing that serves was touched (set the repository variable DEPLOY to change that)"
    )


@contextmanager
def _service(root: Path, store: Path) -> Iterator[str]:
    """A service on a free port of this machine, ended afterwards."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    command = [*COMMAND, "serve", "--store", str(store), "--port", str(port)]
    with subprocess.Popen(command, cwd=root) as process:
        try:
            until = time.monotonic() + START_SECONDS
            while service.status(url) is None:
                if process.poll() is not None or time.monotonic() > until:
                    raise ExternalFailure(
                        "the service for the rehearsal did not start; the lines above say why."
                    )
                time.sleep(0.1)
            yield url
        finally:
            process.terminate()


DEPLOYS = {"runner": on_this_host, "agent": by_agent, "rehearsal": rehearse}
