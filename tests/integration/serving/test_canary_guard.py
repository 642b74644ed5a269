"""A real service whose canary turns bad: it is out of routing, stays out, and harms nobody else."""

from __future__ import annotations

import json
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.factories import REQUEST
from tests.support.places import ROOT
from tests.support.server import Ref, Server, Store
from tests.support.switched import all_serve

FAULTY = ROOT / "tests/support/faulty.py"
PERCENT = 20


class Scene:
    """A store with a stable release and a canary, the faults of each, and a service."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, **settings: Any) -> None:
        self.store = Store(folder / "store")
        self.stable, self.canary = self.store.add(12), self.store.add(13)
        self.faults = folder / "faults.json"
        self.fail({})
        monkeypatch.setenv("FAULTS", str(self.faults))
        self.server = Server(
            self.store.folder,
            folder,
            command=[sys.executable, str(FAULTY)],
            **settings,
        )

    def fail(self, faults: dict[str, Any], of: Ref | None = None) -> None:
        self.faults.with_suffix(".new").write_text(json.dumps({of["sha256"]: faults} if of else {}))
        self.faults.with_suffix(".new").replace(self.faults)

    def point(self, canary: Ref | None = None) -> str:
        rule = {"percent": PERCENT, "key": None}
        return self.store.point(self.stable, canary=(canary or self.canary) | rule)

    @property
    def memory(self) -> Path:
        return self.store.folder / "removed.json"


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Scene]]:
    made: list[Scene] = []

    def make(**settings: Any) -> Scene:
        made.append(Scene(tmp_path, monkeypatch, **settings))
        return made[-1]

    yield make
    for one in made:
        if one.server.running:
            one.server.kill()


@contextmanager
def traffic(server: Server) -> Iterator[Counter[tuple[str, int]]]:
    """Callers with keys of their own, until the block ends: answers by model and status."""
    found: Counter[tuple[str, int]] = Counter()
    stop = threading.Event()

    def call(worker: int) -> None:
        connection, number = server.connect(), 0
        while not stop.is_set():
            number += 1
            body = json.dumps({"inputs": REQUEST, "key": f"{worker}-{number}"})
            connection.request("POST", "/predict", body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            answer.read()
            found[str(answer.headers["X-Model"]), answer.status] += 1
            # A hundred a second each: this is to be judged quickly, not to measure the machine.
            stop.wait(0.01)
        connection.close()

    threads = [threading.Thread(target=call, args=(n,)) for n in range(2)]
    for thread in threads:
        thread.start()
    try:
        yield found
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def _removed(state: dict[str, Any]) -> bool:
    return bool(state["removed"])


def _routes(server: Server, keys: int = 60) -> set[str]:
    return {server.predict(key=f"N{number}").json["route"] for number in range(keys)}


@pytest.mark.parametrize(
    ("faults", "words"),
    [
        ({"errors": 0.5}, "requests that fail"),
        pytest.param({"fallbacks": 0.5}, "answers that are the fallback", marks=pytest.mark.slow),
        pytest.param({"seconds": 0.01}, "answers that are slow", marks=pytest.mark.slow),
    ],
)
def test_a_bad_canary_is_out_of_routing_and_stays_out(
    scene: Callable[..., Scene], faults: dict[str, Any], words: str
) -> None:
    at = scene()
    commit = at.point()
    server = at.server.start()
    server.until_synced(commit)
    with traffic(server) as answers:
        at.fail(faults, of=at.canary)
        state = server.until(_removed)
        assert words in state["removed"][0]["reason"]
        assert state["live"]["canary"] is None and state["canary"] is None
        seen = Counter(answers)
    # Callers of stable noticed nothing.
    assert {status for model, status in answers if model == at.stable["model"]} == {200}
    assert sum(seen.values()) > 100
    assert _routes(server) == {"stable"}
    assert state["errors"][0]["reason"] == "removed"
    sentence = state["errors"][0]["sentence"]
    assert "make rollback" in sentence and f"make forgive MODEL={at.canary['model']}" in sentence
    assert sentence in server.log()
    assert server.metric("model_canary_verdict", verdict="bad", model=at.canary["model"]) == 1
    assert server.metric("model_load_failures_total", reason="removed") == 0

    # The same pointer again, and another commit of it.
    commit = at.point()
    server.until(lambda s: s["desired"]["commit"] == commit)
    assert _routes(server) == {"stable"}

    # A restart, and a kill.
    assert server.stop() == 0
    server.start()
    server.until(lambda s: s["live"]["stable"] == at.stable and s["errors"])
    assert _routes(server) == {"stable"}

    # Another release is judged anew.
    at.fail({})
    other = at.store.add(14)
    server.until_synced(at.point(other))
    assert server.status()["canary"]["verdict"] == "not yet"
    assert _routes(server) == {"stable", "canary"}


def test_all_workers_take_it_out_by_one_verdict(scene: Callable[..., Scene]) -> None:
    at = scene(workers=2)
    commit = at.point()
    server = at.server.start()
    server.until(lambda s: all_serve(s) and s["in_sync"] and s["live"]["commit"] == commit)
    with traffic(server):
        # Whoever is asked tells of what both saw.
        server.until(lambda s: s["canary"]["signals"][0]["canary"]["of"] > 10)
        at.fail({"errors": 0.5}, of=at.canary)
        server.until(_removed)
        _ = [server.until(lambda s: s["live"]["canary"] is None) for _ in range(6)]
    assert _routes(server) == {"stable"}
    assert server.log().count("serving stable flight-delay-v12 (commit") >= 2
    entries = json.loads(at.memory.read_text())["removed"]
    assert [entry["sha256"] for entry in entries] == [at.canary["sha256"]]
    assert "requests that fail" in entries[0]["reason"]
    assert server.metric("model_canary_verdict", verdict="bad") == 1


def test_what_is_forgiven_is_routed_again_and_judged_anew(scene: Callable[..., Scene]) -> None:
    at = scene()
    at.memory.parent.mkdir(exist_ok=True)
    entry = {**at.canary, "stable": at.stable["model"], "at": "2026-01-01T00:00:00.000Z"}
    at.memory.write_text(json.dumps({"schema": 1, "removed": [entry | {"reason": "a test"}]}))
    at.point()
    server = at.server.start()
    server.until(lambda s: bool(s["errors"]))
    # Not even the first request reaches it.
    assert _routes(server) == {"stable"}
    at.memory.write_text(json.dumps({"schema": 1, "removed": []}))
    state = server.until(lambda s: s["in_sync"])
    assert state["removed"] == [] and state["canary"]["verdict"] == "not yet"
    assert _routes(server) == {"stable", "canary"}


@pytest.mark.slow
def test_another_service_of_the_same_store_takes_it_out_too(
    scene: Callable[..., Scene], tmp_path: Path
) -> None:
    at = scene()
    (tmp_path / "second").mkdir()
    second = Server(at.store.folder, tmp_path / "second")
    commit = at.point()
    try:
        for server in (at.server, second):
            server.start().until_synced(commit)
        at.fail({"errors": 0.9}, of=at.canary)
        with traffic(at.server):
            at.server.until(_removed)
        second.until(_removed)
        assert _routes(second) == {"stable"}
    finally:
        second.kill()


@pytest.mark.slow
def test_it_only_says_so_where_act_is_false(scene: Callable[..., Scene]) -> None:
    at = scene(guard={"act": False})
    server = at.server
    commit = at.point()
    server.start().until_synced(commit)
    at.fail({"errors": 0.9}, of=at.canary)
    with traffic(server):
        state = server.until(lambda s: s["canary"]["verdict"] == "bad")
    assert "requests that fail" in state["canary"]["reason"]
    assert state["live"]["canary"]["model"] == at.canary["model"] and not state["removed"]
    assert server.metric("model_canary_verdict", verdict="bad") == 1
    assert "act: false" in server.log()


def test_a_memory_that_makes_no_sense_is_said_and_stops_nothing(
    scene: Callable[..., Scene],
) -> None:
    at = scene()
    at.memory.parent.mkdir(exist_ok=True)
    at.memory.write_text("no JSON")
    commit = at.point()
    at.server.start().until_synced(commit)
    assert "removed.json is not read" in at.server.log()
