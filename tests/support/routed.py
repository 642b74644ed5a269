"""A real service with a stable release, a previous one and a canary: what the tests of its interfaces share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.server import Ref, Server, Store, running

REFS: dict[str, Ref] = {}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("http")
    store = Store(folder / "store")
    REFS.update(stable=store.add(12), previous=store.add(11), canary=store.add(13))
    commit = store.point(
        REFS["stable"],
        previous=REFS["previous"],
        canary=REFS["canary"] | {"percent": 20, "key": "tailnum"},
    )
    log = {"predictions": True, "folder": "predictions"}
    limits = {"max_body_kb": 64, "max_rows": 100, "timeout_ms": 500}
    with running(store.folder, folder / "service", log=log, **limits) as server:
        server.until_synced(commit)
        yield server


def key_of(server: Server, route: str) -> str:
    """A sticky key that takes this route."""
    for number in range(200):
        if server.predict(key=f"N{number}").json["route"] == route:
            return f"N{number}"
    raise AssertionError(f"no key is routed to {route}")
