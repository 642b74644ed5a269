"""What is copied to a shadow, what is known of it, and what is written down of it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from gitops_model.formats.pointer import Ref
from gitops_model.runtime.compared import Compared, Spread, Tally
from gitops_model.serving.predictor import RowAnswer

DURATIONS = tuple(
    ms / 1000 for ms in (0.25, 0.5, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1000, 10_000)
)

Record = Mapping[str, Any]


class Copy(NamedTuple):
    """An answered request as log and shadow are told of it: the rows asked, who answered by which route, each answer.

    A row whose answer fell back has the route `fallback`, whatever `route` says.
    """

    epoch: float
    request_id: str
    key: str | None
    rows: Sequence[Mapping[str, Any]]
    ref: Ref
    route: str
    answers: Sequence[RowAnswer]
    seconds: float = 0.0


@dataclass
class Account:
    """What is known of one shadow, process or not: its state in a word and a sentence, and all counts.

    `dropped` are rows: the queue was full, no process was there, or it ended while they waited or were with it.
    """

    ref: Ref
    state: str = "loading"
    said: str | None = None
    ends: int = 0
    memory: int = 0
    pid: int | None = None
    requests: int = 0
    dropped: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(("queue", "down", "lost"), 0)
    )
    tally: Tally | None = None
    seconds: Spread = field(default_factory=lambda: Spread(DURATIONS))

    def to_dict(self) -> dict[str, Any]:
        """For /status."""
        p50, p95 = self.seconds.quantile(0.5), self.seconds.quantile(0.95)
        return {
            "model": self.ref.model,
            "sha256": self.ref.sha256,
            "state": self.state,
            "said": self.said,
            "pid": self.pid,
            "ends": self.ends,
            "memory_mb": round(self.memory / 2**20, 1),
            "requests": self.requests,
            "dropped_rows": dict(self.dropped),
            # Of validation and model alone, in a process that gives way to all others.
            "latency_ms": {
                "p50": None if p50 is None else p50 * 1000,
                "p95": None if p95 is None else p95 * 1000,
            },
            **(self.tally.to_dict() if self.tally else {}),
        }


def block(batch: Sequence[Copy]) -> bytes:
    # Row by row: encoding a large batch in one call would keep the interpreter from answering meanwhile.
    parts = []
    for copy in batch:
        rows = ",".join([json.dumps(row, separators=(",", ":")) for row in copy.rows])
        parts.append(f"[{rows}]\n".encode())
    return b"".join(parts) + b"\n"


@dataclass(frozen=True)
class Answers:
    """What the shadow said to one request: each row's output (None: it failed or was refused) and what was imputed."""

    seconds: float
    refused: bool
    said: str | None
    rows: Sequence[tuple[dict[str, Any] | None, list[str]]]

    @staticmethod
    def read(lines: Iterator[bytes], *, rows: int) -> Answers:
        """Take the lines of one request. Raises ValueError, TypeError or StopIteration when they are no answer."""
        seconds, word, said, count = json.loads(next(lines))
        found = [_row(next(lines)) for _ in range(count)]
        if word in ("refused", "failed"):
            found = [(None, [])] * rows
        elif len(found) != rows:
            raise ValueError("another number of rows")
        return Answers(float(seconds), word == "refused", said and str(said), found)


def _row(line: bytes) -> tuple[dict[str, Any] | None, list[str]]:
    output, imputed = json.loads(line)
    if output is not None and not isinstance(output, dict):
        raise ValueError("no output")
    return output, imputed


def record(
    ref: Ref,
    copy: Copy,
    number: int,
    output: Any,
    imputed: Any,
    compared: Compared,
    found: Answers,
) -> Record:
    """A line of the prediction log: `output` is the shadow's, `answered` what the caller got."""
    row = copy.answers[number]
    return {
        "request_id": copy.request_id,
        "row": number,
        "model": ref.model,
        "sha256": ref.sha256,
        "route": "shadow",
        "key": copy.key,
        "inputs": copy.rows[number],
        "imputed": imputed,
        "output": output,
        "latency_ms": round(found.seconds * 1000, 3),
        "answered": {
            "model": copy.ref.model,
            "sha256": copy.ref.sha256,
            "route": "fallback" if row.fell_back else copy.route,
            "output": row.output,
        },
        "outcome": compared.outcome,
        "difference": compared.difference,
        "said": found.said,
    }
