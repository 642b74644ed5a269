"""`observe` with a real Prometheus and a real service; and what it says where something is missing."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from gitops_model.delivery import programs
from gitops_model.formats.serving import address
from gitops_model.monitoring.observe import MISSING, targets
from tests.support.ports import free_port
from tests.support.promql import MONITORING, filled, needs_prometheus, panel_expressions, rules
from tests.support.watched import visit, watched

PATIENCE = 30.0
ANY = "0.0.0.0"  # noqa: S104  never listened on here
# Panels that show nothing as long as nothing went wrong.
QUIET = {"Load failures in an hour"}


def _repository(folder: Path, service_port: int) -> Path:
    """What `observe` needs of a generated repository; scraped every second, so that nobody waits."""
    shutil.copytree(MONITORING, folder / "monitoring")
    config = folder / "monitoring/prometheus.yml"
    config.write_text(config.read_text().replace(": 5s", ": 1s"))
    settings = {"host": "127.0.0.1", "port": service_port}
    (folder / "serving.yaml").write_text(yaml.safe_dump(settings))
    return folder


@contextlib.contextmanager
def _observing(folder: Path, port: int) -> Iterator[subprocess.Popen[str]]:
    command = [*programs.gitops_model(), "observe", "--port", str(port)]
    process = subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            process.wait(PATIENCE)
        assert process.stdout is not None
        process.stdout.close()


def _observe(folder: Path, *words: str, path: str | None = None) -> tuple[int, str]:
    env = os.environ | ({} if path is None else {"PATH": path})
    command = [*programs.gitops_model(), "observe", *words]
    done = subprocess.run(
        command, cwd=folder, env=env, capture_output=True, text=True, timeout=PATIENCE
    )
    return done.returncode, done.stdout + done.stderr


def _ask(port: int, path: str, **query: str) -> Any:
    url = f"http://127.0.0.1:{port}/api/v1/{path}?{urllib.parse.urlencode(query)}"
    with urllib.request.urlopen(url, timeout=10) as answer:
        found = json.load(answer)
    assert found["status"] == "success"
    return found["data"]


def _until(what: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            if found := what():
                return found
        time.sleep(0.2)
    raise AssertionError("waited in vain")


def _empty(port: int) -> list[str]:
    return [
        title
        for title, expression in panel_expressions()
        if not _ask(port, "query", query=filled(expression))["result"] and title not in QUIET
    ]


@pytest.mark.slow
@needs_prometheus
def test_a_real_prometheus_watches_a_real_service(tmp_path: Path) -> None:
    port = free_port()
    with watched(tmp_path) as server:
        folder = _repository(tmp_path / "repository", server.port)
        with _observing(folder, port) as process:
            ended = threading.Event()

            def keep_asking() -> None:
                while not ended.wait(0.2):
                    visit(server)

            caller = threading.Thread(target=keep_asking)
            caller.start()
            try:
                _until(lambda: _ask(port, "query", query="pointer_in_sync")["result"])
                in_sync = _ask(port, "query", query="pointer_in_sync")["result"][0]
                assert in_sync["metric"]["job"] == "model" and in_sync["value"][1] == "1"
                recorded = [rule["record"] for rule in rules() if "record" in rule]
                for name in recorded:
                    _until(lambda name=name: _ask(port, "query", query=name)["result"])
                # Each panel shows something, filled in as Grafana would.
                with contextlib.suppress(AssertionError):
                    _until(lambda: not _empty(port))
                assert _empty(port) == []
            finally:
                ended.set()
                caller.join()
            evaluated = _ask(port, "rules")["groups"][0]["rules"]
            assert len(evaluated) == len(rules())
            assert {rule["name"] for rule in evaluated if rule["health"] != "ok"} == set()
            firing = [a["labels"]["alertname"] for a in _ask(port, "alerts")["alerts"]]
            assert set(firing) <= {"RefusalsHigh"}
            # A shell that starts the tests in the background has them, and what they start, ignore SIGINT.
            ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
            process.send_signal(signal.SIGTERM if ignored else signal.SIGINT)
            assert process.stdout is not None
            said = process.stdout.read()
            assert process.wait(PATIENCE) == 0, said
        assert f"Prometheus asks http://127.0.0.1:{server.port}/metrics.\n" in said
        assert f"http://127.0.0.1:{port}/alerts" in said and "No service answers" not in said
        with pytest.raises(OSError):
            _ask(port, "rules")


@needs_prometheus
def test_it_ends_with_its_prometheus_and_says_that_nothing_answers_yet(tmp_path: Path) -> None:
    port = free_port()
    folder = _repository(tmp_path / "repository", free_port())
    with _observing(folder, port) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.endswith("/metrics. No service answers there yet: make serve.\n")
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0
        assert "Prometheus has ended." in process.stdout.read()
    with pytest.raises(OSError):
        _ask(port, "rules")


@needs_prometheus
@pytest.mark.parametrize(
    "file, old, new, said",
    [
        ("alerts.yml", "rate(", "rat(", 'rule 1, "role:requests:rate10m"'),
        ("prometheus.yml", "global:", "globe:", "field globe not found"),
    ],
)
def test_a_broken_file_is_named_in_one_sentence(
    tmp_path: Path, file: str, old: str, new: str, said: str
) -> None:
    folder = _repository(tmp_path / "repository", free_port())
    path = folder / "monitoring" / file
    path.write_text(path.read_text().replace(old, new))
    code, text = _observe(folder, "--port", str(free_port()))
    assert code == 2 and len(text.splitlines()) == 1
    assert text.startswith("observe: prometheus does not start: ") and said in text


def _stub(folder: Path, script: str) -> str:
    """A folder for the PATH whose `prometheus` does what the test says."""
    program = folder / "bin" / "prometheus"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(stat.S_IRWXU)
    return f"{program.parent}{os.pathsep}{os.environ['PATH']}"


def test_without_prometheus_it_says_how_to_install_it(tmp_path: Path) -> None:
    folder = _repository(tmp_path / "repository", 8080)
    code, text = _observe(folder, path=str(tmp_path / "empty"))
    assert (code, text) == (5, f"observe: {MISSING}\n")
    assert "sudo apt-get install prometheus" in text and "https://prometheus.io/download" in text


def test_a_port_that_is_taken_is_said_in_one_sentence(tmp_path: Path) -> None:
    folder = _repository(tmp_path / "repository", 8080)
    path = _stub(tmp_path, "exit 9")
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        code, text = _observe(folder, "--port", str(port), path=path)
    assert code == 2 and text == (
        f"observe: 127.0.0.1:{port} cannot be listened on (Address already in use). "
        "Take another port: make observe PORT=9091\n"
    )


@pytest.mark.parametrize("port", ["70000", "-1"])
def test_a_port_that_is_none_is_said_too(tmp_path: Path, port: str) -> None:
    folder = _repository(tmp_path / "repository", 8080)
    code, text = _observe(folder, "--port", port, path=_stub(tmp_path, "exit 9"))
    assert code == 2 and len(text.splitlines()) == 1 and f":{port} cannot be" in text


def test_a_prometheus_that_ends_without_a_word_is_reported(tmp_path: Path) -> None:
    folder = _repository(tmp_path / "repository", 8080)
    path = _stub(tmp_path, "exit 9")
    code, text = _observe(folder, "--port", str(free_port()), path=path)
    assert code == 2
    assert text == "observe: prometheus does not start: see .monitoring/prometheus.log.\n"


def test_a_service_without_an_address_cannot_be_observed(tmp_path: Path) -> None:
    folder = _repository(tmp_path / "repository", 0)
    code, text = _observe(folder, path=_stub(tmp_path, "exit 9"))
    assert code == 2 and "serving.yaml has port: 0" in text and len(text.splitlines()) == 1


def test_outside_of_a_repository_it_says_so(tmp_path: Path) -> None:
    (tmp_path / "serving.yaml").write_text("host: 127.0.0.1\nport: 8080\n")
    code, text = _observe(tmp_path, path=_stub(tmp_path, "exit 9"))
    assert code == 2 and "monitoring/prometheus.yml is not here" in text


@pytest.mark.parametrize(
    "settings, host, scheme, path",
    [
        ({"host": ANY, "port": 8080}, "127.0.0.1:8080", "http", "/metrics"),
        ({"host": "::", "port": 8080}, "[::1]:8080", "http", "/metrics"),
        (
            {"host": ANY, "port": 1, "url": "https://models.example.com/late/"},
            *("models.example.com", "https", "/late/metrics"),
        ),
    ],
)
def test_the_target_is_where_the_service_answers(
    settings: dict[str, Any], host: str, scheme: str, path: str
) -> None:
    url = address(settings)
    assert url is not None
    assert json.loads(targets(url)) == [
        {"targets": [host], "labels": {"__scheme__": scheme, "__metrics_path__": path}}
    ]
