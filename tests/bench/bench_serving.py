"""What the service costs: python -m tests.bench.bench_serving [--bundle model.tar] [--seconds 5]

Everything runs on this machine in one go: the bare runtime call and the same call over HTTP alternate, so that a
busy machine slows both. Prints figures and ratios; judges nothing.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import os
import shutil
import socket
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from gitops_model.files import sha256_file
from gitops_model.formats.bundle import Bundle
from gitops_model.runtime import models
from tests.support import troubled
from tests.support.factories import REQUEST
from tests.support.places import ROOT
from tests.support.processes import processor_seconds
from tests.support.server import Server, Store, running


class Caller:
    """One keep-alive connection that sends the same request; as cheap as a client can be."""

    def __init__(self, port: int, inputs: Any) -> None:
        body = json.dumps({"inputs": inputs}).encode()
        head = f"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n"
        self._request = head.encode() + b"Content-Type: application/json\r\n\r\n" + body
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __call__(self) -> bytes:
        """The whole answer. Raises AssertionError when it is not 200."""
        self._socket.sendall(self._request)
        data = self._socket.recv(65536)
        while True:
            head, found, body = data.partition(b"\r\n\r\n")
            if found:
                length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                if len(body) >= length:
                    break
            data += self._socket.recv(65536)
        assert data.startswith(b"HTTP/1.1 200"), data[:200]
        return data

    def model(self) -> str:
        """Who answers now."""
        found: str = json.loads(self().partition(b"\r\n\r\n")[2])["model"]
        return found


def quantile(values: list[float], q: float) -> float:
    """In milliseconds; `values` are seconds."""
    return 1000 * sorted(values)[min(len(values) - 1, int(q * len(values)))]


def timed(call: Callable[[], Any], count: int) -> list[float]:
    found = []
    for _ in range(count):
        started = time.perf_counter()
        call()
        found.append(time.perf_counter() - started)
    return found


def overhead(bundle: Bundle, server: Server) -> None:
    """Alternating rounds of the bare call and the HTTP call, one caller, one row."""
    model = models.load_model(bundle, trusted=())
    inputs = bundle.golden[0]["inputs"]
    row = bundle.contract.row_validator()(inputs).values
    columns = models.columns_of(bundle.contract, [row])
    caller = Caller(server.port, inputs)
    timed(caller, 500)
    bare: list[float] = []
    over_http: list[float] = []
    for _ in range(20):
        bare += timed(lambda: model.predict(columns), 200)
        over_http += timed(caller, 200)
    b, h = quantile(bare, 0.5), quantile(over_http, 0.5)
    print(f"bare runtime call       p50 {b:.3f} ms  p99 {quantile(bare, 0.99):.3f} ms")
    print(f"one row over HTTP       p50 {h:.3f} ms  p99 {quantile(over_http, 0.99):.3f} ms")
    print(f"overhead                p50 {h - b:.3f} ms  (bar 0.5 ms: {(h - b) / 0.5:.2f} of it)")


def _closed_loop(port: int, inputs: Any, seconds: float, results: Any) -> None:
    callers = [Caller(port, inputs) for _ in range(8)]
    counts = [0] * len(callers)
    until = time.monotonic() + seconds

    def work(number: int) -> None:
        while time.monotonic() < until:
            callers[number]()
            counts[number] += 1

    threads = [threading.Thread(target=work, args=(n,)) for n in range(len(callers))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    results.put(sum(counts))


def throughput(bundle: Bundle, server: Server, seconds: float) -> None:
    """Eight callers in one other process, each sending as soon as it has its answer."""
    results: multiprocessing.Queue[int] = multiprocessing.Queue()
    inputs = bundle.golden[0]["inputs"]
    before = server.metric("process_cpu_seconds_total")
    client = multiprocessing.Process(
        target=_closed_loop, args=(server.port, inputs, seconds, results)
    )
    client.start()
    answered = results.get()
    client.join()
    cpu = server.metric("process_cpu_seconds_total") - before
    print(
        f"throughput, 8 callers   {answered / seconds:.0f} requests/s; {answered / cpu:.0f} per CPU second"
    )


@contextlib.contextmanager
def load(server: Server, inputs: Any, rate: float) -> Iterator[list[tuple[float, float]]]:
    """`rate` requests a second at fixed times; latency counts from the time a request was due."""
    samples: list[tuple[float, float]] = []
    stop = threading.Event()
    caller = Caller(server.port, inputs)

    def work() -> None:
        due = time.perf_counter()
        while not stop.is_set():
            time.sleep(max(0.0, due - time.perf_counter()))
            caller()
            samples.append((due, time.perf_counter() - due))
            due += 1 / rate

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield samples
    finally:
        stop.set()
        thread.join()


def switches(bundle: Bundle, server: Server, store: Store, old: Any, new: Any, rounds: int) -> None:
    """From pointer.json replaced to the first answer by the other model: loading it, and going back to it."""
    inputs = bundle.golden[0]["inputs"]
    asker = Caller(server.port, inputs)

    def seen(ref: Any) -> float:
        started = time.perf_counter()
        while asker.model() != ref["model"]:
            time.sleep(0.001)
        return time.perf_counter() - started

    fresh, back = [], []
    for _ in range(rounds):
        store.point(old)
        server.until_synced(store.point(old))
        store.point(new, previous=old)
        fresh.append(seen(new))
        store.point(old, previous=None)
        back.append(seen(old))
    print(
        f"switch, bundle in store p50 {quantile(fresh, 0.5):.0f} ms  max {1000 * max(fresh):.0f} ms"
    )
    print(
        f"rollback to previous    p50 {quantile(back, 0.5):.0f} ms  max {1000 * max(back):.0f} ms"
    )


def swap_latency(
    bundle: Bundle, server: Server, store: Store, old: Any, new: Any, seconds: float
) -> None:
    """p99 at 200 requests a second: quiet, and while models are loaded and swapped all the time."""
    inputs = bundle.golden[0]["inputs"]
    server.until_synced(store.point(old))
    with load(server, inputs, 200) as steady:
        time.sleep(seconds)
    count = 0
    with load(server, inputs, 200) as swapping:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            ref = (new, old)[count % 2]
            server.until_synced(store.point(ref))
            count += 1
            time.sleep(0.1)
    quiet, busy = ([s for _, s in samples[50:]] for samples in (steady, swapping))
    q, b = quantile(quiet, 0.99), quantile(busy, 0.99)
    print(f"steady, 200 requests/s  p50 {quantile(quiet, 0.5):.2f} ms  p99 {q:.2f} ms")
    print(
        f"during {count} swaps        p50 {quantile(busy, 0.5):.2f} ms  p99 {b:.2f} ms  ({b / q:.2f} x steady)"
    )
    print(
        f"switch gap, worst       {1000 * max(busy):.1f} ms; median of steady {1000 * statistics.median(quiet):.2f}"
    )


def beside_shadow(
    server: Server, store: Store, old: Any, new: Any, *, rounds: int, rate: float, trouble: int = 0
) -> None:
    """Paired alternating rounds without and with a shadow that sees every request.

    One caller at a steady `rate`, so that both kinds of rounds do the same work. Each pair gives one difference; the
    medians of the differences are printed with their quartiles. `trouble` is the hour of a request that makes the
    shadow misbehave at the start of its round; see tests/support/troubled.py.
    """
    added: list[tuple[float, float, float]] = []
    seen = missed = waiting = ends = 0
    assert server.process is not None
    service = server.process.pid
    for number in range(rounds):
        found: dict[bool, tuple[float, float, float]] = {}
        for shadowed in (False, True) if number % 2 else (True, False):
            server.until_synced(store.point(old, shadow=new if shadowed else None))
            if trouble and shadowed:
                server.predict(REQUEST | {"hour": trouble})
            time.sleep(0.3)
            before = processor_seconds(service)
            with load(server, REQUEST, rate) as samples:
                time.sleep(2)
            cpu = (processor_seconds(service) - before) / len(samples)
            latencies = [seconds for _, seconds in samples[50:]]
            found[shadowed] = (quantile(latencies, 0.5), quantile(latencies, 0.95), 1000 * cpu)
            if shadowed:
                state = server.status()["shadow"]
                seen += sum(state["rows"].values())
                missed += sum(state["dropped_rows"].values())
                waiting += state["waiting_rows"]
                ends += state["ends"]
        added.append(
            tuple(b - a for a, b in zip(found[False], found[True], strict=True))  # type: ignore[arg-type]
        )
    for name, values in zip(("p50", "p95", "CPU"), zip(*added, strict=True), strict=True):
        low, middle, high = statistics.quantiles(values, n=4)
        bar = {"p50": "; bar 1 ms", "p95": "; bar 2 ms", "CPU": " a request, of the service"}[name]
        print(f"  {name} {middle:+.3f} ms  (quartiles {low:+.3f} to {high:+.3f}{bar})")
    print(
        f"  {rounds} pairs; it saw {seen:,} rows, missed {missed:,}, had {waiting:,} to see; ended {ends} times"
    )


def shadows(server: Server, store: Store, old: Any, new: Any, bad: Any, *, rounds: int) -> None:
    """A good shadow at two rates, and one that sleeps, crashes or eats memory."""
    for rate in (100, 400):
        print(f"a shadow at 100 % of {rate} requests/s adds")
        beside_shadow(server, store, old, new, rounds=rounds, rate=rate)
    for word, hour in (
        ("sleeps for ten minutes", troubled.SLEEP),
        ("crashes at the first request", troubled.CRASH),
        ("takes 1 GB, of 1 GB", troubled.EAT_SHARED),
    ):
        print(f"one that {word}, at 100 requests/s, adds")
        beside_shadow(server, store, old, bad, rounds=rounds, rate=100, trouble=hour)


def main() -> None:
    """Run everything once."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--bundle", type=Path, help="measure this bundle (default: a small one made here)"
    )
    parser.add_argument(
        "--seconds", type=float, default=5, help="length of the load phases (default: 5)"
    )
    parser.add_argument(
        "--rounds", type=int, default=12, help="pairs of rounds for each shadow (default: 12)"
    )
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store = Store(folder / "store")
        old, new = store.add(1), store.add(2)
        if args.bundle:
            old = {"model": "flight-delay-v1", "sha256": sha256_file(args.bundle)}
            shutil.copyfile(args.bundle, store.bundle(old["sha256"]))
            # The second version: the same model under other bytes.
            new = {"model": "flight-delay-v2", "sha256": _again(store, old)}
        bundle = Bundle.read(store.bundle(old["sha256"]), sha256=old["sha256"])
        settings: dict[str, Any] = {
            "poll_seconds": 0.1,
            "log": {"predictions": True, "folder": str(folder / "log")},
        }
        with running(store.folder, folder / "service", **settings) as server:
            server.until_synced(store.point(old))
            overhead(bundle, server)
            throughput(bundle, server, args.seconds)
            switches(bundle, server, store, old, new, rounds=10)
            swap_latency(bundle, server, store, old, new, args.seconds)
            server.stop()
        # The bad shadow is a bundle of its own kind, so these rounds have a service of their own.
        os.environ["PYTHONPATH"] = os.pathsep.join(
            [str(ROOT), str(ROOT / "src"), os.environ.get("PYTHONPATH", "")]
        )
        stable, good, bad = store.add(3), store.add(4), troubled.add(store, 5)
        settings["trusted_types"] = [troubled.TYPE]
        with running(store.folder, folder / "shadowed", **settings) as server:
            server.until_synced(store.point(stable))
            shadows(server, store, stable, good, bad, rounds=args.rounds)
            server.stop()


def _again(store: Store, ref: Any) -> str:
    from gitops_model.files import sha256_bytes
    from gitops_model.formats.bundle import build

    members = dict(Bundle.read(store.bundle(ref["sha256"]), sha256=ref["sha256"]).members)
    members["MODEL_CARD.md"] += b"\n"
    data = build(members)
    sha256 = sha256_bytes(data)
    store.bundle(sha256).write_bytes(data)
    return sha256


if __name__ == "__main__":
    main()
