"""A day of the prediction log that is written, closed and read again, for tests."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from gitops_model import log
from gitops_model.monitoring import closing, kinds

DAY = "2026-11-20"
LATER = datetime(2026, 11, 21, 1, tzinfo=UTC)


class Killed(BaseException):
    """The process ended here."""


def part(folder: Path, number: int, rows: list[Any], day: str = DAY) -> Path:
    path = folder / f"date={day}" / f"part-{number}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    texts = [
        row if isinstance(row, str) else json.dumps(row, separators=(",", ":")) for row in rows
    ]
    path.write_text("".join(f"{text}\n" for text in texts))
    return path


def close(folder: Path, now: datetime = LATER) -> list[closing.Closed]:
    return list(closing.close(folder, now=now))


def names(folder: Path, day: str = DAY) -> list[str]:
    return sorted(path.name for path in (folder / f"date={day}").iterdir())


def held(folder: Path) -> list[dict[str, Any]]:
    """The records of the closed files, letter by letter."""
    found = []
    for path in sorted(folder.glob("*/*.parquet")):
        file = pq.ParquetFile(path)
        texts = closing.facts_of(file.metadata.metadata).texts
        found += kinds.records(file.read(), texts)
    return found


def without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        kept = {key: one for key, one in value.items() if one is not None}
        return {key: one if key == "output" else without_nulls(one) for key, one in kept.items()}
    return value


def rows_read(folder: Path) -> Counter[str]:
    table = log.read_table(folder)
    return Counter(json.dumps(row, sort_keys=True, default=str) for row in table.to_pylist())
