"""Prediction logs for tests: records as the service writes them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tests.support.factories import CARRIERS

SHA = "a" * 64
SHADOW = "flight-delay-v2"


def record(number: int = 0, **changes: Any) -> dict[str, Any]:
    """One record; `changes` replace its keys."""
    inputs = {"distance": 1000.0, "hour": 7, "carrier": "AA", "weekend": False}
    return {
        "time": "2026-11-20T08:00:00.000Z", "request_id": f"r{number}", "row": 0, "model": "flight-delay-v1",
        "sha256": SHA, "route": "stable", "key": None, "inputs": inputs, "imputed": [],
        "output": {"delayed": False, "probability": 0.2}, "latency_ms": 0.3,
    } | changes  # fmt: skip


def shadowed(
    number: int, before: float | None, after: float | None, *, outcome: str = "", **changes: Any
) -> dict[str, Any]:
    """A shadow's record of one row: the probability answered, and that of SHADOW."""
    answered = {"delayed": (before or 0) >= 0.5, "probability": before}
    output = None if after is None else {"delayed": after >= 0.5, "probability": after}
    same = output is not None and output["delayed"] == answered["delayed"]
    return record(number, route="shadow", model=SHADOW, sha256="b" * 64, output=output) | {
        "answered": {"model": "flight-delay-v1", "route": "stable", "output": answered},
        "outcome": outcome or ("same" if same else "other"),
        "difference": None if outcome or before is None or after is None else after - before,
        "said": None,
    } | changes  # fmt: skip


def traffic(
    rng: np.random.Generator, rows: int, *, more: float = 0.0, sha256: str = SHA
) -> Iterable[dict[str, Any]]:
    """`rows` records of an ordinary day; `more` is added to each distance."""
    for number in range(rows):
        inputs = {
            "distance": float(np.clip(rng.normal(1000, 200) + more, 0, 6000)),
            "hour": int(rng.integers(0, 24)),
            "carrier": CARRIERS[int(rng.integers(0, 3))],
            "weekend": bool(rng.random() < 2 / 7),
        }
        output = {"delayed": False, "probability": float(rng.beta(2, 6))}
        yield record(number, inputs=inputs, output=output, sha256=sha256)


def write(
    folder: Path, day: str, records: Iterable[Mapping[str, Any] | str], *, part: int = 1
) -> Path:
    """A day's file; a text is written as it stands."""
    path = folder / f"date={day}" / f"part-{part}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [one if isinstance(one, str) else json.dumps(one) + "\n" for one in records]
    path.write_text("".join(lines), encoding="utf-8")
    return path
