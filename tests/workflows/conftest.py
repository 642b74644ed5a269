"""Fixtures for the workflow tests: a bare repository, the fake GitHub in front of it, an isolated HOME."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ci_scripts.bake import bake, export
from tests.support import trees
from tests.support.once import once, shared_folder
from tests.support.warm import Warm
from tests.workflows import synthetic, world
from tests.workflows.bare_git import BareGit
from tests.workflows.commands import Commands
from tests.workflows.fake_github import FakeGitHub
from tests.workflows.world import World

HERE = Path(__file__).parent

LONGEST_FIRST = ("test_story", "test_truth_table", "test_buttons")
TRAINED = {"trained", "judged", "shipped"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long ones first, so that no process ends alone with one; next what needs no trained model.

    The second process begins in the middle, and need not wait there for what the first one trains.
    """

    def rank(item: pytest.Item) -> int:
        name = item.path.stem if HERE in item.path.parents else ""
        if name in LONGEST_FIRST:
            return LONGEST_FIRST.index(name)
        trained = TRAINED.intersection(getattr(item, "fixturenames", ()))
        return len(LONGEST_FIRST) + bool(name and trained)

    items.sort(key=rank)


@pytest.fixture(autouse=True, scope="session")
def isolated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test reads or writes the real HOME, git configuration or GitHub variables."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
        patch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
        patch.setenv("GIT_CONFIG_NOSYSTEM", "1")
        for role in ("AUTHOR", "COMMITTER"):
            patch.setenv(f"GIT_{role}_NAME", "Ada")
            patch.setenv(f"GIT_{role}_EMAIL", "ada@example.test")
        for name in list(os.environ):
            if name.startswith(("GITHUB_", "ACTIONS_", "RUNNER_")) or name == "CI":
                patch.delenv(name)
        yield


@pytest.fixture
def bare(tmp_path: Path) -> BareGit:
    """A bare repository with one commit on main."""
    git = BareGit(world.empty_origin(tmp_path))
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


@pytest.fixture(scope="session")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A generated repository, without Git: the template's files as cookiecutter writes them."""

    def make(folder: Path) -> None:
        bake(export(folder / "template"), folder, {})

    return once(shared_folder(tmp_path_factory) / "rendered", make) / "flight-delay"


@pytest.fixture(scope="session")
def commands(warm: Warm, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Commands]:
    """The generated repository's commands in forked processes."""
    running = Commands(tmp_path_factory.mktemp("commands"), warm)
    yield running
    running.close()


@pytest.fixture(scope="session")
def checks(
    rendered: Path, commands: Commands, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, dict[str, object]]:
    """Check reports by name: pass, worse, first."""

    def make(folder: Path) -> None:
        code = f"OUT = {str(folder / 'checks.json')!r}" + synthetic.CODE
        done = commands.run(cwd=rendered, env={}, code=code)
        assert done.code == 0, done.output

    made = once(shared_folder(tmp_path_factory) / "checks", make)
    loaded: dict[str, dict[str, object]] = json.loads((made / "checks.json").read_text())
    return loaded


SMALL = {"last_month": "2013-01", "split": "{by: time, test_days: 12}"}


def small(folder: Path, **model: object) -> None:
    """A window and a model that train in seconds."""
    path = folder / "params.yaml"
    text = path.read_text()
    for name, value in {**SMALL, **model}.items():
        lines = [
            f"{line.split(':')[0]}: {value}" if line.strip().startswith(f"{name}:") else line
            for line in text.splitlines()
        ]
        text = "\n".join(lines) + "\n"
    path.write_text(text)
    # Several candidates are judged on the same 10,000 rows here, and each one widens the bounds of the next.
    gates = folder / "gates.yaml"
    told = gates.read_text().replace("confidence: 0.95", "confidence: 0.8")
    told = told.replace("margin: 0.01 ", "margin: 0.019 ").replace(
        "{margin: 0.02}", "{margin: 0.04}"
    )
    if "inconclusive: warn" not in told:
        told = told.replace("  margin: 3%", "  inconclusive: warn\n  margin: 3%")
    gates.write_text(told)


@pytest.fixture(scope="session")
def warm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warm]:
    """A `python` and a `dvc` that start at once."""
    running = Warm(tmp_path_factory.mktemp("warm"))
    yield running
    running.close()


@pytest.fixture(scope="session")
def trained(
    rendered: Path, warm: Warm, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Path]:
    """Generated repositories with a trained model, by parameters; each is trained once."""
    folder = shared_folder(tmp_path_factory) / "trained"

    def begin(target: Path) -> None:
        trees.copy(rendered, target)
        subprocess.run(["git", "init", "-q", "-b", "main"], cwd=target, check=True)
        small(target)
        world.data(target, warm)
        # Most trainings differ in the model alone, and share what is prepared.
        world.train(target, warm, "prepare")

    def make(target: Path, **model: object) -> None:
        trees.copy(once(folder / "data", begin), target)
        small(target, **model)
        world.train(target, warm)

    def get(**model: object) -> Path:
        name = re.sub(r"\W+", "-", "-".join(f"{k}{v}" for k, v in sorted(model.items())) or "plain")
        return once(folder / name, lambda target: make(target, **model))

    return get


@pytest.fixture
def town(tmp_path: Path, warm: Warm) -> Iterator[World]:
    """An empty repository on GitHub."""
    with FakeGitHub(world.empty_origin(tmp_path)) as fake:
        place = World(fake, tmp_path, warm)
        yield place
        assert fake.state.violations == []


@pytest.fixture(scope="session")
def shipped(
    trained: Callable[..., Path],
    commands: Commands,
    warm: Warm,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """origin.git where v2 serves and v1 served before; both bundles lie in the DVC remote beside it."""

    def make(folder: Path) -> None:
        with FakeGitHub(world.empty_origin(folder)) as fake:
            town = World(fake, folder, warm)
            town.adopt(trained(trees=8))
            (town.clone / ".dvc" / "config").write_text(
                "[core]\n    remote = store\n    analytics = false\n"
                f"['remote \"store\"']\n    url = {folder / 'dvc-remote'}\n"
            )
            town.push("main")
            for source in (None, trained(trees=30)):
                if source is not None:
                    town.take_over(source)
                    town.push("main")
                for words in (["check"], ["release"], ["ship", "--push"]):
                    done = commands.run(*words, cwd=town.clone, env={})
                    assert done.code == 0, done.output

    return once(shared_folder(tmp_path_factory) / "shipped", make)


@pytest.fixture
def served(shipped: Path, tmp_path: Path, warm: Warm) -> Iterator[World]:
    """A repository in which v2 serves, and a developer's clone of it."""
    bare = tmp_path / "origin.git"
    trees.copy(shipped / "origin.git", bare)
    with FakeGitHub(bare) as fake:
        place = World(fake, tmp_path, warm)
        trees.copy(shipped / "clone", place.clone)
        place.git("remote", "set-url", "origin", str(bare))
        place.git("fetch", "-q", "--tags", "origin")
        place.git("checkout", "-q", "-f", "-B", "main", "origin/main")
        place.own_storage(shipped / "dvc-remote")
        yield place
        assert fake.state.violations == []
