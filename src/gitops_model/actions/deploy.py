"""`ci-deploy`: make what serves equal to what main says now, and leave a GitHub Deployment that says how it went.

Three ways, chosen by the repository variable DEPLOY. `runner`: this runner stands on the serving host and writes the
store. `agent`: a host that polls Git does it, this waits until its service says so. Anything else is a rehearsal:
store, service and golden requests on this runner, which is then thrown away.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from gitops_model.actions import deployments, linked, storage
from gitops_model.actions.client import Repository
from gitops_model.actions.deployments import Deployment
from gitops_model.actions.job import Job
from gitops_model.delivery import confirm, deploy, desired, programs, service
from gitops_model.delivery.desired import Desired
from gitops_model.delivery.git import Git
from gitops_model.delivery.pointer_file import describe
from gitops_model.delivery.store import Store
from gitops_model.errors import BadInput, ExternalFailure, GitopsError
from gitops_model.formats.serving import address
from gitops_model.progress import Progress

ENVIRONMENTS = {"runner": "production", "agent": "production", "rehearsal": "rehearsal"}
AGENT_SECONDS = 600.0
POLL_SECONDS = 1.0
START_SECONDS = 60.0


def run() -> int:
    """Exit 0 when the service was seen to serve what main names; else an error, and what is served stays."""
    job = Job.from_environ(os.environ)
    git = Git.open(Path())
    mode = chosen_mode(os.environ.get("DEPLOY", ""))
    try:
        with job.git_access():
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
    repository, environment = Repository(job), ENVIRONMENTS[mode]
    record = Deployment(
        repository,
        job,
        commit=wanted.commit,
        served=stable,
        environment=environment,
    )
    record.say("in_progress", f"{mode}: deploying {stable.model}")
    try:
        storage.write_credentials(git.root, os.environ)
        with job.git_access(), stoppable():
            sentence = DEPLOYS[mode](git, wanted)
    except (GitopsError, OSError) as error:
        record.say("failure", str(error))
        more = "\n\n".join([str(error), *getattr(error, "__notes__", ())])
        job.summarise(f"### ❌ {stable.model} is not live\n\n{more}")
        raise
    record.say("success", sentence)
    if environment == "production":
        linked.record(repository, stable, environment=environment)
    job.summarise(f"### ✅ {sentence}")
    print(f"ci-deploy: {sentence}")
    return 0


@contextmanager
def stoppable() -> Iterator[None]:
    """Make a failure like any other of a cancelled run: the runner sends SIGINT, then SIGTERM, then kills."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise ExternalFailure(deployments.STOPPED)

    before = {which: signal.signal(which, stop) for which in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for which, handler in before.items():
            signal.signal(which, handler)


def chosen_mode(text: str) -> str:
    """The value of the variable DEPLOY as a mode. Raises BadInput for a word that is none."""
    mode = text.strip() or "rehearsal"
    if mode not in ENVIRONMENTS:
        raise BadInput(
            f"the repository variable DEPLOY is '{mode}'; allowed: {', '.join(ENVIRONMENTS)} (or unset)."
        )
    return mode


def on_this_host(git: Git, wanted: Desired) -> str:
    """Fill the store of this host and see its service serve it."""
    goal = deploy.target(git, store=lasting_store(git.root), required=True)
    deploy.deploy(git, goal)
    # main may have moved on since the job began, and what it says now was deployed.
    stored = goal.store.read()
    words = describe(stored.pointer if stored else wanted.pointer)
    return f"{words} is live on this host, its golden requests answered as recorded"


def lasting_store(root: Path) -> Path:
    """The store of a runner on the serving host. Raises BadInput for one, or an environment, that checkout deletes."""
    named = os.environ.get("STORE", "").strip()
    store = Path(named or service.settings(root).get("store", "store"))
    workspace, environment = root.resolve(), Path(sys.prefix).resolve()
    why = "checkout empties the workspace of a self-hosted runner before each run"
    problems = []
    if not store.is_absolute() or store.resolve().is_relative_to(workspace):
        problems.append(
            f"the store is '{store}'; allowed with DEPLOY=runner: an absolute folder outside {workspace}, because "
            f"{why}. Command: gh variable set STORE --body /var/lib/models/store"
        )
    if environment.is_relative_to(workspace):
        problems.append(
            f"the environment is {environment}; allowed with DEPLOY=runner: a folder outside {workspace}, because "
            f"{why}. Command: gh variable set DEPLOY_VENV --body /var/lib/models/venv"
        )
    if problems:
        raise BadInput(problems)
    return store


def by_agent(git: Git, wanted: Desired) -> str:
    """Wait until the service says that it serves what main says: `wanted`, or what came after it meanwhile."""
    url = os.environ.get("SERVICE_URL", "").strip().rstrip("/")
    url = url or address(service.settings(git.root)) or ""
    if not url.startswith(("http://", "https://")):
        raise BadInput(
            f"the repository variable SERVICE_URL is '{url}'; allowed: the address of the service that serves. "
            "Example: http://10.0.0.7:8080"
        )
    seconds = float(os.environ.get("AGENT_SECONDS") or AGENT_SECONDS)
    until = time.monotonic() + seconds
    progress = Progress(
        f"waiting until the service at {url} serves {describe(wanted.pointer)} (at most {seconds:g} s)"
    )
    looked_up = wanted.commit
    while True:
        try:
            state = service.status(url)
            seen = _seen(state)
        except ExternalFailure as error:
            # The error page of a proxy before a service that is starting: it may still come.
            state, seen = None, f"nothing: {error}"
        commit = str(((state or {}).get("desired") or {}).get("commit") or looked_up)
        if commit not in (wanted.commit, looked_up):
            wanted, looked_up = desired.resolve(git), commit
        if state is not None and confirm.serves(state["live"], wanted.pointer):
            return f"{describe(wanted.pointer)} is live at {url}: the agent deployed it"
        if time.monotonic() > until:
            raise ExternalFailure(
                f"the service at {url} should serve {describe(wanted.pointer)} by now, but it serves "
                f"{seen.rstrip('.')}. "
                "The agent on its host (make deploy WATCH=1) says why."
            )
        progress.step()
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
    command = [*programs.gitops_model(), "serve", "--store", str(store), "--port", str(port)]
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
