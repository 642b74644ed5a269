"""Deploying for real: a serving host with its service, by a runner on it and by an agent on it."""

from __future__ import annotations

import fcntl
import json
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.workflows.fake_state import Event
from tests.workflows.world import World


class Host:
    """A serving host: a store and the service that answers from it."""

    def __init__(self, town: World) -> None:
        self.town = town
        self.store = town.folder / "store"
        self.store.mkdir()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._running: list[subprocess.Popen[bytes]] = []
        self.start(
            "-P",
            "-m",
            "gitops_model",
            "serve",
            "--store",
            str(self.store),
            "--port",
            str(self.port),
        )
        self.until(lambda: self.status() is not None)

    def start(self, *words: str, **env: str) -> None:
        """A process on this host, in a clone of its own; it ends with the test."""
        folder = self.town.folder / f"host-{len(self._running)}"
        self.town.git("clone", "-q", str(self.town.fake.git.path), str(folder))
        environment = {**self.town.warm.environment(), **env}
        self._running.append(
            subprocess.Popen([sys.executable, *words], cwd=folder, env=environment)
        )

    def status(self) -> dict[str, Any] | None:
        try:
            with urllib.request.urlopen(f"{self.url}/status", timeout=5) as answer:
                found: dict[str, Any] = json.load(answer)
                return found
        except OSError:
            return None

    def live(self) -> str | None:
        """The release that the service says it serves."""
        stable = ((self.status() or {}).get("live") or {}).get("stable") or {}
        return stable.get("model")

    def commit(self) -> str | None:
        """The commit whose pointer the store holds."""
        path = self.store / "pointer.json"
        return str(json.loads(path.read_text())["commit"]) if path.exists() else None

    @staticmethod
    def until(true: Callable[[], bool], seconds: float = 30.0) -> None:
        deadline = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def close(self) -> None:
        for process in self._running:
            process.terminate()
        for process in self._running:
            process.wait()


@pytest.fixture
def host(served: World) -> Iterator[Host]:
    place = Host(served)
    path = served.clone / "serving.yaml"
    text = path.read_text().replace("port: 8080", f"port: {place.port}")
    assert "  poll_seconds: 5 #" in text
    path.write_text(text.replace("  poll_seconds: 5 #", "  poll_seconds: 1 #"))
    served.push("main")
    served.fake.take_events()
    yield place
    place.close()


def pointers(town: World) -> tuple[str, str]:
    """production.yaml as it is, and as it was before: of v2, and of v1."""
    path = "production.yaml"
    older = town.git("log", "-2", "--format=%H", "--", path).splitlines()[1]
    return town.git("show", f"main:{path}") + "\n", town.git("show", f"{older}:{path}") + "\n"


def ship(town: World, text: str) -> Event:
    """Merge `text` as production.yaml; the push event that GitHub raises."""
    (town.clone / "production.yaml").write_text(text)
    town.push("main")
    (event,) = [e for e in town.fake.take_events() if e.name == "push"]
    assert "deploy.yml" in town.started(event)
    return event


def named(text: str) -> str:
    """The release a production.yaml names as stable."""
    import yaml

    return str(yaml.safe_load(text)["stable"]["model"])


def deployments(town: World) -> list[tuple[str, ...]]:
    """(environment, release, last state) of every GitHub Deployment."""
    return [
        (
            item["environment"],
            item["description"],
            *[s["state"] for s in town.fake.state.deployment_statuses[item["id"]][-1:]],
        )
        for item in list(town.fake.state.deployments.values())
    ]


def test_runner_on_the_serving_host_deploys_what_main_says(served: World, host: Host) -> None:
    served.runner.variables.update(
        DEPLOY="runner", DEPLOY_RUNNER="self-hosted", STORE=str(host.store)
    )
    newer, older = pointers(served)
    for text in (older, newer):
        result = served.run("deploy.yml", ship(served, text))
        assert result.conclusion == "success", result.log[-3000:]
        assert host.live() == named(text) and host.commit() == served.git("rev-parse", "main")
    assert deployments(served) == [
        ("production", named(older), "inactive"),
        ("production", named(newer), "success"),
    ]


def test_failed_deployment_leaves_the_former_model_serving(served: World, host: Host) -> None:
    served.runner.variables.update(
        DEPLOY="runner", DEPLOY_RUNNER="self-hosted", STORE=str(host.store)
    )
    newer, older = pointers(served)
    assert served.run("deploy.yml", ship(served, older)).conclusion == "success"
    # A pointer that somebody wrote by hand, to bytes that are not the release's.
    digest = newer.split("sha256:")[1].split("}")[0].split()[0].strip("'\"")
    broken = ship(served, newer.replace(digest, "fe" * 32))
    result = served.run("deploy.yml", broken)
    assert result.jobs == {"deploy": "failure", "revert": "success"}
    assert host.live() == named(older)
    assert deployments(served)[-1][2] == "failure"
    (pull,) = [p for p in served.fake.state.pulls.values() if p["state"] == "open"]
    assert pull["title"].startswith("Revert")


@pytest.mark.slow
def test_three_merges_in_a_moment_and_three_deploys_at_once(served: World, host: Host) -> None:
    """Each run has looked at main before the next merge, and all deploy after the last: none an older pointer."""
    served.runner.variables.update(
        DEPLOY="runner", DEPLOY_RUNNER="self-hosted", STORE=str(host.store)
    )
    newer, older = pointers(served)
    seen: set[str | None] = set()
    # No concurrency group holds the runs back here. The store is kept busy until all three have begun.
    with (host.store / ".lock").open("w") as lock, ThreadPoolExecutor(3) as pool:
        fcntl.flock(lock, fcntl.LOCK_EX)
        runs = []
        for number, text in enumerate((older, newer, older + "# once more\n"), start=1):
            runs.append(pool.submit(served.run, "deploy.yml", ship(served, text)))
            Host.until(lambda n=number: len(deployments(served)) == n)  # type: ignore[misc]
        fcntl.flock(lock, fcntl.LOCK_UN)
        while not all(run.done() for run in runs):
            seen.add(host.commit())
            time.sleep(0.002)
        results = [run.result() for run in runs]
    assert [r.conclusion for r in results] == ["success"] * 3, [r.log[-2000:] for r in results]
    main = served.git("rev-parse", "main")
    assert seen - {None} <= {main}
    assert host.commit() == main and host.live() == named(older)


def test_agent_on_the_serving_host_deploys_and_the_workflow_waits(
    served: World, host: Host
) -> None:
    served.runner.variables.update(DEPLOY="agent", SERVICE_URL=host.url)
    newer, older = pointers(served)
    host.start("-P", "-m", "gitops_model", "deploy", "--watch", "--store", str(host.store))
    for text in (older, newer):
        result = served.run("deploy.yml", ship(served, text))
        assert result.conclusion == "success", result.log[-3000:]
        assert host.live() == named(text)
    assert [state for *_, state in deployments(served)] == ["inactive", "success"]


def test_agent_that_does_not_come_makes_the_deployment_red(served: World, host: Host) -> None:
    served.runner.variables.update(DEPLOY="agent", SERVICE_URL=host.url)
    served.runner.environment["AGENT_SECONDS"] = "0.5"
    _, older = pointers(served)
    result = served.run("deploy.yml", ship(served, older))
    assert result.jobs["deploy"] == "failure" and "serves no model" in result.log
    assert deployments(served) == [("production", named(older), "failure")]


def test_rollback_with_origin_and_data_storage_out_of_reach(served: World, host: Host) -> None:
    """At 3 a.m. GitHub and the bucket are down too: the previous model is in the store, and that is enough."""
    newer, older = pointers(served)

    def command(*words: str) -> str:
        done = served.warm.run(
            "-m", "gitops_model", *words, "--store", str(host.store),
            cwd=served.clone, env=served.warm.environment(),
        )  # fmt: skip
        assert done.code == 0, done.output
        return done.output

    for text in (older, newer):
        ship(served, text)
        command("deploy")
    assert host.live() == named(newer)
    served.fake.git.path.rename(served.folder / "gone.git")
    config = served.clone / ".dvc" / "config"
    config.write_text(
        "\n".join(
            f"    url = {served.folder / 'no-such-storage'}" if "url =" in line else line
            for line in config.read_text().splitlines()
        )
        + "\n"
    )
    for name in (".dvc/cache", "build"):
        shutil.rmtree(served.clone / name)
    began = time.monotonic()
    said = command("rollback", "--reason", "scores are all alike", "--deploy")
    assert host.live() == named(older), said
    assert time.monotonic() - began < 60
    served.fake.git.path.with_name("gone.git").rename(served.fake.git.path)
