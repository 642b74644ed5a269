"""The HTTP interface of a real service with a stable release, a previous one and a canary."""

from __future__ import annotations

import json
import re
import socket
import time
from typing import Any

import pandas as pd
import pytest
from jsonschema import Draft202012Validator

from tests.support.factories import REQUEST
from tests.support.routed import REFS, key_of, server
from tests.support.server import PATIENCE, Server

__all__ = ["server"]  # the fixture


def test_one_row_is_answered_with_who_answered(server: Server) -> None:
    key = key_of(server, "stable")
    reply = server.predict(request_id="r-1", key=key)
    assert reply.status == 200
    body = reply.json
    probability = body["output"]["probability"]
    assert body == {
        "request_id": "r-1",
        "model": "flight-delay-v12",
        "sha256": REFS["stable"]["sha256"][:12],
        "route": "stable",
        "output": {"delayed": probability >= 0.5, "probability": probability},
        "imputed": [],
    }
    assert reply.headers["x-model"] == "flight-delay-v12"
    assert reply.headers["x-model-route"] == "stable"
    assert reply.headers["x-request-id"] == "r-1"


def test_a_request_id_is_taken_from_the_header_or_made_up(server: Server) -> None:
    body = {"inputs": REQUEST}
    given = server.call("POST", "/predict", body, {"X-Request-Id": "from-header"})
    assert given.json["request_id"] == "from-header"
    first, second = (server.predict().json["request_id"] for _ in range(2))
    assert first != second


def test_a_batch_is_answered_row_by_row_by_one_release(server: Server) -> None:
    rows = [REQUEST | {"hour": hour} for hour in range(24)] + [{"hour": 3, "weekend": True}]
    reply = server.call("POST", "/predict", {"rows": rows, "key": key_of(server, "canary")})
    assert reply.status == 200
    assert (reply.json["model"], reply.json["route"]) == ("flight-delay-v13", "canary")
    single = server.predict(rows[5], key=key_of(server, "canary")).json
    assert reply.json["rows"][5]["output"]["probability"] == pytest.approx(
        single["output"]["probability"], abs=1e-6
    )
    assert reply.json["rows"][24]["imputed"] == ["distance", "carrier"]


def test_the_same_key_always_meets_the_same_release(server: Server) -> None:
    routes = {key: server.predict(key=key).json["route"] for key in map(str, range(100))}
    again = {key: server.predict(key=key).json["route"] for key in routes}
    assert routes == again
    assert 5 < list(routes.values()).count("canary") < 40


def test_a_number_is_the_same_key_as_its_text(server: Server) -> None:
    assert server.predict(key=7).json["route"] == server.predict(key="7").json["route"]


def test_inputs_that_break_the_contract_are_422_with_all_problems(server: Server) -> None:
    reply = server.predict({"distance": "far", "hour": 24, "weekend": False}, request_id="r-2")
    assert reply.status == 422
    assert reply.json["problems"] == [
        "distance is 'far'; allowed: a number from 0 to 6000 miles.",
        "hour is 24; allowed: a whole number from 0 to 23.",
    ]
    assert reply.json["error"].startswith("2 inputs break the contract of flight-delay-v1")
    assert reply.headers["x-request-id"] == "r-2"
    batch = server.call("POST", "/predict", {"rows": [REQUEST, {}]})
    assert batch.status == 422
    assert batch.json["problems"][0].startswith("rows[1]: hour is missing")


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ([], "not an object"),
        ({}, 'either "inputs"'),
        ({"inputs": REQUEST, "rows": [REQUEST]}, 'either "inputs"'),
        ({"inputs": [1]}, "inputs is not an object"),
        ({"rows": []}, "rows has a length of 0; allowed: 1 to 100."),
        ({"rows": [REQUEST] * 101}, "rows has a length of 101; allowed: 1 to 100."),
        ({"rows": [1]}, "rows is not a list of objects"),
        ({"input": REQUEST}, "'input' is not a key of a request"),
        ({"inputs": REQUEST, "request_id": "a b"}, "request_id: allowed"),
        ({"inputs": REQUEST, "request_id": 5}, "request_id: allowed"),
        ({"inputs": REQUEST, "request_id": "é"}, "request_id: allowed"),
        ({"inputs": REQUEST, "key": True}, "key: allowed"),
        ({"inputs": REQUEST, "key": ""}, "key: allowed"),
    ],
)
def test_a_wrong_form_is_422_in_a_sentence(server: Server, body: Any, sentence: str) -> None:
    reply = server.call("POST", "/predict", body)
    assert reply.status == 422
    assert sentence in reply.text.replace('\\"', '"')


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"", "it is empty"),
        (b"{", "not valid JSON"),
        (b'{"inputs": {"distance": NaN}}', "NaN is not JSON"),
        (b'{"inputs": {"distance": -Infinity}}', "Infinity is not JSON"),
        (b'{"inputs": {"distance": ' + b"9" * 5000 + b"}}", "not valid JSON"),
        (b"\xff\xfe", "not UTF-8"),
        (b'{"inputs": {"carrier": "\\ud800"}}', "not UTF-8"),
        (b"[" * 60_000, "nested too deeply"),
    ],
)
def test_what_is_not_json_is_400_in_a_sentence(server: Server, body: bytes, sentence: str) -> None:
    reply = server.call("POST", "/predict", body)
    assert (reply.status, list(reply.json)) == (400, ["error"])
    assert sentence in reply.json["error"]


def test_other_media_types_are_415(server: Server) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", "application/octet-stream"):
        reply = server.call("POST", "/predict", b"{}", {"Content-Type": kind})
        assert (reply.status, reply.json["error"]) == (
            415,
            f"The body is {kind}; allowed: application/json.",
        )
    good = json.dumps({"inputs": REQUEST}).encode()
    charset = {"Content-Type": "Application/JSON; charset=utf-8"}
    assert server.call("POST", "/predict", good, charset).status == 200


def test_a_body_that_is_too_large_is_413_whether_it_says_so_or_not(server: Server) -> None:
    large = b'{"inputs": {"carrier": "' + b"x" * 70_000 + b'"}}'
    reply = server.call("POST", "/predict", large)
    assert (reply.status, "64 KB" in reply.json["error"]) == (413, True)
    connection = server.connect()
    connection.request(
        "POST",
        "/predict",
        iter([large]),
        {"Content-Type": "application/json", "Transfer-Encoding": "chunked"},
        encode_chunked=True,
    )
    assert connection.getresponse().status == 413
    connection.close()


def test_a_body_that_does_not_arrive_is_408(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE) as connection:
        connection.sendall(b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n{")
        assert connection.recv(1000).startswith(b"HTTP/1.1 408")


def test_unknown_addresses_and_methods_are_one_sentence_too(server: Server) -> None:
    reply = server.get("/nowhere")
    assert (reply.status, list(reply.json)) == (404, ["error"])
    reply = server.get("/predict")
    assert (reply.status, reply.headers["allow"]) == (405, "POST")
    assert "allowed: POST" in reply.json["error"]


def test_health_and_state(server: Server) -> None:
    assert server.get("/healthz").status == 200
    ready = server.get("/readyz")
    assert (ready.status, ready.json["model"]) == (200, "flight-delay-v12")
    state = server.status()
    for side in ("desired", "live"):
        assert state[side]["stable"] == REFS["stable"]
        assert state[side]["previous"] == REFS["previous"]
        assert state[side]["canary"]["percent"] == 20
    assert state["desired"]["commit"] == state["live"]["commit"]
    assert (state["in_sync"], state["last_error"], state["errors"]) == (True, None, [])
    assert state["uptime_seconds"] > 0


def test_metrics_count_by_release_and_route(server: Server) -> None:
    labels = {"model": "flight-delay-v12", "route": "stable"}
    before = server.metric("model_requests_total", **labels, status="200")
    refused = server.metric("model_validation_failures_total", model="flight-delay-v12")
    imputed = server.metric("model_imputed_total", model="flight-delay-v12", input="distance")
    key = key_of(server, "stable")
    before = server.metric("model_requests_total", **labels, status="200")
    server.predict(REQUEST | {"distance": None}, key=key)
    server.predict({"hour": -1}, key=key)
    assert server.metric("model_requests_total", **labels, status="200") == before + 1
    assert server.metric("model_request_duration_seconds_count", **labels) >= before + 1
    assert server.metric("model_validation_failures_total", model="flight-delay-v12") == refused + 1
    assert (
        server.metric("model_imputed_total", model="flight-delay-v12", input="distance")
        == imputed + 1
    )
    assert server.metric("pointer_in_sync") == 1
    assert server.metric("model_info", role="canary", model="flight-delay-v13") == 1
    assert server.metric("process_resident_memory_bytes") > 1e6


def test_junk_makes_no_new_series(server: Server) -> None:
    def series() -> set[str]:
        lines = server.get("/metrics").text.splitlines()
        return {line.rpartition(" ")[0] for line in lines if not line.startswith("#")}

    def routes() -> set[str]:
        found = (
            re.match(r'model_request_duration_seconds_count.*route="(.*?)"', s) for s in series()
        )
        return {match[1] for match in found if match}

    for path in ("/junk", "/v2/models/junk/infer", "/v2/models/junk"):
        server.get(path)
        server.call("JUNK", path)
    # One answer of each model first: a series begins with the first request that it counts.
    server.until(lambda _: [server.predict() for _ in range(10)] and len(routes()) == 2)
    before = series()
    for number in range(50):
        server.get(f"/junk/{number}")
        server.get(f"/v2/models/junk-{number}")
        server.call("POST", f"/v2/models/junk-{number}/infer", {})
        server.call(f"JUNK{number}", f"/v2/models/junk-{number}")
        server.predict(REQUEST | {f"junk_{number}": 1})
    new = series() - before
    assert len(new) <= 3
    assert len(series()) < 200


def test_every_row_answered_is_logged(server: Server) -> None:
    server.predict(REQUEST | {"distance": None}, request_id="logged-1", key="N14228")
    server.call("POST", "/predict", {"rows": [REQUEST] * 3, "request_id": "logged-2"})
    server.predict({"hour": 99}, request_id="refused-1")

    def logged() -> pd.DataFrame:
        files = (server.folder / "predictions").glob("date=*/part-*.jsonl")
        tables = [pd.read_json(path, lines=True, dtype=False) for path in files]
        return pd.concat(tables).set_index("request_id") if tables else pd.DataFrame()

    server.until(lambda _: "logged-2" in logged().index)
    table = logged()
    one = table.loc["logged-1"]
    assert one["inputs"] == REQUEST | {"distance": None}
    assert (one["key"], one["imputed"], one["row"]) == ("N14228", ["distance"], 0)
    assert one["model"] in ("flight-delay-v12", "flight-delay-v13")
    assert one["output"].keys() == {"delayed", "probability"}
    assert one["latency_ms"] > 0
    assert table.loc["logged-2"]["row"].tolist() == [0, 1, 2]
    assert "refused-1" not in table.index


# Documentation.


def test_the_openapi_document_describes_what_the_service_does(server: Server) -> None:
    document = server.get("/openapi.json").json
    assert document["openapi"] == "3.1.0"
    schemas = document["components"]["schemas"]

    def accepts(name: str, value: Any) -> bool:
        whole = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
        return bool(Draft202012Validator(whole).is_valid(value))

    for name, schema in schemas.items():
        Draft202012Validator.check_schema(schema)
        for example in schema.get("examples", []):
            assert accepts(name, example)
            assert server.call("POST", "/predict", example).status == 200
    for inputs in (REQUEST, {"hour": 1, "weekend": True}, REQUEST | {"carrier": None}):
        assert accepts("Inputs", inputs)
        assert server.predict(inputs).status == 200
        assert accepts("OneAnswer", server.predict(inputs).json)
    for change in ({"hour": 24}, {"hour": 1.5}, {"carrier": "XX"}, {"weekend": 1}, {"odd": 1}):
        assert not accepts("Inputs", REQUEST | change)
        refused = server.predict(REQUEST | change)
        assert refused.status == 422
        assert accepts("Problem", refused.json)
    batch = server.call("POST", "/predict", {"rows": [REQUEST]}).json
    assert accepts("BatchAnswer", batch)


def test_each_documented_address_exists(server: Server) -> None:
    values = {"name": "flight-delay", "version": "12"}
    for path, methods in server.get("/openapi.json").json["paths"].items():
        for method in methods.keys() - {"parameters"}:
            body: Any = {} if method == "post" else None
            reply = server.call(method.upper(), path.format(**values), body)
            assert reply.status in (200, 400, 422), (method, path, reply.text)


def test_the_documentation_page_needs_nothing_from_elsewhere(server: Server) -> None:
    page = server.get("/docs")
    assert page.status == 200
    assert "a number from 0 to 6000 miles" in page.text
    assert "http://" not in page.text
    assert "https://" not in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"x-request-id: w-1\r\n", 200),
        (b"X-Request-ID:  w-2\r\nAccept: */*\r\nContent-Type: application/json\r\n", 200),
        (b"x-request-id: w-10 \r\n", 422),
        (b"x-request-id: w-3\r\nx-request-id: w-4\r\n", 200),
        (b"content-type: text/plain\r\nx-request-id: w-5\r\n", 415),
        (b"x-request-id: w-6\r\ncontent-type: application/json \r\n", 200),
        (b"x-request-id:\r\n", 422),
        (b"no header\r\nx-request-id: w-7\r\n", 400),
        (b"x y: 1\r\nx-request-id: w-8\r\n", 400),
        (b"connection: close\r\nx-request-id: w-9\r\n", 200),
    ],
)
def test_in_one_piece_or_in_two_a_request_gets_the_same_bytes(
    server: Server, head: bytes, status: int
) -> None:
    """One piece goes past the parser; two do not."""
    body = json.dumps({"inputs": REQUEST, "key": "k"}).encode()
    start = b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n" % len(body) + head
    answers = []
    for pieces in ([start + b"\r\n" + body], [start + b"\r\n", body]):
        with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for piece in pieces:
                connection.sendall(piece)
                time.sleep(0.05)
            answers.append(re.sub(rb"date: [^\r]*", b"", connection.recv(65536)))
    assert answers[0] == answers[1]
    assert answers[0].startswith(b"HTTP/1.1 %d " % status)
