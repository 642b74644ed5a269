"""The service as a command: what it imports, and how it refuses to start."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from gitops_model.delivery import programs
from tests.support.places import TEMPLATE
from tests.support.server import Store, running

FORBIDDEN = (
    "sklearn",
    "pandas",
    "scipy",
    "dvc",
    "git",
    "skops",
    "skl2onnx",
    "github",
    "pipeline",
)

SCRIPT = """
import asyncio, json, sys
from pathlib import Path
from gitops_model.serving import serve as serve_command
from gitops_model.serving.app import create_app
from gitops_model.formats.serving import Settings

async def serve(store):
    app = create_app(Settings(host="", port=0, store=store, log_predictions=True,
                              log_folder=store / "log"))
    sent = []
    async def send(message):
        sent.append(message)
    async def call(method, path, body):
        async def receive():
            return {"type": "http.request", "body": body}
        await app({"type": "http", "method": method, "path": path, "headers": [],
                   "query_string": b"", "root_path": ""}, receive, send)
    async with app.router.lifespan_context(app):
        service = app.state.service
        while not service.watcher.in_sync:
            await asyncio.sleep(0.01)
        await call("POST", "/predict", json.dumps({"inputs": dict(
            service.watcher.snapshot.stable.loaded.example)}).encode())
        for path in ("/docs", "/openapi.json", "/metrics", "/status", "/v2/models/flight-delay"):
            await call("GET", path, b"")
    statuses = [m["status"] for m in sent if m["type"] == "http.response.start"]
    assert statuses == [200] * 6, statuses

asyncio.run(serve(Path(sys.argv[1])))
print(sorted({name.partition(".")[0] for name in sys.modules}))
"""


def test_the_serving_path_imports_nothing_of_training(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.point(store.add(1))
    result = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path)],
        cwd=TEMPLATE,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert "'onnxruntime'" in result.stdout
    found = [name for name in FORBIDDEN if f"'{name}'" in result.stdout]
    assert found == []


def _serve(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*programs.gitops_model(), "serve", *arguments],
        cwd=TEMPLATE,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("host: 127.0.0.1\nport: 99999\n", "port is 99999; allowed: a whole number"),
        ("host: 127.0.0.1\n", "lacks 'port'"),
        ("host: 127.0.0.1\nport: 0\ntimeout: 5\n", "Did you mean 'timeout_ms'"),
        ("host: 127.0.0.1\nport: 0\nlog: {predictions: maybe}\n", "log.predictions is 'maybe'"),
    ],
)
def test_wrong_settings_are_refused_with_exit_code_2(
    text: str, sentence: str, tmp_path: Path
) -> None:
    path = tmp_path / "serving.yaml"
    path.write_text(text)
    result = _serve("--config", str(path))
    assert (result.returncode, result.stdout) == (2, "")
    assert sentence in result.stderr
    assert "Traceback" not in result.stderr


def test_a_port_in_use_is_refused_in_a_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        path = tmp_path / "serving.yaml"
        path.write_text(f"host: 127.0.0.1\nport: {port}\n")
        result = _serve("--config", str(path))
    assert result.returncode == 2
    assert f"127.0.0.1:{port} cannot be listened on" in result.stderr


def test_the_settings_that_come_with_the_repository_are_valid() -> None:
    from gitops_model.formats.serving import Settings

    settings = Settings.load(TEMPLATE / "serving.yaml")
    assert settings.store == TEMPLATE / "store"
    assert settings.log_predictions


def test_its_own_log_is_json_where_that_is_asked_for(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    good, bad = store.add(1), store.add(2)
    store.bundle(bad["sha256"]).write_bytes(b"no bundle")
    with running(store.folder, tmp_path / "service", log={"format": "json"}) as server:
        store.point(good)
        server.until_serving(good)
        store.point(bad, previous=good)
        server.until_failed("sha256")
        for _ in range(20):
            assert server.predict().status == 200
    lines = [json.loads(line) for line in server.log().splitlines()]
    assert all({"at", "level", "message"} <= line.keys() for line in lines)
    events = {line["event"]: line for line in lines if "event" in line}
    assert events["load"]["model"] == good["model"]
    assert events["switch"]["sha256"] == good["sha256"] and len(events["switch"]["commit"]) == 40
    assert events["failure"]["reason"] == "sha256" and events["failure"]["model"] == bad["model"]
    # Good requests are in the metrics and in the prediction log, not here.
    assert len(lines) <= 8
