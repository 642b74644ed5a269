"""The guard at its bar, live: 50 requests a second, a tenth of them to the canary. What it takes is printed.

    pytest -s -m slow tests/integration/serving/test_canary_live.py

The bound counts requests that were answered, since the machine may be busy, and is wide: half of the simulated runs
took less than 28.5 s (1,425 requests), and of five runs more than half must stay below three times that. Answers that
take three times as long are hard to see where everything is late: there, each run has to end within DEADLINE.
"""

from __future__ import annotations

import json
import statistics
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from gitops_model.delivery import forgive
from gitops_model.formats import removed
from tests.support.factories import REQUEST
from tests.support.places import ROOT
from tests.support.server import Server, Store

FAULTY = ROOT / "tests/support/faulty.py"
RATE, PERCENT, RUNS = 50, 10, 5
CALLERS = 5
MOST_REQUESTS = 3 * 1425
DEADLINE = 300.0


class Load:
    """`RATE` requests a second, due at fixed times, each with a key of its own."""

    def __init__(self, server: Server) -> None:
        self.answered = 0
        self.stable_failures = 0
        self._server = server
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._call, args=(n,)) for n in range(CALLERS)]

    @contextmanager
    def running(self) -> Iterator[Load]:
        for thread in self._threads:
            thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            for thread in self._threads:
                thread.join()

    def _call(self, caller: int) -> None:
        connection, number = self._server.connect(), 0
        due = time.monotonic() + caller / RATE
        while not self._stop.wait(max(0.0, due - time.monotonic())):
            due = max(due + CALLERS / RATE, time.monotonic() - 1)
            number += 1
            body = json.dumps({"inputs": REQUEST, "key": f"{caller}-{number}"})
            connection.request("POST", "/predict", body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            answer.read()
            with self._lock:
                self.answered += 1
                if answer.headers["X-Model-Route"] == "stable" and answer.status != 200:
                    self.stable_failures += 1
        connection.close()


def _forgive(store: Store, model: str) -> None:
    """It is written down right after it is out of routing; a person is slower than that."""
    until = time.monotonic() + DEADLINE
    while model not in {one.model for one in removed.read(store.folder / "removed.json").values()}:
        assert time.monotonic() < until, "the removal was not written down"
        time.sleep(0.02)
    assert forgive.run(forgive.Options(model=model, store=store.folder)) == 0


def _wait(server: Server, found: str) -> dict[str, Any]:
    until = time.monotonic() + DEADLINE
    while not (state := server.status())[found]:
        assert time.monotonic() < until, f"nothing in {DEADLINE:g} s: {state['canary']}"
        time.sleep(0.1)
    return state


@pytest.mark.slow
@pytest.mark.parametrize(
    ("stable_faults", "canary_faults", "words", "most"),
    [
        pytest.param({}, {"errors": 0.05}, "requests that fail", MOST_REQUESTS, id="5 % errors"),
        pytest.param(
            {"seconds": 0.005},
            {"seconds": 0.005, "times": 3},
            "answers that are slow",
            float("inf"),
            id="3 x latency",
        ),
    ],
)
def test_a_bad_canary_is_out_within_its_bar_and_judged_anew_once_forgiven(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    stable_faults: dict[str, float],
    canary_faults: dict[str, float],
    words: str,
    most: float,
) -> None:
    store = Store(tmp_path / "store")
    stable, canary = store.add(12), store.add(13)
    faults = tmp_path / "faults.json"
    faults.write_text(
        json.dumps({stable["sha256"]: stable_faults, canary["sha256"]: canary_faults})
    )
    monkeypatch.setenv("FAULTS", str(faults))
    server = Server(store.folder, tmp_path, command=[sys.executable, str(FAULTY)])
    commit = store.point(stable, canary=canary | {"percent": PERCENT, "key": None})
    server.start()
    took: list[tuple[int, float]] = []
    try:
        server.until_synced(commit)
        with Load(server).running() as load:
            for _ in range(RUNS):
                begun, started = load.answered, time.monotonic()
                state = _wait(server, "removed")
                took.append((load.answered - begun, time.monotonic() - started))
                assert words in state["removed"][0]["reason"] and state["live"]["canary"] is None
                _forgive(store, canary["model"])
                assert _wait(server, "canary")["in_sync"]
            assert load.stable_failures == 0
    finally:
        server.kill()
    requests = statistics.median(count for count, _ in took)
    seconds = statistics.median(each for _, each in took)
    print(f"\n{words}: out after {requests:g} requests, {seconds:.1f} s (medians of {RUNS})")
    print("  " + ", ".join(f"{count} ({each:.1f} s)" for count, each in took))
    assert requests < most
