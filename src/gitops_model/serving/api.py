"""POST /predict: one row or a batch, in plain JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from gitops_model import hints
from gitops_model.serving.hot_path import LONGEST_KEY, REQUEST_ID, SHORT, new_id
from gitops_model.serving.predictor import RowAnswer
from gitops_model.serving.replies import Problem, parse_json, read_body
from gitops_model.serving.service import Answered, Ask, Service

_KEYS = ("request_id", "key", "inputs", "rows")


async def predict(request: Request) -> Response:
    """Answer one row, `{"inputs": {…}}`, or a batch, `{"rows": [{…}, …]}`.

    A batch is answered by one release. Its route is `fallback` when any of its rows is the fallback.
    """
    service: Service = request.app.state.service
    started, until = service.arrived(request.scope)
    body = await read_body(
        request, max_bytes=service.settings.max_body_kb * 1024, until=until, limits=service.limits
    )

    def understood() -> Ask:
        return parse(
            parse_json(body),
            header_id=request.headers.get("x-request-id"),
            max_rows=service.settings.max_rows,
            started=started,
            size=len(body),
        )

    ask = await service.understand(understood, size=len(body), until=until)
    served, route = service.route(ask)
    try:
        answered = await service.answer(ask, served=served, route=route, until=until)
    except Problem as problem:
        named = {"X-Model": served.ref.model, "X-Request-Id": ask.request_id}
        problem.headers = (problem.headers or {}) | named
        raise
    # By what the hot path writes it with: numbers have the same digits there.
    content = orjson.dumps(_body(ask, answered))
    headers = answered.headers | {"X-Request-Id": ask.request_id}
    return Response(content, 200, headers, "application/json")


def parse(data: Any, *, header_id: str | None, max_rows: int, started: float, size: int = 0) -> Ask:
    """Read a /predict body. Raises Problem 422 with everything that is wrong with its form."""
    if not isinstance(data, dict):
        raise Problem(422, 'The body is not an object; send {"inputs": {…}}.')
    problems = _unknown_keys(data)
    rows: Any = None
    if ("inputs" in data) == ("rows" in data):
        problems.append('send either "inputs" (one row) or "rows" (a batch).')
    elif "inputs" in data:
        rows = [data["inputs"]]
        if not isinstance(data["inputs"], dict):
            problems.append("inputs is not an object; allowed: input names with their values.")
    else:
        rows = data["rows"]
        if isinstance(rows, list) and not 1 <= len(rows) <= max_rows:
            problems.append(f"rows has a length of {len(rows)}; allowed: 1 to {max_rows}.")
        elif not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            problems.append(
                "rows is not a list of objects; allowed: input names with their values."
            )
    request_id, key = data.get("request_id", header_id), data.get("key")
    if request_id is not None and not (
        isinstance(request_id, str) and REQUEST_ID.fullmatch(request_id)
    ):
        problems.append("request_id: allowed: 1 to 200 visible ASCII characters.")
    if key is not None and not _is_key(key):
        problems.append("key: allowed: a text of 1 to 500 characters, or a whole number.")
    if problems:
        raise Problem(422, "The request's form is wrong.", problems=problems)
    return Ask(
        request_id=request_id or new_id(),
        key=None if key is None else str(key),
        rows=rows,
        batch="rows" in data,
        started=started,
        size=size,
    )


def _is_key(key: Any) -> bool:
    if isinstance(key, str):
        return 1 <= len(key) <= LONGEST_KEY
    return type(key) is int and abs(key) < 2**64


def _unknown_keys(data: Mapping[str, Any]) -> list[str]:
    names, more = hints.first_unknown(data, _KEYS)
    sentences = []
    for name in names:
        near = hints.nearest(name, _KEYS)
        hint = f" Did you mean {near}?" if near else ""
        sentences.append(
            f"'{name[:60]}' is not a key of a request; allowed: {', '.join(_KEYS)}.{hint}"
        )
    return [*sentences, f"{more:,} more keys are not keys of a request."] if more else sentences


def _body(ask: Ask, answered: Answered) -> dict[str, Any]:
    ref = answered.served.ref
    body: dict[str, Any] = {
        "request_id": ask.request_id,
        "model": ref.model,
        "sha256": ref.sha256[:SHORT],
        "route": answered.route,
    }
    if ask.batch:
        body["rows"] = [_row(row) for row in answered.rows]
    else:
        row = answered.rows[0]
        body |= {"output": row.output, "imputed": row.imputed}
    return body


def _row(row: RowAnswer) -> dict[str, Any]:
    return {"output": row.output, "imputed": row.imputed, "fallback": row.fell_back}
