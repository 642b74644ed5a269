"""Switches, reverts and killed workers under constant load: every request is answered, by the release it names.

What a killed worker had in flight is lost by nature: its callers see a connection that ends without an answer, and send
again, as HTTP clients and balancers do. Those are counted apart, and there are none at other times.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from tests.support.server import Server, Store, running
from tests.support.switched import (
    Outcome,
    all_serve,
    answers_of,
    logged,
    stream,
    switch_under_load,
)

WORKERS = 2
# The whole is for a quiet machine and half an hour. LOAD_REQUESTS makes it shorter, with as many switches a request;
# LOAD_RATE asks faster.
MOST = int(os.environ.get("LOAD_REQUESTS", "1_000_000"))
RATE = float(os.environ.get("LOAD_RATE", "500"))


@pytest.mark.parametrize(
    ("requests", "rate", "switches"),
    [
        pytest.param(50_000, 1600.0, 25, id="50,000"),
        pytest.param(MOST, RATE, max(25, MOST // 2000), id="all", marks=pytest.mark.slow),
    ],
)
def test_no_request_is_lost_or_answered_by_neither_version(
    requests: int, rate: float, switches: int, tmp_path: Path, record_property: Any
) -> None:
    store = Store(tmp_path / "store")
    refs = [store.add(1), store.add(2)]
    log = {"predictions": True, "folder": str(tmp_path / "log")}
    settings = {"workers": WORKERS, "max_requests": 1000, "timeout_ms": 15000, "log": log}
    store.point(refs[0])
    with running(store.folder, tmp_path / "service", **settings) as server:
        server.until(all_serve)
        outcome = switch_under_load(
            server,
            store,
            refs,
            tmp_path,
            requests=requests,
            rate=rate,
            switches=switches,
            kills=10,
            say=lambda words: print(words, flush=True),
        )
        state = server.until(lambda s: s["in_sync"] and all_serve(s))
        print(outcome.words(), state["workers"]["lost_rows"], "rows not logged")
        record_property("outcome", outcome.words())
        _nothing_lost(outcome, requests)
        assert set(outcome.found.by_model) == {ref["model"] for ref in refs}
        assert state["workers"]["ends"] == len(outcome.kills) == 10
        lost_rows = state["workers"]["lost_rows"]
        assert server.metric("prediction_log_dropped_total") == lost_rows
        assert server.stop() == 0
    written, torn = logged(tmp_path / "log")
    assert torn == 0
    assert requests - len(written) <= lost_rows


def test_workers_are_replaced_one_by_one_and_no_request_even_notices(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    refs = [store.add(1), store.add(2)]
    store.point(refs[0])
    with running(
        store.folder, tmp_path / "service", workers=WORKERS, max_requests=1000, timeout_ms=15000
    ) as server:
        server.until(all_serve)
        answers = answers_of(server, store, refs)
        before = {one["number"] for one in server.status()["workers"]["each"]}
        with stream(server, tmp_path, answers, requests=4000, rate=800.0) as outcome:
            time.sleep(0.5)
            _send(server, signal.SIGHUP)
            state = server.until(
                lambda s: all_serve(s) and not before & {w["number"] for w in s["workers"]["each"]}
            )
            found = outcome()
        _nothing_lost(found, 4000)
        assert found.found.again == []
        assert state["workers"]["ends"] == 0
        assert "replaced 2 of 2 workers" in server.log()


def _nothing_lost(outcome: Outcome, requests: int) -> None:
    found = outcome.found
    assert (found.lost, found.losses) == (0, [])
    assert found.answered == requests
    assert found.status == {"200": requests}
    assert outcome.strays == []


def _send(server: Server, number: signal.Signals) -> None:
    assert server.process is not None
    server.process.send_signal(number)
