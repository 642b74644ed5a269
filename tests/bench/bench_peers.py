"""What a request costs here and elsewhere: python -m tests.bench.bench_peers [--rounds 6] [--picture FILE]

The same estimator of 13 inputs behind each server, the same row asked, on this machine in one go. Servers have one
core, the callers another; each caller sends as soon as it has its answer. What counts is the CPU time of the server's
processes, because others may be busy here, too; ratios are medians of the rounds', whose order turns. This service
runs with everything on: contract, routing of a canary of 10 %, its guard, metrics, log, limits.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ci_scripts import peers
from tests.bench import peer_picture, peer_requests
from tests.support.places import ROOT
from tests.support.ports import free_port
from tests.support.processes import processor_seconds, tree
from tests.support.server import Server, Store

NAMES = {
    "bare": "bare ASGI + json + ONNX Runtime",
    "tuned": "the same with orjson and ready arrays",
    "ours": "**this service, everything on**",
    "silent": "this service, without its log",
    "fastapi-onnx": "FastAPI + ONNX Runtime",
    "litserve": "LitServe + ONNX Runtime",
    "bentoml": "BentoML + ONNX Runtime",
    "fastapi-sklearn": "FastAPI + scikit-learn",
    "mlserver": "MLServer (scikit-learn)",
    "mlflow": "MLflow (scikit-learn)",
}
# Callers at once, and rows of each request.
KINDS = {"one": (1, 1), "sixteen": (16, 1), "batch": (1, 1000)}
SECONDS = 1.0
PATIENCE = 90.0
_cores = sorted(os.sched_getaffinity(0))
SERVERS = {_cores[0]}


@dataclass
class Peer:
    """A running server. `cpu` has microseconds a request, by kind, a number for each round."""

    name: str
    process: Any
    port: int
    cpu: dict[str, list[float]] = field(default_factory=lambda: {kind: [] for kind in KINDS})
    memory: float = 0.0


def ask(port: int, connections: int, request: bytes, seconds: float) -> tuple[int, str]:
    """Answered requests, and an answer. Raises AssertionError when one was not 200."""
    words = [str(port), str(connections), str(seconds)]
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.peer_callers", *words],
        input=request,
        capture_output=True,
        cwd=ROOT,
        timeout=PATIENCE,
        check=True,
    )
    count, wrong, answer = json.loads(done.stdout)
    assert not wrong, answer
    return count, answer


def spent(pid: int) -> float:
    """CPU seconds of a process and all below it, to the nanosecond."""
    return sum(map(processor_seconds, tree(pid)))


def memory(pid: int) -> float:
    """MB that a process and all below it hold."""
    pages = 0
    for one in tree(pid):
        with contextlib.suppress(OSError):
            pages += int(Path(f"/proc/{one}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


@contextlib.contextmanager
def started(name: str, folder: Path) -> Iterator[Peer | None]:
    """A peer that answers; None, after a sentence, when it does not."""
    port = free_port()
    log = (folder / f"{name}.log").open("w")
    path = f"{peers.SERVERS.python.parent}:{os.environ['PATH']}"
    own = {"PYTHONPATH": str(ROOT), "MLFLOW_DISABLE_TELEMETRY": "true", "PATH": path}
    process = subprocess.Popen(
        [str(peers.SERVERS.python), "-W", "ignore", "-m", "ci_scripts.peer_servers", name, str(folder), str(port)],
        cwd=ROOT, stdout=log, stderr=log, start_new_session=True,
        env=os.environ | peers.QUIET | peers.ONE_THREAD | own,
        preexec_fn=lambda: os.sched_setaffinity(0, SERVERS),  # noqa: PLW1509  no thread runs here
    )  # fmt: skip
    try:
        request = peer_requests.wire(name, 1)
        deadline = time.monotonic() + PATIENCE
        while process.poll() is None and time.monotonic() < deadline:
            with contextlib.suppress(OSError, subprocess.SubprocessError, AssertionError):
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                ask(port, 1, request, 0.1)
                break
            time.sleep(0.5)
        else:
            print(f"{name} does not answer: {(folder / f'{name}.log').read_text()[-600:]}")
            yield None
            return
        yield Peer(name, process, port)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)


@contextlib.contextmanager
def ours(folder: Path, store: Store, commit: str, *, log: bool) -> Iterator[Peer]:
    """This service, with everything on, or without the log."""
    name = "ours" if log else "silent"
    place = folder / name
    place.mkdir()
    kept = {"predictions": log, "folder": str(place / "log")}
    server = Server(store.folder, place, log=kept, poll_seconds=0.5)
    os.sched_setaffinity(0, SERVERS)
    try:
        server.start()
    finally:
        os.sched_setaffinity(0, _cores)
    assert server.process is not None
    server.until_synced(commit)
    try:
        yield Peer(name, server.process, server.port)
    finally:
        server.kill()


def measure(running: list[Peer], rounds: int, seconds: float, expected: float) -> None:
    """Alternating rounds; the first is thrown away."""
    for number in range(rounds + 1):
        turned = running[number % len(running) :] + running[: number % len(running)]
        for kind, (connections, rows) in KINDS.items():
            for peer in turned:
                before = spent(peer.process.pid)
                request = peer_requests.wire(peer.name, rows)
                count, answer = ask(peer.port, connections, request, seconds)
                used = spent(peer.process.pid) - before
                if number:
                    peer.cpu[kind].append(1e6 * used / count)
                elif rows == 1:
                    found = peer_requests.probability(peer.name, answer.partition("\r\n\r\n")[2])
                    assert abs(found - expected) < 1e-4, (
                        f"{peer.name} answers another number: {answer[-300:]}"
                    )
    for peer in running:
        peer.memory = memory(peer.process.pid)


def ratio(peer: Peer, other: Peer, kind: str) -> float:
    """How many times `other`'s cost: the median of the rounds."""
    pairs = zip(peer.cpu[kind], other.cpu[kind], strict=True)
    return statistics.median(a / b for a, b in pairs)


def table(running: list[Peer]) -> str:
    """Markdown."""
    lines = [
        "| server | CPU µs, 1 caller | × bare | CPU µs, 16 callers | × bare | × this service "
        "| rows a CPU second, batches of 1,000 | × bare | memory MB |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    known = {peer.name: peer for peer in running}
    bare, own = known["bare"], known["ours"]
    for peer in running:
        one, sixteen, batch = (statistics.median(peer.cpu[kind]) for kind in KINDS)
        cells = [
            *(NAMES[peer.name], f"{one:,.0f}", f"{ratio(peer, bare, 'one'):.2f}"),
            *(f"{sixteen:,.0f}", f"{ratio(peer, bare, 'sixteen'):.2f}"),
            *(f"{ratio(peer, own, 'sixteen'):.2f}", f"{1e9 / batch:,.0f}"),
            *(f"{1 / ratio(peer, bare, 'batch'):.2f}", f"{peer.memory:,.0f}"),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def bars(running: list[Peer]) -> Iterator[str]:
    """What the design asks for, and what was found."""
    known = {peer.name: peer for peer in running}
    own = known["ours"]
    for kind, words in (("one", "1 caller"), ("sixteen", "16 callers")):
        bare, tuned = (ratio(own, known[name], kind) for name in ("bare", "tuned"))
        yield f"one row, {words}: {bare:.2f} x bare (bar: 1.15), {tuned:.2f} x tuned (bar: 1.6)"
    batch = 1 / ratio(own, known["bare"], "batch")
    yield f"batches: {batch:.2f} x bare's rows a CPU second (bar: 0.8)"
    for kind, rows in (("sixteen", 1), ("batch", 1000)):
        pairs = zip(own.cpu[kind], known["silent"].cpu[kind], strict=True)
        more = statistics.median(a - b for a, b in pairs) / rows
        yield f"the log, a row{' of a batch' if rows > 1 else ''}: {more:.1f} us (bar: 5)"
    wanted = {"fastapi-onnx": 1.8, "litserve": 3, "bentoml": 3}
    wanted |= dict.fromkeys(("fastapi-sklearn", "mlserver", "mlflow"), 15)
    for name, least in wanted.items():
        if name in known:
            found = [ratio(known[name], own, kind) for kind in ("one", "sixteen")]
            yield f"{NAMES[name]}: {found[0]:.1f} and {found[1]:.1f} times ours (bar: {least})"


def main() -> None:
    """Measure all that start."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of each measurement")
    parser.add_argument("--only", nargs="*", help="names of peers; bare, tuned and ours are there")
    parser.add_argument("--picture", type=Path, help="draw it into this SVG file")
    options = parser.parse_args()
    there = peers.SERVERS.ready()
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        store = Store(folder / "store")
        expected, stable, canary = peer_requests.write_model(folder, store)
        commit = store.point(stable, canary=canary | {"percent": 10, "key": None})
        running: list[Peer] = []
        for one in NAMES:
            if one in ("ours", "silent"):
                peer: Peer | None = stack.enter_context(
                    ours(folder, store, commit, log=one == "ours")
                )
            elif not there or (
                options.only is not None and one not in {"bare", "tuned", *options.only}
            ):
                continue
            else:
                peer = stack.enter_context(started(one, folder))
            if peer is not None:
                running.append(peer)
        measure(running, options.rounds, options.seconds, expected)
        print(f"CPU of the server's processes, medians of {options.rounds} rounds\n")
        print(table(running))
        print()
        print("\n".join(bars(running)))
        if options.picture:
            drawn = [
                (NAMES[p.name].strip("*"), statistics.median(p.cpu["sixteen"]))
                for p in running
                if p.name != "silent"
            ]
            options.picture.write_text(peer_picture.svg(drawn), encoding="utf-8")


if __name__ == "__main__":
    main()
