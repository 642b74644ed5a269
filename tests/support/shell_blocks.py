"""The shell blocks of a page, and a shell that types them."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """What stands between ```sh and ```; `line` is the page's line of its first line."""

    page: Path
    line: int
    text: str

    @property
    def name(self) -> str:
        """Its first line without the comment."""
        return re.sub(r"\s+#.*", "", self.text.strip().splitlines()[0])


def blocks(page: Path) -> list[Block]:
    """Every shell block of a page, in order."""
    text = page.read_text(encoding="utf-8")
    return [
        Block(page, text[: found.start()].count("\n") + 2, found[1])
        for found in _BLOCK.finditer(text)
    ]


@dataclass(frozen=True)
class Shell:
    """Types commands as a person would. `make` is the real one, but the environment `venv` is there already."""

    tools: Path
    venv: Path
    env: Mapping[str, str]

    @staticmethod
    def make(tools: Path, venv: Path, env: Mapping[str, str] | None = None) -> Shell:
        """`tools` is an empty folder; it will hold the `make`."""
        program = shutil.which("make")
        assert program, "make is not installed"
        tools.mkdir(parents=True, exist_ok=True)
        (tools / "make").write_text(f'#!/bin/sh\nexec {program} -o setup VENV={venv} "$@"\n')
        (tools / "make").chmod(0o755)
        outside = dict(os.environ if env is None else env)
        outside = {k: v for k, v in outside.items() if not k.startswith(("MAKE", "MFLAGS"))}
        return Shell(tools, venv, outside | {"PATH": f"{tools}{os.pathsep}{outside['PATH']}"})

    def type(self, commands: str, folder: Path, *, fails: bool = False) -> str:
        """Both streams of `commands`, typed into one shell that ends at the first failure."""
        done = subprocess.run(
            ["sh", "-e", "-c", commands],
            cwd=folder,
            env=dict(self.env),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert (done.returncode != 0) == fails, f"{commands}\n-> {done.returncode}\n{done.stdout}"
        return done.stdout


@contextmanager
def in_a_terminal(shell: Shell, command: str, folder: Path, port: int) -> Iterator[None]:
    """`command`, a service, in a terminal of its own until the block ends; the block begins when it answers."""
    log = (folder.parent / "service.log").open("w")
    with (
        log,
        subprocess.Popen(
            ["sh", "-c", command],
            cwd=folder,
            env=dict(shell.env),
            stdout=log,
            stderr=log,
            start_new_session=True,
        ) as service,
    ):
        try:
            deadline = time.monotonic() + 120
            while True:
                try:
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5)
                    break
                except OSError:
                    assert time.monotonic() < deadline, Path(log.name).read_text()
                    time.sleep(0.1)
            yield
        finally:
            os.killpg(service.pid, signal.SIGTERM)
