"""What the statistics cost: python -m tests.bench.bench_gates [--rows 100000]

One full verdict (alignment, gates, every interval, 20 slices, curves) in a fresh process, with its peak memory.
Prints figures; judges nothing.
"""

from __future__ import annotations

import argparse
import resource
import time

START = time.perf_counter()
from gitops_model.evaluation import verdict  # noqa: E402

IMPORTED = time.perf_counter() - START
from tests.support import cases  # noqa: E402


def main() -> None:
    """Time one verdict per problem."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rows", type=int, default=100_000)
    rows = parser.parse_args().rows
    print(f"import of the verdict: {IMPORTED:.2f} s")
    for problem in ("binary", "multiclass", "regression"):
        world = cases.world(problem, rows, depots=20)
        kwargs = cases.inputs(problem, of=world, candidate=world.scores(0.35, draw=2))
        if problem == "binary":
            kwargs["contract"] = cases.contract(problem, primary="roc_auc")
        seconds = []
        for _ in range(5):
            start = time.process_time()
            result = verdict.evaluate(**kwargs)
            seconds.append(time.process_time() - start)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(
            f"{problem}: {rows:,} rows, {len(result.metrics)} metrics with intervals, "
            f"{len(result.slices)} slices: median CPU time {sorted(seconds)[2]:.2f} s, "
            f"process peak so far {peak:.0f} MiB"
        )


if __name__ == "__main__":
    main()
