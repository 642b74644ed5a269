"""One request to an application without a server around it."""

from __future__ import annotations

import json
from typing import Any

from starlette.applications import Starlette


async def post(app: Starlette, body: str) -> tuple[int, dict[str, str], Any]:
    """POST /predict; status, headers and the JSON of the answer."""
    incoming = [{"type": "http.request", "body": body.encode()}]
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return incoming.pop()

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/predict",
        "headers": [],
        "query_string": b"",
        "root_path": "",
    }
    await app(scope, receive, send)
    headers = {k.decode(): v.decode() for k, v in sent[0]["headers"]}
    return sent[0]["status"], headers, json.loads(sent[1]["body"])
