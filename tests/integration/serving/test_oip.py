"""The Open Inference Protocol, version 2, of a real service."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.factories import REQUEST
from tests.support.routed import key_of, server
from tests.support.server import Server

__all__ = ["server"]  # the fixture
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
    key = key_of(server, "stable")
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
