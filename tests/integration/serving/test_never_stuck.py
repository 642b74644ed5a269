"""Passing trouble heals by itself: descriptors, memory, disk. What is wrong by its bytes is remembered as wrong."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import http.client
import json
import resource
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gitops_model.errors import BadArtifact
from gitops_model.formats.bundle import Bundle
from gitops_model.formats.pointer import Ref
from gitops_model.formats.store import Layout
from gitops_model.runtime import models
from gitops_model.serving.snapshot import Loaded
from gitops_model.serving.watcher import Watcher
from tests.support.server import Server, Store, running

HEALED_SECONDS = 10.0


class Trouble:
    """Raises `error` from what it wraps, until it is over."""

    def __init__(self, error: BaseException) -> None:
        self.error = error
        self.over = False
        self.met = 0

    def around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def troubled(*arguments: Any, **named: Any) -> Any:
            if self.over:
                return function(*arguments, **named)
            self.met += 1
            raise self.error

        return troubled


TROUBLES = [
    OSError(errno.EMFILE, "Too many open files"),
    OSError(errno.ENOMEM, "Cannot allocate memory"),
    OSError(errno.EIO, "Input/output error"),
    PermissionError(errno.EACCES, "Permission denied"),
    TimeoutError(errno.ETIMEDOUT, "Connection timed out"),
    MemoryError(),
]


async def _until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.005)


def _model(watcher: Watcher) -> str | None:
    return watcher.snapshot.stable.ref.model if watcher.snapshot.stable else None


PLACES = {
    "pointer": (Layout, "read"),
    "bundle": (Bundle, "read"),
    "runtime": (models, "load_model"),
    "golden": (models, "columns_of"),
}


def _pairs() -> Iterator[Any]:
    """Each place and each error in the ordinary suite, all pairs in the slow one."""
    for number, error in enumerate(TROUBLES):
        for turn, place in enumerate(PLACES):
            marks = () if turn == number % len(PLACES) else (pytest.mark.slow,)
            name = f"{type(error).__name__}{str(error)[:10]}-{place}"
            yield pytest.param(error, place, id=name, marks=marks)


@pytest.mark.parametrize(("error", "place"), list(_pairs()))
def test_a_read_that_fails_is_tried_again_and_heals(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, place: str
) -> None:
    async def story() -> None:
        store, failed = Store(tmp_path), list[str]()
        one, two = store.add(1), store.add(2)
        watcher = Watcher(tmp_path, on_failure=failed.append)
        task = asyncio.create_task(watcher.run(0.01))
        store.point(one)
        await _until(lambda: watcher.in_sync)

        trouble = Trouble(error)
        owner, name = PLACES[place]
        function = getattr(owner, name)
        made = trouble.around(function)
        monkeypatch.setattr(owner, name, staticmethod(made) if owner is Bundle else made)
        store.point(two)
        await _until(lambda: trouble.met >= 3)
        # What served goes on serving, and the trouble is said.
        assert _model(watcher) == "flight-delay-v1"
        assert not watcher.in_sync
        assert [failure.reason for failure in watcher.failures()] == ["read"]
        assert failed == ["read"]

        trouble.over = True
        await _until(lambda: watcher.in_sync, HEALED_SECONDS)
        assert _model(watcher) == "flight-delay-v2"
        assert watcher.failures() == []
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(story())


@pytest.mark.parametrize("reason", ["sha256", "format", "contract", "load", "golden"])
def test_what_is_wrong_by_its_bytes_is_remembered(tmp_path: Path, reason: str) -> None:
    async def story() -> None:
        store, tries = Store(tmp_path), 0

        def load(store: Layout, ref: Ref) -> Loaded:
            nonlocal tries
            tries += 1
            raise BadArtifact("wrong", reason=reason)

        watcher = Watcher(tmp_path, load=load)
        task = asyncio.create_task(watcher.run(0.01))
        store.point(store.add(1))
        await _until(lambda: bool(watcher.failures()))
        await asyncio.sleep(0.7)
        assert tries == 1
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(story())


class Held:
    """Status over a connection that was open before the descriptors ran out."""

    def __init__(self, server: Server) -> None:
        self.connection: http.client.HTTPConnection = server.connect()

    def state(self) -> dict[str, Any]:
        self.connection.request("GET", "/status")
        found: dict[str, Any] = json.loads(self.connection.getresponse().read())
        return found

    def until(self, condition: Callable[[dict[str, Any]], bool], seconds: float) -> float:
        started = time.monotonic()
        while not condition(state := self.state()):
            assert time.monotonic() < started + seconds, state
            time.sleep(0.05)
        return time.monotonic() - started


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="only Linux limits another process")
def test_a_service_without_a_descriptor_left_follows_the_pointer_once_it_has_one(
    tmp_path: Path,
) -> None:
    store = Store(tmp_path / "store")
    one, two = store.add(1), store.add(2)
    with running(store.folder, tmp_path / "service") as server:
        server.until_synced(store.point(one))
        held = Held(server)
        held.state()
        assert server.process is not None
        limit = resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE)
        # No number below three is free.
        resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (3, limit[1]))
        commit = store.point(two)
        held.until(lambda s: (s["last_error"] or {}).get("reason") == "read", 10)
        with contextlib.suppress(OSError), contextlib.closing(server.connect()) as turned_away:
            turned_away.timeout = 0.3
            turned_away.request("GET", "/healthz")
            turned_away.getresponse()
        time.sleep(1.0)
        assert held.state()["live"]["stable"] == one
        resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, limit)
        seconds = held.until(lambda s: s["in_sync"] and s["live"]["commit"] == commit, 10)
        print(f"healed after {seconds:.1f} s")
        assert server.metric("model_load_failures_total", reason="read") >= 1
        assert "Too many open files" in server.log()
        assert server.predict().json["model"] == "flight-delay-v2"
        held.connection.close()
