"""No request of any size or shape, no flood and no connection keeps others from their answers."""

from __future__ import annotations

import contextlib
import json
import random
import socket
import statistics
import string
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from gitops_model.delivery import programs
from gitops_model.serving.limits import HEAD_SECONDS
from tests.support.factories import REQUEST
from tests.support.overload import calm_and_full
from tests.support.probe import exchange, probing
from tests.support.server import Ref, Server, Store, running
from tests.support.shapes import SHAPES, Shape

TRIES = 5


@contextlib.contextmanager
def _serving(folder: Path, **settings: object) -> Iterator[Server]:
    store = Store(folder / "store")
    ref: Ref = store.add(1)
    with running(store.folder, folder / "service", **settings) as server:
        server.until_synced(store.point(ref))
        yield server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    log = {"predictions": True, "folder": "predictions"}
    with _serving(tmp_path_factory.mktemp("limits"), log=log) as server:
        yield server


def _delay(server: Server, shape: Shape, within: float) -> float:
    """The longest that anybody else waited, at the best of some tries: the machine has other things to do."""
    best = float("inf")
    for _ in range(TRIES):
        with probing(server) as probe:
            time.sleep(0.05)
            answer = exchange(server, shape.wire())
            time.sleep(0.05)
        assert probe.statuses == {200}
        assert answer.startswith((b"HTTP/1.1 2", b"HTTP/1.1 4")), answer[:100]
        best = min(best, probe.worst)
        if best < within:
            break
    return best


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_no_single_request_keeps_another_waiting(server: Server, shape: Shape) -> None:
    assert _delay(server, shape, 0.5) < 0.5


@pytest.mark.slow
@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_no_single_request_keeps_another_waiting_for_fifty_milliseconds(
    server: Server, shape: Shape
) -> None:
    assert _delay(server, shape, 0.05) < 0.05


def test_hints_for_a_wide_contract_are_bounded(tmp_path: Path) -> None:
    from gitops_model.hints import nearest

    known = [f"some_feature_number_{n:04d}" for n in range(1000)]
    started = time.process_time()
    for number in range(100):
        assert nearest(f"some_feature_numbr_{number:04d}", known) == known[number]
    assert time.process_time() - started < 2.0


def _junk(random_: random.Random, number: int) -> tuple[str, str, bytes]:
    word = "".join(random_.choices(string.ascii_letters + string.digits + "%/._-", k=30))
    kind = number % 5
    if kind == 0:
        return "GET", f"/{word}", b""
    if kind == 1:
        return "POST", f"/v2/models/{word}/versions/{word}/infer", b"{}"
    if kind == 2:
        return "POST", "/predict", random_.randbytes(40)
    if kind == 3:
        return "POST", "/predict", json.dumps({"inputs": {word: word}}).encode()
    return "POST", "/predict", json.dumps({"inputs": REQUEST, "key": word, word: 1}).encode()


def _flood(server: Server, count: int, senders: int = 4) -> Counter[int]:
    found: Counter[int] = Counter()

    def send(seed: int) -> None:
        random_, statuses = random.Random(seed), Counter[int]()
        with contextlib.closing(server.connect()) as connection:
            for number in range(count // senders):
                method, path, body = _junk(random_, number)
                connection.request(method, path, body or None, {"Content-Type": "application/json"})
                answer = connection.getresponse()
                answer.read()
                statuses[answer.status] += 1
        found.update(statuses)

    threads = [threading.Thread(target=send, args=(seed,)) for seed in range(senders)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def _series(server: Server) -> int:
    return sum(not line.startswith("#") for line in server.get("/metrics").text.splitlines())


@pytest.mark.parametrize("count", [1000, pytest.param(10_000, marks=pytest.mark.slow)])
def test_junk_makes_no_error_no_series_and_no_memory(server: Server, count: int) -> None:
    _flood(server, 200)
    memory = server.metric("process_resident_memory_bytes")
    found = _flood(server, count)
    print(found, f"{_series(server)} series")
    assert sum(found.values()) == count
    assert max(found) < 500
    assert _series(server) <= 200
    assert server.predict().status == 200
    assert server.metric("process_resident_memory_bytes") - memory < 30e6


def _closed(connection: socket.socket) -> bool:
    connection.settimeout(0.5)
    with contextlib.suppress(ConnectionError):
        try:
            while connection.recv(65536):
                pass
        except TimeoutError:
            return False
    return True


@pytest.mark.slow
def test_connections_that_take_too_long_are_closed_and_others_answered(tmp_path: Path) -> None:
    with _serving(tmp_path) as server, contextlib.ExitStack() as stack:
        address = ("127.0.0.1", server.port)

        def opened(sent: bytes) -> socket.socket:
            connection = stack.enter_context(socket.create_connection(address, timeout=20))
            connection.sendall(sent)
            return connection

        head = b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n"
        idle = [opened(b"") for _ in range(250)]
        half = [opened(head) for _ in range(150)]
        bodies = [opened(head + b"\r\n{") for _ in range(100)]
        deaf = socket.socket()
        stack.callback(deaf.close)
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.connect(address)
        deaf.settimeout(0.5)
        # Answers that nobody takes, until the service's side of the connection is full.
        rows = json.dumps({"rows": [REQUEST] * 1000}).encode()
        one = b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % len(rows)
        with contextlib.suppress(TimeoutError):
            for _ in range(60):
                deaf.sendall(one + rows)
                time.sleep(0.02)
        with probing(server, pause=0.01) as probe:
            until = time.monotonic() + HEAD_SECONDS + 2.5
            trickled = half[0]
            while time.monotonic() < until:
                # A byte now and then buys no time.
                with contextlib.suppress(OSError):
                    trickled.send(b"x")
                time.sleep(0.25)
        assert probe.statuses == {200}
        assert sorted(probe.waits)[int(0.99 * len(probe.waits))] < 0.5
        assert all(map(_closed, [*idle, *half, *bodies]))
        assert server.metric("requests_refused_total", reason="head") >= 400
        assert server.metric("requests_refused_total", reason="body") >= 100
        assert server.metric("requests_refused_total", reason="stuck") == 1
        assert server.metric("connections_open") <= 3


def test_idle_connections_lock_nobody_out(tmp_path: Path) -> None:
    """70 of them once had everyone refused, with 64 descriptors."""
    store = Store(tmp_path / "store")
    few = ("sh", "-c", 'ulimit -n 120; exec "$@"', "sh", *programs.gitops_model())
    with (
        running(store.folder, tmp_path / "service", command=few) as server,
        contextlib.ExitStack() as stack,
    ):
        server.until_synced(store.point(store.add(1)))
        for _ in range(200):
            connection = socket.create_connection(("127.0.0.1", server.port), timeout=5)
            stack.enter_context(connection)
        for _ in range(20):
            assert server.predict().status == 200
        assert server.metric("requests_refused_total", reason="connections") >= 100
        server.until_synced(store.point(store.add(2)))


def test_more_at_once_than_allowed_are_refused_at_once_and_told_when_to_come_back(
    tmp_path: Path,
) -> None:
    with _serving(tmp_path, max_requests=2) as server, contextlib.ExitStack() as stack:
        # A batch: good single rows are answered at once, and never wait.
        body = json.dumps({"rows": [REQUEST]}).encode()
        wire = b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % len(body) + body
        connections = [
            stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=20))
            for _ in range(200)
        ]
        time.sleep(0.3)
        assert server.process is not None
        answers: Counter[int] = Counter()
        for _ in range(20):
            for connection in connections:
                connection.sendall(wire)
            for connection in connections:
                answer = b""
                while not answer.endswith(b"}"):
                    answer += connection.recv(65536)
                answers[int(answer[9:12])] += 1
                if answer.startswith(b"HTTP/1.1 429"):
                    assert b"\r\nretry-after: 1\r\n" in answer
            if answers[429]:
                break
        assert set(answers) == {200, 429}, answers
        assert server.metric("requests_refused_total", reason="busy") == answers[429]
        # Who only asks how it is doing is answered.
        assert server.get("/healthz").status == 200
        assert server.metric("requests_working") == 1


def test_each_of_512_connections_in_overload_is_answered_or_refused(server: Server) -> None:
    calm, full = calm_and_full(server, connections=512, seconds=1.5)
    found = {status: waits.count for status, waits in full.times.items()}
    print(f"{full.rate / calm.rate:.0%} of the peak, {full.share(calm):.0%} of the time, {found}")
    assert full.lost == 0
    assert set(found) <= {200, 429}
    assert full.share(calm) > 0.5
    assert server.predict().status == 200


@pytest.mark.slow
def test_overload_leaves_goodput_and_memory_as_they_were(server: Server) -> None:
    calm_and_full(server, connections=512, seconds=1.0)
    memory = server.metric("process_resident_memory_bytes")
    shares = []
    for _ in range(5):
        calm, full = calm_and_full(server, connections=512, seconds=4.0)
        shares.append(full.share(calm))
    print(sorted(shares))
    assert statistics.median(shares) >= 0.9
    assert server.metric("process_resident_memory_bytes") - memory < 30e6
