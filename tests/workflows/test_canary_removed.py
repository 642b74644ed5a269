"""A canary that the service took out: the workflow monitor opens the pull request, by its schedule or its button."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.watches import TEMP, signal, watch
from tests.workflows.fake_state import Event
from tests.workflows.monitored import prepare
from tests.workflows.world import World

SENTENCE = "canary flight-delay-v2 was taken out: requests that fail: 5.1 % of 236, at stable 0 %"
CANARY = {"model": "flight-delay-v2", "sha256": "c" * 64, "percent": 10, "key": None}
POINTER = {
    "stable": {"model": "flight-delay-v1", "sha256": "a" * 64},
    "previous": None,
    "canary": CANARY,
    "shadow": None,
    "freeze": None,
}


@pytest.fixture
def service() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Its address, and the removals that its /status names."""
    removed: list[dict[str, Any]] = []

    class Status(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps({"desired": {}, "live": {}, "errors": [], "removed": removed})
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Status) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", removed
        server.shutdown()


@pytest.mark.parametrize(
    "event", ["workflow_dispatch", pytest.param("schedule", marks=pytest.mark.slow)]
)
def test_the_monitor_opens_the_pull_request_that_takes_it_out_of_the_pointer(
    town: World, rendered: Path, service: tuple[str, list[dict[str, Any]]], event: str
) -> None:
    url, removed = service
    prepare(town, rendered, watch(signal(TEMP, "clean")))
    (town.clone / "production.yaml").write_text(yaml.safe_dump(POINTER))
    settings = town.clone / "serving.yaml"
    settings.write_text(settings.read_text() + f"url: {url}\n")
    town.push("main")
    town.fake.take_events()
    press = Event(name=event, payload={}, actor="ada")

    # Nothing was taken out: nothing is proposed.
    result = town.run("monitor.yml", press)
    assert result.jobs == {"monitor": "success"} and town.fake.state.pulls == {}, result.log

    removed.append({"sha256": CANARY["sha256"], "sentence": SENTENCE})
    for _ in range(2):
        result = town.run("monitor.yml", press)
        assert result.jobs == {"monitor": "success", "revert": "success"}, result.log
    (pull,) = town.fake.state.pulls.values()
    assert SENTENCE in pull["body"] and pull["state"] == "open"
    proposed = town.fake.git.read(pull["head_sha"], "production.yaml") or b""
    assert yaml.safe_load(proposed) == {**POINTER, "canary": None}
    assert town.fake.state.denials == []
