"""Deploys as a running service meets them: switches, rollbacks, bad bundles, crashes."""

from __future__ import annotations

import contextlib
import http.client
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.factories import REQUEST, contract_dict
from tests.support.server import Server, Store, running


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def server(store: Store, tmp_path: Path) -> Iterator[Server]:
    with running(store.folder, tmp_path / "service") as server:
        yield server


def test_a_service_without_a_store_is_alive_but_not_ready_until_one_appears(
    store: Store, server: Server
) -> None:
    assert server.get("/healthz").status == 200
    server.until_failed("missing")
    for method, path in (("GET", "/readyz"), ("GET", "/v2/health/ready"), ("GET", "/v2/models/x")):
        reply = server.call(method, path)
        assert reply.status == 503
        assert "pointer.json does not exist" in reply.json["error"]
    reply = server.predict()
    assert (reply.status, reply.headers["retry-after"]) == (503, "1")
    assert server.get("/openapi.json").status == 200
    assert server.get("/docs").status == 200

    server.until_synced(store.point(None))
    assert "names no stable release yet" in server.get("/readyz").json["error"]

    one = store.add(1)
    server.until_synced(store.point(one))
    assert server.get("/readyz").status == 200
    assert server.predict().json["model"] == "flight-delay-v1"


def test_a_switch_and_a_rollback_with_the_bundle_files_gone(store: Store, server: Server) -> None:
    one, two = store.add(1), store.add(2)
    server.until_synced(store.point(one))
    before = server.predict().json["output"]
    server.until_synced(store.point(two, previous=one))
    assert server.predict().json["output"] != before

    for ref in (one, two):
        store.bundle(ref["sha256"]).unlink()
    server.until_synced(store.point(one, previous=two))
    reply = server.predict().json
    assert (reply["model"], reply["output"]) == ("flight-delay-v1", before)
    assert server.metric("model_switches_total") == 2
    assert server.metric("model_load_failures_total") == 0


def test_a_rollback_whose_own_previous_is_gone_switches_and_says_what_is_missing(
    store: Store, server: Server
) -> None:
    zero, one, two = (store.add(n) for n in (3, 1, 2))
    server.until_synced(store.point(two, previous=one))
    store.bundle(zero["sha256"]).unlink()
    store.point(one, previous=zero)
    state = server.until_failed("missing")
    assert state["live"]["stable"] == one
    assert state["live"]["previous"] is None
    assert state["last_error"]["model"] == zero["model"]
    assert not state["in_sync"]


def _truncate(path: Path, _store: Store) -> None:
    path.write_bytes(path.read_bytes()[:-700])


def _flip(path: Path, _store: Store) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


def _swap(path: Path, store: Store) -> None:
    path.write_bytes(store.bundle(store.add(5)["sha256"]).read_bytes())


def _remove(path: Path, _store: Store) -> None:
    path.unlink()


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (_truncate, "sha256"),
        pytest.param(_flip, "sha256", marks=pytest.mark.slow),
        pytest.param(_swap, "sha256", marks=pytest.mark.slow),
        (_remove, "missing"),
    ],
)
def test_a_damaged_bundle_is_refused_and_served_once_it_is_whole(
    damage: Callable[[Path, Store], None], reason: str, store: Store, server: Server
) -> None:
    one, two = store.add(1), store.add(2)
    path = store.bundle(two["sha256"])
    whole = path.read_bytes()
    damage(path, store)
    server.until_synced(store.point(one))
    commit = store.point(two, previous=one)
    state = server.until_failed(reason)
    assert state["live"]["stable"] == one
    error = state["last_error"]
    assert (error["model"], error["sha256"]) == (two["model"], two["sha256"])
    assert error["sentence"].startswith("flight-delay-v2 is not served: ")
    assert "\n" not in error["sentence"]
    assert server.get("/readyz").status == 200
    assert server.predict().json["model"] == "flight-delay-v1"
    assert server.metric("model_load_failures_total", reason=reason) == 1
    assert server.metric("pointer_in_sync") == 0

    path.write_bytes(whole)
    state = server.until_synced(commit)
    assert state["last_error"] is None


def _contract(*, farthest: int, nearest: int = 0, schema_version: int = 1) -> dict[str, Any]:
    contract = contract_dict()
    contract["inputs"]["distance"] |= {"min": nearest, "max": farthest}
    return contract | {"schema_version": schema_version}


WRONG = {"inputs": REQUEST, "score": 0.9, "output": {"delayed": True, "probability": 0.9}}


@pytest.mark.parametrize(
    ("options", "reason", "words"),
    [
        ({"golden": [WRONG]}, "golden", "but 0.9 was recorded"),
        ({"members": {"model.onnx": b"junk"}}, "load", "cannot be loaded"),
        ({"members": {"contract.yaml": b"task: 7"}}, "contract", "lacks 'problem'"),
        ({"contract": _contract(farthest=5000)}, "contract", "fell from 6000 to 5000"),
    ],
)
def test_a_bundle_that_breaks_its_promise_never_answers(
    options: dict[str, Any], reason: str, words: str, store: Store, server: Server
) -> None:
    one, two = store.add(1), store.add(2, **options)
    server.until_synced(store.point(one))
    store.point(two, previous=one)
    state = server.until_failed(reason)
    assert words in state["last_error"]["sentence"]
    assert server.predict().json["model"] == "flight-delay-v1"
    assert server.metric("model_load_failures_total", reason=reason) == 1


def test_a_contract_break_needs_a_higher_schema_version_and_can_be_rolled_back(
    store: Store, server: Server
) -> None:
    one = store.add(1)
    two = store.add(2, contract=_contract(farthest=9000, nearest=100, schema_version=2))
    server.until_synced(store.point(one))
    server.until_synced(store.point(two, previous=one))
    assert "its schema_version rose from 1 to 2" in server.log()
    # v1 refuses a distance that v2 takes; going back is still allowed.
    assert server.predict(REQUEST | {"distance": 7000}).status == 200
    server.until_synced(store.point(one, previous=two))
    assert server.predict(REQUEST | {"distance": 7000}).status == 422
    assert "rolled back to flight-delay-v1 although" in server.log()


def test_a_canary_only_grows_and_ends_without_touching_stable(store: Store, server: Server) -> None:
    one, two = store.add(1), store.add(2)
    keys = [f"N{number}" for number in range(150)]

    def members() -> set[str]:
        return {key for key in keys if server.predict(key=key).json["route"] == "canary"}

    server.until_synced(store.point(one))
    seen: set[str] = set()
    for percent in (5, 20, 60):
        canary = two | {"percent": percent, "key": "tailnum"}
        server.until_synced(store.point(one, canary=canary))
        now = members()
        assert seen <= now
        seen = now
    assert 0 < len(seen) < len(keys)
    server.until_synced(store.point(one))
    assert members() == set()
    assert server.metric("model_switches_total") == 0


def test_a_shadow_is_loaded_and_answers_nobody(store: Store, server: Server) -> None:
    one, two = store.add(1), store.add(2)
    state = server.until_synced(store.point(one, shadow=two))
    assert state["live"]["shadow"] == two
    assert {server.predict(key=str(n)).json["model"] for n in range(30)} == {"flight-delay-v1"}


@pytest.mark.slow
def test_killed_at_any_moment_of_a_switch_it_serves_the_new_release_after_a_restart(
    store: Store, tmp_path: Path
) -> None:
    refs = [store.add(1), store.add(2)]
    log = {"predictions": True, "folder": "predictions"}
    with running(store.folder, tmp_path / "service", log=log) as server:
        server.until_synced(store.point(refs[0]))
        for turn, seconds in enumerate((0.0, 0.03, 0.06, 0.1), start=1):
            new, old = refs[turn % 2], refs[(turn + 1) % 2]
            commit = store.point(new, previous=old)
            until = time.monotonic() + seconds
            while time.monotonic() < until:
                assert server.predict().json["model"] in (old["model"], new["model"])
            server.kill()
            server.start()
            server.until_synced(commit)
            assert server.predict().json["model"] == new["model"]
        assert server.stop() == 0
    for path in (tmp_path / "service" / "predictions").glob("*/*.jsonl"):
        for line in path.read_text().splitlines():
            assert json.loads(line)["output"]


def test_sigterm_lets_requests_in_flight_finish(store: Store, tmp_path: Path) -> None:
    with running(store.folder, tmp_path / "service", timeout_ms=10_000) as server:
        server.until_synced(store.point(store.add(1)))
        body = json.dumps({"inputs": REQUEST}).encode()
        connection = server.connect()
        connection.putrequest("POST", "/predict")
        connection.putheader("Content-Type", "application/json")
        connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body[:10])
        server.until(lambda _: server.metric("http_requests_in_progress") == 2)
        codes: list[int] = []
        stopping = threading.Thread(target=lambda: codes.append(server.stop()))
        stopping.start()
        with pytest.raises(ConnectionRefusedError):
            _until_refused(server)
        assert server.running
        connection.send(body[10:])
        assert connection.getresponse().status == 200
        connection.close()
        stopping.join()
        assert codes == [0]


def _until_refused(server: Server) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with contextlib.suppress(ConnectionResetError, http.client.RemoteDisconnected):
            server.get("/healthz")


@pytest.mark.slow
def test_memory_after_fifty_switches_is_what_it_was_after_one(store: Store, server: Server) -> None:
    # Releases of their own, each loaded anew; the one before stays loaded as previous.
    refs = [
        store.add(number + 1, seed=number % 3, members={"MODEL_CARD.md": b"%d" % number})
        for number in range(52)
    ]

    def switch(number: int) -> float:
        server.until_synced(store.point(refs[number], previous=refs[number - 1]))
        for _ in range(50):
            assert server.predict().status == 200
        return server.metric("process_resident_memory_bytes")

    server.until_synced(store.point(refs[0]))
    first = switch(1)
    last = [switch(number) for number in range(2, 52)][-1]
    print(f"{first / 1e6:.1f} MB after one switch, {last / 1e6:.1f} MB after {len(refs) - 1}")
    assert last <= 1.1 * first
