"""The parent's end of the shadow's process: start it, exchange blocks with it, watch its memory, end it.

Another process and not a thread: a thread shares the interpreter lock and dies with a native crash, and its memory
is the service's.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from gitops_model.errors import GitopsError

# How often memory and time are looked at while the other end works.
LOOK_SECONDS = 0.25
LONGEST_ANSWER = 64 << 20
# One thread for a library that would take all processors.
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


class Gone(GitopsError):
    """The process ended or had to be ended; the sentence says why."""


class Child:
    """One running process. All methods but `kill` are for the one thread that owns it."""

    def __init__(self, arguments: Sequence[str], *, memory_mb: int) -> None:
        self._memory_mb = memory_mb
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "gitops_model.serving.shadow_worker", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            start_new_session=True,
            env={**os.environ, **dict.fromkeys(THREADS, "1")},
        )
        self.pid = self._process.pid
        self.memory = 0
        self._look_at = 0.0
        assert self._process.stdin is not None and self._process.stdout is not None
        self._in, self._out = self._process.stdin.fileno(), self._process.stdout.fileno()
        os.set_blocking(self._in, False)
        os.set_blocking(self._out, False)

    def exchange(self, block: bytes, *, seconds: float) -> list[bytes]:
        """Send a block (empty: only wait), and return the lines of the answer. Raises Gone."""
        rest, answer = memoryview(block), bytearray()
        until = time.monotonic() + seconds
        watch = select.poll()
        watch.register(self._out, select.POLLIN)
        if rest:
            watch.register(self._in, select.POLLOUT)
        while True:
            for number, _ in watch.poll(LOOK_SECONDS * 1000):
                if number == self._in:
                    rest = rest[self._send(rest) :]
                    if not rest:
                        watch.unregister(self._in)
                else:
                    self._receive(answer)
            if answer.endswith(b"\n\n"):
                return bytes(answer).splitlines()[:-1]
            self._look(until, seconds)

    def _send(self, rest: memoryview) -> int:
        try:
            return os.write(self._in, rest)
        except BlockingIOError:
            return 0
        except OSError:
            raise Gone(self._end()) from None

    def _receive(self, answer: bytearray) -> None:
        try:
            data = os.read(self._out, 1 << 20)
        except BlockingIOError:
            return
        if not data:
            raise Gone(self._end())
        answer += data
        if len(answer) > LONGEST_ANSWER:
            self.kill()
            raise Gone("it answered without end")

    def look(self) -> None:
        """Between exchanges: is it still there, and not too large? Raises Gone."""
        if self._process.poll() is not None:
            raise Gone(self._end())
        self._look(float("inf"), 0)

    def _look(self, until: float, seconds: float) -> None:
        now = time.monotonic()
        if now < self._look_at:
            return
        self._look_at = now + LOOK_SECONDS
        self.memory = resident(self.pid)
        if self.memory > self._memory_mb << 20:
            self.kill()
            raise Gone(f"it needed more than {self._memory_mb} MB")
        if now > until:
            self.kill()
            raise Gone(f"it gave no answer for {seconds:g} s")

    def _end(self) -> str:
        self.kill()
        code = self._process.wait()
        if code >= 0:
            return f"it ended with code {code}"
        with contextlib.suppress(ValueError):
            return f"it was ended by {signal.Signals(-code).name}"
        return f"it was ended by signal {-code}"

    def kill(self) -> None:
        """End it and what it started. From any thread; the second time does nothing."""
        # Until it is waited for, its number is nobody else's.
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)

    def close(self) -> None:
        """Kill, wait, and give the pipes back."""
        self.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()


def resident(pid: int) -> int:
    """Bytes of memory a process occupies; 0 where that cannot be seen."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")
