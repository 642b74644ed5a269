"""Fixtures for the workflow tests: a bare repository, the fake GitHub in front of it, an isolated HOME."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent
if str(HERE) not in sys.path:
    sys.path.insert(0, str(HERE))

from bare_git import BareGit  # noqa: E402
from fake_github import FakeGitHub  # noqa: E402


@pytest.fixture(autouse=True)
def isolated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or writes the real HOME, git configuration or GitHub variables."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "Ada")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "ada@example.test")
    for name in list(os.environ):
        if name.startswith(("GITHUB_", "ACTIONS_", "RUNNER_")):
            monkeypatch.delenv(name)


@pytest.fixture
def bare(tmp_path: Path) -> BareGit:
    """A bare repository with one commit on main."""
    path = tmp_path / "origin.git"
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(path)], check=True)
    git = BareGit(path)
    blob = git.text("hash-object", "-w", "--stdin", stdin=b"hello\n")
    tree = git.text("mktree", stdin=f"100644 blob {blob}\tREADME.md\n".encode())
    git.update("refs/heads/main", git.commit_tree(tree, [], "Begin\n"))
    return git


@pytest.fixture
def fake(bare: BareGit) -> Iterator[FakeGitHub]:
    """The fake GitHub; every request must fit GitHub's description, so leftovers fail the test."""
    with FakeGitHub(bare.path) as server:
        yield server
        assert server.state.violations == []
