"""Several workers of one service: one view of them, honest while one is missing, and none that takes others along."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.factories import REQUEST
from tests.support.processes import alive
from tests.support.server import Server, Store, running
from tests.support.switched import all_serve, logged

PATIENCE = 20.0


def _until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain: {what}"
        time.sleep(0.02)


def _pids(server: Server) -> list[int]:
    return [one["pid"] for one in server.status()["workers"]["each"]]


def _answered_by(server: Server) -> set[int]:
    # All are open at once: a single connection after the other may always find the same worker first.
    connections = [server.connect() for _ in range(8)]
    found = set()
    for connection in connections:
        connection.request("GET", "/status")
    for connection in connections:
        found.add(json.loads(connection.getresponse().read())["workers"]["answered_by"])
        connection.close()
    return found


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store(tmp_path / "store")
    made.point(made.add(1))
    return made


def test_any_worker_speaks_for_all(store: Store, tmp_path: Path) -> None:
    new = store.add(2)
    log = {"predictions": True, "folder": str(tmp_path / "log")}
    with running(store.folder, tmp_path / "service", workers=2, log=log) as server:
        state = server.until(all_serve)
        assert state["workers"]["wanted"] == 2
        _until(lambda: _answered_by(server) == set(_pids(server)), "answers of both")

        for number in range(20):
            assert server.predict(request_id=f"r-{number}").status == 200
        names = ("model_requests_total", "http_requests_total")
        labels: list[dict[str, str]] = [{}, {"route": "/predict"}]

        def counted() -> list[float]:
            return [server.metric(name, **one) for name, one in zip(names, labels, strict=True)]

        _until(lambda: counted() == [20, 20], "all counts in one view")
        # Both answered some of them, and whoever is asked says the same.
        assert all(counted() == [20, 20] for _ in range(6))
        assert server.metric("service_workers", state="serving") == 2
        assert server.metric("pointer_in_sync") == 1
        assert "2 of 2 workers serve" in server.get("/").text

        server.until_synced(store.point(new))
        # Whoever answers knows of itself at once, and of the others what they wrote last.
        _until(
            lambda: {one["stable"] for one in server.status()["workers"]["each"]} == {new["model"]},
            "the new release at each worker",
        )
        assert {server.predict().json["model"] for _ in range(12)} == {new["model"]}

        # One is killed: its callers go to the other, which says so, and what it counted stays.
        gone = _pids(server)[0]
        _until(
            lambda: server.metric("http_requests_total", route="/predict") == 32,
            "the last answers are counted",
        )
        os.kill(gone, signal.SIGKILL)
        began = time.monotonic()
        state = server.until(lambda s: s["workers"]["ends"] == 1)
        assert (state["workers"]["serving"], state["ready"]) == (1, True)
        assert f"(pid {gone}) was ended by SIGKILL" in state["workers"]["said"]
        assert server.get("/readyz").status == 200
        server.until(all_serve)
        assert time.monotonic() - began < 5
        assert gone not in _pids(server)
        assert server.metric("service_worker_ends_total") == 1
        assert server.metric("http_requests_total", route="/predict") == 32
        lost = server.status()["workers"]["lost_rows"]
        assert f"{lost:,} answered rows had not been written" in server.log()
        assert server.metric("prediction_log_dropped_total") == lost
        assert server.stop() == 0
    written, torn = logged(tmp_path / "log")
    assert (written, torn) == (set(range(20)), 0)


def test_rows_that_went_with_a_worker_are_said_to_the_row(store: Store, tmp_path: Path) -> None:
    log = {"predictions": True, "folder": str(tmp_path / "log")}
    with running(store.folder, tmp_path / "service", workers=2, log=log) as server:
        server.until(all_serve)
        pids = _pids(server)
        for number in range(30):
            assert server.predict(request_id=f"r-{number}").status == 200
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        state = server.until(lambda s: all_serve(s) and s["workers"]["ends"] == 2)
        assert server.stop() == 0
    written, torn = logged(tmp_path / "log")
    assert torn == 0
    assert 30 - len(written) == state["workers"]["lost_rows"] > 0


@pytest.mark.slow
def test_half_a_line_of_a_killed_worker_is_cut_off(store: Store, tmp_path: Path) -> None:
    log = {"predictions": True, "folder": str(tmp_path / "log")}
    with running(store.folder, tmp_path / "service", workers=2, log=log) as server:
        server.until(all_serve)
        parts: list[Path] = []
        while not parts:
            assert server.predict().status == 200
            found = (tmp_path / "log").glob("date=*/part-*.jsonl")
            # A file is there before its first line is.
            parts = [part for part in found if part.stat().st_size]
        whole = parts[0].read_bytes()
        with parts[0].open("ab") as stream:
            stream.write(b'{"time":"20')
        os.kill(int(parts[0].stem.removeprefix("part-")), signal.SIGKILL)
        server.until(lambda s: s["workers"]["ends"] == 1)
        assert parts[0].read_bytes().startswith(whole)
        assert parts[0].read_bytes().endswith(b"}\n")


def test_a_worker_that_cannot_start_is_no_busy_loop(store: Store, tmp_path: Path) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text(
        "import sys, time\n"
        "from gitops_model import cli\n"
        "from gitops_model.serving import supervisor\n"
        "supervisor.COMMAND = (sys.executable, '-c', 'import sys; sys.exit(3)')\n"
        "supervisor.FIRST_PAUSE = 0.2\n"
        "sys.exit(cli.main())\n"
    )
    server = Server(
        store.folder, tmp_path, command=[sys.executable, str(broken)], workers=2, port=0
    )
    process = server.begin()
    try:
        _until(lambda: "the 4. in a row; the next one starts in 0.8 s" in server.log(), "back-off")
        assert server.log().count("ended with code 3") <= 10
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()


def test_workers_end_with_their_supervisor(store: Store, tmp_path: Path) -> None:
    with running(store.folder, tmp_path / "service", workers=2) as server:
        server.until(all_serve)
        pids = _pids(server)
        server.kill()
        _until(lambda: not any(map(alive, pids)), "the workers end")


@pytest.mark.slow
def test_a_service_that_ends_finishes_what_it_began(store: Store, tmp_path: Path) -> None:
    with running(store.folder, tmp_path / "service", workers=2, timeout_ms=10_000) as server:
        server.until(all_serve)
        connection = server.connect()
        body = json.dumps({"inputs": REQUEST}).encode()
        connection.putrequest("POST", "/predict")
        connection.putheader("Content-Type", "application/json")
        connection.putheader("Content-Length", str(len(body)))
        connection.endheaders()
        connection.send(body[:10])
        time.sleep(0.2)
        assert server.process is not None
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        connection.send(body[10:])
        assert connection.getresponse().status == 200
        connection.close()
        assert server.process.wait(PATIENCE) == 0
        assert server.process.stdout is not None
        server.process.stdout.close()


@pytest.mark.slow
def test_wrong_settings_leave_the_workers_as_they_are(store: Store, tmp_path: Path) -> None:
    with running(store.folder, tmp_path / "service", workers=2) as server:
        server.until(all_serve)
        pids, text = _pids(server), server.config.read_text()
        for wrong, words in (
            ("max_rows: -1\n", "max_rows is -1"),
            ("guard: {act: false}\n", "another guard, which needs a restart"),
        ):
            server.config.write_text(text + wrong)
            assert server.process is not None
            server.process.send_signal(signal.SIGHUP)
            _until(lambda words=words: words in server.log(), words)
        assert _pids(server) == pids


@pytest.mark.slow
def test_a_replacement_that_does_not_serve_replaces_nobody(store: Store, tmp_path: Path) -> None:
    flag = tmp_path / "broken"
    harness = tmp_path / "sometimes.py"
    harness.write_text(
        "import sys\n"
        "from pathlib import Path\n"
        "from gitops_model import cli\n"
        "from gitops_model.serving import supervisor, worker\n"
        f"if Path({str(flag)!r}).exists() and sys.argv[1] == 'worker': sys.exit(4)\n"
        f"supervisor.COMMAND = (sys.executable, {str(harness)!r}, 'worker')\n"
        "sys.exit(worker.main(sys.argv[2:]) if sys.argv[1] == 'worker' else cli.main())\n"
    )
    folder = tmp_path / "service"
    command = [sys.executable, str(harness)]
    with running(store.folder, folder, workers=2, command=command) as server:
        server.until(all_serve)
        pids = _pids(server)
        flag.touch()
        assert server.process is not None
        server.process.send_signal(signal.SIGHUP)
        _until(lambda: "does not serve, so the others stay" in server.log(), "the refusal")
        assert _pids(server) == pids
        state: dict[str, Any] = server.status()
        assert all_serve(state)
