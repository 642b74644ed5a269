"""A shadow sees what callers asked, is compared with what they got, and cannot hurt them: real processes."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gitops_model import strict_yaml
from gitops_model.delivery import compare
from gitops_model.formats.bundle import Bundle
from gitops_model.formats.pointer import Pointer
from gitops_model.monitoring import records
from gitops_model.monitoring.compare import decided
from gitops_model.monitoring.traffic import asked
from gitops_model.runtime import models
from gitops_model.serving.router import in_canary
from tests.support import troubled
from tests.support.factories import REQUEST, contract_dict, make_contract, with_place
from tests.support.places import ROOT
from tests.support.processes import alive
from tests.support.server import PATIENCE, Ref, Server, Store, running
from tests.support.troubled import rows

LOG = {"predictions": True, "folder": "predictions"}
MANY = 300


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def server(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[Server]:
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}:{ROOT / 'src'}")
    settings = {"log": LOG, "trusted_types": [troubled.TYPE], "max_rows": 5000}
    settings |= getattr(request, "param", {})
    with running(store.folder, tmp_path / "service", **settings) as server:
        yield server


def with_shadow(store: Store, server: Server, shadow: Ref) -> dict[str, Any]:
    """Stable and a shadow in place; the status."""
    return server.until_synced(store.point(store.add(1), shadow=shadow))


def at(hour: int) -> dict[str, Any]:
    return REQUEST | {"hour": hour}


def ask(server: Server, count: int = MANY, *, hours: int = 12) -> None:
    """So many requests, each answered by stable."""
    for number in range(count):
        answer = server.predict(at(number % hours), request_id=f"r{number}")
        assert (answer.status, answer.json["model"], answer.json["route"]) == (
            200,
            "flight-delay-v1",
            "stable",
        )


def logged(server: Server, count: int) -> list[dict[str, Any]]:
    """The shadow's records, once there are `count` of them."""
    deadline = time.monotonic() + PATIENCE
    while True:
        texts = [p.read_text() for p in (server.folder / "predictions").glob("*/*.jsonl")]
        # The last line may be half written.
        found = [json.loads(line) for text in texts for line in text.split("\n")[:-1]]
        shadow = [record for record in found if record["route"] == "shadow"]
        if len(shadow) >= count:
            return shadow
        assert time.monotonic() < deadline
        time.sleep(0.02)


def until_gone(pid: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while alive(pid):
        assert time.monotonic() < deadline, f"process {pid} is still there"
        time.sleep(0.01)


def test_it_sees_what_was_answered_and_nobody_gets_its_answer(store: Store, server: Server) -> None:
    shadow = store.add(2)
    assert with_shadow(store, server, shadow)["live"]["shadow"] == shadow
    ask(server, hours=24)
    state = server.until(lambda s: sum(s["shadow"]["rows"].values()) == MANY)
    assert state["shadow"]["rows"]["same"] + state["shadow"]["rows"]["other"] == MANY
    assert 0 < state["shadow"]["agreement"] < 1
    assert state["shadow"]["difference"]["mean"] > 0
    assert set(state["shadow"]["dropped_rows"].values()) == {0}
    records = logged(server, MANY)
    assert {record["request_id"] for record in records} == {f"r{n}" for n in range(MANY)}
    bundle = Bundle.read(store.bundle(shadow["sha256"]), sha256=shadow["sha256"])
    model = models.load_model(bundle, trusted=())
    validate = bundle.contract.row_validator()
    for record in records[:20]:
        columns = models.columns_of(bundle.contract, [validate(record["inputs"]).values])
        probability = model.predict(columns)[0]
        assert record["sha256"] == shadow["sha256"]
        assert record["output"]["probability"] == pytest.approx(probability, abs=1e-6)
        assert record["answered"]["model"] == "flight-delay-v1"
        asked = server.predict(record["inputs"]).json["output"]
        assert record["answered"]["output"] == asked
        same = asked["delayed"] == record["output"]["delayed"]
        assert record["outcome"] == ("same" if same else "other")
        moved = record["output"]["probability"] - asked["probability"]
        assert record["difference"] == pytest.approx(moved)


def test_its_metrics_are_there_at_zero_and_count(store: Store, server: Server) -> None:
    shadow = troubled.add(store, 2)
    with_shadow(store, server, shadow)
    name = {"model": "flight-delay-v2"}
    text = server.get("/metrics").text
    for reason in ("queue", "down", "lost"):
        assert (
            f'model_shadow_dropped_rows_total{{model="flight-delay-v2",reason="{reason}"}} 0.0'
            in text
        )
    assert server.metric("model_shadow_up", **name) == 1
    server.call("POST", "/predict", {"rows": [at(1), at(2), at(troubled.PRINT)]})
    server.predict(at(troubled.RAISE))
    server.until(lambda s: sum(s["shadow"]["rows"].values()) == 4)
    assert server.metric("model_shadow_rows_total", outcome="failed", **name) == 1
    assert server.metric("model_shadow_rows_total", **name) == 4
    assert server.metric("model_shadow_score_difference_count", **name) == 3
    assert server.metric("model_shadow_duration_seconds_count", **name) == 2
    assert server.metric("model_info", role="shadow", **name) == 1
    # The model itself is not in the service, so nobody can ask for it by name either.
    assert server.call("POST", "/v2/models/flight-delay/versions/2/infer", {}).status == 404


def test_golden_requests_and_releases_asked_by_name_are_not_copied(
    store: Store, server: Server
) -> None:
    with_shadow(store, server, store.add(2))
    server.predict(request_id="golden-1")
    tensor = {
        "inputs": [
            {"name": name, "shape": [1], "datatype": kind, "data": [REQUEST[name]]}
            for name, kind in
            [("distance", "FP32"), ("hour", "INT64"), ("carrier", "BYTES"), ("weekend", "BOOL")]
        ]
    }  # fmt: skip
    assert server.call("POST", "/v2/models/flight-delay/versions/1/infer", tensor).status == 200
    assert (
        server.call("POST", "/v2/models/flight-delay/infer", {**tensor, "id": "seen"}).status == 200
    )
    assert [record["request_id"] for record in logged(server, 1)] == ["seen"]


def test_the_command_reads_what_the_service_wrote(
    store: Store,
    server: Server,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with_shadow(store, server, store.add(2))
    ask(server, hours=24)
    state = server.until(lambda s: sum(s["shadow"]["rows"].values()) == MANY)
    logged(server, MANY)
    monkeypatch.chdir(server.folder)
    Path("contract.yaml").write_text(strict_yaml.dump(contract_dict()))
    Path("production.yaml").write_text(Pointer().to_yaml())
    assert compare.run(compare.Options(log="predictions")) == 0
    said = capsys.readouterr().out
    assert f"agrees on {100 * state['shadow']['agreement']:.1f} %" in said
    assert f"same {state['shadow']['rows']['same']}" in said
    shown = Path("reports/compare.md").read_text()
    assert f"| carrier=UA | {MANY} |" in shown and "Answered by: flight-delay-v1 300" in shown
    # The callers' rows beside them are the day's traffic.
    contract = make_contract()
    log = records.Log("predictions")
    pieces = [
        p for part in log.parts() for p in log.read(part, decided(contract), records.Broken())
    ]
    assert sum(asked(piece.table).num_rows for piece in pieces) == MANY


def test_what_its_contract_refuses_is_a_refusal(store: Store, server: Server) -> None:
    with_shadow(store, server, store.add(2, contract=with_place("inputs.distance.max", 2000)))
    assert server.predict(REQUEST | {"distance": 3000}).status == 200
    (record,) = logged(server, 1)
    assert (record["outcome"], record["output"], record["difference"]) == ("refused", None, None)
    assert "distance is 3000" in record["said"]


@pytest.mark.parametrize("server", [{"shadow": {"share": 0.3}}], indirect=True)
def test_a_share_of_the_requests_is_copied(store: Store, server: Server) -> None:
    shadow = store.add(2)
    with_shadow(store, server, shadow)
    ask(server)
    chosen = {f"r{n}" for n in range(MANY) if in_canary(f"r{n}", percent=30, salt=shadow["sha256"])}
    assert {record["request_id"] for record in logged(server, len(chosen))} == chosen


@pytest.mark.slow
def test_one_that_sleeps_is_waited_for_by_nobody_and_what_it_misses_is_counted(
    store: Store, server: Server
) -> None:
    with_shadow(store, server, troubled.add(store, 2))
    server.predict(at(troubled.SLEEP))
    server.until(lambda s: s["shadow"]["waiting_rows"] == 0)
    ask(server)
    state = server.until(lambda s: s["shadow"]["waiting_rows"] == MANY)
    # All of them were answered before it gave its first answer.
    assert sum(state["shadow"]["rows"].values()) == 0
    for _ in range(3):
        assert server.call("POST", "/predict", {"rows": [at(1)] * 4000}).status == 200
    state = server.status()
    assert (state["shadow"]["waiting_rows"], rows(state)["queue"]) == (MANY + 8000, 4000)
    assert server.metric("model_shadow_dropped_rows_total", reason="queue") == 4000
    pid = state["shadow"]["pid"]
    assert server.stop() == 0
    until_gone(pid)


def test_one_that_crashes_is_started_again_and_no_caller_notices(
    store: Store, server: Server
) -> None:
    first = with_shadow(store, server, troubled.add(store, 2))["shadow"]["pid"]
    assert server.predict(at(troubled.CRASH)).json["route"] == "stable"
    ask(server)
    state = server.until(lambda s: s["shadow"]["state"] == "running" and s["shadow"]["ends"] == 1)
    assert state["shadow"]["pid"] != first and not alive(first)
    assert state["in_sync"]
    assert "ended by SIGKILL" in server.log() and "started again" in server.log()
    ask(server)
    state = server.until(
        lambda s: sum(rows(s).values()) == 1 + 2 * MANY and not s["shadow"]["waiting_rows"]
    )
    found = rows(state)
    # The request that killed it is lost, with what was sent before its end was seen; what came after that is counted
    # apart, and on a busy machine that may be nothing.
    assert found["lost"] >= 1 and found["lost"] + found["down"] > 1
    assert found["same"] + found["other"] >= MANY


@pytest.mark.slow
def test_one_that_ends_while_nobody_asks_is_noticed(store: Store, server: Server) -> None:
    pid = with_shadow(store, server, store.add(2))["shadow"]["pid"]
    os.kill(pid, signal.SIGKILL)
    server.until(lambda s: s["shadow"]["ends"] == 1 and s["shadow"]["state"] == "running")
    ask(server, 5)
    state = server.until(lambda s: sum(rows(s).values()) == 5)
    assert rows(state)["lost"] == rows(state)["down"] == 0


@pytest.mark.slow
@pytest.mark.parametrize("server", [{"shadow": {"memory_mb": 600}}], indirect=True)
def test_one_that_eats_memory_gets_none_or_is_ended(store: Store, server: Server) -> None:
    with_shadow(store, server, troubled.add(store, 2))
    server.predict(at(troubled.EAT))
    # The limit made the allocation fail, which is the model's own failure.
    state = server.until(lambda s: sum(s["shadow"]["rows"].values()) == 1)
    assert (rows(state)["failed"], state["shadow"]["ends"]) == (1, 0)
    server.predict(at(troubled.EAT_SHARED))
    ask(server, 50)
    server.until(lambda s: s["shadow"]["ends"] == 1)
    assert "needed more than 600 MB" in server.log()


@pytest.mark.slow
def test_one_that_dies_while_it_is_loaded_is_reported_and_stable_serves(
    store: Store, server: Server
) -> None:
    bad = troubled.add(store, 2, at_once=True)
    store.point(store.add(1), shadow=bad)
    state = server.until_failed("load")
    assert (
        "flight-delay-v2 is not served: its process did not get as far"
        in state["last_error"]["sentence"]
    )
    assert state["live"]["shadow"] is None and not state["in_sync"]
    ask(server, 20)


def test_a_switch_ends_the_former_process_and_its_counts_stay_apart(
    store: Store, server: Server
) -> None:
    one, two, three = store.add(1), store.add(2), store.add(3)
    former = server.until_synced(store.point(one, shadow=two))["shadow"]["pid"]
    ask(server, 10)
    server.until(lambda s: sum(s["shadow"]["rows"].values()) == 10)
    state = server.until_synced(store.point(one, shadow=three))
    until_gone(former)
    assert state["shadow"]["model"] == "flight-delay-v3" and rows(state)["same"] == 0
    ask(server, 5)
    server.until(lambda s: sum(s["shadow"]["rows"].values()) == 5)
    assert server.metric("model_shadow_rows_total", model="flight-delay-v2") == 10
    assert server.metric("model_shadow_up", model="flight-delay-v2") == 0
    latter = server.status()["shadow"]["pid"]
    state = server.until_synced(store.point(one))
    assert state["shadow"] is None
    until_gone(latter)


def test_a_shadow_that_is_promoted_answers_from_the_service_itself(
    store: Store, server: Server
) -> None:
    one, two = store.add(1), store.add(2)
    pid = server.until_synced(store.point(one, shadow=two))["shadow"]["pid"]
    server.until_synced(store.point(two, previous=one))
    assert server.predict().json["model"] == "flight-delay-v2"
    until_gone(pid)


@pytest.mark.parametrize("end", [pytest.param(Server.stop, marks=pytest.mark.slow), Server.kill])
def test_no_process_outlives_the_service(
    store: Store, server: Server, end: Callable[[Server], object]
) -> None:
    pid = with_shadow(store, server, troubled.add(store, 2))["shadow"]["pid"]
    server.predict(at(troubled.SLEEP))
    server.until(lambda s: s["shadow"]["waiting_rows"] == 0)
    assert alive(pid)
    end(server)
    until_gone(pid)
