"""What a switch costs those who ask meanwhile: python -m tests.bench.bench_workers [--seconds 40] [--rate 300]

Callers send at fixed times, and latency counts from then. For one worker and for two, releases are switched every four
seconds: two small ones, and a small one and one of 200 MB. What came in the three seconds after a switch is compared
with what came at other times of the same run. Prints figures; judges nothing.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

from gitops_model.formats.bundle import Bundle
from tests.support.factories import make_bundle
from tests.support.server import Ref, Store, running
from tests.support.switched import switch_under_load

EVERY_SECONDS = 4.0
WINDOW_SECONDS = 3.0
HEAVY_BYTES = 200_000_000


def heavy(store: Store, number: int) -> Ref:
    """A release with a model of 200 MB: that much is read, hashed, parsed and handed to the runtime."""
    data, sha256 = make_bundle(seed=number)
    model = onnx.load_from_string(
        Bundle.open(data, sha256=sha256, name="small").members["model.onnx"]
    )
    numbers = np.random.default_rng(1).standard_normal(HEAVY_BYTES // 4, dtype=np.float32)
    model.graph.initializer.append(numpy_helper.from_array(numbers, "ballast"))
    return store.add(number, seed=number, members={"model.onnx": model.SerializeToString()})


def main() -> None:
    """Each number of workers with each pair of releases."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=40.0)
    parser.add_argument("--rate", type=float, default=300.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store = Store(folder / "store")
        small, other, large = store.add(1), store.add(2), heavy(store, 3)
        for workers in (1, 2):
            for words, refs in (("small", [small, other]), ("one of 200 MB", [small, large])):
                place = folder / f"{workers}-{refs[1]['model']}"
                log = {"predictions": True, "folder": str(place / "log")}
                store.point(small)
                with running(
                    store.folder, place, workers=workers, log=log, timeout_ms=15000
                ) as server:
                    server.until_serving(small)
                    outcome = switch_under_load(
                        server,
                        store,
                        refs,
                        place,
                        requests=int(options.rate * options.seconds),
                        rate=options.rate,
                        switches=int(options.seconds / EVERY_SECONDS),
                        kills=0,
                    )
                    server.stop()
                after = 1000 * outcome.p99(windows=True, seconds=WINDOW_SECONDS)
                steady = 1000 * outcome.p99(windows=False, seconds=WINDOW_SECONDS)
                print(
                    f"{workers} worker{'s' * (workers > 1)}, {words}: p99 {steady:.2f} ms, after switches "
                    f"{after:.2f} ms ({after / steady:.2f} x; bar 1.5); {outcome.found.lost} of "
                    f"{outcome.found.answered:,} lost"
                )


if __name__ == "__main__":
    main()
