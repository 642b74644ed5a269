"""Waits that say what they wait for, how long it took so far, and how much has come.

On a terminal it is one line that is written over and removed at the end; elsewhere a plain line now and then. A wait
that is soon over says nothing. Everything goes to stderr: what a command answers stays alone on stdout.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from gitops_model.files import size_words

QUIET_SECONDS = 2.0
TERMINAL_SECONDS = 0.5
PLAIN_SECONDS = 5.0


class Progress:
    """One wait. `what` says what for: "fetching flight-delay-v2"; `total` is how many bytes are to come."""

    def __init__(
        self,
        what: str,
        *,
        total: int | None = None,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._what, self._total, self._clock = what, total, clock
        self._stream = sys.stderr if stream is None else stream
        self._terminal = self._stream.isatty()
        self._began = clock()
        self._next = self._began + QUIET_SECONDS
        self._shown = 0

    def step(self, done: int | None = None) -> None:
        """Say where the wait stands, unless that was just said. `done` is how many bytes have come."""
        now = self._clock()
        if now < self._next:
            return
        self._next = now + (TERMINAL_SECONDS if self._terminal else PLAIN_SECONDS)
        text = f"{self._what}: {now - self._began:.0f} s"
        if done is not None:
            text += f", {size_words(done)}"
        if self._total is not None:
            text += f" of {size_words(self._total)}"
        if self._terminal:
            self._stream.write(f"\r{text:<{self._shown}}")
            self._shown = len(text)
        else:
            self._stream.write(f"{text}\n")
        self._stream.flush()

    def end(self) -> None:
        """The wait is over; on a terminal its line is removed."""
        if self._shown:
            self._stream.write(f"\r{'':<{self._shown}}\r")
            self._stream.flush()


@contextmanager
def waiting(
    what: str, *, total: int | None = None, done: Callable[[], int | None] = lambda: None
) -> Iterator[None]:
    """Say from a thread how long the block takes; `done` is asked how many bytes have come."""
    progress = Progress(what, total=total)
    over = threading.Event()

    def tell() -> None:
        while not over.wait(TERMINAL_SECONDS):
            progress.step(done())

    teller = threading.Thread(target=tell, daemon=True)
    teller.start()
    try:
        yield
    finally:
        over.set()
        teller.join()
        progress.end()
