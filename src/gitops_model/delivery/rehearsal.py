"""Could this bundle serve? A process of its own loads it and asks its golden requests; it may hang or crash.

`rehearse` is the command of that process; `of_bundle` looks at it from outside.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from gitops_model.delivery.apart import Options, add_arguments, words
from gitops_model.errors import BadArtifact, ExternalFailure, shorten
from gitops_model.formats.bundle import Bundle
from gitops_model.serving import loader

# `cli` takes these of the module of each command.
__all__ = ["Options", "add_arguments", "of_bundle", "run"]

SECONDS = 120.0
NEEDED = {"onnx": ("onnxruntime",), "sklearn": ("skops", "sklearn", "pandas")}
# A model needs no token and no key of the storage, and what it is loaded with is not ours.
KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH", "PYTHONPATH", "SYSTEMROOT")


def run(options: Options) -> int:
    """Raises BadArtifact when it cannot serve, ExternalFailure when that cannot be tried with what is installed."""
    bundle = Bundle.read(options.path, sha256=options.sha256)
    runtime = str(bundle.manifest["runtime"])
    absent = [name for name in NEEDED.get(runtime, ()) if find_spec(name) is None]
    if absent:
        raise ExternalFailure(
            f"{' and '.join(absent)} is not installed here. `make setup` installs it."
        )
    loader.ready(bundle, trusted=options.trust)
    return 0


def of_bundle(
    path: Path, *, sha256: str, trusted: Sequence[str] = (), seconds: float | None = None
) -> None:
    """Raises BadArtifact when the bundle does not answer within `seconds`, ExternalFailure when it cannot be tried."""
    limit = SECONDS if seconds is None else seconds
    process = subprocess.Popen(
        words("rehearse", Options(path=path, sha256=sha256, trust=trusted)),
        cwd=path.parent,
        env={name: os.environ[name] for name in KEPT if name in os.environ},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        _, errors = process.communicate(timeout=limit)
    except subprocess.TimeoutExpired:
        _kill(process)
        raise BadArtifact(
            f"it did not load and answer its golden requests within {limit:g} s", reason="golden"
        ) from None
    except BaseException:
        _kill(process)
        raise
    code = process.returncode
    if code == 0:
        return
    said = _sentence(errors)
    if code < 0:
        raise BadArtifact(
            f"loading it or asking it crashed its process ({_name(-code)})", reason="load"
        )
    if code == ExternalFailure.exit_code:
        raise ExternalFailure(said)
    raise BadArtifact(said or f"its process ended with code {code}", reason="load")


def _kill(process: subprocess.Popen[bytes]) -> None:
    # Its whole session: a process that the model started would keep the pipe open.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _sentence(errors: bytes) -> str:
    """What `rehearse` said last; a foreign runtime may have said more."""
    lines = [line.strip() for line in errors.decode(errors="replace").splitlines() if line.strip()]
    ours = [line.removeprefix("rehearse: ") for line in lines if line.startswith("rehearse: ")]
    return shorten((ours or lines or [""])[-1], 500)
