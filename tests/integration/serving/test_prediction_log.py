"""The prediction log: whole lines, by day, bounded."""

from __future__ import annotations

import asyncio
import errno
import io
import json
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from gitops_model.serving import prediction_log
from gitops_model.serving.prediction_log import PredictionLog

NOON = 1_767_268_800.0  # 2026-01-01T12:00:00Z


def _written(log: PredictionLog, *records: tuple[float, dict[str, Any]]) -> None:
    async def story() -> None:
        task = asyncio.create_task(log.run())
        for epoch, record in records:
            log.add(epoch, record)
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(story())


def _part(folder: Path, day: str) -> Path:
    return folder / f"date={day}" / f"part-{os.getpid()}.jsonl"


def test_records_are_parted_by_day_and_complete_after_the_end(tmp_path: Path) -> None:
    _written(
        PredictionLog(tmp_path),
        (NOON, {"n": 1}),
        (NOON + 0.25, {"n": 2}),
        (NOON + 86_400, {"n": 3}),
    )
    first = _part(tmp_path, "2026-01-01").read_text().splitlines()
    assert [json.loads(line) for line in first] == [
        {"time": "2026-01-01T12:00:00.000Z", "n": 1},
        {"time": "2026-01-01T12:00:00.250Z", "n": 2},
    ]
    assert len(_part(tmp_path, "2026-01-02").read_text().splitlines()) == 1


def test_half_a_line_of_a_killed_process_is_cut_off(tmp_path: Path) -> None:
    path = _part(tmp_path, "2026-01-01")
    path.parent.mkdir(parents=True)
    path.write_text('{"n":0}\n{"n":1,"inp')
    _written(PredictionLog(tmp_path), (NOON, {"n": 2}))
    assert [json.loads(line)["n"] for line in path.read_text().splitlines()] == [0, 2]


def test_records_that_cannot_be_written_are_counted(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("not a folder")
    dropped: list[int] = []
    log = PredictionLog(tmp_path / "log", on_dropped=dropped.append)
    _written(log, (NOON, {"n": 1}), (NOON, {"n": 2}))
    assert dropped == [2]


def test_the_end_waits_for_a_write_that_has_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service that ended while its log was being written lost that half second, and counted nothing."""
    begun = threading.Event()
    real = PredictionLog._write

    def slow(self: PredictionLog, records: Any) -> int:
        begun.set()
        time.sleep(0.2)
        return real(self, records) + 1

    monkeypatch.setattr(PredictionLog, "_write", slow)
    monkeypatch.setattr(prediction_log, "FLUSH_SECONDS", 0.01)
    dropped: list[int] = []
    log = PredictionLog(tmp_path, on_dropped=dropped.append)

    async def story() -> None:
        task = asyncio.create_task(log.run())
        log.add(NOON, {"n": 1})
        await asyncio.to_thread(begun.wait)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert len(_part(tmp_path, "2026-01-01").read_text().splitlines()) == 1
        assert dropped == [1]

    asyncio.run(story())


def test_memory_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prediction_log, "MAX_WAITING", 3)
    dropped: list[int] = []
    log = PredictionLog(tmp_path, on_dropped=dropped.append)
    _written(log, *[(NOON, {"n": n}) for n in range(5)])
    assert dropped == [1, 1]
    assert len(_part(tmp_path, "2026-01-01").read_text().splitlines()) == 3


def test_a_full_disk_leaves_whole_lines_and_true_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A torn line once joined to the next record, and of 441 records sent 539 were accounted for."""
    room = [100]

    class Small(io.FileIO):
        def write(self, data: Any) -> int:
            part = bytes(data)[: room[0]]
            if not part:
                raise OSError(errno.ENOSPC, "No space left on device")
            room[0] -= len(part)
            return super().write(part)

    real = Path.open

    def opened(path: Path, mode: str = "r", **options: Any) -> Any:
        return Small(path, "ab") if mode == "ab" else real(path, mode, **options)

    monkeypatch.setattr(Path, "open", opened)
    dropped: list[int] = []
    log = PredictionLog(tmp_path, on_dropped=dropped.append)

    async def story() -> None:
        task = asyncio.create_task(log.run())
        sent = 0
        for free in (0, 30, 0, 1, 1000, 75, 10_000):
            for _ in range(5):
                log.add(NOON, {"n": sent})
                sent += 1
            await log._flush()
            room[0] += free
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert sent == 35

    asyncio.run(story())
    lines = _part(tmp_path, "2026-01-01").read_text().splitlines()
    kept = [json.loads(line)["n"] for line in lines]
    assert kept == sorted(set(kept))
    assert len(kept) + sum(dropped) == 35
    assert 0 < len(kept) < 35


@pytest.mark.parametrize("tail", [0, 1, 65_535, 65_536, 65_537, 200_000])
@pytest.mark.parametrize("lines", [0, 1, 9000])
def test_what_follows_the_last_whole_line_is_cut_off(tmp_path: Path, lines: int, tail: int) -> None:
    path = tmp_path / "part.jsonl"
    path.write_bytes(b'{"n":1}\n' * lines + b"x" * tail)
    prediction_log.drop_torn_line(path)
    assert path.read_bytes() == b'{"n":1}\n' * lines
