"""A generated repository with `engine: ray`, by the commands that a team types. Run by test_with_ray.py."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.isolation import isolation
from tests.support.ports import free_port
from tests.support.ray_nodes import Nodes
from tests.support.small import Small

PORT = 6398
ORDER = {"plan": "pro", "amount": 12.0, "members": 3, "active": True}
# Its test rows are too few for the gates.
ACCEPT = ("--accept-unevaluated", "a rehearsal", "--push")
# A release starts in new processes, which import Ray first.
PATIENCE = 180.0
ENGINE = f"""
engine: ray
ray: {{address: "127.0.0.1:{PORT}", name: orders, max_replicas: 2}}
"""


@dataclass(frozen=True)
class Host:
    """The clone on the serving host, in which people and its supervisor call `make`."""

    root: Path
    port: int

    def words(self, *words: str) -> list[str]:
        """A call of `make`. What it would install is installed in this interpreter's environment."""
        return ["make", "--no-print-directory", "-o", "setup", f"VENV={sys.prefix}", *words]

    def status(self) -> tuple[int, str]:
        """What `make status` exits with, and prints."""
        done = subprocess.run(
            self.words("status"), cwd=self.root, text=True, capture_output=True, timeout=60
        )
        return done.returncode, done.stdout + done.stderr

    def until_status(self, holds: Callable[[int, str], bool]) -> str:
        """Wait until `make status` is so, and return what it printed."""
        deadline = time.monotonic() + PATIENCE
        while True:
            code, said = self.status()
            if holds(code, said):
                return said
            assert time.monotonic() < deadline, said
            time.sleep(0.5)

    def live(self) -> dict[str, Any]:
        """The service's /status."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/status", timeout=10) as answer:
            found: dict[str, Any] = json.load(answer)
            return found

    def answers(self) -> str:
        """Which release answers a request."""
        asked = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/predict",
            json.dumps({"inputs": ORDER}).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(asked, timeout=20) as answer:
            return str(json.load(answer)["model"])

    @contextlib.contextmanager
    def going(self, *words: str) -> Iterator[None]:
        """A target of `make` that runs while the block lasts."""
        said = self.root.parent / f"{words[0]}.log"
        with said.open("w") as log:
            process = subprocess.Popen(
                self.words(*words), cwd=self.root, stdout=log, stderr=subprocess.STDOUT
            )
        try:
            yield
            assert process.poll() is None, said.read_text()
        finally:
            process.terminate()
            process.wait(60)
            print(f"--- {' '.join(words)}\n{said.read_text()[-6000:]}")


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[Nodes]:
    found = Nodes(PORT, tmp_path)
    yield found
    found.end()


@pytest.fixture
def trainer(repo: Small, tmp_path: Path) -> Iterator[Small]:
    """A built repository on `engine: ray`, with an origin, a storage and a release that production.yaml names."""
    with isolation(tmp_path / "home"):
        origin, storage = tmp_path / "origin.git", tmp_path / "storage"
        subprocess.run(["git", "init", "-q", "--bare", "-b", "main", origin], check=True)
        repo.git("remote", "add", "origin", str(origin))
        repo.dvc("remote", "add", "-q", "--default", "storage", str(storage))
        port = free_port()
        repo.edit(
            "serving.yaml",
            ("port: 8080", f"port: {port}"),
            ("timeout_ms: 1000", "timeout_ms: 15000"),
        )
        with (repo.root / "serving.yaml").open("a") as file:
            file.write(ENGINE)
        repo.commit("Run the models on Ray")
        repo.git("push", "-q", "-u", "origin", "main")
        repo.ok("release")
        repo.ok("ship", "orders-v1", *ACCEPT)
        yield repo


@pytest.fixture
def host(trainer: Small, tmp_path: Path) -> Host:
    root = tmp_path / "host"
    origin = trainer.git("remote", "get-url", "origin")
    subprocess.run(["git", "clone", "-q", origin, root], check=True)
    port = next(
        int(line.split()[1])
        for line in (root / "serving.yaml").read_text().splitlines()
        if line.startswith("port: ")
    )
    return Host(root, port)


def _is_live(model: str) -> Callable[[int, str], bool]:
    return lambda code, said: code == 0 and f"\nlive             {model}" in said


def test_ship_revert_and_what_status_says(trainer: Small, host: Host, nodes: Nodes) -> None:
    with host.going("serve"), host.going("deploy", "WATCH=1"):
        host.until_status(_is_live("orders-v1"))
        assert host.answers() == "orders-v1"

        trainer.edit("params.yaml", ("c: 1.0", "c: 0.5"))
        assert "package" in trainer.repro()
        trainer.commit("Less regularisation")
        trainer.git("push", "-q")
        trainer.ok("release")
        trainer.ok("ship", "orders-v2", *ACCEPT)
        said = host.until_status(_is_live("orders-v2"))
        assert said.endswith(
            "All is well: what is desired is live; `make rollback` brings orders-v1 back.\n"
        )
        state = host.live()
        assert (state["in_sync"], state["live"]["stable"]["model"]) == (True, "orders-v2")
        assert state["ray"]["nodes"] == 2 and state["ray"]["problem"] is None
        found = {one["model"]: one["status"] for one in state["ray"]["applications"].values()}
        assert found.keys() == {"orders-v1", "orders-v2"} and found["orders-v1"] == "RUNNING"
        assert host.answers() == "orders-v2"

        trainer.git("revert", "--no-edit", "HEAD")
        trainer.git("push", "-q")
        host.until_status(_is_live("orders-v1"))
        assert host.answers() == "orders-v1"

        nodes.tell("kill-node")
        few = (
            "\nnote: orders-v1 has 1 of 2 replicas; the cluster has 1 node. The one that runs answers for all; "
            "Ray starts more where a node has room.\n"
            "What is desired is live, but the service is not whole: see the note above.\n"
        )
        said = host.until_status(lambda code, said: code == 0 and few in said)
        assert _is_live("orders-v1")(0, said) and "All is well" not in said
        assert host.answers() == "orders-v1"
        nodes.tell("node")
        host.until_status(
            lambda code, said: code == 0 and "replicas" not in said and "All is well" in said
        )

        nodes.tell("kill-head")
        said = host.until_status(lambda code, said: "note: the head of the Ray cluster" in said)
        assert f"at 127.0.0.1:{PORT} does not answer: " in said and "ray start\n" in said
        assert _is_live("orders-v1")(0, said) and "All is well" not in said
