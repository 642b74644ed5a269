"""How long the prediction log is kept: the oldest days go first, whole, and never today.

The service does it, because it is what fills the disk. A day is renamed before it is deleted, so that a reader sees all
of it or nothing.
"""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from gitops_model.formats import log_files

DELETED = ".deleted-"


@dataclass(frozen=True, kw_only=True)
class Keep:
    """`days` before today, and `mb` (1,000,000 bytes) of all days together; None: without end."""

    days: int | None = None
    mb: float | None = None


@dataclass(frozen=True, kw_only=True)
class Gone:
    """A day that was deleted, and its bytes."""

    day: date
    size: int


def doomed(sizes: Mapping[date, int], keep: Keep, *, today: date) -> list[date]:
    """The days that go, oldest first, of days with so many bytes."""
    gone = []
    left = sum(sizes.values())
    for day in sorted(sizes):
        if day >= today:
            break
        too_old = keep.days is not None and day < today - timedelta(days=keep.days)
        too_much = keep.mb is not None and left > keep.mb * 1_000_000
        if not (too_old or too_much):
            break
        gone.append(day)
        left -= sizes[day]
    return gone


def tidy(folder: Path, keep: Keep, *, today: date) -> list[Gone]:
    """Delete what need not be kept. While a day is being closed nothing is deleted; the next call will."""
    if keep == Keep() or not folder.is_dir():
        return []
    with (folder / log_files.LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return []
        return _tidy(folder, keep, today)


def _tidy(folder: Path, keep: Keep, today: date) -> list[Gone]:
    for left in folder.glob(f"{DELETED}*"):
        shutil.rmtree(left)
    found = ((log_files.day_of(path.name), path) for path in folder.iterdir())
    paths = {day: path for day, path in found if day is not None and path.is_dir()}
    sizes = {day: _size(path) for day, path in paths.items()}
    gone = []
    for day in doomed(sizes, keep, today=today):
        hidden = folder / f"{DELETED}{day}"
        paths[day].rename(hidden)
        shutil.rmtree(hidden)
        gone.append(Gone(day=day, size=sizes[day]))
    return gone


def _size(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size
        except FileNotFoundError:
            continue
    return total
