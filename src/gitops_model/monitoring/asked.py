"""The requests in the log, as they were asked: the rows of a batch together, in order, for a batch may be computed
otherwise than its rows alone. Streamed, so memory stays flat."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gitops_model.monitoring import closing, kinds
from gitops_model.monitoring.parts import Part, parquet
from gitops_model.monitoring.records import PARQUET_ROWS, Broken, Log
from gitops_model.monitoring.traffic import FALLBACK, NO_TRAFFIC, REPLAY_ID
from gitops_model.runtime.answers import GOLDEN_ID

Record = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Row:
    """One row: its inputs, and what was answered. `output` is the text of the record's output."""

    inputs: Record
    output: str
    imputed: list[str]
    fell_back: bool


@dataclass(frozen=True, kw_only=True)
class Request:
    """Rows that one release answered together. `whole`: all rows of the request are here."""

    model: str
    sha256: str
    request_id: str
    first: int
    rows: tuple[Row, ...]
    whole: bool


def records(log: Log, part: Part, broken: Broken) -> Iterator[Record]:
    """The records of a part, in order, whether it holds JSON lines or was closed. Raises OSError."""
    with log.stream(part) as (stream, held):
        if not held.path.endswith(".parquet"):
            for number, line in enumerate(closing.lines(io.BufferedReader(stream, 1 << 20)), 1):
                record = closing.record_of(line)
                if record is not None:
                    yield record
                elif line.strip():
                    broken.add(f"{part.path.rpartition('/')[2]}: line {number}")
            return
        file = parquet(stream, log.is_away(held))
        facts = closing.facts_of(file.metadata.metadata)
        if facts.broken and held.part is None:
            broken.add(f"{part.path.rpartition('/')[2]}", records=facts.broken)
        texts = facts.texts
        for group in closing.groups_of(facts, held.part, file.num_row_groups):
            for batch in file.iter_batches(PARQUET_ROWS, row_groups=[group], use_threads=False):
                yield from kinds.records(batch, texts)


def is_apart(record: Record) -> bool:
    """Whether nobody waited for this answer: a shadow's, or one of a test."""
    name = str(record.get("request_id"))
    return record.get("route") in NO_TRAFFIC or name.startswith((GOLDEN_ID, REPLAY_ID))


def requests(found: Iterable[Record]) -> Iterator[Request]:
    """Records of one part as requests. A service writes the rows of a request one after the other."""
    held: list[Record] = []
    for record in found:
        if held and not _follows(held[-1], record):
            yield _request(held)
            held = []
        held.append(record)
    if held:
        yield _request(held)


def _follows(former: Record, record: Record) -> bool:
    same = all(former.get(n) == record.get(n) for n in ("request_id", "sha256", "time", "rows"))
    # After a row that was lost the request goes on; at the same or an earlier row another one begins.
    return same and _place(record) > _place(former)


def _place(record: Record) -> int:
    row = record.get("row")
    return row if isinstance(row, int) else 0


def _request(held: list[Record]) -> Request:
    places = [_place(record) for record in held]
    # Logs of earlier versions do not say how many rows there were; then a gap alone shows.
    rows = held[0].get("rows") or len(held)
    return Request(
        model=str(held[0].get("model")),
        sha256=str(held[0].get("sha256")),
        request_id=str(held[0].get("request_id")),
        first=places[0],
        rows=tuple(_row(record) for record in held),
        whole=places == list(range(rows)),
    )


def _row(record: Record) -> Row:
    return Row(
        # Null means the same as a name that is left out, and Parquet cannot tell them apart.
        inputs={name: value for name, value in record["inputs"].items() if value is not None},
        output=kinds.dumps(record.get("output")),
        imputed=list(record.get("imputed") or ()),
        fell_back=record.get("route") == FALLBACK,
    )
