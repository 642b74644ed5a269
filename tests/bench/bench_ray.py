"""Requests a second and CPU on 1, 2 and 4 Ray workers of this machine: python -m tests.bench.bench_ray [--seconds 12]

A worker is a replica of the release on a cluster of two nodes, in a network of its own. A call of one release takes
20 ms of a processor, a call of the other waits for 20 ms. Callers send one request after the other, on connections
that stay open. Prints figures; `--picture` draws them; judges nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from ci_scripts.bake import ROOT
from tests.bench import scale_picture
from tests.bench.bench_peers import ask, spent
from tests.support import alone, paced
from tests.support.factories import REQUEST
from tests.support.processes import all_processor_seconds, machine_seconds
from tests.support.ray_nodes import Nodes
from tests.support.server import Server, Store, running

PORT = 6397
CALL_SECONDS = 0.02
MODELS = {
    "20 ms of CPU": paced.bundle_options(burns=CALL_SECONDS),
    "20 ms of waiting": paced.bundle_options(waits=CALL_SECONDS),
}
WORKERS = (1, 2, 4)
CALLERS = 16
WARM_SECONDS = 3.0
# A release starts in new processes, which import Ray first.
PATIENCE = 180.0
ABSENT = (
    "Nothing was measured on Ray, which is not installed in this environment; type: "
    f"uv pip install --python {os.path.relpath(sys.executable)} 'ray[serve]'"
)
NO_NETWORK = (
    "Nothing was measured on Ray: it listens on all addresses, and this machine lets nobody make a network that has "
    "only loopback (unshare -rn)."
)


@dataclass(frozen=True, kw_only=True)
class Rate:
    """`model` on so many `workers`: requests a second, CPU milliseconds of all processes but the callers' for each.

    `service` of `cpu` are those of the service in front. `others`: processors that were busy for somebody else.
    """

    model: str
    workers: int
    rate: float
    cpu: float
    service: float
    others: float

    def __str__(self) -> str:
        return (
            f"| {self.model} | {self.workers} | {self.rate:.0f} | {self.cpu:.1f} | {self.service:.1f} | "
            f"{self.rate * self.cpu / 1000:.2f} | {self.others:.2f} |"
        )


HEAD = """\
| a call takes | workers | requests a second | CPU ms a request | of it the service | processors busy | by others |
|---|---|---|---|---|---|---|"""


def main() -> None:
    """Say why not; or measure in a network of its own, print and draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=12.0, help="of each measurement")
    parser.add_argument("--picture", type=Path, help="file for the picture")
    parser.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.alone:
        for rate in measured(options.seconds):
            print(json.dumps(asdict(rate)), flush=True)
        return
    if not alone.RAY or not alone.possible():
        print(NO_NETWORK if alone.RAY else ABSENT)
        return
    print(f"{CALLERS} callers, {os.cpu_count()} processors\n\n{HEAD}", flush=True)
    rates = list(_inside(options.seconds))
    if options.picture:
        drawn = scale_picture.rates(
            {
                name: [(one.workers, one.rate, one.cpu) for one in rates if one.model == name]
                for name in MODELS
            }
        )
        options.picture.write_text(drawn, encoding="utf-8")


def _inside(seconds: float) -> Iterator[Rate]:
    """The same module in a network of its own; each line is printed when it is known."""
    words = [sys.executable, "-m", "tests.bench.bench_ray", "--alone", f"--seconds={seconds}"]
    with alone.environment() as env:
        path = f"{ROOT / 'src'}{os.pathsep}{ROOT}"
        process = subprocess.Popen(
            [*alone.ALONE, *words],
            cwd=ROOT,
            env=env | {"PYTHONPATH": path},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        for line in process.stdout:
            rate = Rate(**json.loads(line))
            print(rate, flush=True)
            yield rate
        assert process.wait() == 0


def measured(seconds: float) -> Iterator[Rate]:
    """Each model on each number of workers."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        nodes, store = Nodes(PORT, folder), Store(folder / "store")
        for number, (model, options) in enumerate(MODELS.items(), start=1):
            store.point(store.add(number, **options))
            for workers in WORKERS:
                place = folder / f"{number}-{workers}"
                with running(store.folder, place, **_settings(workers)) as server:
                    yield _measured(server, model, workers, seconds)
                # What it started would take processors from the next.
                nodes.tell("empty")
        nodes.end()


def _settings(workers: int) -> dict[str, object]:
    return {
        "engine": "ray",
        "ray": {
            "address": f"127.0.0.1:{PORT}",
            "min_replicas": workers,
            "max_replicas": workers,
            "per_node": max(1, workers // 2),
        },
        "timeout_ms": 15000,
        "trusted_types": [paced.TYPE],
    }


def _measured(server: Server, model: str, workers: int, seconds: float) -> Rate:
    server.until(lambda s: s["in_sync"] and _running(s) == workers, patience=PATIENCE)
    body = json.dumps({"inputs": REQUEST})
    request = (
        "POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n{body}"
    ).encode()
    assert server.process is not None
    ask(server.port, CALLERS, request, WARM_SECONDS)
    before = _all(), spent(server.process.pid), _others(), time.monotonic()
    count, _ = ask(server.port, CALLERS, request, seconds)
    after = _all(), spent(server.process.pid), _others(), time.monotonic()
    cpu, service, others, wall = (b - a for a, b in zip(before, after, strict=True))
    return Rate(
        model=model,
        workers=workers,
        # Each caller's last answer came when the time was over.
        rate=(count - CALLERS) / seconds,
        cpu=1000 * cpu / count,
        service=1000 * service / count,
        others=others / wall,
    )


def _others() -> float:
    """Seconds of what runs outside of this namespace."""
    # The callers, who have ended, are among the children.
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return machine_seconds() - all_processor_seconds() - used.ru_utime - used.ru_stime


def _all() -> float:
    """Seconds of all processes but this one. The callers' have ended whenever it is asked."""
    return all_processor_seconds() - time.process_time()


def _running(state: dict[str, object]) -> int:
    ray = state["ray"]
    assert isinstance(ray, dict)
    return sum(int(one["replicas"]) for one in ray["applications"].values())


if __name__ == "__main__":
    main()
