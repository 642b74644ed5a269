"""An application around one model, and one request to it, without a server and without a store."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from starlette.applications import Starlette

from gitops_model.formats.contract import Contract
from gitops_model.formats.pointer import Ref
from gitops_model.formats.serving import Settings
from gitops_model.runtime.models import Model
from gitops_model.serving.app import create_app
from gitops_model.serving.snapshot import Loaded, Served, Snapshot
from tests.support.factories import REQUEST, make_contract


def app_around(
    model: Model, *, contract: Contract | None = None, row_seconds: float = 0.0, **settings: Any
) -> Starlette:
    """`row_seconds` decides whether the event loop asks the model itself, or a worker thread."""
    app = create_app(Settings(host="", port=0, store=Path("nowhere"), **settings))
    contract = contract or make_contract()
    loaded = Loaded(
        sha256="0" * 64,
        contract=contract,
        validate=contract.row_validator(),
        model=model,
        row_seconds=row_seconds,
        size=1,
        example=REQUEST,
        loaded_at="",
    )
    ref = Ref(model="flight-delay-v1", sha256="0" * 64)
    app.state.service.watcher.snapshot = Snapshot(stable=Served(ref=ref, loaded=loaded))
    return app


async def post(app: Starlette, body: str, **more: Any) -> tuple[int, dict[str, str], Any]:
    """POST /predict, with `more` in the scope; status, headers and the JSON of the answer."""
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
        **more,
    }
    await app(scope, receive, send)
    headers = {k.decode(): v.decode() for k, v in sent[0]["headers"]}
    return sent[0]["status"], headers, json.loads(sent[1]["body"])
