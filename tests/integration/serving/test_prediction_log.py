"""The prediction log: whole lines, by day, bounded."""

from __future__ import annotations

import asyncio
import json
import os
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


def test_memory_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prediction_log, "MAX_WAITING", 3)
    dropped: list[int] = []
    log = PredictionLog(tmp_path, on_dropped=dropped.append)
    _written(log, *[(NOON, {"n": n}) for n in range(5)])
    assert dropped == [1, 1]
    assert len(_part(tmp_path, "2026-01-01").read_text().splitlines()) == 3
