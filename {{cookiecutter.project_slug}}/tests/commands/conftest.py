from __future__ import annotations

from pathlib import Path

import pytest

from ci_scripts import dvcfiles
from tests.commands.world import Clone, World, isolated


@pytest.fixture(autouse=True)
def _isolation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GITHUB_REPOSITORY", "GITHUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name, value in isolated(tmp_path / "home").items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(dvcfiles, "stale_stages", lambda root: [])


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World.create(tmp_path)


@pytest.fixture
def clone(world: World) -> Clone:
    return world.clones[0]
