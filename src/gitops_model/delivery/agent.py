"""`deploy --watch`: the agent on the serving host. It looks at Git again and again and deploys what changed."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable

from gitops_model.delivery.releases import POINTER
from gitops_model.errors import ExternalFailure, GitopsError, os_words

LONGEST_PAUSE = 300.0
# The commit that is desired, whether the store already says so, and what people should know.
Wish = tuple[str, bool, tuple[str, ...]]


def watch(*, look: Callable[[], Wish], deploy: Callable[[], None], every: float) -> int:
    """Look every `every` seconds, until SIGTERM or SIGINT; a deploy that has begun is finished first.

    An error stops nothing: it is printed once, and the deploy is tried again after a pause.
    """
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    print(
        f"deploy: looking every {every:g} s for a new {POINTER} on origin's main; stop with SIGTERM or Ctrl+C.",
        flush=True,
    )
    agent = Agent(deploy=deploy, clock=time.monotonic)
    while not stop.is_set():
        try:
            agent.look(look())
        except GitopsError as error:
            agent.complain(error)
        except OSError as error:
            agent.complain(ExternalFailure(os_words(error)))
        stop.wait(every)
    print("deploy: stopped.", flush=True)
    return 0


class Agent:
    """Decides at each look whether to deploy: once for each new commit, and again after a pause where it failed."""

    def __init__(self, *, deploy: Callable[[], None], clock: Callable[[], float]) -> None:
        self._deploy = deploy
        self._clock = clock
        self._commit: str | None = None
        self._settled = False
        self._failures = 0
        self._not_before = 0.0
        self._complaint = ""
        self._notes: tuple[str, ...] = ()

    def look(self, wish: Wish) -> None:
        """Deploy if there is a reason to."""
        commit, in_store, notes = wish
        if notes != self._notes:
            self._notes = notes
            for note in notes or ("all is normal again.",):
                print(f"deploy: {note}", flush=True)
        if commit != self._commit:
            self._commit, self._settled, self._failures, self._not_before = commit, False, 0, 0.0
        if (self._settled and in_store) or self._clock() < self._not_before:
            return
        try:
            self._deploy()
        except GitopsError as error:
            self._failures += 1
            pause = min(LONGEST_PAUSE, 2.0**self._failures)
            self._not_before = self._clock() + pause
            self._settled = False
            self.complain(error)
            print(f"deploy: trying again in {pause:g} s.", file=sys.stderr, flush=True)
        else:
            self._settled, self._failures, self._complaint = True, 0, ""

    def complain(self, error: GitopsError) -> None:
        """Print an error, but not the same one at every look."""
        text = "\n".join([str(error), *getattr(error, "__notes__", ())])
        if text != self._complaint:
            self._complaint = text
            for line in text.splitlines():
                print(f"deploy: {line}", file=sys.stderr, flush=True)
