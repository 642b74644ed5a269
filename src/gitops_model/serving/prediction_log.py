"""The prediction log: one JSON line for each row answered, in files by day.

    logs/predictions/date=2026-11-22/part-4711.jsonl

Answering only appends to a list in memory; a worker thread turns records into text and writes them, twice a
second and at the end. `gitops_model.log.read` reads everything; `gitops-model log close` makes days that are over
Parquet.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gitops_model.files import size_words
from gitops_model.serving import retention
from gitops_model.serving.retention import Keep

logger = logging.getLogger("gitops_model.serving")

FLUSH_SECONDS = 0.5
# When the disk cannot follow, records are dropped and counted rather than kept until memory ends.
TIDY_SECONDS = 60.0
MAX_WAITING = 100_000
BLOCK = 1 << 16

Record = Mapping[str, Any]


class PredictionLog:
    """Appends records to `folder`. `on_dropped(n)` is told of records that were lost.

    Days beyond `keep` are deleted, and `on_deleted(n)` is told. `owed` counts the records that were taken, and those
    that were written or given up: whoever sees it when the process is gone knows how many went with it.
    """

    def __init__(
        self,
        folder: Path,
        *,
        on_dropped: Callable[[int], None] = lambda n: None,
        keep: Keep = Keep(),  # noqa: B008  it is frozen
        on_deleted: Callable[[int], None] = lambda n: None,
        owed: list[int] | memoryview[int] | None = None,
    ) -> None:
        self._folder = folder
        self._owed = [0, 0] if owed is None else owed
        self._on_dropped = on_dropped
        self._keep = keep
        self._on_deleted = on_deleted
        self._tidied = -TIDY_SECONDS
        self._waiting: list[tuple[float, Record]] = []
        self._mended: set[Path] = set()
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="log")
        self._failing = False

    def add(self, epoch: float, record: Record) -> None:
        """Take a record that happened at `epoch` seconds. Never blocks."""
        if len(self._waiting) >= MAX_WAITING:
            self._on_dropped(1)
        else:
            self._waiting.append((epoch, record))
            self._owed[0] += 1

    async def run(self) -> None:
        """Write every half second, until cancelled; then write the rest."""
        try:
            while True:
                await asyncio.sleep(FLUSH_SECONDS)
                await self._flush()
                if time.monotonic() - self._tidied >= TIDY_SECONDS:
                    self._tidied = time.monotonic()
                    loop = asyncio.get_running_loop()
                    self._on_deleted(await loop.run_in_executor(self._writer, self._tidy))
        finally:
            await self._flush()
            self._writer.shutdown(wait=False)

    async def _flush(self) -> None:
        if self._waiting:
            records, self._waiting = self._waiting, []
            loop = asyncio.get_running_loop()
            writing = loop.run_in_executor(self._writer, self._write, records)
            try:
                await asyncio.shield(writing)
            finally:
                # The process ends right after `run`: what is on its way to the disk must get there.
                if lost := await writing:
                    self._on_dropped(lost)

    def _tidy(self) -> int:
        """In the writing thread: delete days that need not be kept, and return how many."""
        try:
            gone = retention.tidy(self._folder, self._keep, today=datetime.now(UTC).date())
        except OSError as error:
            logger.error("old days of the prediction log cannot be deleted: %s", error)
            return 0
        for one in gone:
            logger.info("the prediction log of %s was deleted: %s", one.day, size_words(one.size))
        return len(gone)

    def _write(self, records: list[tuple[float, Record]]) -> int:
        """In the writing thread: append `records`, and return how many were lost."""
        by_day: dict[str, list[str]] = {}
        for epoch, record in records:
            at = datetime.fromtimestamp(epoch, UTC).isoformat(timespec="milliseconds")
            line = json.dumps({"time": at.replace("+00:00", "Z"), **record}, separators=(",", ":"))
            by_day.setdefault(at[:10], []).append(line + "\n")
        lost = 0
        for day, lines in by_day.items():
            lost += len(lines) - self._append(day, lines)
            self._owed[1] += len(lines)
        return lost

    def _append(self, day: str, lines: list[str]) -> int:
        """Append `lines` to the day's file, and return how many of them are in it whole."""
        path = self._folder / f"date={day}" / part(os.getpid())
        content = "".join(lines).encode()
        taken = 0
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if path not in self._mended:
                # Half a line may be left of a full disk, or of a killed process of the same id. The next record would
                # join it to a line that no reader could parse.
                drop_torn_line(path)
                self._mended.add(path)
            with path.open("ab", buffering=0) as stream:
                # Unbuffered, so that it is known how much of it the disk took.
                while taken < len(content):
                    taken += stream.write(content[taken:]) or 0
            self._failing = False
        except OSError as error:
            self._mended.discard(path)
            # The space of half a line can be given back on a full disk, and readers need not wait for the next record.
            with contextlib.suppress(OSError):
                drop_torn_line(path)
            if not self._failing:
                self._failing = True
                logger.error("the prediction log cannot be written: %s", error)
        return content.count(b"\n", 0, taken)


def part(pid: int) -> str:
    """The name of the file that a process writes."""
    return f"part-{pid}.jsonl"


def drop_torn_line(path: Path) -> None:
    """Cut off what follows the last whole line of a file, read backwards in blocks."""
    if not path.exists():
        return
    with path.open("rb+") as stream:
        end = at = stream.seek(0, os.SEEK_END)
        whole = 0
        while at > 0 and not whole:
            start = max(0, at - BLOCK)
            stream.seek(start)
            found = stream.read(at - start).rfind(b"\n")
            whole = start + found + 1 if found >= 0 else 0
            at = start
        if whole != end:
            stream.truncate(whole)
