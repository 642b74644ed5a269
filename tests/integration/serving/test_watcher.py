"""The watcher against a store that changes at awkward moments, with loads the test controls."""

from __future__ import annotations

import asyncio
import errno
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from gitops_model.errors import BadArtifact
from gitops_model.formats.pointer import Ref
from gitops_model.formats.store import Layout
from gitops_model.serving import loader, passing
from gitops_model.serving.snapshot import Loaded
from gitops_model.serving.watcher import Watcher
from tests.support.server import Store


class Loads:
    """Counts loads, and holds those of the releases in `slow` until `release` is set."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.slow: set[str] = set()
        self.release = threading.Event()

    def __call__(self, store: Layout, ref: Ref) -> Loaded:
        self.calls[ref.model] += 1
        if ref.model in self.slow:
            self.release.wait(20)
        return loader.load(store, ref)


@asynccontextmanager
async def _watching(watcher: Watcher) -> AsyncIterator[None]:
    task = asyncio.create_task(watcher.run(0.005))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.002)


async def _synced(watcher: Watcher, commit: str) -> None:
    """Wait until the pointer of `commit` is the one read, and all it names is served."""
    await _until(lambda: _wanted(watcher) == commit and watcher.in_sync)


def _wanted(watcher: Watcher) -> str | None:
    return watcher.desired.commit if watcher.desired else None


async def _looks(watcher: Watcher, count: int) -> None:
    for _ in range(count):
        await watcher.look()


def _stable(watcher: Watcher) -> str | None:
    stable = watcher.snapshot.stable
    return stable.ref.model if stable else None


def _reasons(watcher: Watcher) -> list[str]:
    return [failure.reason for failure in watcher.failures()]


def test_a_store_that_comes_later_is_picked_up(tmp_path: Path) -> None:
    async def story() -> None:
        failed: list[str] = []
        watcher = Watcher(tmp_path / "store", on_failure=failed.append)
        async with _watching(watcher):
            await _until(lambda: _reasons(watcher) == ["missing"])
            store = Store(tmp_path / "store")
            await _synced(watcher, store.point(store.add(1)))
        assert _stable(watcher) == "flight-delay-v1"
        assert failed == []

    asyncio.run(story())


def test_a_slow_load_of_what_nobody_wants_any_more_does_not_delay_a_rollback(
    tmp_path: Path,
) -> None:
    async def story() -> None:
        store, loads = Store(tmp_path), Loads()
        one, two, three = (store.add(n) for n in (1, 2, 3))
        watcher = Watcher(tmp_path, load=loads)
        async with _watching(watcher):
            await _synced(watcher, store.point(two, previous=one))
            loads.slow = {"flight-delay-v3"}
            store.point(three, previous=two)
            await _until(lambda: loads.calls["flight-delay-v3"] == 1)
            assert _stable(watcher) == "flight-delay-v2"
            assert watcher.loading == ["flight-delay-v3"]

            await _synced(watcher, store.point(one))
            assert _stable(watcher) == "flight-delay-v1"
            assert not loads.release.is_set()
            loads.release.set()
            await _until(lambda: not watcher._loads)
            # What arrives late is neither routed nor kept.
            assert _stable(watcher) == "flight-delay-v1"
            assert set(watcher._loaded) == {one["sha256"]}
        assert loads.calls["flight-delay-v1"] == 1

    asyncio.run(story())


def test_a_failed_bundle_is_tried_once_until_its_file_or_the_pointer_changes(
    tmp_path: Path,
) -> None:
    async def story() -> None:
        store, loads = Store(tmp_path), Loads()
        failed: list[str] = []
        one, two = store.add(1), store.add(2)
        good = store.bundle(two["sha256"]).read_bytes()
        store.bundle(two["sha256"]).write_bytes(good[:-1000])
        watcher = Watcher(tmp_path, load=loads, on_failure=failed.append)
        async with _watching(watcher):
            await _synced(watcher, store.point(one))
            store.point(two, previous=one)
            await _until(lambda: _reasons(watcher) == ["sha256"])
            await _looks(watcher, 50)
            assert loads.calls["flight-delay-v2"] == 1
            assert failed == ["sha256"]
            assert _stable(watcher) == "flight-delay-v1"

            store.bundle(two["sha256"]).unlink()
            await _until(lambda: _reasons(watcher) == ["missing"])
            await _looks(watcher, 50)
            assert loads.calls["flight-delay-v2"] == 2

            store.bundle(two["sha256"]).write_bytes(good)
            await _until(lambda: watcher.in_sync)
        assert _stable(watcher) == "flight-delay-v2"
        assert failed == ["sha256", "missing"]

    asyncio.run(story())


def test_a_broken_pointer_keeps_what_serves_and_is_counted_once(tmp_path: Path) -> None:
    async def story() -> None:
        store = Store(tmp_path)
        failed: list[str] = []
        watcher = Watcher(tmp_path, on_failure=failed.append)
        async with _watching(watcher):
            one = store.add(1)
            await _synced(watcher, store.point(one))
            store.write('{"schema": 1, "comm')
            await _until(lambda: _reasons(watcher) == ["pointer"])
            await _looks(watcher, 20)
            assert (failed, watcher.in_sync, _stable(watcher)) == (
                ["pointer"],
                False,
                "flight-delay-v1",
            )
            (tmp_path / "pointer.json").unlink()
            await _until(lambda: _reasons(watcher) == ["missing"])
            assert _stable(watcher) == "flight-delay-v1"
            await _synced(watcher, store.point(one))
        assert failed == ["pointer", "missing"]

    asyncio.run(story())


def test_a_bad_canary_shadow_or_previous_is_reported_and_does_not_block_stable(
    tmp_path: Path,
) -> None:
    async def story() -> None:
        store = Store(tmp_path)
        one = store.add(1)
        gone: dict[str, Any] = {"model": "flight-delay-v7", "sha256": "7" * 64}
        lost = gone | {"model": "flight-delay-v8", "sha256": "8" * 64}
        away = gone | {"model": "flight-delay-v9", "sha256": "9" * 64}
        watcher = Watcher(tmp_path)
        async with _watching(watcher):
            store.point(one, previous=gone, canary=lost | {"percent": 5, "key": None}, shadow=away)
            await _until(lambda: len(watcher.failures()) == 3)
        assert _stable(watcher) == "flight-delay-v1"
        assert [f.model for f in watcher.failures()] == [
            gone["model"],
            lost["model"],
            away["model"],
        ]
        assert not watcher.in_sync

    asyncio.run(story())


def test_models_nobody_names_any_more_are_dropped_after_the_switch(tmp_path: Path) -> None:
    async def story() -> None:
        store, loads = Store(tmp_path), Loads()
        refs = [store.add(n) for n in (1, 2, 3)]
        watcher = Watcher(tmp_path, load=loads)
        async with _watching(watcher):
            for ref, previous in zip(refs, [None, *refs], strict=False):
                await _synced(watcher, store.point(ref, previous=previous))
            assert set(watcher._loaded) == {refs[2]["sha256"], refs[1]["sha256"]}
        assert set(loads.calls.values()) == {1}

    asyncio.run(story())


def test_a_late_load_is_not_kept_while_the_wanted_release_fails(tmp_path: Path) -> None:
    async def story() -> None:
        store, loads = Store(tmp_path), Loads()
        one, two = store.add(1), store.add(2)
        gone = {"model": "flight-delay-v3", "sha256": "3" * 64}
        watcher = Watcher(tmp_path, load=loads)
        async with _watching(watcher):
            await _synced(watcher, store.point(one))
            loads.slow = {"flight-delay-v2"}
            store.point(two)
            await _until(lambda: loads.calls["flight-delay-v2"] == 1)
            store.point(gone)
            await _until(lambda: _reasons(watcher) == ["missing"])
            loads.release.set()
            await _until(lambda: not watcher._loads)
            assert set(watcher._loaded) == {one["sha256"]}
        assert _stable(watcher) == "flight-delay-v1"

    asyncio.run(story())


def test_a_loader_that_crashes_is_a_failure_like_any_other(tmp_path: Path) -> None:
    def crash(store: Layout, ref: Ref) -> Loaded:
        raise ZeroDivisionError("no room\nat all")

    async def story() -> None:
        store = Store(tmp_path)
        failed: list[str] = []
        watcher = Watcher(tmp_path, load=crash, on_failure=failed.append)
        async with _watching(watcher):
            store.point(store.add(1))
            await _until(lambda: failed == ["load"])
        assert watcher.failures()[0].sentence == (
            "flight-delay-v1 is not served: ZeroDivisionError: no room at all"
        )

    asyncio.run(story())


def test_a_contract_refusal_is_counted_once_and_ends_with_the_pointer(tmp_path: Path) -> None:
    def load(store: Layout, ref: Ref) -> Loaded:
        if ref.model == "flight-delay-v3":
            raise BadArtifact("gone", reason="missing")
        return loader.load(store, ref)

    async def story() -> None:
        from tests.support.factories import contract_dict

        contract = contract_dict()
        contract["inputs"]["hour"] = {"type": "integer", "min": 0, "max": 24}
        store = Store(tmp_path)
        failed: list[str] = []
        one, two = store.add(1, contract=contract), store.add(2)
        three = two | {"model": "flight-delay-v3", "sha256": "3" * 64}
        watcher = Watcher(tmp_path, load=load, on_failure=failed.append)
        async with _watching(watcher):
            await _synced(watcher, store.point(one))
            # The load of a shadow that fails makes the watcher plan again; the refusal is not counted again.
            store.point(two, previous=one, shadow=three)
            await _until(lambda: len(watcher.failures()) == 2)
            await _looks(watcher, 20)
            assert sorted(failed) == ["contract", "missing"]
            assert _stable(watcher) == "flight-delay-v1"
            await _synced(watcher, store.point(one))
            assert watcher.failures() == []

    asyncio.run(story())


def test_a_pointer_that_could_not_be_read_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """H4: with all descriptors in use the failed read counted as seen, and the old commit stayed for ever."""

    async def story() -> None:
        store = Store(tmp_path)
        failed: list[str] = []
        one, two = store.add(1), store.add(2)
        watcher = Watcher(tmp_path, on_failure=failed.append)
        async with _watching(watcher):
            await _synced(watcher, store.point(one))
            with monkeypatch.context() as broken:
                broken.setattr(Path, "read_bytes", _too_many_open_files)
                commit = store.point(two)
                await _until(lambda: _reasons(watcher) == ["read"])
                await _looks(watcher, 20)
                assert (_stable(watcher), watcher.in_sync) == ("flight-delay-v1", False)
            # Nothing in the store changes any more.
            await _synced(watcher, commit)
        assert failed == ["read"]
        assert _stable(watcher) == "flight-delay-v2"

    asyncio.run(story())


def _too_many_open_files(path: Path) -> bytes:
    raise OSError(errno.EMFILE, "Too many open files", str(path))


@pytest.mark.parametrize(
    "error", [OSError(errno.EIO, "Input/output error"), BadArtifact("gone for now", reason="read")]
)
def test_a_bundle_that_failed_by_what_may_pass_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setattr(passing, "FIRST_SECONDS", 0.01)

    async def story() -> None:
        store, attempts = Store(tmp_path), [0]
        failed: list[str] = []

        def load(store: Layout, ref: Ref) -> Loaded:
            attempts[0] += 1
            if attempts[0] < 4:
                raise error
            return loader.load(store, ref)

        watcher = Watcher(tmp_path, load=load, on_failure=failed.append)
        async with _watching(watcher):
            await _synced(watcher, store.point(store.add(1)))
            assert watcher.failures() == []
        assert attempts == [4]
        assert len(failed) == 1, "one failure is said once, however often it is tried"

    asyncio.run(story())


def test_a_bad_bundle_is_not_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passing, "FIRST_SECONDS", 0.0)

    async def story() -> None:
        store, loads = Store(tmp_path), Loads()
        watcher = Watcher(tmp_path, load=loads)
        async with _watching(watcher):
            store.point(store.add(1, golden=[]))
            await _until(lambda: _reasons(watcher) == ["format"])
            await _looks(watcher, 20)
        assert loads.calls["flight-delay-v1"] == 1

    asyncio.run(story())


def test_the_time_out_of_sync_runs_while_a_release_cannot_be_had(tmp_path: Path) -> None:
    async def story() -> None:
        store, loads = Store(tmp_path), Loads()
        watcher = Watcher(tmp_path, load=loads)
        first, second = store.add(1), store.add(2)
        loads.slow.add(second["model"])
        async with _watching(watcher):
            await _synced(watcher, store.point(first))
            await asyncio.sleep(0.3)
            await _until(lambda: watcher.out_of_sync_seconds < 0.1)
            store.point(second)
            await _until(lambda: not watcher.in_sync)
            await asyncio.sleep(0.3)
            assert watcher.out_of_sync_seconds >= 0.3
            loads.release.set()
            await _until(lambda: watcher.in_sync)
            await _until(lambda: watcher.out_of_sync_seconds < 0.2)

    asyncio.run(story())
