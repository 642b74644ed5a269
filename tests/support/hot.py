"""A service in this process whose requests can be answered on either path: the hot one and the plain one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from gitops_model.formats.pointer import Canary, Ref
from gitops_model.formats.serving import Settings
from gitops_model.formats.store import Layout
from gitops_model.serving import api, hot_path
from gitops_model.serving.app import App, create_app
from gitops_model.serving.loader import load
from gitops_model.serving.snapshot import Served, Snapshot
from tests.support.server import Store

Sent = list[dict[str, Any]]


def make_app(folder: Path, *, canary: bool = False, **bundle: Any) -> App:
    """A service with a release, and if need be a canary of half the keys; without a log, and without its tasks."""
    store = Store(folder / "store")
    served = []
    for number in (1, 2):
        ref = Ref(**store.add(number, **bundle))
        served.append(Served(ref=ref, loaded=load(Layout(store.folder), ref)))
    app = create_app(
        Settings(host="x", port=0, store=store.folder, timeout_ms=10**9, max_body_kb=8, max_rows=20)
    )
    rule = Canary(model=served[1].ref.model, sha256=served[1].ref.sha256, percent=50, key="carrier")
    snapshot = Snapshot(
        stable=served[0], canary=served[1] if canary else None, canary_rule=rule if canary else None
    )
    app.state.service.watcher.snapshot = snapshot
    app.state.service._switched(Snapshot(), snapshot)
    return app


async def ask(app: App, body: bytes, headers: list[tuple[bytes, bytes]], *, hot: bool) -> Sent:
    """The messages of one answer to POST /predict; ids that are made up are all the same."""
    incoming = [{"type": "http.request", "body": body, "more_body": False}]
    sent: Sent = []

    async def receive() -> dict[str, Any]:
        return incoming.pop() if incoming else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append({key: value for key, value in message.items() if key != "more_body"})

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/predict",
        "headers": headers,
        "query_string": b"",
        "root_path": "",
        "arrived": 0.0,
        "whole": hot,
    }
    with same_ids():
        await app(scope, receive, send)
    return sent


@contextmanager
def same_ids() -> Iterator[None]:
    """Instead of ids made up."""
    with (
        mock.patch.object(hot_path, "new_id", lambda: "made-up"),
        mock.patch.object(api, "new_id", lambda: "made-up"),
    ):
        yield


def counts(app: App) -> dict[str, float]:
    """All counters and histograms, but for what depends on how long an answer took."""
    text = app.state.service.metrics.exposition().decode()
    found = {}
    for line in text.splitlines():
        name, _, value = line.rpartition(" ")
        if name.startswith(("http_", "model_")) and not any(
            word in name for word in ("_bucket{le", "_seconds_bucket", "_seconds_sum", "evidence")
        ):
            found[name] = float(value)
    return found
