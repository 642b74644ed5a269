"""What overload does: python -m tests.bench.bench_overload [--seconds 5] [--connections 512]

Finds the peak of answered requests a second, then offers three times as many from connections that each send at fixed
times, whatever becomes of their last request. Prints figures; judges nothing.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from tests.support.overload import calm_and_full
from tests.support.server import Store, running


def main() -> None:
    """Print what each round was like."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--connections", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--polite", action="store_true", help="callers obey Retry-After")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder) / "store")
        commit = store.point(store.add(1))
        with running(store.folder, Path(folder) / "service") as server:
            server.until_synced(commit)
            for _ in range(options.rounds):
                before = server.metric("process_resident_memory_bytes")
                calm, full = calm_and_full(
                    server,
                    connections=options.connections,
                    seconds=options.seconds,
                    polite=options.polite,
                )
                grown = server.metric("process_resident_memory_bytes") - before
                sent = sum(waits.count for waits in full.times.values()) / full.seconds
                print(
                    f"peak {calm.rate:.0f}/s; offered {3 * calm.rate:.0f}/s, sent {sent:.0f}/s: "
                    f"answered {full.rate:.0f}/s ({100 * full.rate / calm.rate:.0f} % of the peak), lost {full.lost}, "
                    f"memory +{grown / 1e6:.1f} MB"
                )
                share = full.share(calm)
                no = full.cpu * (1 - share) / full.refused if full.refused else 0.0
                print(
                    f"  processor time: {1e6 * calm.each:.0f} us an answer at the peak; {full.refused:,.0f} refused at "
                    f"{1e6 * no:.0f} us; {100 * share:.0f} % of the time went to answers"
                )
                for status, found in sorted(full.times.items()):
                    print(f"  {status}: {found}")


if __name__ == "__main__":
    main()
