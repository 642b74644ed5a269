from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gitops_model.delivery import dvc
from tests.support.chat import Chat
from tests.support.isolation import isolation
from tests.support.world import Clone, World


@pytest.fixture(scope="session", autouse=True)
def _isolation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with isolation(tmp_path_factory.mktemp("home")) as patch:
        patch.setattr(dvc, "stale_stages", lambda root: [])
        yield


@pytest.fixture(scope="session")
def _fresh(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World.create(tmp_path_factory.mktemp("fresh"))


@pytest.fixture(scope="session")
def _shipped(_fresh: World, tmp_path_factory: pytest.TempPathFactory) -> World:
    world = _fresh.copy(tmp_path_factory.mktemp("shipped") / "world")
    clone = world.clones[0]
    clone.release(1)
    clone.ship()
    clone.release(2)
    return world


@pytest.fixture
def world(_fresh: World, tmp_path: Path) -> World:
    """An origin and one clone, without any release."""
    return _fresh.copy(tmp_path / "world")


@pytest.fixture
def clone(world: World) -> Clone:
    return world.clones[0]


@pytest.fixture
def shipped(_shipped: World, tmp_path: Path) -> World:
    """flight-delay-v1 in production, flight-delay-v2 released."""
    return _shipped.copy(tmp_path / "shipped")


@pytest.fixture
def two(shipped: World) -> Clone:
    """The clone of `shipped`."""
    return shipped.clones[0]


@pytest.fixture
def chat() -> Iterator[Chat]:
    found = Chat()
    yield found
    found.close()
