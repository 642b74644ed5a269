"""Killed before any of its effects, a command leaves the old state or the new one, and running it again completes it.

The command runs in a forked process in which every effect (a program started, a file renamed or deleted, a request
sent) is counted, and which dies without a word before the n-th. n grows until the command survives.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gitops_model.cli import main
from gitops_model.delivery import dvc as dvc_files
from gitops_model.delivery import programs
from gitops_model.delivery.lock_file import Lock
from gitops_model.files import sha256_file
from gitops_model.formats import record
from gitops_model.formats.bundle import Bundle
from gitops_model.formats.pointer import Pointer
from tests.support.isolation import isolated
from tests.support.world import Clone, World, served

pytestmark = pytest.mark.slow
KILLED = 137
ENOUGH = 200


@pytest.fixture(scope="module", autouse=True)
def _isolation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in isolated(tmp_path_factory.mktemp("home")).items():
            patch.setenv(name, value)
        patch.setattr(dvc_files, "stale_stages", lambda root: [])
        yield


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> World:
    """v1 shipped, v2 trained and pushed."""
    world = World.create(tmp_path_factory.mktemp("base") / "world")
    clone = world.clones[0]
    clone.release(1)
    clone.ship()
    clone.train(2)
    clone.push()
    return world


def fake_dvc(remote: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """DVC with a folder as remote, in this process: real DVC takes a second a call."""

    def dvc(root: Path, *words: str, **_: Any) -> subprocess.CompletedProcess[str]:
        if words[0] == "push":
            out = Lock.parse((root / "dvc.lock").read_text()).out(words[1])
            target = held(remote, out.md5)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(dvc_files.cached(root, out.md5), target)
            return subprocess.CompletedProcess(words, 0, "", "")
        raise AssertionError(f"a folder is read without DVC: {words}")

    return dvc


def held(remote: Path, md5: str) -> Path:
    """Where DVC keeps an object in a remote."""
    return remote / "files" / "md5" / md5[:2] / md5[2:]


def dying(clone: Clone, words: tuple[str, ...], *, at: int, remote: Path | None = None) -> int:
    """Run a command that dies before effect number `at`; its exit code, KILLED if it died."""
    child = os.fork()
    if child == 0:
        try:
            null = os.open(os.devnull, os.O_WRONLY)
            shown = os.dup(2)
            os.dup2(null, 1)
            os.dup2(null, 2)
            os.chdir(clone.root)
            if remote is not None:
                dvc_files.dvc = fake_dvc(remote)  # type: ignore[assignment]
            _arm(at)
            os._exit(main(words))
        except BaseException:
            os.write(shown, traceback.format_exc().encode())
            os._exit(99)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def _arm(at: int) -> None:
    import requests

    left = [at]

    def counted(call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **options: Any) -> Any:
            left[0] -= 1
            if left[0] == 0:
                os._exit(KILLED)
            return call(*args, **options)

        return wrapped

    def written(write: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(path: Path, *args: Any, **options: Any) -> Any:
            left[0] -= 1
            if left[0] == 0:
                # Writing in place empties the file first; that is the moment to die.
                open(path, "wb").close()
                os._exit(KILLED)
            return write(path, *args, **options)

        return wrapped

    subprocess.run = counted(subprocess.run)
    Path.write_text = written(Path.write_text)  # type: ignore[method-assign]
    Path.write_bytes = written(Path.write_bytes)  # type: ignore[method-assign]
    dvc_files.dvc = counted(dvc_files.dvc)
    os.replace = counted(os.replace)
    os.fsync = counted(os.fsync)
    os.unlink = counted(os.unlink)
    requests.Session.request = counted(requests.Session.request)  # type: ignore[method-assign]


def every_step(
    base: World,
    tmp_path: Path,
    words: tuple[str, ...],
    check: Callable[[World, bool], None],
    **options: Any,
) -> int:
    """Kill at each step in a fresh copy of the world, and let `check(world, again)` look before and after a rerun."""
    for at in range(1, ENOUGH):
        folder = tmp_path / f"at{at}"
        world = base.copy(folder)
        if options.get("remote"):
            (folder / "remote").mkdir()
            options = {**options, "remote": folder / "remote"}
        code = dying(world.clones[0], words, at=at, **options)
        assert code in (0, KILLED), f"{words} ended with {code} at step {at}"
        check(world, False)
        again = dying(world.clones[0], words, at=-1, **options)
        assert again == 0, f"{words} after a kill at step {at} ended with {again}"
        check(world, True)
        shutil.rmtree(folder)
        if code == 0:
            return at
    raise AssertionError("it never ended")


def test_release(base: World, tmp_path: Path) -> None:
    start = base.copy(tmp_path / "with_remote")
    start.clones[0].write(
        ".dvc/config", "[core]\n    remote = store\n['remote \"store\"']\n    url = ../../remote\n"
    )

    def check(world: World, again: bool) -> None:
        clone = world.clones[0]
        tags = world.at_origin("tag").split()
        assert tags in (["flight-delay-v1"], ["flight-delay-v1", "flight-delay-v2"])
        if again:
            assert tags[-1] == "flight-delay-v2"
            assert clone.git("tag").split() == tags
        if "flight-delay-v2" not in tags:
            assert "flight-delay-v2" not in clone.git("tag").split()
            return
        assert world.at_origin("cat-file", "-t", "flight-delay-v2") == "tag"
        message = world.at_origin("tag", "-l", "--format=%(contents)", "flight-delay-v2")
        found = record.parse_record(message, name="flight-delay-v2")
        kept = held(world.folder / "remote", found["artifact"]["md5"])
        assert sha256_file(kept) == found["sha256"], "a tag names bytes that no source has"

    steps = every_step(start, tmp_path, ("release",), check, remote=True)
    assert steps > 15
    print(f"release: killed at {steps - 1} steps")


def test_ship(base: World, tmp_path: Path) -> None:
    world = base.copy(tmp_path / "released")
    world.clones[0].ok("release")
    old = (world.clones[0].root / "production.yaml").read_bytes()

    def check(world: World, again: bool) -> None:
        clone = world.clones[0]
        text = (clone.root / "production.yaml").read_bytes()
        stable = Pointer.parse(text.decode()).stable
        assert stable is not None
        assert text == old or stable.model == "flight-delay-v2"
        if again:
            shown = world.at_origin("show", "main:production.yaml")
            assert "flight-delay-v2" in shown
            assert clone.git("log", "--format=%s", "-2") == "Ship flight-delay-v2\nTrain 2"

    steps = every_step(world, tmp_path, ("ship", "flight-delay-v2", "--push"), check)
    print(f"ship: killed at {steps - 1} steps")


def test_deploy(base: World, tmp_path: Path) -> None:
    world = base.copy(tmp_path / "shipped")
    clone = world.clones[0]
    clone.ok("deploy")
    clone.ok("release")
    clone.ship("flight-delay-v2")
    old = clone.stored

    def check(world: World, again: bool) -> None:
        clone = world.clones[0]
        stored = clone.stored
        assert stored == old or stored["pointer"] == clone.pointer.to_dict()
        for ref in Pointer.from_dict(stored["pointer"]).refs():
            Bundle.read(clone.store / "bundles" / f"{ref.sha256}.tar", sha256=ref.sha256)
        if again:
            assert stored["pointer"]["stable"]["model"] == "flight-delay-v2"

    steps = every_step(world, tmp_path, ("deploy",), check)
    assert steps > 15
    print(f"deploy: killed at {steps - 1} steps")


def test_deploy_with_a_service(base: World, tmp_path: Path) -> None:
    """One service lives through all the kills, going to and fro between v1 and v2."""
    world = base.copy(tmp_path / "served")
    clone = world.clones[0]
    clone.ok("release")
    golden = {"distance": 184.0, "hour": 6, "carrier": "AA", "weekend": True}
    with served(clone, tmp_path) as server:
        clone.ok("deploy")
        models = ["flight-delay-v2", "flight-delay-v1"]
        last, at = "flight-delay-v1", 0
        while True:
            at += 1
            wanted = models[(at - 1) % 2]
            clone.ship(wanted)
            code = dying(clone, ("deploy",), at=at)
            assert code in (0, KILLED)
            answered = server.predict(golden).json["model"]
            assert answered in (last, wanted), f"killed at {at}: {answered} answers"
            assert dying(clone, ("deploy",), at=-1) == 0
            assert server.predict(golden).json["model"] == wanted
            assert clone.ok("status").code == 0
            last = wanted
            if code == 0:
                break
            assert at < ENOUGH
    print(f"deploy with a service: killed at {at - 1} steps")


def test_kill_9_at_any_moment(base: World, tmp_path: Path) -> None:
    """A real process and a real SIGKILL, at moments nobody chose."""
    world = base.copy(tmp_path / "world")
    clone = world.clones[0]
    clone.ok("release")
    dice = random.Random(7)
    clone.ok("deploy")
    outcomes = set()
    for number in range(16):
        before = clone.stored["pointer"]
        clone.ship(("flight-delay-v2", "flight-delay-v1")[number % 2])
        process = subprocess.Popen(
            [*programs.gitops_model(), "deploy"],
            cwd=clone.root,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(dice.uniform(0.05, 0.6))
        process.send_signal(signal.SIGKILL)
        outcomes.add(process.wait())
        after = clone.stored["pointer"]
        assert after in (before, clone.pointer.to_dict())
        clone.ok("deploy")
        assert clone.stored["pointer"] == clone.pointer.to_dict()
    assert -signal.SIGKILL in outcomes
    leftovers = [p.name for p in clone.store.rglob(".*") if p.name != ".lock"]
    assert len(leftovers) <= 16
    assert json.loads((clone.store / "pointer.json").read_text())["schema"] == 1
