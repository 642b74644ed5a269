"""A store on disk and a real service process, for tests and benchmarks."""

from __future__ import annotations

import contextlib
import http.client
import json
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from gitops_model.delivery import programs
from gitops_model.files import write_atomic
from tests.support.factories import REQUEST, make_bundle

PATIENCE = 20.0

Ref = dict[str, Any]


class Store:
    """What `deploy` writes: bundles by sha256, and pointer.json."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._commits = 0

    def add(self, number: int, **options: Any) -> Ref:
        """Make a bundle (see make_bundle), put it into the store, and return its reference as `…-v<number>`."""
        data, sha256 = make_bundle(**{"seed": number, **options})
        write_atomic(self.bundle(sha256), data)
        return {"model": f"flight-delay-v{number}", "sha256": sha256}

    def bundle(self, sha256: str) -> Path:
        return self.folder / "bundles" / f"{sha256}.tar"

    def point(
        self,
        stable: Ref | None,
        *,
        previous: Ref | None = None,
        canary: Ref | None = None,
        shadow: Ref | None = None,
        freeze: str | None = None,
    ) -> str:
        """Replace pointer.json, and return its made-up commit."""
        self._commits += 1
        commit = f"{self._commits:040x}"
        pointer = {
            "stable": stable,
            "previous": previous,
            "canary": canary,
            "shadow": shadow,
            "freeze": freeze,
        }
        self.write(
            {
                "schema": 1,
                "commit": commit,
                "written_at": "2026-01-01T00:00:00Z",
                "pointer": pointer,
            }
        )
        return commit

    def write(self, content: Any) -> None:
        """Replace pointer.json by anything at all."""
        text = content if isinstance(content, str) else json.dumps(content)
        write_atomic(self.folder / "pointer.json", text)


class Server:
    """A running `gitops-model serve` on a free port."""

    def __init__(
        self, store: Path, folder: Path, *, command: Sequence[str] = (), **settings: Any
    ) -> None:
        self.command = command or programs.gitops_model()
        self.store = store
        self.folder = folder
        self.config = folder / "serving.yaml"
        data = {"host": "127.0.0.1", "port": 0, "poll_seconds": 0.05, **settings}
        self.config.write_text(yaml.safe_dump(data))
        self.process: subprocess.Popen[str] | None = None
        self.port = 0

    def begin(self) -> subprocess.Popen[str]:
        """Start it, and wait for nothing."""
        command = [*self.command, "serve"]
        command += ["--config", str(self.config), "--store", str(self.store)]
        with (self.folder / "service.log").open("a") as log:
            self.process = subprocess.Popen(
                command,
                cwd=self.folder,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        return self.process

    def start(self) -> Server:
        self.process = self.begin()
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line.startswith("serving on http://"), f"{line!r}\n{self.log()}"
        self.port = int(line.rsplit(":", 1)[1])
        return self

    def stop(self) -> int:
        """SIGTERM, and the exit code."""
        return self._end(signal.SIGTERM)

    def kill(self) -> None:
        """kill -9."""
        self._end(signal.SIGKILL)

    def _end(self, number: signal.Signals) -> int:
        assert self.process is not None
        assert self.process.stdout is not None
        self.process.send_signal(number)
        code = self.process.wait(PATIENCE)
        self.process.stdout.close()
        return code

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def log(self) -> str:
        return (self.folder / "service.log").read_text()

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)

    def call(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> Reply:
        """One request on a connection of its own. A body that is not bytes is sent as JSON."""
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        sent = {"Content-Type": "application/json"} if data is not None else {}
        with contextlib.closing(self.connect()) as connection:
            connection.request(method, path, data, sent | (headers or {}))
            answer = connection.getresponse()
            return Reply(answer.status, dict(answer.getheaders()), answer.read())

    def get(self, path: str) -> Reply:
        return self.call("GET", path)

    def predict(self, inputs: Any = None, **fields: Any) -> Reply:
        """POST /predict of one row, a fixed one unless `inputs` is given."""
        return self.call("POST", "/predict", {"inputs": inputs or REQUEST, **fields})

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = self.get("/status").json
        return found

    def metric(self, name: str, **labels: str) -> float:
        """The sum of a metric's samples that carry `labels`."""
        total = 0.0
        for line in self.get("/metrics").text.splitlines():
            series, _, value = line.rpartition(" ")
            wanted = all(f'{key}="{text}"' in series for key, text in labels.items())
            if series.partition("{")[0] == name and wanted:
                total += float(value)
        return total

    def until_serving(self, ref: Ref, *, patience: float = PATIENCE) -> dict[str, Any]:
        """Wait until `ref` is the stable release, and return the status."""
        return self.until(lambda s: s["live"]["stable"] == ref, patience=patience)

    def until_synced(self, commit: str) -> dict[str, Any]:
        """Wait until everything the pointer of `commit` names is served."""
        return self.until(lambda s: s["in_sync"] and s["live"]["commit"] == commit)

    def until_failed(self, reason: str) -> dict[str, Any]:
        """Wait until the last error has this reason."""
        return self.until(lambda s: (s["last_error"] or {}).get("reason") == reason)

    def until(
        self, condition: Callable[[dict[str, Any]], bool], *, patience: float = PATIENCE
    ) -> dict[str, Any]:
        deadline = time.monotonic() + patience
        while True:
            state = self.status()
            if condition(state):
                return state
            assert time.monotonic() < deadline, f"waited in vain: {state}\n{self.log()}"
            time.sleep(0.01)


class Reply:
    """A response: status, headers, and the body as bytes, text or JSON."""

    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@contextlib.contextmanager
def running(store: Path, folder: Path, **settings: Any) -> Iterator[Server]:
    """A service that ends with the block, however it goes."""
    folder.mkdir(parents=True, exist_ok=True)
    server = Server(store, folder, **settings)
    try:
        yield server.start()
    finally:
        if server.running:
            server.kill()
