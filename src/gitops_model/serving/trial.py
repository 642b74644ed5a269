"""A bundle is tried in a short-lived process before the service loads it, so that it cannot hang or bring down both.

What it may take is processor time, not time: a busy machine or a slow disk is not the bundle's fault. A release that is
loaded already is not tried again, so going back to `previous` costs nothing.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO

from gitops_model.errors import BadArtifact
from gitops_model.formats.pointer import Ref
from gitops_model.formats.store import Layout
from gitops_model.serving import loader
from gitops_model.serving.shadow_child import THREADS
from gitops_model.serving.snapshot import Loaded

# So many times its processor time may a trial last, in case it only waits.
PATIENCE = 4
# Workers load a bundle from this size on one after the other, but none waits longer for its turn than so long.
LARGE_BYTES = 10_000_000
TURN_SECONDS = 30.0
LOOK_SECONDS = 0.05


class Trial:
    """Loads releases, each after a trial of at most `seconds` of processor time and `memory_mb` of memory.

    `shared` is a folder in which the workers of one service leave which bundles passed, so that one tries for all, and
    where they take turns with large ones, so that some have their processors for requests. `load` is what loads them
    then, if not loader.load.
    """

    def __init__(
        self,
        *,
        seconds: float,
        memory_mb: int,
        trusted: Sequence[str] = (),
        shared: Path | None = None,
        load: Callable[..., Loaded] | None = None,
    ) -> None:
        self._seconds = max(1, round(seconds))
        self._memory_mb = memory_mb
        self._trusted = tuple(trusted)
        self._passed: set[str] = set()
        self._shared = shared
        self._load = load

    def load(self, store: Layout, ref: Ref) -> Loaded:
        """See loader.load. Takes as long as the model takes; call it off the event loop."""
        if ref.sha256 not in self._passed:
            self._try_once(store.bundle(ref.sha256), ref.sha256)
            self._passed.add(ref.sha256)
        with self._turn(store.bundle(ref.sha256)):
            return (self._load or loader.load)(store, ref, trusted=self._trusted)

    @contextlib.contextmanager
    def _turn(self, path: Path) -> Iterator[None]:
        if self._shared is None or not path.exists() or path.stat().st_size < LARGE_BYTES:
            yield
            return
        # It ends with whoever holds it.
        with (self._shared / "loads").open("a") as mark:
            deadline = time.monotonic() + TURN_SECONDS
            while not _locked(mark) and time.monotonic() < deadline:
                time.sleep(LOOK_SECONDS)
            yield

    def _try_once(self, path: Path, sha256: str) -> None:
        if self._shared is None:
            self._try(path, sha256)
            return
        # A lock for each bundle: one that hangs must not delay the load of another. It ends with whoever holds it.
        with (self._shared / f"trial-{sha256}").open("a+") as mark:
            fcntl.flock(mark, fcntl.LOCK_EX)
            mark.seek(0)
            if not mark.read():
                self._try(path, sha256)
                mark.write("passed")

    def _try(self, path: Path, sha256: str) -> None:
        process = subprocess.Popen(
            [
                *(sys.executable, "-P", "-m", "gitops_model.serving.trial_worker"),
                *(str(os.getpid()), str(path.absolute()), sha256),
                *(str(self._seconds), str(self._memory_mb), *self._trusted),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            env={**os.environ, **dict.fromkeys(THREADS, "1")},
        )
        limit = PATIENCE * self._seconds
        try:
            said, _ = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            raise BadArtifact(
                f"it did not load and answer its golden requests within {limit} s", reason="read"
            ) from None
        finally:
            _end(process)
        if process.returncode != 0:
            raise self._failure(said, process.returncode)

    def _failure(self, said: bytes, code: int) -> BadArtifact:
        with contextlib.suppress(ValueError, KeyError):
            found = json.loads(said)
            if found["reason"] != "memory":
                return BadArtifact(found["said"], reason=found["reason"])
            return self._too_large(found["said"])
        if code == -signal.SIGXCPU:
            return BadArtifact(
                f"it did not load and answer its golden requests within {self._seconds} s of processor time",
                reason="golden",
            )
        if code in (-signal.SIGSEGV, -signal.SIGBUS, -signal.SIGFPE, -signal.SIGILL):
            name = signal.Signals(-code).name
            return BadArtifact(
                f"loading it or asking it crashed its process ({name})", reason="load"
            )
        if code == -signal.SIGABRT:
            return self._too_large("loading it or asking it ended its process (SIGABRT)")
        # Killed by somebody, mostly because memory ran out; or not even begun. That says nothing of the bundle.
        return BadArtifact(f"the process that tries it ended with code {code}", reason="read")

    def _too_large(self, said: str) -> BadArtifact:
        free = available_mb()
        if free is None or free < self._memory_mb:
            return BadArtifact(said, reason="read")
        return BadArtifact(f"{said} (it may take {self._memory_mb:,} MB)", reason="load")


def _locked(mark: IO[str]) -> bool:
    """Whether the lock of this file is ours now."""
    with contextlib.suppress(BlockingIOError):
        fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False


def _end(process: subprocess.Popen[bytes]) -> None:
    """End it and what it started."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    if process.stdout is not None:
        process.stdout.close()


def available_mb() -> int | None:
    """Memory that the machine could give a new process; None where that cannot be seen."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) // 1024
    return None
