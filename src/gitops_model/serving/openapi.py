"""OpenAPI 3.1 made from the contract in effect, so that the documentation cannot lag behind the model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gitops_model.formats.contract import Contract
from gitops_model.formats.inputs import json_schema

Json = dict[str, Any]

_STATUS = {
    "400": "The body is not JSON.",
    "408": "The body did not arrive in time.",
    "413": "The body is too large, or holds too many values.",
    "415": "The body is not application/json.",
    "422": "The request or its inputs break the contract; `problems` lists all of them.",
    "429": "The service has as much work as it can finish in time; see Retry-After.",
    "500": "The model failed, and the contract names no fallback.",
    "503": "No model is loaded yet; see Retry-After.",
    "504": "The model did not answer in time.",
}


def document(
    contract: Contract | None, *, model: str | None, example: Mapping[str, Any], max_rows: int
) -> Json:
    """The OpenAPI document. Without a contract (no model loaded yet) inputs and output are any object."""
    title = f"{contract.task} predictions" if contract else "Predictions"
    schemas: Json = {
        "Inputs": inputs_schema(contract) if contract else {"type": "object"},
        "Output": output_schema(contract) if contract else {"type": "object"},
        "Problem": _object(
            {
                "error": _text("One sentence."),
                "problems": {"type": "array", "items": {"type": "string"}},
            },
            ["error"],
        ),
        **_request_schemas(example, max_rows),
        **_answer_schemas(),
    }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": title,
            "version": str(contract.schema_version) if contract else "0",
            "description": f"Answered by {model}." if model else "No model is loaded yet.",
        },
        "paths": {**_predict_path(), **_state_paths(), **_oip_paths()},
        "components": {"schemas": schemas},
    }


def inputs_schema(contract: Contract) -> Json:
    """JSON Schema of one row of inputs: it accepts what `Contract.row_validator` accepts.

    What float32 decides is left out of the schema; see `inputs.json_schema`.
    """
    required = [name for name, rules in contract.inputs.items() if rules.missing == "reject"]
    properties = {name: json_schema(rules) for name, rules in contract.inputs.items()}
    return _object(properties, required)


def output_schema(contract: Contract) -> Json:
    """JSON Schema of one output; see `answers.answer`."""
    output = contract.output
    probability = {"type": "number", "minimum": 0, "maximum": 1}
    described = {"description": output.description} if output.description else {}
    if contract.problem == "binary":
        words = f"True from a probability of {output.threshold:g} on."
        description = {"description": f"{output.description or ''} {words}".strip()}
        properties: Json = {
            output.name: {"type": "boolean", **description},
            "probability": probability,
        }
    elif contract.problem == "multiclass":
        classes = list(output.classes or ())
        properties = {
            output.name: {"type": "string", "enum": classes, **described},
            "probabilities": _object(dict.fromkeys(classes, probability), classes),
        }
    else:
        properties = {output.name: {"type": "number", **described}}
        if output.unit:
            properties["unit"] = {"const": output.unit}
    return _object(properties, list(properties))


def _object(properties: Json, required: list[str]) -> Json:
    schema: Json = {"type": "object", "properties": properties, "additionalProperties": False}
    return schema | ({"required": required} if required else {})


def _text(description: str) -> Json:
    return {"type": "string", "description": description}


def _ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def _request_schemas(example: Mapping[str, Any], max_rows: int) -> Json:
    common: Json = {
        "request_id": _text("Comes back in the answer and the prediction log; made up when absent.")
        | {"minLength": 1, "maxLength": 200},
        "key": {
            "type": ["string", "integer"],
            "description": "Whom a canary sticks to: the same key is answered by the same release.",
        },
    }
    rows = {"type": "array", "items": _ref("Inputs"), "minItems": 1, "maxItems": max_rows}
    one = _object({**common, "inputs": _ref("Inputs")}, ["inputs"])
    return {
        "OneRow": one | {"examples": [{"inputs": dict(example)}]},
        "Batch": _object({**common, "rows": rows}, ["rows"]),
    }


def _answer_schemas() -> Json:
    imputed = {
        "type": "array",
        "items": {"type": "string"},
        "description": "Inputs that were missing.",
    }
    common: Json = {
        "request_id": _text("The request's, or a new one."),
        "model": _text("The release that answered."),
        "sha256": _text("The first 12 digits of its bundle's sha256."),
        "route": {"enum": ["stable", "canary", "fallback"]},
    }
    one = common | {"output": _ref("Output"), "imputed": imputed}
    fallback = {"type": "boolean", "description": "Whether the contract's fallback was answered."}
    row = _object(
        {"output": _ref("Output"), "imputed": imputed, "fallback": fallback},
        ["output", "imputed", "fallback"],
    )
    batch = common | {"rows": {"type": "array", "items": row}}
    return {"OneAnswer": _object(one, list(one)), "BatchAnswer": _object(batch, list(batch))}


def _json(schema: Json) -> Json:
    return {"application/json": {"schema": schema}}


def _predict_path() -> Json:
    body = {"oneOf": [_ref("OneRow"), _ref("Batch")]}
    answer = {"oneOf": [_ref("OneAnswer"), _ref("BatchAnswer")]}
    responses: Json = {"200": {"description": "The answer.", "content": _json(answer)}}
    for code, description in _STATUS.items():
        responses[code] = {"description": description, "content": _json(_ref("Problem"))}
    operation = {
        "operationId": "predict",
        "summary": "Answer one row or a batch",
        "requestBody": {"required": True, "content": _json(body)},
        "responses": responses,
    }
    return {"/predict": {"post": operation}}


def _get(operation: str, summary: str, **responses: str) -> Json:
    described = {code.strip("_"): {"description": text} for code, text in responses.items()}
    return {"get": {"operationId": operation, "summary": summary, "responses": described}}


def _state_paths() -> Json:
    waiting = "No stable model is loaded; the reason is in `error`."
    return {
        "/healthz": _get("healthz", "Is the process alive?", _200="Yes."),
        "/readyz": _get("readyz", "Can it answer predictions?", _200="Yes.", _503=waiting),
        "/status": _get(
            "status", "What is wanted, what is served", _200="Both, and why they differ."
        ),
        "/metrics": _get("metrics", "Prometheus metrics", _200="Prometheus text format."),
    }


def _oip_paths() -> Json:
    name = {"name": "name", "in": "path", "required": True, "schema": {"type": "string"}}
    version = name | {"name": "version"}
    absent = "No model of this name or version is loaded."
    paths: Json = {
        "/v2": _get("oip_server", "Open Inference Protocol: server", _200="Server metadata."),
        "/v2/health/live": _get("oip_live", "Open Inference Protocol: liveness", _200="Alive."),
        "/v2/health/ready": _get("oip_ready", "Open Inference Protocol: readiness", _200="Ready."),
    }
    for prefix, parameters, suffix in (
        ("/v2/models/{name}", [name], ""),
        ("/v2/models/{name}/versions/{version}", [name, version], "_version"),
    ):
        about = _get(f"oip_model{suffix}", "Model metadata", _200="Its tensors.", _404=absent)
        ready = _get(f"oip_model_ready{suffix}", "Is it loaded?", _200="Yes.", _404=absent)
        tensors = {"type": "object", "required": ["inputs"]}
        infer = {
            "operationId": f"oip_infer{suffix}",
            "summary": "Answer tensors",
            "requestBody": {"required": True, "content": _json(tensors)},
            "responses": {
                "200": {
                    "description": "One tensor for each output.",
                    "content": _json({"type": "object"}),
                },
                "400": {
                    "description": "The tensors cannot be read.",
                    "content": _json(_ref("Problem")),
                },
                "404": {"description": absent, "content": _json(_ref("Problem"))},
                "422": {"description": _STATUS["422"], "content": _json(_ref("Problem"))},
            },
        }
        paths[prefix] = {**about, "parameters": parameters}
        paths[f"{prefix}/ready"] = {**ready, "parameters": parameters}
        paths[f"{prefix}/infer"] = {"post": infer, "parameters": parameters}
    return paths
