"""A repository that is about to be released, and the job that releases it: what the tests of `release` share."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gitops_model.delivery import looks
from tests.support import trees
from tests.support.once import once, shared_folder
from tests.support.places import TEMPLATE
from tests.support.warm import Warm
from tests.workflows import filters
from tests.workflows.bare_git import BareGit
from tests.workflows.commands import Commands, Done, Running
from tests.workflows.fake_github import FakeGitHub
from tests.workflows.fake_state import BOT
from tests.workflows.world import World, empty_origin

RELEASE = filters.load((TEMPLATE / ".github/workflows/release.yml").read_text())
PERMISSIONS = RELEASE["jobs"]["release"]["permissions"]


@pytest.fixture(scope="session")
def judged(
    trained: Callable[..., Path],
    commands: Commands,
    warm: Warm,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """origin.git with a trained main, and release/ as the build job hands it on."""

    def make(folder: Path) -> None:
        with FakeGitHub(empty_origin(folder)) as fake:
            town = World(fake, folder, warm)
            town.adopt(trained(trees=8))
            town.push("main")
            env = {"GITHUB_REPOSITORY": fake.full_name, "GITHUB_OUTPUT": str(folder / "output")}
            done = commands.run("check", "--base", "HEAD", cwd=town.clone, env=env)
            assert done.code == 0, done.output
            (folder / "release").mkdir()
            for name in ("check.json", "check.md", "check.html"):
                shutil.copy(town.clone / "reports" / name, folder / "release" / name)
            shutil.copy(town.clone / "build" / "model.tar", folder / "release" / "model.tar")

    return once(shared_folder(tmp_path_factory) / "judged", make)


class Shop:
    """A repository that is about to be released, and runs of the release job in fresh checkouts."""

    def __init__(self, judged: Path, commands: Commands, folder: Path) -> None:
        self.commands, self.folder, self.judged = commands, folder, judged
        trees.copy(judged / "origin.git", folder / "origin.git")
        self.git = BareGit(folder / "origin.git")
        self.fake = FakeGitHub(folder / "origin.git")
        self.count = 0

    def start(self, without: str = "", at: str = "main", **env: str) -> Running:
        self.count += 1
        checkout = self.folder / f"checkout-{self.count}"
        subprocess.run(
            ["git", "clone", "-q", str(self.folder / "origin.git"), str(checkout)], check=True
        )
        subprocess.run(
            ["git", "remote", "set-url", "origin", f"{self.fake.url}/acme/model.git"],
            cwd=checkout,
            check=True,
        )
        subprocess.run(["git", "checkout", "-q", at], cwd=checkout, check=True)
        shutil.copytree(self.judged / "release", checkout / "release")
        base = {
            "GITHUB_REPOSITORY": "acme/model", "GITHUB_API_URL": self.fake.url, "GITHUB_SERVER_URL": self.fake.url,
            "GITHUB_ACTIONS": "true", "GITHUB_API_PACE": "0", "GITHUB_RUN_ID": "77",
            "GITHUB_TOKEN": self.fake.job_token(
                "release", {k: v for k, v in PERMISSIONS.items() if k != without}
            ),
        }  # fmt: skip
        return self.commands.start("ci-release", cwd=checkout, env={**base, **env})

    def release(self) -> Done:
        return self.start().wait()

    def check_whole(self) -> None:
        """One tag, one published release with all files and right sums, one pull request."""
        state = self.fake.state
        assert list(self.git.refs("refs/tags/")) == ["refs/tags/flight-delay-v1"]
        (release,) = state.releases.values()
        assert not release["draft"] and release["tag_name"] == "flight-delay-v1"
        files = {a["name"]: state.assets[a["id"]] for a in release["assets"]}
        assert set(files) == {
            "model.tar",
            "MODEL_CARD.md",
            "SHA256SUMS",
            "bom.cdx.json",
            "check.json",
            "check.md",
            "check.html",
        }
        sums = dict(
            reversed(line.split("  ")) for line in files["SHA256SUMS"].decode().splitlines()
        )
        assert sums == {
            n: hashlib.sha256(d).hexdigest() for n, d in files.items() if n != "SHA256SUMS"
        }
        assert files["model.tar"] == (self.judged / "release" / "model.tar").read_bytes()
        (pull,) = state.pulls.values()
        assert pull["title"] == "Ship flight-delay-v1" and pull["login"] == BOT
        branches = {*self.git.refs("refs/heads/")} - {f"refs/heads/{looks.BRANCH}"}
        assert branches == {"refs/heads/main", f"refs/heads/{pull['head']}"}
        gate = self.fake.latest_status(pull["head_sha"])
        assert gate is not None and gate["state"] == "success"
        assert state.violations == []


@pytest.fixture
def shop(judged: Path, commands: Commands, tmp_path: Path) -> Any:
    place = Shop(judged, commands, tmp_path)
    with place.fake:
        yield place
