"""What `engine: ray` has to hold, on real nodes and under load. Run by test_ray.py, in a network of its own.

The numbers are for a machine of two cores: RAY_KEYS, RAY_REQUESTS, RAY_RATE and RAY_TIMEOUT_MS ask for others.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pytest
from ray.exceptions import ActorDiedError, ActorUnavailableError

from gitops_model.runtime.calls import Call
from gitops_model.serving.ray_cluster import Scored
from tests.support.factories import REQUEST
from tests.support.processes import all_processor_seconds
from tests.support.ray_nodes import Nodes
from tests.support.server import Server, Store, running
from tests.support.switched import Outcome, answers_of, logged, stream

PORT = 6399
KEYS = int(os.environ.get("RAY_KEYS", "10000"))
REQUESTS = int(os.environ.get("RAY_REQUESTS", "3000"))
ROUNDS, REQUESTS_A_ROUND = 5, 300
RATE = float(os.environ.get("RAY_RATE", "60"))
COMMAND = (sys.executable, "-P", "-c", "from gitops_model.cli import main; main()")
# A model starts in a new process, which imports Ray first: seconds, and more where two share a core.
PATIENCE = 120.0


def _settings(folder: Path, name: str) -> dict[str, Any]:
    return {
        "engine": "ray",
        "ray": {"address": f"127.0.0.1:{PORT}", "name": name, "max_replicas": 2, "cpus": 1},
        "timeout_ms": int(os.environ.get("RAY_TIMEOUT_MS", "15000")),
        "max_requests": 200,
        "log": {"predictions": True, "folder": str(folder / "log")},
        "command": COMMAND,
    }


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    found = Nodes(PORT, tmp_path_factory.mktemp("nodes"))
    yield found
    # What it started ends with the namespace around this process.
    found.end()


@pytest.fixture(autouse=True)
def empty(request: Any) -> Iterator[None]:
    """A service leaves its applications, whose replicas would take the processors from the next test."""
    yield
    if "nodes" in request.fixturenames:
        request.getfixturevalue("nodes").tell("empty")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def service(nodes: Nodes, store: Store, tmp_path: Path, request: Any) -> Iterator[Server]:
    name = request.node.name.removeprefix("test_").replace("_", "-")[:40].strip("-")
    # A canary, and what it is compared with; the numbers are the releases'.
    refs = [store.add(1), store.add(2), store.add(3)]
    store.point(refs[0], previous=refs[1])
    with running(store.folder, tmp_path / "service", **_settings(tmp_path, name)) as server:
        server.until(lambda s: s["in_sync"], patience=PATIENCE)
        yield server
        print(server.log())


def _refs(store: Store) -> list[dict[str, Any]]:
    return [store.add(number) for number in (1, 2, 3)]


def _nothing_lost(found: Outcome, requests: int = REQUESTS) -> None:
    print(found.words(), found.found.by_model)
    assert (found.found.lost, found.found.losses, found.found.again) == (0, [], [])
    assert found.found.status == {"200": requests}


ROW = {"distance": np.zeros(1)}


class _Handle:
    """Of an application whose replicas answer as they are told to, one after the other."""

    def __init__(self, *answers: Any) -> None:
        self._answers = list(answers)
        self.asked = 0

    def remote(self, columns: Any) -> _Handle:
        self.asked += 1
        return self

    def result(self, timeout_s: float) -> Any:
        found = self._answers.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    def cancel(self) -> None:
        pass


def test_a_request_is_asked_again_but_ends_no_more_than_three_replicas() -> None:
    gone, away = ActorDiedError(), ActorUnavailableError("away", None)
    handle = _Handle(gone, away, away, away, gone, "scores")
    assert Scored(handle, seconds=5).predict(ROW) == "scores"
    assert handle.asked == 6
    deadly = _Handle(gone, away, gone, gone, "scores")
    with pytest.raises(ChildProcessError, match="3 replicas ended"):
        Scored(deadly, seconds=5).predict(ROW)
    with pytest.raises(TimeoutError):
        Scored(_Handle(*[away] * 100), seconds=0.1).predict(ROW)
    hung = Scored(_Handle(TimeoutError(), "scores"), seconds=5)
    hung.row_seconds = 0.001
    assert hung.predict(ROW) == "scores"
    late = _Handle("scores")
    with Call() as call, pytest.raises(TimeoutError):
        call.end()
        Scored(late, seconds=5).predict(ROW)
    assert late.asked == 0


def test_the_same_route_and_answer(service: Server, store: Store, tmp_path: Path) -> None:
    stable, canary, _ = _refs(store)
    store.point(stable, canary={**canary, "percent": 10, "key": None})
    service.until(lambda s: s["in_sync"], patience=PATIENCE)
    with running(store.folder, tmp_path / "single", command=COMMAND) as single:
        single.until(lambda s: s["in_sync"])

        def ask(numbers: range) -> int:
            both = [HTTPConnection("127.0.0.1", each.port) for each in (service, single)]
            canaries = 0
            for number in numbers:
                answers = [_bytes(connection, number) for connection in both]
                assert answers[0] == answers[1]
                canaries += b'"route":"canary"' in answers[0]
            for connection in both:
                connection.close()
            return canaries

        parts = [range(start, KEYS, 8) for start in range(8)]
        with ThreadPoolExecutor(8) as pool:
            canaries = sum(pool.map(ask, parts))
        _costs(service, single)
    print(f"{KEYS} keys: the same bytes; {canaries} of them to the canary")
    assert abs(canaries / KEYS - 0.1) < 0.02


def _costs(service: Server, single: Server) -> None:
    """Say what a request takes, one after the other: milliseconds, and those of CPU in all processes but this one."""
    found: dict[Server, list[tuple[float, float]]] = {service: [], single: []}
    for _ in range(ROUNDS):
        for server, rounds in found.items():
            connection = HTTPConnection("127.0.0.1", server.port)
            began, busy = time.monotonic(), all_processor_seconds() - time.process_time()
            for number in range(REQUESTS_A_ROUND):
                _bytes(connection, number)
            spent, busy = (
                time.monotonic() - began,
                all_processor_seconds() - time.process_time() - busy,
            )
            connection.close()
            rounds.append((1000 * spent / REQUESTS_A_ROUND, 1000 * busy / REQUESTS_A_ROUND))
    for server, name in ((service, "on the cluster"), (single, "on one machine")):
        times, cpus = zip(*found[server], strict=True)
        print(f"{name}: {median(times):.2f} ms a request, {median(cpus):.2f} ms of CPU")


def _bytes(connection: HTTPConnection, number: int) -> bytes:
    inputs = {**REQUEST, "distance": 100.0 + number % 2000, "hour": number % 24}
    body = {"request_id": f"r-{number}", "key": f"k-{number}", "inputs": inputs}
    connection.request("POST", "/predict", json.dumps(body).encode())
    answer = connection.getresponse()
    content = answer.read()
    assert answer.status == 200, content
    return content


def test_switch_and_revert_under_load(service: Server, store: Store, tmp_path: Path) -> None:
    first, second, third = _refs(store)
    answers = answers_of(service, store, [first, second, third])
    store.point(first)
    with stream(service, tmp_path, answers, requests=REQUESTS, rate=RATE) as outcome:
        for pointer in (
            {"stable": second, "previous": first},
            {"stable": first, "previous": second},
            {"stable": first, "previous": second, "canary": {**third, "percent": 30, "key": None}},
            {"stable": first, "previous": second, "shadow": third},
            {"stable": third, "previous": first},
            {"stable": first, "previous": third},
        ):
            at = time.time()
            service.until_synced(store.point(pointer.pop("stable"), **pointer))
            print(f"in sync after {time.time() - at:.2f} s")
            time.sleep(REQUESTS / RATE / 12)
        found = outcome()
    _nothing_lost(found)
    assert set(found.found.by_model) == set(answers)
    assert service.metric("model_shadow_rows_total") > 0
    assert service.stop() == 0
    written, torn = logged(tmp_path / "log")
    assert (len(written), torn) == (REQUESTS, 0)


def test_a_node_is_killed(nodes: Nodes, service: Server, store: Store, tmp_path: Path) -> None:
    first, second, _ = _refs(store)
    answers = answers_of(service, store, [first, second])
    service.until_synced(store.point(first, previous=second))
    with stream(service, tmp_path, answers, requests=REQUESTS, rate=RATE) as outcome:
        time.sleep(5)
        nodes.tell("kill-node")
        service.until(lambda s: s["ray"]["nodes"] == 1, patience=PATIENCE)
        # Whoever is left goes on.
        service.until(lambda s: "1 of 2 replicas" in (s["ray"]["problem"] or ""), patience=PATIENCE)
        time.sleep(5)
        nodes.tell("node")
        found = outcome()
    _nothing_lost(found)
    service.until(lambda s: s["ray"]["problem"] is None, patience=PATIENCE)
    assert service.status()["ray"]["nodes"] == 2


def test_the_head_is_killed(nodes: Nodes, service: Server, store: Store) -> None:
    first, second, third = _refs(store)
    service.until_synced(store.point(first, previous=second))
    nodes.tell("kill-head")
    state = service.until(lambda s: "head" in (s["ray"]["problem"] or ""), patience=PATIENCE)
    assert "no release can be started" in state["ray"]["problem"]
    # The replica on the other node does not need it.
    assert [service.predict().status for _ in range(100)] == [200] * 100
    nodes.tell("head")
    nodes.tell("node")
    began = time.time()
    commit = store.point(third, previous=first)
    while time.time() < began + PATIENCE:
        if _commit(service) == commit:
            break
        time.sleep(0.5)
    print(f"serves again {time.time() - began:.1f} s after the head is back")
    assert service.predict().json["model"] == third["model"]
    # To the new head it is a stranger.
    assert "worker 1 (pid" in service.log() and "ended with code" in service.log()
    assert service.stop() == 0


def _commit(service: Server) -> str | None:
    try:
        found: str | None = service.status()["live"]["commit"]
    except (OSError, ValueError):
        return None
    return found


def test_more_callers_get_more_replicas_and_a_reload_is_not_noticed(
    nodes: Nodes, store: Store, tmp_path: Path
) -> None:
    store.point(store.add(1))
    # Ray looks at half a minute before it starts more.
    lasting = round(90 * RATE)
    settings = _settings(tmp_path, "scaled")
    settings["ray"] |= {"min_replicas": 1, "max_replicas": 3, "per_node": 2, "ongoing": 0.2}
    with running(store.folder, tmp_path / "service", **settings) as server:
        server.until(lambda s: s["in_sync"], patience=PATIENCE)
        answers = {"flight-delay-v1": server.predict().json["output"]["probability"]}
        with stream(server, tmp_path, answers, requests=lasting, rate=RATE) as outcome:
            began = time.time()
            server.until(lambda s: _replicas(s) > 1, patience=PATIENCE)
            print(f"{_replicas(server.status())} replicas after {time.time() - began:.0f} s")
            assert server.process is not None
            server.process.send_signal(signal.SIGHUP)
            server.until(lambda s: s["workers"]["each"][0]["number"] > 1, patience=PATIENCE)
            found = outcome()
    _nothing_lost(found, lasting)
    assert "replaced 1 of 1 workers" in server.log()


def _replicas(state: dict[str, Any]) -> int:
    return sum(int(each["replicas"]) for each in state["ray"]["applications"].values())


def test_a_release_that_is_wrong_is_refused_in_the_same_words(
    service: Server, store: Store, tmp_path: Path
) -> None:
    first, _, third = _refs(store)
    data = store.bundle(third["sha256"]).read_bytes()
    store.bundle(third["sha256"]).write_bytes(data[:-100])
    store.point(third, previous=first)
    found = service.until(lambda s: bool(s["errors"]), patience=PATIENCE)
    with running(store.folder, tmp_path / "single", command=COMMAND) as single:
        alone = single.until(lambda s: bool(s["errors"]))
    assert found["errors"] == alone["errors"]
    assert service.predict().json["model"] == first["model"]


def test_a_killed_service_finds_what_it_started(service: Server, store: Store) -> None:
    before = service.status()
    os.kill(before["workers"]["each"][0]["pid"], signal.SIGKILL)
    began = time.time()
    service.until(lambda s: s["workers"]["ends"] == 1 and s["in_sync"], patience=PATIENCE)
    print(f"in sync {time.time() - began:.1f} s after the kill")
    assert set(service.status()["ray"]["applications"]) <= set(before["ray"]["applications"])
