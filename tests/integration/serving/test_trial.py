"""A bundle that hangs, crashes or needs too much memory fails in a process of its own; what serves never notices."""

from __future__ import annotations

import errno
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gitops_model.errors import BadArtifact
from gitops_model.formats.pointer import Ref
from gitops_model.formats.store import Layout
from gitops_model.serving import loader
from gitops_model.serving import trial as trial_module
from gitops_model.serving.passing import passing
from gitops_model.serving.trial import Trial
from tests.support import hanging
from tests.support.probe import probing
from tests.support.processes import tree
from tests.support.server import Store, running

LIE = [
    {
        "inputs": {"distance": 1.0, "hour": 1, "carrier": "UA", "weekend": False},
        "score": 0.5,
        "output": {"delayed": True, "probability": 0.5},
    }
]


def _counting(folder: Path) -> tuple[list[str], Path]:
    """A `gitops-model` that writes down, a line each, what it loads and which processes it begins; and where."""
    harness, seen = folder / "counting.py", folder / "seen"
    harness.write_text(
        "import sys\n"
        "from gitops_model import cli\n"
        "from gitops_model.serving.trial import Trial\n"
        f"seen, load = open({str(seen)!r}, 'a', buffering=1), Trial.load\n"
        "def loaded(*words):\n"
        "    seen.write('load\\n')\n"
        "    return load(*words)\n"
        "Trial.load = loaded\n"
        "sys.addaudithook(lambda event, _: event == 'subprocess.Popen' and seen.write('process\\n'))\n"
        "sys.exit(cli.main())\n"
    )
    return [sys.executable, str(harness)], seen


def _seen(path: Path) -> Counter[str]:
    return Counter(path.read_text().split())


def test_golden_requests_without_end_are_refused_and_nothing_goes_on_burning(
    tmp_path: Path,
) -> None:
    store = Store(tmp_path / "store")
    one, two = store.add(1), store.add(2)
    endless = store.add(3, members={"model.onnx": hanging.model()}, golden=LIE)
    command, seen = _counting(tmp_path)
    with running(
        store.folder, tmp_path / "service", command=command, load={"seconds": 2}
    ) as server:
        server.until_synced(store.point(two, previous=one))
        assert server.process is not None
        with probing(server, pause=0.01) as probe:
            started = time.monotonic()
            store.point(endless, previous=two)
            state = server.until_failed("golden")
            print(f"refused after {time.monotonic() - started:.1f} s")
        assert probe.statuses == {200}
        assert "within 2 s of processor time" in state["last_error"]["sentence"]
        assert state["live"]["stable"] == two
        assert tree(server.process.pid) == [server.process.pid]
        before = server.metric("process_cpu_seconds_total")
        time.sleep(1.0)
        assert server.metric("process_cpu_seconds_total") - before < 0.5
        assert server.metric("model_load_failures_total", reason="golden") == 1

        # The way back is loaded already, and pays for no trial.
        assert _seen(seen) == {"load": 3, "process": 3}
        server.until_synced(store.point(two, previous=one))
        server.until_synced(store.point(one, previous=two))
        assert _seen(seen) == {"load": 3, "process": 3}


def test_a_revert_to_the_loaded_previous_loads_nothing_and_begins_no_process(
    tmp_path: Path,
) -> None:
    store = Store(tmp_path / "store")
    one, two = store.add(1), store.add(2)
    command, seen = _counting(tmp_path)
    with running(store.folder, tmp_path / "service", command=command) as server:
        server.until_synced(store.point(two, previous=one))
        assert _seen(seen) == {"load": 2, "process": 2}
        for turn in range(4):
            new, old = (one, two) if turn % 2 == 0 else (two, one)
            server.until_synced(store.point(new, previous=old))
        assert _seen(seen) == {"load": 2, "process": 2}


def _tried(
    store: Store, ref: dict[str, str], *, seconds: float = 20, memory_mb: int = 1024
) -> None:
    trial = Trial(seconds=seconds, memory_mb=memory_mb)
    trial.load(Layout(store.folder), Ref(model=ref["model"], sha256=ref["sha256"]))


def test_what_needs_more_memory_than_it_may_take_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path)
    ref = store.add(1, members={"model.onnx": hanging.hungry()}, golden=LIE)
    monkeypatch.setattr(trial_module, "available_mb", lambda: 100_000)
    with pytest.raises(BadArtifact, match="it may take 1,024 MB") as wrong:
        _tried(store, ref)
    assert not passing(wrong.value)
    # Had the machine itself been short of memory, it would not be the bundle's fault.
    monkeypatch.setattr(trial_module, "available_mb", lambda: 100)
    with pytest.raises(BadArtifact) as short:
        _tried(store, ref)
    assert passing(short.value)


@pytest.mark.parametrize(
    ("number", "reason"),
    [(signal.SIGKILL, "read"), (signal.SIGSEGV, "load"), (signal.SIGXCPU, "golden")],
)
def test_how_the_process_ended_says_whose_fault_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals, reason: str
) -> None:
    started = trial_module.subprocess.Popen

    def killed(command: list[str], **named: object) -> object:
        code = f"import os; os.kill(os.getpid(), {number:d})"
        return started([command[0], "-c", code], **named)

    monkeypatch.setattr(trial_module.subprocess, "Popen", killed)
    store = Store(tmp_path)
    with pytest.raises(BadArtifact) as found:
        _tried(store, store.add(1))
    assert found.value.reason == reason


def test_a_process_that_cannot_be_started_is_passing_trouble(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_arguments: object, **_named: object) -> None:
        raise OSError(errno.EAGAIN, "Resource temporarily unavailable")

    store = Store(tmp_path)
    ref = store.add(1)
    with monkeypatch.context() as broken:
        broken.setattr(trial_module.subprocess, "Popen", full)
        with pytest.raises(OSError) as found:
            _tried(store, ref)
        assert passing(found.value)
    _tried(store, ref)


def test_a_trial_says_the_same_as_a_load(tmp_path: Path) -> None:
    store = Store(tmp_path)
    ref = store.add(1, golden=LIE)
    with pytest.raises(BadArtifact, match="golden request 1 answers") as found:
        _tried(store, ref)
    assert found.value.reason == "golden"
    store.bundle(ref["sha256"]).write_bytes(b"x")
    with pytest.raises(BadArtifact, match="damaged, truncated") as found:
        _tried(store, ref)
    assert found.value.reason == "sha256"


def test_one_worker_tries_a_bundle_for_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path / "store")
    good = store.add(1)
    bad = store.add(2, members={"model.onnx": b"no model"}, golden=LIE)
    tried: list[str] = []
    begin = Trial._try

    def counted(self: Trial, path: Path, sha256: str) -> None:
        tried.append(sha256)
        begin(self, path, sha256)

    monkeypatch.setattr(Trial, "_try", counted)
    workers = [Trial(seconds=20, memory_mb=4096, shared=tmp_path) for _ in range(3)]
    layout = Layout(store.folder)
    with ThreadPoolExecutor(3) as pool:
        loads = [pool.submit(worker.load, layout, Ref(**good)) for worker in workers]
        assert {load.result().sha256 for load in loads} == {good["sha256"]}
    assert tried == [good["sha256"]]
    # One that failed may do better for another: it is tried again, and again refused.
    for worker in workers:
        with pytest.raises(BadArtifact):
            worker.load(layout, Ref(**bad))
    assert tried[1:] == [bad["sha256"]] * 3


class _Loads:
    """Stands for the load itself: how many are under way at once, at most, and how many are to be."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, together: int = 1) -> None:
        self.most = self.now = 0
        self._lock, self._all = threading.Lock(), threading.Barrier(together)
        monkeypatch.setattr(loader, "load", self._load)
        monkeypatch.setattr(Trial, "_try_once", lambda *_: None)

    def _load(self, *_: object, **__: object) -> None:
        with self._lock:
            self.now += 1
            self.most = max(self.most, self.now)
        self._all.wait(20)
        time.sleep(0.05)
        with self._lock:
            self.now -= 1

    def of(self, folder: Path, *, workers: int) -> None:
        """The first release of the store in `folder`, loaded by workers that share it."""
        store = Store(folder / "store")
        ref = Ref(**store.add(1))
        with ThreadPoolExecutor(workers) as pool:
            for load in [
                pool.submit(
                    Trial(seconds=20, memory_mb=4096, shared=folder).load, Layout(store.folder), ref
                )
                for _ in range(workers)
            ]:
                load.result()


def test_a_large_bundle_is_loaded_by_one_worker_after_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial_module, "LARGE_BYTES", 1)
    loads = _Loads(monkeypatch)
    loads.of(tmp_path, workers=3)
    assert loads.most == 1


def test_a_small_bundle_is_loaded_by_all_workers_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _Loads(monkeypatch, together=3).of(tmp_path, workers=3)


HOLDER = """
import fcntl, sys, time
mark = open(sys.argv[1], "a")
fcntl.flock(mark, fcntl.LOCK_EX)
print("held", flush=True)
time.sleep(60)
"""


def test_a_turn_to_load_ends_with_the_worker_that_has_it_and_is_not_waited_for_without_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial_module, "LARGE_BYTES", 1)
    loads = _Loads(monkeypatch)
    with subprocess.Popen(
        [sys.executable, "-IS", "-c", HOLDER, str(tmp_path / "loads")], stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == b"held\n"
        monkeypatch.setattr(trial_module, "TURN_SECONDS", 0.2)
        began = time.monotonic()
        loads.of(tmp_path, workers=1)
        assert 0.2 < time.monotonic() - began < 20
        monkeypatch.setattr(trial_module, "TURN_SECONDS", 60.0)
        end = threading.Timer(0.2, holder.kill)
        end.start()
        loads.of(tmp_path, workers=1)
        assert holder.wait(20) == -signal.SIGKILL
        end.join()
