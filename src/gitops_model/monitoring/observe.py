"""`observe`: a real Prometheus with the repository's own rules, in the foreground, beside the running service."""

from __future__ import annotations

import argparse
import contextlib
import json
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from types import FrameType
from urllib.parse import urlsplit

from gitops_model import strict_yaml
from gitops_model.errors import BadInput, ExternalFailure
from gitops_model.files import write_atomic
from gitops_model.formats.serving import address

HOST = "127.0.0.1"
PORT = 9090
CONFIG = Path("monitoring/prometheus.yml")
# Git ignores this folder: where the service is, what was measured, and what Prometheus said of itself.
FOLDER = Path(".monitoring")
START_SECONDS = 60.0
STOP_SECONDS = 20.0
MISSING = (
    "prometheus is not installed. Debian and Ubuntu: sudo apt-get install prometheus; elsewhere: "
    "https://prometheus.io/download, and put the program on the PATH."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `observe`."""
    parser.add_argument(
        "--port",
        type=int,
        default=PORT,
        help="where Prometheus listens on this machine (default: %(default)s)",
    )


@dataclass(frozen=True, kw_only=True)
class Options:
    """`port`: where Prometheus listens."""

    port: int = PORT


def run(options: Options) -> int:
    """Observe until Ctrl-C or SIGTERM; exit 0 then.

    Raises BadInput when the address is taken or a file in monitoring/ is wrong, ExternalFailure when Prometheus is not
    installed or ends by itself.
    """
    program = shutil.which("prometheus")
    if program is None:
        raise ExternalFailure(MISSING)
    url = _service()
    if not CONFIG.is_file():
        raise BadInput(f"{CONFIG} is not here; `observe` runs in the root of the repository.")
    _free(options.port)
    write_atomic(FOLDER / "targets.json", targets(url))
    try:
        with _until_stopped(), _running(program, options.port) as prometheus:
            _wait(prometheus, options.port)
            print(_where(url, options.port), flush=True)
            prometheus.wait()
            raise ExternalFailure(f"prometheus ended by itself: {_reason()}")
    except KeyboardInterrupt:
        print(f"\nPrometheus has ended. What it measured stays in {FOLDER}/data.", flush=True)
        return 0


def targets(url: str) -> str:
    """The file by which Prometheus finds the service at `url`."""
    parts = urlsplit(url)
    labels = {"__scheme__": parts.scheme, "__metrics_path__": f"{parts.path.rstrip('/')}/metrics"}
    return json.dumps([{"targets": [parts.netloc], "labels": labels}], indent=2) + "\n"


def _service() -> str:
    url = address(strict_yaml.load(Path("serving.yaml"), "serving"))
    if url is None:
        raise BadInput(
            "serving.yaml has port: 0, so nobody knows where the service listens; set port, or url."
        )
    return url


def _free(port: int) -> None:
    """Another Prometheus there would answer in this one's place. Raises BadInput."""
    try:
        with socket.socket() as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((HOST, port))
    except (OSError, OverflowError) as error:
        why = getattr(error, "strerror", None) or error
        raise BadInput(
            f"{HOST}:{port} cannot be listened on ({why}). Take another port: make observe PORT=9091"
        ) from error


@contextlib.contextmanager
def _until_stopped() -> Iterator[None]:
    """SIGTERM is the same as Ctrl-C: Prometheus must not outlive this process."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def _running(program: str, port: int) -> Iterator[subprocess.Popen[bytes]]:
    command = [
        program,
        f"--config.file={CONFIG}",
        f"--storage.tsdb.path={FOLDER / 'data'}",
        f"--web.listen-address={HOST}:{port}",
        "--log.level=warn",
    ]
    with (FOLDER / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(prometheus: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not _ready(port):
        if prometheus.poll() is not None:
            raise BadInput(f"prometheus does not start: {_reason()}")
        if time.monotonic() > deadline:
            raise ExternalFailure(
                f"prometheus was not ready after {START_SECONDS:g} seconds: {_reason()}"
            )
        time.sleep(0.1)


def _ready(port: int) -> bool:
    connection = HTTPConnection(HOST, port, timeout=5)
    try:
        connection.request("GET", "/-/ready")
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def _reason() -> str:
    """The first error in the log: the one that tells which file and line is wrong; what follows is its consequence."""
    log = FOLDER / "prometheus.log"
    for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
        found = re.search(r'\berr="((?:[^"\\]|\\.)*)"', line)
        if found and re.search(r"\blevel=error\b", line, re.IGNORECASE):
            said = re.sub(r"\\[ntr]", " ", found[1]).replace('\\"', '"').replace("\\\\", "\\")
            return f"{' '.join(said.split())} (all of it: {log})"
    return f"see {log}."


def _where(url: str, port: int) -> str:
    at = f"http://{HOST}:{port}"
    lines = [
        f"Prometheus asks {url}/metrics.",
        f"  alerts   {at}/alerts",
        f"  graphs   {at}/graph",
        f"  Grafana  import monitoring/dashboard.json, and take {at} as its data source",
        "Ctrl-C ends it.",
    ]
    if not _answers(url):
        lines[0] += " No service answers there yet: make serve."
    return "\n".join(lines)


def _answers(url: str) -> bool:
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        socket.create_connection((parts.hostname or HOST, port), timeout=2).close()
    except OSError:
        return False
    return True
