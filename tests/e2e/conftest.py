"""A small repository that is generated and built once, and copied for every test that changes it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from gitops_model.pipeline.stages import STAGES
from tests.support import small
from tests.support.isolation import isolation
from tests.support.once import once, shared_folder
from tests.support.small import Small
from tests.support.warm import Warm


@pytest.fixture(scope="session")
def warm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warm]:
    """Processes without the wait for their imports; they know nobody's settings."""
    with isolation(tmp_path_factory.mktemp("home")):
        found = small.warm(tmp_path_factory.mktemp("warm"))
        yield found
        found.close()


@pytest.fixture(scope="session")
def pristine(tmp_path_factory: pytest.TempPathFactory, warm: Warm) -> Small:
    """Built and committed; not to be changed."""

    def make(folder: Path) -> None:
        made = small.small(folder, warm)
        assert made.repro() == list(STAGES)
        made.commit("Build")

    folder = once(shared_folder(tmp_path_factory) / "small", make)
    return Small(small.place(folder), warm)


@pytest.fixture
def repo(pristine: Small, tmp_path: Path) -> Small:
    """A copy of its own."""
    shutil.copytree(pristine.root, tmp_path / "repo", symlinks=True)
    return Small(tmp_path / "repo", pristine.warm)
