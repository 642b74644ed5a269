"""A real service whose every metric has something to show: what the tests of rules, panels and `observe` share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gitops_model.formats.profile import Number, Profile
from tests.support.factories import REQUEST, contract_dict
from tests.support.server import Server, Store, running

PROFILE = Profile(
    rows=100,
    days=None,
    score_days=None,
    inputs={"distance": Number(rows=100, missing=0.11)},
    scores={},
)


@contextmanager
def watched(folder: Path, **settings: Any) -> Iterator[Server]:
    """A service with a stable release, a canary of half the traffic and a shadow; unknown carriers are accepted."""
    contract = contract_dict()
    contract["inputs"]["carrier"]["unknown"] = "accept"
    store = Store(folder / "store")
    profile = {"reference.json": PROFILE.to_bytes()}
    stable, canary, shadow = (
        store.add(n, contract=contract, members=profile) for n in (12, 13, 14)
    )
    commit = store.point(stable, canary=canary | {"percent": 50, "key": None}, shadow=shadow)
    with running(store.folder, folder / "service", **settings) as server:
        server.until_synced(commit)
        yield server


def visit(server: Server, *, rounds: int = 1) -> None:
    """Good requests, a batch, missing and unlisted values, refusals and an address that does not exist."""
    for number in range(rounds):
        # Bundles differ from run to run, and with them who meets the canary: few keys might all fall on one side.
        for key in (f"{letter}{number}" for letter in "NMOPQRSTUVWX"):
            assert server.predict(key=key).status == 200
            assert server.predict(REQUEST | {"distance": None}, key=key).status == 200
            assert server.predict(REQUEST | {"carrier": "XX"}, key=key).status == 200
            assert server.predict(REQUEST | {"hour": 99}, key=key).status == 422
        assert server.call("POST", "/predict", {"rows": [REQUEST] * 20}).status == 200
        assert server.call("POST", "/predict", b"no JSON").status == 400
        assert server.get("/nowhere").status == 404
