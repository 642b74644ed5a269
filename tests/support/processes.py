"""What Linux says of processes."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


def _words(pid: int) -> list[str]:
    """Its state, its parent, and what follows; the name before them may hold anything."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()


def alive(pid: int) -> bool:
    """Whether a process runs; one that ended and was not waited for does not."""
    try:
        return _words(pid)[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def tree(pid: int) -> list[int]:
    """A process and all below it."""
    below: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            one = int(path.name)
            below.setdefault(int(_words(one)[1]), []).append(one)
    found = [pid]
    for one in found:
        found += below.get(one, [])
    return found


def processor_seconds(pid: int) -> float:
    """What one process has used, to the nanosecond."""
    total = 0
    for task in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        with contextlib.suppress(OSError):
            total += int(task.read_text().split()[0])
    return total / 1e9


def machine_seconds() -> float:
    """What all processors of the machine were busy for, since it started."""
    user, nice, system, _idle, _waiting, *interrupts = map(
        int, Path("/proc/stat").read_text().split(maxsplit=9)[1:9]
    )
    return (user + nice + system + sum(interrupts)) / os.sysconf("SC_CLK_TCK")


def all_processor_seconds() -> float:
    """What all processes that are there have used, those of a namespace where this one has its own."""
    ticks = 0
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            ticks += sum(map(int, _words(int(path.name))[11:13]))
    return ticks / os.sysconf("SC_CLK_TCK")
