"""The HTTP interface of a real service with a stable release, a previous one and a canary."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from typing import Any

import pandas as pd
import pytest
from jsonschema import Draft202012Validator

from tests.support.factories import REQUEST
from tests.support.server import PATIENCE, Ref, Server, Store, running

REFS: dict[str, Ref] = {}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("http")
    store = Store(folder / "store")
    REFS.update(stable=store.add(12), previous=store.add(11), canary=store.add(13))
    commit = store.point(
        REFS["stable"],
        previous=REFS["previous"],
        canary=REFS["canary"] | {"percent": 20, "key": "tailnum"},
    )
    log = {"predictions": True, "folder": "predictions"}
    limits = {"max_body_kb": 64, "max_rows": 100, "timeout_ms": 500}
    with running(store.folder, folder / "service", log=log, **limits) as server:
        server.until_synced(commit)
        yield server


def _key(server: Server, route: str) -> str:
    """A sticky key that takes this route."""
    for number in range(200):
        if server.predict(key=f"N{number}").json["route"] == route:
            return f"N{number}"
    raise AssertionError(f"no key is routed to {route}")


def test_one_row_is_answered_with_who_answered(server: Server) -> None:
    key = _key(server, "stable")
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
    reply = server.call("POST", "/predict", {"rows": rows, "key": _key(server, "canary")})
    assert reply.status == 200
    assert (reply.json["model"], reply.json["route"]) == ("flight-delay-v13", "canary")
    single = server.predict(rows[5], key=_key(server, "canary")).json
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
    key = _key(server, "stable")
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


# Open Inference Protocol, version 2.

TENSORS: list[dict[str, Any]] = [
    {"name": "distance", "datatype": "FP32", "shape": [2, 1], "data": [[1089.0], [None]]},
    {"name": "hour", "datatype": "INT64", "shape": [2], "data": [17, 3]},
    {"name": "carrier", "datatype": "BYTES", "shape": [2, 1], "data": ["UA", "AA"]},
    {"name": "weekend", "datatype": "BOOL", "shape": [2], "data": [False, True]},
]
MODEL = "/v2/models/flight-delay"


def _infer(server: Server, path: str = MODEL, **body: Any) -> Any:
    return server.call("POST", f"{path}/infer", {"inputs": TENSORS, **body})


def test_the_protocols_health_and_metadata(server: Server) -> None:
    assert server.get("/v2").json["name"] == "gitops-model"
    assert server.get("/v2/health/live").status == 200
    assert server.get("/v2/health/ready").status == 200
    model = server.get(MODEL).json
    assert model["versions"] == ["12", "11", "13"]
    assert [(t["name"], t["datatype"]) for t in model["inputs"]] == [
        *(("distance", "FP32"), ("hour", "INT64"), ("carrier", "BYTES"), ("weekend", "BOOL"))
    ]
    assert [t["name"] for t in model["outputs"]] == ["delayed", "probability"]
    assert server.get(f"{MODEL}/ready").status == 200
    assert server.get(f"{MODEL}/versions/11/ready").json["ready"] is True
    assert server.get(f"{MODEL}/versions/99/ready").status == 404
    assert server.get("/v2/models/other").status == 404


def test_tensors_get_the_same_answers_as_plain_json(server: Server) -> None:
    key = _key(server, "stable")
    reply = _infer(server, id="t-1", parameters={"key": key})
    assert reply.status == 200
    assert (reply.json["model_name"], reply.json["model_version"]) == ("flight-delay", "12")
    assert (reply.json["id"], reply.json["parameters"]["route"]) == ("t-1", "stable")
    delayed, probability = reply.json["outputs"]
    assert (delayed["datatype"], delayed["shape"]) == ("BOOL", [2, 1])
    plain = server.predict(REQUEST, key=key).json["output"]
    assert delayed["data"][0] == plain["delayed"]
    assert probability["data"][0] == pytest.approx(plain["probability"], abs=1e-6)


def test_a_version_can_be_asked_for_by_number_or_id(server: Server) -> None:
    for version in ("11", "flight-delay-v11"):
        reply = _infer(server, f"{MODEL}/versions/{version}")
        assert reply.json["model_version"] == "11"
        assert reply.json["parameters"] == {"model": "flight-delay-v11", "route": "pinned"}
    assert _infer(server, f"{MODEL}/versions/99").status == 404


def test_only_the_outputs_asked_for_are_answered(server: Server) -> None:
    reply = _infer(server, outputs=[{"name": "probability"}])
    assert [tensor["name"] for tensor in reply.json["outputs"]] == ["probability"]


def test_tensors_go_through_the_same_validator(server: Server) -> None:
    wrong = [dict(t) for t in TENSORS]
    wrong[1]["data"] = [17, 24]
    reply = server.call("POST", f"{MODEL}/infer", {"inputs": wrong})
    assert reply.status == 422
    assert reply.json["problems"] == ["rows[1]: hour is 24; allowed: a whole number from 0 to 23."]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"datatype": "BYTES"}, "datatype is BYTES; allowed: FP32, FP64"),
        ({"shape": [2, 2]}, "shape is not allowed"),
        ({"shape": [3]}, "data has a length of 2, which its shape contradicts"),
        ({"shape": ["2"]}, "data has a length of 2, which its shape contradicts"),
        ({"shape": None}, "shape is not allowed"),
        ({"data": None}, "data is not a list"),
        ({"data": [17], "shape": [1]}, "different lengths"),
        ({"name": "distance"}, "second tensor for distance"),
        ({"name": None}, "lacks a name"),
    ],
)
def test_wrong_tensors_are_400_in_a_sentence(
    server: Server, change: dict[str, Any], sentence: str
) -> None:
    tensors = [dict(t) for t in TENSORS]
    tensors[1] |= change
    reply = server.call("POST", f"{MODEL}/infer", {"inputs": tensors})
    assert reply.status == 400
    assert sentence in reply.json["error"]


@pytest.mark.parametrize(
    "body",
    [{}, [], {"inputs": []}, {"inputs": [5]}, {"inputs": TENSORS, "outputs": [{"name": "x"}]}],
)
def test_a_body_without_tensors_is_400(server: Server, body: Any) -> None:
    assert server.call("POST", f"{MODEL}/infer", body).status == 400


def test_a_request_of_many_unknown_names_is_refused_cheaply(server: Server) -> None:
    """H3: 58,000 unknown inputs held everyone up for 5.5 s."""
    many = {f"distanc{n}": 1 for n in range(3_000)}
    reply = server.call("POST", "/predict", {"inputs": many})
    assert reply.status == 422
    assert any("2,995 more names are not inputs" in problem for problem in reply.json["problems"])
    reply = server.call("POST", "/predict", {"inputs": REQUEST, **many})
    assert reply.status == 422
    assert len(reply.json["problems"]) == 6
    assert reply.json["problems"][-1] == "2,995 more keys are not keys of a request."
    rows = [{f"x{n}{m}": 1 for m in range(8)} for n in range(90)]
    reply = server.call("POST", "/predict", {"rows": rows})
    assert len(reply.json["problems"]) == 101
    reply = server.call("POST", "/v2/models/flight-delay/infer", {"inputs": [{}] * 9_000})
    assert (reply.status, reply.json["error"]) == (
        400,
        "inputs has 9,000 tensors; allowed: 2,000.",
    )
    reply = server.call("POST", "/v2/models/flight-delay/infer", {"inputs": [{}] * 2_000})
    assert (reply.status, len(reply.json["problems"])) == (400, 100)
