"""Copies of answered requests go to the shadow, and its answers are compared, counted and logged. Nobody waits for it.

The request path appends one reference to a bounded queue. A thread of each shadow gathers what came in a moment, has
the shadow's own process (`shadow_child`) answer it, and compares. What the process cannot follow is dropped and
counted. A process that ends is started again, later each time and not for ever.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any

from gitops_model.errors import BadArtifact, GitopsError
from gitops_model.formats.pointer import Ref
from gitops_model.formats.store import Layout
from gitops_model.runtime.answers import GOLDEN_ID
from gitops_model.runtime.compared import UNCOMPARABLE, Compared, Facts, Tally, compare
from gitops_model.serving import router
from gitops_model.serving.shadow_account import Account, Answers, Copy, Record, block, record
from gitops_model.serving.shadow_child import Child, Gone
from gitops_model.serving.snapshot import Beside

logger = logging.getLogger("gitops_model.serving")

# Rows that wait for the shadow at most.
MOST_WAITING = 10_000
# Rows of one exchange, and how long the thread gathers them: waking it for each request would cost callers more.
MOST_TOGETHER = 256
GATHER_SECONDS = 0.1
LOAD_SECONDS = 120.0
ANSWER_SECONDS = 60.0
# So many ends within an hour, and it is left alone until the pointer names it anew.
MOST_ENDS = 5
HOUR = 3600.0
LONGEST_PAUSE = 60.0
# Tallies of this many ended shadows stay, so that their last counts are still scraped.
RETIRED = 2

Keep = Callable[[float, Record], None]


class Ended(GitopsError):
    """The shadow was let go before it was ready: nobody's fault."""


class Shadow:
    """One shadow: a queue, a thread and a process. `offer` and `end` are for the event loop."""

    def __init__(
        self, store: Layout, ref: Ref, *, memory_mb: int, trusted: Sequence[str], keep: Keep | None
    ) -> None:
        self.account = Account(ref=ref)
        self.ready: Future[Beside] = Future()
        # Nobody can cancel it any more: the thread alone says how it went.
        self.ready.set_running_or_notify_cancel()
        self._arguments = (
            *(str(os.getpid()), str(store.folder), ref.model, ref.sha256, str(memory_mb)),
            *trusted,
        )
        self._memory_mb = memory_mb
        self._keep = keep
        self._loop = asyncio.get_running_loop()
        self._queue: deque[Copy] = deque()
        # Each is written by one thread only, so neither needs a lock.
        self._offered = self._taken = 0
        self._wake = threading.Event()
        self._ended = False
        self._child: Child | None = None
        self._starting = threading.Lock()
        self.thread = threading.Thread(target=self._run, name="shadow", daemon=True)
        self.thread.start()

    def offer(self, copy: Copy) -> None:
        """Take a copy, or count that it was dropped. Never waits."""
        rows, account, waiting = len(copy.rows), self.account, self.waiting
        if account.state != "running":
            account.dropped["down"] += rows
        elif waiting and waiting + rows > MOST_WAITING:
            account.dropped["queue"] += rows
        else:
            self._queue.append(copy)
            self._offered += rows
            if not self._wake.is_set():
                self._wake.set()

    @property
    def waiting(self) -> int:
        """Rows in the queue."""
        return self._offered - self._taken

    def end(self) -> None:
        """End the process now. Its thread follows."""
        with self._starting:
            self._ended = True
            if self._child is not None:
                self._child.kill()
        self._wake.set()

    def _run(self) -> None:
        ends: deque[float] = deque()
        try:
            while not self._ended:
                sentence = self._live_once()
                if self._ended or self.ready.exception(timeout=0) is not None:
                    self.account.state = "not loaded"
                    break
                now = time.monotonic()
                ends.append(now)
                while ends[0] < now - HOUR:
                    ends.popleft()
                self._died(sentence, given_up=len(ends) > MOST_ENDS)
                if len(ends) > MOST_ENDS:
                    return
                self._pause(min(2.0 ** (len(ends) - 1), LONGEST_PAUSE))
        except Exception as error:
            # Whatever this is, callers must not be the ones to find out.
            logger.exception("the shadow %s is no longer fed", self.account.ref.model)
            self._died(f"{type(error).__name__}: {error}", given_up=True)
        finally:
            if self._ended:
                self.account.state, self.account.said = "ended", None
            if not self.ready.done():
                self.ready.set_exception(Ended("the shadow was let go."))

    def _live_once(self) -> str:
        """From the start of a process to its end. Returns how it ended."""
        account = self.account
        account.state = "loading"
        with self._starting:
            if self._ended:
                return ""
            child = self._child = Child(self._arguments, memory_mb=self._memory_mb)
        try:
            account.pid = child.pid
            if not self._loaded(child):
                return account.said or ""
            while not self._ended:
                if batch := self._gather():
                    self._exchange(child, batch)
                else:
                    child.look()
                account.memory = child.memory
        except Gone as gone:
            if not self.ready.done() and not self._ended:
                sentence = f"its process did not get as far as answering: {gone}."
                self.ready.set_exception(BadArtifact(sentence, reason="load"))
            return str(gone)
        finally:
            account.pid, account.memory = None, 0
            child.close()
        return ""

    def _loaded(self, child: Child) -> bool:
        """Wait until the bundle is loaded, warm and answers its golden requests, all of it in the other process."""
        lines = child.exchange(b"", seconds=LOAD_SECONDS)
        found = json.loads(lines[0])
        if "failed" in found:
            self.account.said = str(found["said"])
            if not self.ready.done():
                self.ready.set_exception(
                    BadArtifact(str(found["said"]), reason=str(found["failed"]))
                )
            return False
        facts = Facts(**found)
        if self.account.tally is None:
            self.account.tally = Tally(facts)
        # Before anybody hears of it: the first copy must not find it down.
        self.account.state, self.account.said = "running", None
        if not self.ready.done():
            self.ready.set_result(Beside(ref=self.account.ref, schema_version=facts.schema_version))
        return True

    def _gather(self) -> list[Copy]:
        """What came in a moment, up to MOST_TOGETHER rows or one request; nothing after a second without any."""
        if not self._queue:
            self._wake.wait(1.0)
            self._wake.clear()
            if self._ended or not self._queue:
                return []
        if self.waiting < MOST_TOGETHER:
            time.sleep(GATHER_SECONDS)
        batch: list[Copy] = []
        rows = 0
        while self._queue and (not batch or rows + len(self._queue[0].rows) <= MOST_TOGETHER):
            copy = self._queue.popleft()
            rows += len(copy.rows)
            batch.append(copy)
        self._taken += rows
        return batch

    def _exchange(self, child: Child, batch: Sequence[Copy]) -> None:
        try:
            lines = iter(child.exchange(block(batch), seconds=ANSWER_SECONDS))
            # All is read before anything is counted, so that each row is counted once, whatever comes.
            answers = [Answers.read(lines, rows=len(copy.rows)) for copy in batch]
        except Gone:
            self.account.dropped["lost"] += sum(len(copy.rows) for copy in batch)
            raise
        except (ValueError, TypeError, RuntimeError, StopIteration) as error:
            self.account.dropped["lost"] += sum(len(copy.rows) for copy in batch)
            child.kill()
            raise Gone(f"it gave an answer that cannot be read ({type(error).__name__})") from None
        records: list[tuple[float, Record]] = []
        for copy, found in zip(batch, answers, strict=True):
            records += self._took(copy, found)
        if self._keep is not None:
            with contextlib.suppress(RuntimeError):
                # A loop that is closed has no log any more.
                self._loop.call_soon_threadsafe(self._log, records)

    def _took(self, copy: Copy, found: Answers) -> list[tuple[float, Record]]:
        """Compare, count and describe each row of one request."""
        account, tally = self.account, self.account.tally
        assert tally is not None
        account.requests += 1
        account.seconds.add(found.seconds)
        records = []
        for number, (answered, (output, imputed)) in enumerate(
            zip(copy.answers, found.rows, strict=True)
        ):
            if found.refused:
                compared = Compared(outcome="refused")
            elif output is None:
                compared = Compared(outcome="failed")
            elif answered.fell_back:
                compared = UNCOMPARABLE
            else:
                compared = compare(tally.facts, answered.output, output)
            tally.add(compared)
            if self._keep is not None:
                line = record(account.ref, copy, number, output, imputed, compared, found)
                records.append((copy.epoch, line))
        return records

    def _log(self, records: Sequence[tuple[float, Record]]) -> None:
        assert self._keep is not None
        for epoch, line in records:
            self._keep(epoch, line)

    def _died(self, sentence: str, *, given_up: bool) -> None:
        account = self.account
        account.ends += 1
        account.state = "given up" if given_up else "waiting"
        account.said = sentence
        more = "It is not started again." if given_up else "It is started again."
        logger.error("shadow %s: %s. %s", account.ref.model, sentence.rstrip("."), more)
        while self._queue:
            copy = self._queue.popleft()
            self._taken += len(copy.rows)
            account.dropped["lost"] += len(copy.rows)

    def _pause(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while not self._ended and time.monotonic() < until:
            self._wake.wait(min(0.5, seconds))
            self._wake.clear()


class Shadows:
    """The shadows of a service, by sha256: one gets copies; the former one is still there until it is let go."""

    def __init__(
        self,
        *,
        share: float = 1.0,
        memory_mb: int = 1024,
        trusted: Sequence[str] = (),
        keep: Keep | None = None,
    ) -> None:
        self._share = share
        self._memory_mb = memory_mb
        self._trusted = tuple(trusted)
        self._keep = keep
        self._shadows: dict[str, Shadow] = {}
        self._retired: deque[Account] = deque(maxlen=RETIRED)
        self._stopped = False

    def start(self, store: Layout, ref: Ref) -> Future[Beside]:
        """Start its process; the future has what it is, or raises BadArtifact or Ended."""
        if self._stopped:
            raise Ended("no shadow is started any more.")
        self.let_go(ref.sha256)
        shadow = self._shadows[ref.sha256] = Shadow(
            store, ref, memory_mb=self._memory_mb, trusted=self._trusted, keep=self._keep
        )
        return shadow.ready

    def offer(self, ref: Ref, copy: Copy) -> None:
        """Copy an answered request. What asked for a release by name, or for golden answers, is no traffic to copy."""
        shadow = self._shadows.get(ref.sha256)
        if shadow is None or copy.route == "pinned" or copy.request_id.startswith(GOLDEN_ID):
            return
        if self._share < 1 and not router.in_canary(
            copy.request_id, percent=100 * self._share, salt=ref.sha256
        ):
            return
        shadow.offer(copy)

    def keep_only(self, named: frozenset[str]) -> None:
        """End the processes of all others."""
        for sha256 in self._shadows.keys() - named:
            self.let_go(sha256)

    def let_go(self, sha256: str) -> None:
        """End a shadow's process, and keep its counts for a while."""
        if shadow := self._shadows.pop(sha256, None):
            shadow.end()
            if shadow.account.tally is not None:
                self._retired.append(shadow.account)

    def accounts(self) -> list[Account]:
        """Those that ran or run, the latest of each release last."""
        return [*self._retired, *(shadow.account for shadow in self._shadows.values())]

    def state(self, ref: Ref | None) -> dict[str, Any] | None:
        """For /status: the shadow the pointer names."""
        shadow = self._shadows.get(ref.sha256) if ref else None
        return {**shadow.account.to_dict(), "waiting_rows": shadow.waiting} if shadow else None

    async def stop(self) -> None:
        """End all processes, and wait until they are gone."""
        self._stopped = True
        threads = [shadow.thread for shadow in self._shadows.values()]
        self.keep_only(frozenset())
        for thread in threads:
            await asyncio.to_thread(thread.join, 2.0)
