"""`make bench`: every figure the README gives, measured anew, one benchmark after the other."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
BENCHES: Final = (
    *("bench_loop", "bench_gates", "bench_serving", "bench_workers"),
    *("bench_protocol", "bench_overload", "bench_peers"),
)
# Drawn anew by each run; docs/peers.svg is the one that the README shows.
PICTURE: Final = ROOT / "build" / "peers.svg"


def main() -> int:
    """Run each benchmark in a process of its own; exit 1 when one failed to run. A slow result is no failure."""
    machine = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
    print(f"{machine}, load {os.getloadavg()[0]:.1f}")
    failed = []
    for name in BENCHES:
        print(f"\n{name}: {_purpose(name)}", flush=True)
        if subprocess.run(
            [sys.executable, "-m", f"tests.bench.{name}", *_words(name)], cwd=ROOT, check=False
        ).returncode:
            failed.append(name)
    if failed:
        print(f"bench: {', '.join(failed)} did not run to the end", file=sys.stderr)
    return bool(failed)


def _words(name: str) -> list[str]:
    if name != "bench_peers":
        return []
    PICTURE.parent.mkdir(exist_ok=True)
    return ["--picture", str(PICTURE)]


def _purpose(name: str) -> str:
    first = (ROOT / "tests/bench" / f"{name}.py").read_text(encoding="utf-8").splitlines()[0]
    return first.strip('"').partition(":")[0]


if __name__ == "__main__":
    sys.exit(main())
