"""Twenty switches and rollbacks under constant load: every request answered, by the release it names."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.factories import REQUEST
from tests.support.server import Ref, Server, Store, running

SENDERS = 4
RATE = 300.0
SWITCHES = 20


@dataclass
class Load:
    """Keep-alive callers that send at fixed times, so that a slow answer does not lower the rate."""

    server: Server
    answers: list[tuple[str, float]] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        connection = self.server.connect()
        body = json.dumps({"inputs": REQUEST}).encode()
        due = time.monotonic()
        while not self.stopping.is_set():
            time.sleep(max(0.0, due - time.monotonic()))
            try:
                connection.request("POST", "/predict", body, {"Content-Type": "application/json"})
                reply = connection.getresponse()
                data = json.loads(reply.read())
                if reply.status == 200:
                    self.answers.append((data["model"], data["output"]["probability"]))
                else:
                    self.lost.append(f"{reply.status} {data}")
            except Exception as error:
                self.lost.append(repr(error))
                connection.close()
            self.latencies.append(time.monotonic() - due)
            due += SENDERS / RATE
        connection.close()


def _expected(server: Server, store: Store, refs: list[Ref]) -> dict[str, float]:
    found = {}
    for ref in refs:
        server.until_synced(store.point(ref))
        found[ref["model"]] = server.predict().json["output"]["probability"]
    return found


def test_no_request_is_lost_or_answered_by_neither_version(
    tmp_path: Path, record_property: Any
) -> None:
    store = Store(tmp_path / "store")
    refs = [store.add(1), store.add(2)]
    with running(store.folder, tmp_path / "service") as server:
        expected = _expected(server, store, refs)
        assert len(set(expected.values())) == 2
        load = Load(server)
        senders = [threading.Thread(target=load.run) for _ in range(SENDERS)]
        started = time.monotonic()
        for sender in senders:
            sender.start()
        for turn in range(SWITCHES):
            new, old = refs[turn % 2], refs[(turn + 1) % 2]
            # Every other switch loads from the store, the rest go back to the loaded previous.
            previous = old if turn % 4 in (0, 1) else None
            server.until_synced(store.point(new, previous=previous))
            time.sleep(0.05)
        load.stopping.set()
        for sender in senders:
            sender.join()
        seconds = time.monotonic() - started

        assert load.lost == []
        wrong = [a for a in load.answers if abs(a[1] - expected[a[0]]) > 1e-6]
        assert wrong == []
        assert {model for model, _ in load.answers} == set(expected)
        rate = len(load.answers) / seconds
        assert rate >= 200
        p99 = sorted(load.latencies)[int(0.99 * len(load.latencies))]
        record_property("requests_per_second", round(rate))
        record_property("p99_ms", round(1000 * p99, 1))
        print(f"{len(load.answers)} requests, {rate:.0f}/s, p99 {1000 * p99:.1f} ms")
        assert server.metric("model_switches_total") >= SWITCHES
