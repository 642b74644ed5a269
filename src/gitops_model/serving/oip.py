"""The Open Inference Protocol, version 2: the same model, router and answers behind the standard endpoints.

For clients of KServe, MLServer or Triton that send tensors as JSON; binary tensors, configuration, statistics and the
index of a repository are not here, so `tritonclient` has to be told `binary_data=False`. The model's name is the
contract's task, its versions are the numbers of the release ids. The metadata is made from the contract.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from gitops_model.formats.contract import Contract
from gitops_model.formats.inputs import Input
from gitops_model.runtime.models import OnnxModel
from gitops_model.serving import api
from gitops_model.serving.predictor import MAX_PROBLEMS, RowAnswer
from gitops_model.serving.replies import Problem, parse_json, read_body, reply
from gitops_model.serving.router import Route
from gitops_model.serving.service import Ask, Service
from gitops_model.serving.snapshot import Served

# Twice as many as a contract may have inputs.
MOST_TENSORS = 2000
_DATATYPES = {"number": "FP32", "integer": "INT64", "category": "BYTES", "boolean": "BOOL"}
_INTEGERS = ("INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64")
_NUMBERS = ("FP32", "FP64", *_INTEGERS)
_ACCEPTED = {"number": _NUMBERS, "integer": _NUMBERS, "category": ("BYTES",), "boolean": ("BOOL",)}


async def server(_request: Request) -> Response:
    """Server metadata."""
    return reply({"name": "gitops-model", "version": "1", "extensions": []})


async def live(_request: Request) -> Response:
    """200 while the process answers at all."""
    return reply({"live": True})


async def ready(request: Request) -> Response:
    """200 only with a stable model loaded."""
    service: Service = request.app.state.service
    if service.not_ready() is not None:
        raise service.unavailable()
    return reply({"ready": True})


async def model(request: Request) -> Response:
    """Metadata of the model, or of one version."""
    service: Service = request.app.state.service
    served = _find(service, request.path_params)
    contract, onnx = served.loaded.contract, isinstance(served.loaded.model, OnnxModel)
    return reply(
        {
            "name": contract.task,
            "versions": _versions(service),
            "platform": "onnxruntime_onnx" if onnx else "sklearn_skops",
            "inputs": [_tensor(rules) for rules in contract.inputs.values()],
            "outputs": _output_metadata(contract),
        }
    )


async def model_ready(request: Request) -> Response:
    """200 when the model, or the version asked for, is loaded; 404 when it is not."""
    service: Service = request.app.state.service
    served = _find(service, request.path_params)
    return reply({"name": served.loaded.contract.task, "version": served.version, "ready": True})


async def infer(request: Request) -> Response:
    """Answer tensors of shape [n] or [n, 1], one for each input; null, or an input left out, is missing.

    Without a version the router decides, sticking to `parameters.key`; with one, that version answers and the
    route is `pinned`.
    """
    service: Service = request.app.state.service
    started, until = service.arrived(request.scope)
    pinned = _find(service, request.path_params)
    body = await read_body(
        request, max_bytes=service.settings.max_body_kb * 1024, until=until, limits=service.limits
    )

    def understood() -> tuple[Ask, list[Any]]:
        data = parse_json(body)
        most, contract = service.settings.max_rows, pinned.loaded.contract
        ask = _parse(data, contract, max_rows=most, started=started, size=len(body))
        return ask, data.get("outputs")

    ask, wanted = await service.understand(understood, size=len(body), until=until)
    route: Route = "pinned"
    served = pinned
    if "version" not in request.path_params:
        served, route = service.route(ask)
    answered = await service.answer(ask, served=served, route=route, until=until)
    answer = {
        "model_name": served.loaded.contract.task,
        "model_version": served.version,
        "id": ask.request_id,
        "parameters": {"model": served.ref.model, "route": answered.route},
        "outputs": _outputs(served.loaded.contract, answered.rows, wanted),
    }
    return reply(answer, headers=answered.headers | {"X-Request-Id": ask.request_id})


def _find(service: Service, path: Mapping[str, str]) -> Served:
    snapshot = service.watcher.snapshot
    if snapshot.stable is None:
        raise service.unavailable()
    task = snapshot.stable.loaded.contract.task
    if path["name"] != task:
        raise Problem(404, f"There is no model of this name; allowed: {task}.")
    wanted = path.get("version")
    if wanted is None:
        return snapshot.stable
    for served in snapshot.served().values():
        if wanted in (served.version, served.ref.model):
            return served
    loaded = ", ".join(_versions(service))
    raise Problem(404, f"This version of {task} is not loaded; allowed: {loaded}.")


def _versions(service: Service) -> list[str]:
    return list(dict.fromkeys(s.version for s in service.watcher.snapshot.served().values()))


def _tensor(rules: Input) -> dict[str, Any]:
    return {"name": rules.name, "datatype": _DATATYPES[rules.type], "shape": [-1, 1]}


def _output_metadata(contract: Contract) -> list[dict[str, Any]]:
    name = contract.output.name
    if contract.problem == "binary":
        columns = [(name, "BOOL", 1), ("probability", "FP64", 1)]
    elif contract.problem == "multiclass":
        columns = [
            (name, "BYTES", 1),
            ("probabilities", "FP64", len(contract.output.classes or ())),
        ]
    else:
        columns = [(name, "FP64", 1)]
    return [{"name": n, "datatype": kind, "shape": [-1, width]} for n, kind, width in columns]


def _outputs(contract: Contract, rows: Sequence[RowAnswer], wanted: Any) -> list[dict[str, Any]]:
    names = [o["name"] for o in wanted] if wanted else None
    tensors = []
    for meta in _output_metadata(contract):
        if names is not None and meta["name"] not in names:
            continue
        values = [row.output[meta["name"]] for row in rows]
        if meta["name"] == "probabilities":
            values = [p for value in values for p in value.values()]
        tensors.append({**meta, "shape": [len(rows), meta["shape"][1]], "data": values})
    return tensors


def _parse(data: Any, contract: Contract, *, max_rows: int, started: float, size: int) -> Ask:
    if not isinstance(data, dict) or not isinstance(data.get("inputs"), list):
        raise Problem(400, 'The body lacks "inputs", a list of tensors.')
    if len(data["inputs"]) > MOST_TENSORS:
        raise Problem(
            400, f"inputs has {len(data['inputs']):,} tensors; allowed: {MOST_TENSORS:,}."
        )
    problems: list[str] = []
    columns: dict[str, list[Any]] = {}
    for number, tensor in enumerate(data["inputs"]):
        if not isinstance(tensor, dict) or not isinstance(tensor.get("name"), str):
            problems.append(f"inputs[{number}] lacks a name.")
        elif len(problems) > MAX_PROBLEMS:
            break
        elif tensor["name"] not in contract.inputs and len(columns) > 2 * len(contract.inputs):
            problems.append(
                f"inputs[{number}] is one of too many that are not inputs of this model."
            )
            break
        elif tensor["name"] in columns:
            problems.append(f"inputs[{number}] is a second tensor for {tensor['name'][:60]}.")
        else:
            columns[tensor["name"]], problem = _column(tensor, contract.inputs.get(tensor["name"]))
            if problem:
                problems.append(f"{tensor['name'][:60]}: {problem}")
    sizes = {len(values) for values in columns.values()}
    if not problems and len(sizes) != 1:
        problems.append(
            f"the tensors have {len(sizes)} different lengths; allowed: one length for all."
        )
    if not problems and not 1 <= max(sizes) <= max_rows:
        problems.append(f"the tensors have a length of {max(sizes)}; allowed: 1 to {max_rows}.")
    wanted = data.get("outputs", [])
    known = {meta["name"] for meta in _output_metadata(contract)}
    if (
        not isinstance(wanted, list)
        or len(wanted) > len(known)
        or not all(isinstance(o, dict) and o.get("name") in known for o in wanted)
    ):
        problems.append(f"outputs names something else than {', '.join(sorted(known))}.")
    if problems:
        raise Problem(
            400, f"The tensors cannot be read: {problems[0]}", problems=problems[:MAX_PROBLEMS]
        )
    size = sizes.pop()
    rows = [{name: values[i] for name, values in columns.items()} for i in range(size)]
    parameters = data.get("parameters")
    plain: dict[str, Any] = {"rows": rows}
    if "id" in data:
        plain["request_id"] = data["id"]
    if isinstance(parameters, dict) and "key" in parameters:
        plain["key"] = parameters["key"]
    return api.parse(plain, header_id=None, max_rows=max_rows, started=started, size=size)


def _column(tensor: Mapping[str, Any], rules: Input | None) -> tuple[list[Any], str | None]:
    """The tensor's values, one for each row, or what is wrong with it. Values are left to the validator."""
    shape, data, datatype = tensor.get("shape"), tensor.get("data"), tensor.get("datatype")
    accepted = _ACCEPTED[rules.type] if rules else None
    if accepted is not None and datatype not in accepted:
        return [], f"datatype is {str(datatype)[:20]}; allowed: {', '.join(accepted)}."
    if not isinstance(shape, list) or len(shape) not in (1, 2) or shape[1:] not in ([], [1]):
        return [], "shape is not allowed; allowed: [n] or [n, 1]."
    if not isinstance(data, list):
        return (
            [],
            "data is not a list; allowed: one value for each row (binary data is not supported).",
        )
    flat = [v[0] if isinstance(v, list) and len(v) == 1 else v for v in data]
    if type(shape[0]) is not int or len(flat) != shape[0]:
        return [], f"data has a length of {len(flat)}, which its shape contradicts."
    if rules is not None and rules.type == "integer":
        # A whole number may travel in a floating-point tensor.
        flat = [int(v) if isinstance(v, float) and _whole(v) else v for v in flat]
    return flat, None


def _whole(value: float) -> bool:
    return math.isfinite(value) and value.is_integer()
