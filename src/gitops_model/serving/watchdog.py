"""What is done about a model that never answers, after it answered its trial.

At a request's deadline the service ends the call in its worker thread, where the runtime can. Where it cannot, the
thread is lost. When all are lost, or the event loop itself is held, nothing in this process helps: it ends, and what
started it (systemd, Compose, a supervisor) starts it again.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable

from gitops_model.runtime.calls import Call
from gitops_model.serving.event_log import about

logger = logging.getLogger("gitops_model.serving")

# Looks are counted, not seconds: a process that was stopped, or a machine that slept, missed looks, too.
LOOKS = 30
LOOK_SECONDS = 1.0
# Looks between ending the call that holds the event loop and ending the process.
GRACE = 5
# EX_SOFTWARE of sysexits.h.
CODE = 70


def _leave() -> None:
    # As an operator would: requests in flight are answered first.
    os.kill(os.getpid(), signal.SIGTERM)


class Watchdog:
    """Runs as long as the service. `calls` are those in the `threads` worker threads; longer than `seconds` is lost."""

    def __init__(
        self,
        *,
        threads: int,
        calls: Callable[[], Iterable[Call]],
        seconds: float,
        look_seconds: float = LOOK_SECONDS,
        leave: Callable[[], None] = _leave,
        die: Callable[[int], object] = os._exit,
    ) -> None:
        self._threads = threads
        self._calls = calls
        self._seconds = seconds
        self._look_seconds = look_seconds
        self._leave = leave
        self._die = die
        self._beats = 0
        self._held = Call()
        self._stop = threading.Event()
        self._left = False

    async def run(self) -> None:
        """On the event loop, until cancelled."""
        threading.Thread(target=self._listen, name="watchdog", daemon=True).start()
        try:
            # What the event loop asks of a model by itself, for small requests, belongs to one call.
            with self._held:
                while True:
                    self._beats += 1
                    self._held.renew()
                    self._look()
                    await asyncio.sleep(self._look_seconds)
        finally:
            self._stop.set()

    def _look(self) -> None:
        now = time.monotonic()
        begun = [call.started for call in self._calls()]
        lost = sum(at is not None and now - at > self._seconds for at in begun)
        if lost < self._threads or self._left:
            return
        self._left = True
        logger.critical(
            "all %s worker threads wait for models that never answered; the service ends, to be started again",
            self._threads,
            extra=about("hung"),
        )
        self._leave()

    def _listen(self) -> None:
        """In a thread of its own: does the event loop still turn?"""
        heard, silent = -1, 0
        while not self._stop.wait(self._look_seconds):
            beats = self._beats
            silent = 0 if beats != heard else silent + 1
            heard = beats
            if silent == LOOKS:
                logger.critical(
                    "the event loop was held for %g s; what it asks of a model is ended",
                    LOOKS * self._look_seconds,
                    extra=about("hung"),
                )
                self._held.end()
            elif silent == LOOKS + GRACE:
                logger.critical(
                    "the event loop is held for good; the service ends, to be started again",
                    extra=about("hung"),
                )
                self._die(CODE)
