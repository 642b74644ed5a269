"""Runs commands of the generated repository in forked processes: real ones, that can be killed, without start-up cost.

`Commands` (test side) talks to this file run as a process, which has imported what the commands need once.
"""

from __future__ import annotations

import dataclasses
import importlib
import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
import traceback
from pathlib import Path
from typing import Any

PRELOAD = (
    "github", "requests", "jsonschema", "yaml", "numpy", "modelops.evaluation.verdict",
    "modelops.evaluation.decision", "modelops.bundle", "ci_scripts.publish",
)  # fmt: skip


@dataclasses.dataclass(kw_only=True)
class Done:
    """How a command ended. `code` None: it was killed."""

    code: int | None
    output: str


class Running:
    """A command under way."""

    def __init__(self, connection: socket.socket) -> None:
        self._stream = connection.makefile("rb")
        self._connection = connection
        self.pid = int(json.loads(self._stream.readline())["pid"])

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)

    def wait(self) -> Done:
        line = self._stream.readline()
        self._stream.close()
        self._connection.close()
        return Done(**json.loads(line)) if line else Done(code=None, output="")


class Commands:
    """`python -m ci_scripts` of the template, ready to run. `template` is its directory."""

    def __init__(self, template: Path, folder: Path) -> None:
        self._socket = str(folder / "zygote.sock")
        env = {**os.environ, "PYTHONPATH": str(template), "OPENBLAS_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__)), self._socket], cwd=template, env=env
        )
        deadline = time.monotonic() + 60
        while not Path(self._socket).exists():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("the zygote did not start")
            time.sleep(0.02)

    def close(self) -> None:
        self._process.kill()
        self._process.wait()

    def start(self, *argv: str, cwd: Path, env: dict[str, str], code: str = "") -> Running:
        """Begin `python -m ci_scripts ARGV`, or run `code`."""
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(self._socket)
        kept = ("PATH", "HOME", "GIT_CONFIG_GLOBAL", "GIT_CONFIG_NOSYSTEM")
        base = {name: os.environ[name] for name in kept if name in os.environ}
        if "GITHUB_ACTIONS" not in env:
            base |= {
                n: v for n, v in os.environ.items() if n.startswith(("GIT_AUTHOR", "GIT_COMMITTER"))
            }
        request = {"argv": list(argv), "cwd": str(cwd), "env": {**base, **env}, "code": code}
        connection.sendall(json.dumps(request).encode() + b"\n")
        return Running(connection)

    def run(self, *argv: str, cwd: Path, env: dict[str, str], code: str = "") -> Done:
        return self.start(*argv, cwd=cwd, env=env, code=code).wait()


def _child(connection: socket.socket, request: dict[str, Any]) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    connection.sendall(json.dumps({"pid": os.getpid()}).encode() + b"\n")
    # Output goes through a file, so that programs the command starts are caught too.
    with open(f"/tmp/zygote-{os.getpid()}", "w+b") as capture:
        os.unlink(capture.name)
        os.dup2(capture.fileno(), 1)
        os.dup2(capture.fileno(), 2)
        sys.stdout = io.TextIOWrapper(os.fdopen(1, "wb", 0), write_through=True)
        sys.stderr = io.TextIOWrapper(os.fdopen(2, "wb", 0), write_through=True)
        try:
            if request["code"]:
                exec(request["code"], {"__name__": "zygote"})  # noqa: S102 - our own tests' code
                code = 0
            else:
                from ci_scripts.__main__ import main  # type: ignore[import-not-found]

                code = main(request["argv"])
        except SystemExit as error:
            code = error.code if isinstance(error.code, int) else 1
        except BaseException:
            traceback.print_exc()
            code = 99
        capture.seek(0)
        output = capture.read().decode(errors="replace")
    connection.sendall(json.dumps({"code": code, "output": output}).encode() + b"\n")
    connection.close()
    os._exit(0)


def main() -> None:
    for name in PRELOAD:
        importlib.import_module(name)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    listener = socket.socket(socket.AF_UNIX)
    path = sys.argv[1]
    listener.bind(path + ".tmp")
    listener.listen(256)
    os.rename(path + ".tmp", path)
    while True:
        connection, _ = listener.accept()
        request = json.loads(connection.makefile("rb").readline())
        if os.fork() == 0:
            listener.close()
            _child(connection, request)
        connection.close()


if __name__ == "__main__":
    main()
