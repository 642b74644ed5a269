"""The prediction log: one JSON line for each row answered, in files by day.

    logs/predictions/date=2026-11-22/part-4711.jsonl

Answering only appends to a list in memory; a worker thread writes to the disk, twice a second and at the end. What
waits for it is text, made of a few rows at a time: to hold the objects of each request until then took three times as
long, because their memory is new memory each time. The thread makes text of batches.
`gitops_model.log.read` reads everything; `gitops-model log close` makes days that are over
Parquet.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from gitops_model.files import size_words
from gitops_model.serving import retention
from gitops_model.serving.retention import Keep
from gitops_model.serving.shadow_account import Copy

logger = logging.getLogger("gitops_model.serving")

FLUSH_SECONDS = 0.5
# When the disk cannot follow, records are dropped and counted rather than kept until memory ends.
TIDY_SECONDS = 60.0
MAX_WAITING = 100_000
BLOCK = 1 << 16

Record = Mapping[str, Any]
# Answered rows that become text together.
TOGETHER = 16


class _Waiting(NamedTuple):
    """What is to be written: lines by day, and answered batches that are no text yet."""

    text: defaultdict[str, bytearray]
    batches: list[Copy]


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
        self._waiting = _Waiting(defaultdict(bytearray), [])
        self._fresh: list[Copy] = []
        # Records that will become of them.
        self._count = 0
        self._mended: set[Path] = set()
        self._clock = _Clock()
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="log")
        self._failing = False

    def add(self, epoch: float, record: Record) -> None:
        """Take a record that happened at `epoch` seconds. Never blocks."""
        if self._count >= MAX_WAITING:
            self._on_dropped(1)
        else:
            at = self._clock.text(epoch)
            self._waiting.text[at[:10]] += _line({"time": at, **record})
            self._count += 1
            self._owed[0] += 1

    def answered(self, copy: Copy) -> None:
        """Take the rows of an answered request, or as many of them as there is room for. Never blocks."""
        rows, room = len(copy.rows), MAX_WAITING - self._count
        if rows > room:
            self._on_dropped(rows - room)
            rows, copy = room, copy._replace(answers=copy.answers[:room])
        self._count += rows
        self._owed[0] += rows
        if rows > 1:
            self._waiting.batches.append(copy)
        elif rows:
            self._fresh.append(copy)
            if len(self._fresh) >= TOGETHER:
                self._make_text()

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
        self._make_text()
        if self._count:
            records, self._waiting = self._waiting, _Waiting(defaultdict(bytearray), [])
            self._count = 0
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

    def _make_text(self) -> None:
        for copy in self._fresh:
            at = self._clock.text(copy.epoch)
            self._waiting.text[at[:10]] += row_line(at, copy, 0)
        self._fresh.clear()

    def _write(self, waiting: _Waiting) -> int:
        """In the writing thread: append what waited, and return how many records were lost."""
        lost = 0
        for day, text in waiting.text.items():
            lost += self._append(day, text, text.count(b"\n"))
        clock = _Clock()
        for copy in waiting.batches:
            # Each by itself, for their text together would be new memory each time.
            at = clock.text(copy.epoch)
            lost += self._append(at[:10], batch_lines(at, copy), len(copy.answers))
        return lost

    def _append(self, day: str, text: bytearray, lines: int) -> int:
        """Append the `lines` of `text` to the day's file, and return how many of them are not in it whole."""
        path = self._folder / f"date={day}" / part(os.getpid())
        content = memoryview(text)
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
        self._owed[1] += lines
        return 0 if taken == len(content) else lines - text.count(b"\n", 0, taken)


class _Clock:
    """Times as text, of which all within a second share most."""

    def __init__(self) -> None:
        self._second, self._start = -1, ""

    def text(self, epoch: float) -> str:
        """UTC with milliseconds: `2026-11-22T23:31:57.123Z`."""
        second = int(epoch)
        if second != self._second:
            self._second = second
            self._start = datetime.fromtimestamp(second, UTC).isoformat()[:19]
        return f"{self._start}.{min(999, round((epoch - second) * 1e6) // 1000):03d}Z"


def row_line(at: str, copy: Copy, number: int) -> bytes:
    """The line of one row of an answered request."""
    _epoch, request_id, key, rows, ref, route, answers, seconds = copy
    row = answers[number]
    return _line(
        {
            "time": at,
            "request_id": request_id,
            "row": number,
            "rows": len(rows),
            "model": ref.model,
            "sha256": ref.sha256,
            # Of a batch with a fallback in it, the other rows are the model's all the same.
            "route": "fallback" if row.fell_back else route,
            "key": key,
            "inputs": rows[number],
            "imputed": row.imputed,
            "output": row.output,
            "latency_ms": round(seconds * 1000, 3),
        }
    )


def batch_lines(at: str, copy: Copy) -> bytearray:
    """What `row_line` gives for each row that has an answer here, at three quarters of its cost.

    What the rows share is written once. Each piece is given back before the next is made: to hold a thousand of them
    until the end takes five times as long.
    """
    _epoch, request_id, key, rows, ref, route, answers, seconds = copy
    dumps, text = orjson.dumps, bytearray()
    start = dumps({"time": at, "request_id": request_id})[:-1]
    same = {"rows": len(rows), "model": ref.model, "sha256": ref.sha256}
    middle, of_fallback = (
        dumps({**same, "route": way, "key": key})[1:-1] for way in (route, "fallback")
    )
    end = dumps({"latency_ms": round(seconds * 1000, 3)})[1:]
    for number, (inputs, row) in enumerate(zip(rows, answers, strict=False)):
        shared = of_fallback if row.fell_back else middle
        try:
            text += b'%b,"row":%d,%b,"inputs":%b,"imputed":%b,"output":%b,%b\n' % (
                *(start, number, shared, dumps(inputs)),
                *(dumps(row.imputed), dumps(row.output), end),
            )
        except TypeError:
            text += row_line(at, copy, number)
    return text


def _line(record: Record) -> bytes:
    try:
        return orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE)
    except TypeError:
        # A whole number beyond 64 bits, which is as good as any for a model of float32.
        return json.dumps(record, separators=(",", ":")).encode() + b"\n"


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
