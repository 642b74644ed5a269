"""A generated repository with real data and a small model in production, copied for every row of the truth table."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ci_scripts.bake import bake, export
from gitops_model.delivery import looks
from tests.support.isolation import environment
from tests.support.warm import Warm

# The line of pipeline/train.py before which a test may spoil what is learnt.
FIT = '    return Pipeline([("inputs", inputs), ("model", model)]).fit(rows, labels)\n'
FAST = {
    "trees: 60": "trees: 5",
    "depth: 5": "depth: 2",
    "first_month: 2013-01": "first_month: 2013-02",
}


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a command ended: exit code, what it said, and the report it wrote (None when it wrote none)."""

    code: int
    said: str
    report: dict[str, Any] | None


@dataclass(frozen=True, kw_only=True)
class Repository:
    """A generated repository and the commands of its users."""

    root: Path
    home: Path
    commands: Path

    def run(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command apart from the user's own settings."""
        env = environment(self.home, os.environ) | {
            "PATH": os.pathsep.join(
                map(str, [self.commands, Path(sys.executable).parent, os.environ["PATH"]])
            ),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        done = subprocess.run(
            command,
            cwd=self.root,
            env=env,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
        )
        if check and done.returncode:
            raise AssertionError(
                f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
            )
        return done

    def edit(self, name: str, *changes: tuple[str, str]) -> None:
        """Replace texts that must each stand exactly once in a file."""
        path = self.root / name
        text = path.read_text()
        for old, new in changes:
            assert text.count(old) == 1, f"{name} has {old!r} {text.count(old)} times"
            text = text.replace(old, new)
        path.write_text(text)

    def train(self, *, check: bool = True) -> subprocess.CompletedProcess[str]:
        """`make train`, then commit."""
        done = self.run("dvc", "repro", check=check)
        self.commit("Train")
        return done

    def commit(self, subject: str) -> None:
        """Commit everything that changed, if anything did."""
        self.run("git", "add", "--all")
        self.run("git", "commit", "--quiet", "--no-verify", "--allow-empty", "-m", subject)

    def check(self, *arguments: str) -> Outcome:
        """`check` against main; the report is the one it wrote."""
        path = self.root / "reports/check.json"
        path.unlink(missing_ok=True)
        done = self.run("gitops-model", "check", "--base", "main", *arguments, check=False)
        import json

        report = json.loads(path.read_text()) if path.exists() else None
        return Outcome(code=done.returncode, said=done.stdout + done.stderr, report=report)


def generate(folder: Path, problem: str, warm: Warm) -> Repository:
    """Bake, set up and train: nothing is in production yet."""
    repository = bake(export(folder / "template"), folder / "out", {"problem": problem})
    made = Repository(root=repository, home=folder, commands=warm.bin)
    text = (repository / "params.yaml").read_text()
    for old, new in FAST.items():
        assert old in text
        text = text.replace(old, new)
    (repository / "params.yaml").write_text(text)
    made.run("git", "init", "-q", "-b", "main")
    if not (repository / ".dvc/config").exists():
        made.run("dvc", "init", "-q")
    made.run("gitops-model", "data")
    made.run("dvc", "add", "-q", "data/raw")
    made.train()
    return made


def ship(made: Repository) -> str:
    """Release what main holds and point production.yaml at it; returns the id."""
    made.check()
    out = made.run("gitops-model", "release", "--no-push").stdout
    found = re.search(r"flight-delay-v\d+", out)
    assert found, out
    made.run("gitops-model", "ship", found[0])
    made.commit(f"Ship {found[0]}")
    return found[0]


@pytest.fixture(scope="session")
def untouched(tmp_path_factory: pytest.TempPathFactory, warm: Warm) -> Repository:
    """One repository with nothing in production, never changed by a test."""
    return generate(tmp_path_factory.mktemp("truth"), "binary", warm)


@pytest.fixture(scope="session")
def shipped(untouched: Repository, tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """One repository with v1 in production, never changed by a test."""
    made = copy(untouched, tmp_path_factory.mktemp("shipped"))
    ship(made)
    return made


def copy(made: Repository, folder: Path) -> Repository:
    """A copy with a history and a cache of its own, whose test rows have judged nobody yet, as after a month."""
    shutil.copytree(made.root, folder / made.root.name, symlinks=True)
    copied = Repository(root=folder / made.root.name, home=made.home, commands=made.commands)
    copied.run("git", "update-ref", "-d", looks.OWN)
    return copied


@pytest.fixture
def first(untouched: Repository, tmp_path: Path) -> Repository:
    """A copy with nothing in production."""
    return copy(untouched, tmp_path)


@pytest.fixture
def repository(shipped: Repository, tmp_path: Path) -> Iterator[Repository]:
    """A copy with v1 in production, on a branch of its own."""
    made = copy(shipped, tmp_path)
    made.run("git", "switch", "-q", "-c", "candidate")
    yield made
    shutil.rmtree(made.root, ignore_errors=True)


Change = Callable[[Repository], None]
