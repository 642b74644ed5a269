"""A network in which nothing but loopback is, for whatever starts a Ray cluster.

Replicas of Ray Serve listen on all addresses of their machine, whatever it is told. Here there is only one; and all
that was started ends with the first process of the namespace.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.places import ROOT

ALONE = (
    "unshare",
    "-rnpf",
    "--kill-child",
    "--mount-proc",
    "sh",
    "-c",
    'ip link set lo up; exec "$@"',
    "sh",
)
RAY = importlib.util.find_spec("ray") is not None


def possible() -> bool:
    """Whether this machine lets its users make such a network."""
    return subprocess.run([*ALONE, "true"], capture_output=True).returncode == 0


@contextlib.contextmanager
def environment() -> Iterator[dict[str, str]]:
    """The variables that Ray needs there, while the block lasts."""
    # Ray's sockets have long names, and a socket's may have 107 characters.
    with tempfile.TemporaryDirectory(
        prefix="ray-", dir="/tmp", ignore_cleanup_errors=True
    ) as short:
        yield {**os.environ, "RAY_TMPDIR": short, "RAY_USAGE_STATS_ENABLED": "0"}


def run_tests(file: str, folder: Path, *, seconds: float) -> None:
    """Run the tests of a file there, in at most so many seconds. Skips where there is no such network."""
    if not possible():
        pytest.skip("this machine lets nobody make a network namespace")
    words = [sys.executable, "-m", "pytest", "-q", "-s", "-p", "no:cacheprovider"]
    # Ray's modules are not ours to mend.
    words += ["-W", "ignore::DeprecationWarning", file, f"--basetemp={folder / 'inside'}"]
    with environment() as env:
        found = subprocess.run(
            [*ALONE, *words], cwd=ROOT, env=env, text=True, capture_output=True, timeout=seconds
        )
    print(found.stdout[-20_000:], found.stderr[-5_000:])
    assert found.returncode == 0
