"""Keeping the routing table equal to the store's pointer, without ever holding up a request.

The watcher is level-triggered: each look compares what is wanted with what is there, so it does not matter how
often, in which order, or how far a deploy got. Files are read and models are loaded in worker threads; only the
last step, assigning the new routing table, happens on the event loop, and it is one assignment.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from gitops_model.errors import BadArtifact, BadInput
from gitops_model.formats import removed
from gitops_model.formats.pointer import Ref
from gitops_model.formats.removed import Removal
from gitops_model.formats.store import Layout, Stored
from gitops_model.serving import loader, passing
from gitops_model.serving.desired import REMOVED, Failure, in_sync, plan
from gitops_model.serving.event_log import about
from gitops_model.serving.shadow import Ended, Shadows
from gitops_model.serving.snapshot import Beside, Loaded, Snapshot

logger = logging.getLogger("gitops_model.serving")

Load = Callable[[Layout, Ref], Loaded]
Signature = tuple[int, int, int]
# A signature no file has.
UNSEEN: Signature = (0, 0, 0)


def signature(path: Path) -> Signature | None:
    """What tells two states of a file apart without reading it; None when it is not there."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size


@dataclass(frozen=True, kw_only=True)
class _Failed:
    """A release that could not be loaded, the file it failed with, and when it is tried again; None: when that changes.

    `retry_at` is on the clock of time.monotonic.
    """

    failure: Failure
    file: Signature | None
    retry_at: float | None


@dataclass(frozen=True, kw_only=True)
class _Sight:
    """What one look at the store found. `pointer` is UNSEEN when the pointer must be read again."""

    pointer: Signature | None
    pointer_changed: bool
    desired: Stored | None = None
    failure: Failure | None = None
    retry: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class _Memory:
    """What removed.json says (None: as before, or not understood), what was saved to it, and what went wrong."""

    file: Signature | None
    removals: Mapping[str, Removal] | None = None
    saved: tuple[str, ...] = ()
    problem: str | None = None


def _remember(store: Layout, seen: Signature | None, unsaved: Mapping[str, Removal]) -> _Memory:
    """Write what is not saved yet, and read removed.json when it changed."""
    path, problem, saved = store.removed, None, tuple[str, ...]()
    if unsaved:
        try:
            removed.add(path, unsaved.values())
            saved = tuple(unsaved)
        except OSError as error:
            problem = f"{path} cannot be written, so a restart would forget it: {error}"
    now = signature(path)
    if now == seen:
        return _Memory(file=now, saved=saved, problem=problem)
    try:
        return _Memory(file=now, removals=removed.read(path), saved=saved, problem=problem)
    except BadInput as error:
        return _Memory(file=now, saved=saved, problem=f"{path} is not read: {error}")
    except OSError as error:
        return _Memory(file=UNSEEN, saved=saved, problem=f"{path} cannot be read: {error}")


def _inspect(store: Layout, seen: Signature | None, failed: Mapping[str, _Failed]) -> _Sight:
    """Look at the pointer, and at the bundles whose load `failed`, comparing with what was there before."""
    # Taken before reading: a replacement in between is noticed at the next look.
    now = signature(store.pointer)
    retry = tuple(
        sha256 for sha256, before in failed.items() if _again(before, store.bundle(sha256))
    )
    if now == seen:
        return _Sight(pointer=now, pointer_changed=False, retry=retry)
    try:
        desired = store.read()
    except BadArtifact as error:
        failure = Failure(model=None, sha256=None, reason=error.reason, sentence=str(error))
        passing = error.reason == "read"
        return _Sight(
            pointer=UNSEEN if passing else now, pointer_changed=True, failure=failure, retry=retry
        )
    return _Sight(pointer=now, pointer_changed=True, desired=desired, retry=retry)


def _failing(sentence: str) -> _Sight:
    failure = Failure(model=None, sha256=None, reason="read", sentence=sentence)
    return _Sight(pointer=UNSEEN, pointer_changed=True, failure=failure)


def _again(failed: _Failed, path: Path) -> bool:
    due = failed.retry_at is not None and time.monotonic() >= failed.retry_at
    return due or signature(path) != failed.file


class Watcher:
    """Owns the routing table. Requests read `snapshot` once; nobody but this class replaces it.

    `on_failure(reason)` is called for each attempt that failed, `on_switch(old, new)` after each new table.
    """

    def __init__(
        self,
        store: Path,
        *,
        on_failure: Callable[[str], None] = lambda reason: None,
        on_switch: Callable[[Snapshot, Snapshot], None] = lambda old, new: None,
        load: Load = loader.load,
        shadows: Shadows | None = None,
    ) -> None:
        self.snapshot = Snapshot()
        self.desired: Stored | None = None
        self._store = Layout(store)
        self._on_failure = on_failure
        self._on_switch = on_switch
        self._load = load
        self._loaded: dict[str, Loaded] = {}
        self._shadows = shadows or Shadows()
        self._beside: dict[str, Beside] = {}
        self._failed: dict[str, _Failed] = {}
        # What was last said of a release, so that what is tried again and again is said once.
        self._said: dict[str, str] = {}
        self._tries: dict[str, int] = {}
        self._refusals: list[Failure] = []
        self._removed: dict[str, Removal] = {}
        self._unsaved: dict[str, Removal] = {}
        self._removed_seen: Signature | None = None
        self._memory_problem: str | None = None
        self._wake = asyncio.Event()
        self._pointer_failure: Failure | None = None
        self._seen: Signature | None = UNSEEN
        self._synced = time.monotonic()
        self._loads: dict[str, asyncio.Task[None]] = {}
        # One thread looks at files; loads have their own, so that a slow load of a release nobody wants any
        # more cannot delay a rollback. Several of them, so that it does not delay the next load either.
        self._eyes = ThreadPoolExecutor(1, thread_name_prefix="look")
        self._hands = ThreadPoolExecutor(4, thread_name_prefix="load")

    async def run(self, poll_seconds: float) -> None:
        """Look at the store every `poll_seconds`, until cancelled."""
        try:
            while True:
                await self.look()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(poll_seconds):
                        await self._wake.wait()
                self._wake.clear()
        finally:
            for task in self._loads.values():
                task.cancel()
            self._shadows.keep_only(frozenset())
            self._eyes.shutdown(wait=False, cancel_futures=True)
            self._hands.shutdown(wait=False, cancel_futures=True)

    async def look(self) -> None:
        """Notice what changed in the store, and act on it."""
        loop = asyncio.get_running_loop()
        try:
            memory = await loop.run_in_executor(
                self._eyes, _remember, self._store, self._removed_seen, dict(self._unsaved)
            )
            sight = await loop.run_in_executor(
                self._eyes, _inspect, self._store, self._seen, dict(self._failed)
            )
        except Exception as error:
            # A watcher that died would leave the service on this model for ever. The next look reads all anew.
            self._seen, self._removed_seen = UNSEEN, UNSEEN
            words = _one_line(error).rstrip(".")
            sentence = f"the store cannot be looked at: {words}; it is tried again."
            self._take(_failing(sentence))
            return
        for sha256 in sight.retry:
            self._failed.pop(sha256, None)
        if sight.pointer_changed:
            self._seen = sight.pointer
            self._take(sight)
        remembered = self._recall(memory)
        if sight.pointer_changed or sight.retry or remembered:
            self._reconcile()
        if self.in_sync:
            self._synced = time.monotonic()

    def failures(self) -> list[Failure]:
        """Everything that keeps the service from being what the pointer says; stable's problem first."""
        found = [self._pointer_failure] if self._pointer_failure else []
        found += self._refusals
        if self.desired is not None:
            shas = [ref.sha256 for ref in self.desired.pointer.refs()]
            found += [self._failed[sha].failure for sha in shas if sha in self._failed]
        return found

    @property
    def wanted_shadow(self) -> Ref | None:
        """The release that the pointer wants to see the traffic."""
        return self.desired.pointer.shadow if self.desired else None

    @property
    def loading(self) -> list[str]:
        """Ids of the releases being loaded now that the pointer still names."""
        refs = self.desired.pointer.refs() if self.desired else []
        return [ref.model for ref in refs if ref.sha256 in self._loads]

    @property
    def in_sync(self) -> bool:
        """Whether what is served is what the pointer says."""
        return self._pointer_failure is None and in_sync(self.snapshot, self.desired)

    @property
    def out_of_sync_seconds(self) -> float:
        """Time since a look last found the service in sync, or since the start: in sync it stays below one poll."""
        return time.monotonic() - self._synced

    @property
    def removed(self) -> Mapping[str, Removal]:
        """The canaries that were taken out, by sha256, by whichever service of this store."""
        return self._removed

    def remove(self, removal: Removal) -> None:
        """On the event loop: take a canary out of routing at once, and for good. It is written down right after."""
        self._unsaved[removal.sha256] = removal
        self._removed = self._removed | {removal.sha256: removal}
        self._reconcile()
        self._wake.set()

    def _recall(self, memory: _Memory) -> bool:
        """Take in what removed.json says. Returns whether it says something else than before."""
        self._removed_seen = memory.file
        for sha256 in memory.saved:
            self._unsaved.pop(sha256, None)
        if memory.problem != self._memory_problem:
            self._memory_problem = memory.problem
            if memory.problem:
                logger.error("%s", memory.problem)
        if memory.removals is None:
            return False
        before, self._removed = self._removed, dict(memory.removals) | self._unsaved
        return before != self._removed

    def _take(self, sight: _Sight) -> None:
        before, failure = self._pointer_failure, sight.failure
        self._pointer_failure = failure
        if failure is not None:
            # That nothing was deployed yet is a state, not a failure. A failure that goes on is said once.
            if failure != before and (failure.reason != "missing" or self.desired is not None):
                self._report(failure)
            return
        assert sight.desired is not None
        if self.desired is None or sight.desired.pointer != self.desired.pointer:
            self._failed.clear()
            self._said.clear()
            self._tries.clear()
        self.desired = sight.desired

    def _reconcile(self) -> None:
        """On the event loop: switch to what is loaded, then start loading the first release that is not."""
        desired = self.desired
        if desired is None:
            return
        at = loader.now()
        step = plan(
            self.snapshot,
            desired,
            self._loaded,
            at=at,
            removed=self._removed,
            beside=self._beside,
        )
        for refusal in step.refusals:
            if refusal not in self._refusals:
                self._report(refusal)
        self._refusals = step.refusals
        if step.snapshot is not self.snapshot:
            self._switch(step.snapshot, step.warnings)
        self._drop_unused()
        self._start_load(desired)

    def _switch(self, new: Snapshot, warnings: Iterable[str]) -> None:
        old, self.snapshot = self.snapshot, new
        for warning in warnings:
            logger.warning("%s", warning)
        self._on_switch(old, new)
        refs, commit = new.refs(), str(new.commit)[:12]
        if refs != old.refs() or new.canary_rule != old.canary_rule:
            words = ", ".join(f"{role} {ref.model}" for role, ref in refs.items()) or "nothing"
            share = f" at {new.canary_rule.percent:g} %" if new.canary_rule else ""
            extra = about("switch", refs.get("stable"), commit=new.commit)
            logger.info("serving %s%s (commit %s)", words, share, commit, extra=extra)

    def _drop_unused(self) -> None:
        named = {served.ref.sha256 for served in self.snapshot.served().values()}
        if self.desired is not None:
            named |= {ref.sha256 for ref in _answering(self.desired)}
        for sha256 in self._loaded.keys() - named:
            del self._loaded[sha256]
        shadows = (self.wanted_shadow, self.snapshot.shadow.ref if self.snapshot.shadow else None)
        copied = frozenset(ref.sha256 for ref in shadows if ref is not None)
        self._shadows.keep_only(copied)
        for sha256 in self._beside.keys() - copied:
            del self._beside[sha256]

    def _start_load(self, desired: Stored) -> None:
        wanted = [(ref, False) for ref in _answering(desired)]
        if self.wanted_shadow is not None:
            wanted.append((self.wanted_shadow, True))
        for ref, beside in wanted:
            there = self._beside if beside else self._loaded
            if ref.sha256 in there or ref.sha256 in self._failed:
                continue
            if ref.sha256 not in self._loads:
                task = asyncio.get_running_loop().create_task(self._load_one(ref, beside=beside))
                self._loads[ref.sha256] = task
            return

    async def _load_one(self, ref: Ref, *, beside: bool) -> None:
        """Load one release in a worker thread, or `beside` the service in a process of its own, then reconcile.

        Failures are kept until pointer or file change; those that may pass by themselves, until the next try.
        """
        loop = asyncio.get_running_loop()
        before: Signature | None = None
        try:
            path = self._store.bundle(ref.sha256)
            before = await loop.run_in_executor(self._eyes, signature, path)
            if beside:
                started = self._shadows.start(self._store, ref)
                self._beside[ref.sha256] = await asyncio.wrap_future(started)
            else:
                self._loaded[ref.sha256] = await loop.run_in_executor(
                    self._hands, self._load, self._store, ref
                )
        except Ended:
            pass
        except Exception as error:
            reason = error.reason if isinstance(error, BadArtifact) else "load"
            sentence, retry_at = f"{ref.model} is not served: {_one_line(error)}", None
            if passing.passing(error):
                reason, sentence = "read", sentence.rstrip(".") + "; it is tried again."
                tries = self._tries[ref.sha256] = self._tries.get(ref.sha256, 0) + 1
                retry_at = time.monotonic() + passing.pause(tries)
            failure = Failure(model=ref.model, sha256=ref.sha256, reason=reason, sentence=sentence)
            self._failed[ref.sha256] = _Failed(failure=failure, file=before, retry_at=retry_at)
            if sentence != self._said.get(ref.sha256):
                self._said[ref.sha256] = sentence
                self._report(failure)
        else:
            logger.info("loaded %s", ref.model, extra=about("load", ref))
            self._said.pop(ref.sha256, None)
            self._tries.pop(ref.sha256, None)
        finally:
            self._loads.pop(ref.sha256, None)
        self._reconcile()

    def _report(self, failure: Failure) -> None:
        logger.error("%s", failure.sentence, extra=about("failure", failure, reason=failure.reason))
        if failure.reason != REMOVED:
            self._on_failure(failure.reason)


def _answering(desired: Stored) -> list[Ref]:
    """The releases that are loaded into the service itself: a bad shadow must not reach it."""
    return replace(desired.pointer, shadow=None).refs()


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if isinstance(error, BadArtifact) else f"{type(error).__name__}: {text}"
