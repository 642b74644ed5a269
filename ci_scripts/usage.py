"""What this process has used so far. Standard library alone: whoever is measured imports it."""

from __future__ import annotations

import resource
from pathlib import Path


def used() -> float:
    """CPU seconds of this process so far."""
    spent = resource.getrusage(resource.RUSAGE_SELF)
    return spent.ru_utime + spent.ru_stime


def peak_mb() -> float:
    """Not ru_maxrss, which begins with the size of the parent. Linux counts KiB."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    (held,) = (line for line in lines if line.startswith("VmHWM:"))
    return int(held.split()[1]) * 1024 / 1e6
