"""The stage of the demo: a folder with a generated repository, a bare origin, a DVC remote and a running service."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class StageError(Exception):
    """A command of the story did not do what the story needs."""


class Stage:
    """Runs commands as a user would, in `folder`, apart from the user's own Git and DVC settings."""

    def __init__(self, folder: Path, *, log: Path) -> None:
        self.folder = folder
        self.repo = folder / "flight-delay"
        self.origin = folder / "origin.git"
        self.storage = folder / "dvc-storage"
        self.port = free_port()
        self._log = log
        self._service: subprocess.Popen[bytes] | None = None

    def environ(self) -> dict[str, str]:
        """The environment of every command: this interpreter's tools first, an empty home, one name for commits."""
        home = self.folder / "home"
        home.mkdir(parents=True, exist_ok=True)
        kept = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith(("GIT_", "DVC_", "MAKE", "MFLAGS", "PYTHON", "PYTEST"))
        }
        author = {"NAME": "Demo", "EMAIL": "demo@example.com"}
        return kept | {
            "HOME": str(home),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "VENV": sys.prefix,
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_TERMINAL_PROMPT": "0",
            "DVC_NO_ANALYTICS": "1",
            "DVC_GLOBAL_CONFIG_DIR": str(home / "dvc"),
            "DVC_SYSTEM_CONFIG_DIR": str(home / "dvc-system"),
            "PYTHONUNBUFFERED": "1",
            "COLUMNS": "100",
            **{
                f"GIT_{who}_{what}": value
                for who in ("AUTHOR", "COMMITTER")
                for what, value in author.items()
            },
        }

    def run(
        self,
        *command: str,
        cwd: Path | None = None,
        expect: int | None = 0,
    ) -> str:
        """Output (both streams) of a command; it also goes to the log. Raises StageError on another exit code."""
        done = subprocess.run(
            command,
            cwd=cwd or self.repo,
            env=self.environ(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            check=False,
        )
        with self._log.open("a") as log:
            log.write(f"$ {' '.join(command)}\n{done.stdout}[exit {done.returncode}]\n\n")
        if expect is not None and done.returncode != expect:
            tail = "\n".join(done.stdout.splitlines()[-15:])
            raise StageError(
                f"`{' '.join(command)}` ended with {done.returncode}, not {expect}:\n{tail}\nThe whole log: {self._log}"
            )
        return done.stdout

    def git(self, *arguments: str) -> str:
        """`git` in the generated repository."""
        return self.run("git", *arguments).strip()

    def make(self, target: str, *, expect: int = 0, **variables: str) -> str:
        """`make` in the generated repository; make itself ends with 2 whatever its command ended with."""
        words = [f"{name}={value}" for name, value in variables.items()]
        return self.run("make", "--no-print-directory", target, *words, expect=2 if expect else 0)

    def start_service(self) -> None:
        """`make serve` in the background, until it answers /healthz."""
        log = (self.folder / "service.log").open("ab")
        self._service = subprocess.Popen(
            ["make", "--no-print-directory", "serve"],
            cwd=self.repo,
            env=self.environ(),
            stdout=log,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if self._service.poll() is not None:
                break
            try:
                self.get("/healthz")
                return
            except OSError:
                time.sleep(0.05)
        raise StageError(f"the service did not start; its log: {self.folder / 'service.log'}")

    def stop_service(self) -> None:
        """End the service that `start_service` started, gently first."""
        if self._service is None or self._service.poll() is not None:
            return
        group = os.getpgid(self._service.pid)
        os.killpg(group, signal.SIGTERM)
        try:
            self._service.wait(timeout=15)
        except subprocess.TimeoutExpired:
            os.killpg(group, signal.SIGKILL)
            self._service.wait(timeout=5)

    def get(self, path: str) -> Any:
        """GET from the service; parsed when it is JSON."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as response:
            data = response.read()
        return (
            json.loads(data)
            if response.headers.get_content_type() == "application/json"
            else data.decode()
        )

    def ask(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """POST one row to the service."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/predict",
            data=json.dumps({"inputs": inputs}).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310  loopback
            answer: dict[str, Any] = json.loads(response.read())
        return answer

    def remove(self) -> None:
        """Delete the whole folder. DVC makes its cache read-only, which only matters for files."""
        shutil.rmtree(self.folder, ignore_errors=True)


def free_port() -> int:
    """A port on the loopback address that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
