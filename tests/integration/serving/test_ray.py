"""What on_ray.py asks of `engine: ray`, in a network that has nothing but loopback; and what is so without Ray."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.support.places import ROOT
from tests.support.server import Server, Store

# Replicas of Ray Serve listen on all addresses of their machine, whatever it is told. Here there is only one; and all
# that was started ends with the first process of the namespace.
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
MOST = 1800.0  # seconds; about ten minutes are usual
RAY = importlib.util.find_spec("ray") is not None


@pytest.mark.slow
@pytest.mark.skipif(not RAY, reason="gitops-model[ray] is not installed")
def test_on_two_nodes(tmp_path: Path) -> None:
    if subprocess.run([*ALONE, "true"], capture_output=True).returncode:
        pytest.skip("this machine lets nobody make a network namespace")
    words = [sys.executable, "-m", "pytest", "-q", "-s", "-p", "no:cacheprovider"]
    # Ray's modules are not ours to mend.
    words += ["-W", "ignore::DeprecationWarning"]
    words += ["tests/integration/serving/on_ray.py", f"--basetemp={tmp_path / 'inside'}"]
    # Ray's sockets have long names, and a socket's may have 107 characters.
    with tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as short:
        env = {**os.environ, "RAY_TMPDIR": short, "RAY_USAGE_STATS_ENABLED": "0"}
        found = subprocess.run(
            [*ALONE, *words], cwd=ROOT, env=env, text=True, capture_output=True, timeout=MOST
        )
    print(found.stdout[-20_000:], found.stderr[-5_000:])
    assert found.returncode == 0


@pytest.mark.skipif(RAY, reason="gitops-model[ray] is installed")
def test_without_the_extra_the_service_says_what_to_install(tmp_path: Path) -> None:
    server = Server(
        Store(tmp_path / "store").folder, tmp_path, engine="ray", ray={"address": "127.0.0.1:6379"}
    )
    process = server.begin()
    assert process.wait(20) == 2
    assert process.stdout is not None
    process.stdout.close()
    assert "Ray is not installed here. Write the line gitops-model[serving,ray]" in server.log()
