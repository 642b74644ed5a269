"""A repository as an earlier release left it, and the way through serve and rollback that must still work."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from gitops_model.formats.bundle import Bundle
from tests.support.server import Server
from tests.support.world import Clone

SHIPPED = ("flight-delay-v2", "flight-delay-v1")


def clone_of(folder: Path, scratch: Path) -> Clone:
    """A clone of the repository in a set of tests/compat, with the bundles in its store and an origin to push to."""
    origin, root = scratch / "origin.git", scratch / "clone"
    for words in (
        ("clone", "-q", "--bare", str(folder / "repository.bundle"), str(origin)),
        ("clone", "-q", "-b", "main", str(origin), str(root)),
    ):
        subprocess.run(["git", *words], check=True, capture_output=True)
    shutil.copytree(folder / "bundles", root / "store/bundles")
    return Clone(root)


def serve_and_roll_back(
    clone: Clone, scratch: Path, run: Callable[..., object], *, command: Sequence[str] = ()
) -> None:
    """Deploy, ask, roll back, deploy, ask again: each release gives the answers that its bundle promises.

    `run` runs a command in the clone; `command` begins that of the service.
    """
    run("deploy")
    server = Server(clone.store, scratch, command=command).start()
    try:
        for model in SHIPPED:
            if model == SHIPPED[1]:
                run("rollback", "--reason", "it was better before", "--push")
                run("deploy")
            ref = json.loads((clone.store / "pointer.json").read_text())["pointer"]["stable"]
            assert ref["model"] == model
            server.until_serving(ref)
            bundle = Bundle.read(clone.store / f"bundles/{ref['sha256']}.tar", sha256=ref["sha256"])
            for line in bundle.golden:
                reply = server.predict(line["inputs"])
                assert (reply.status, reply.json["model"]) == (200, model)
                assert reply.json["output"] == pytest.approx(line["output"], abs=1e-5)
    finally:
        assert server.stop() == 0
