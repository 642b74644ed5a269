"""A day that is over becomes one Parquet file, and its JSON lines go. A crash between any two steps loses nothing.

1. Each part is renamed, so that its writer cannot reach it: what comes late begins a new part, for the next time.
2. The Parquet file is written beside them, flushed, and renamed. At this moment readers pass from the parts to it,
   for names alone say what counts (`formats.log_files`).
3. The parts are deleted. What was left undone is done by the next run.

Lines that are no records are kept as they are, in a file beside it. Memory stays flat: a day is read in pieces, and
once more from its beginning where a later piece does not fit the columns chosen before.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import reduce
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from gitops_model.errors import ExternalFailure, os_words
from gitops_model.files import write_atomic
from gitops_model.formats import log_files
from gitops_model.monitoring import kinds
from gitops_model.monitoring.kinds import Kind, Plan

# A service whose disk is slow may still write the last answers of a day.
GRACE = timedelta(minutes=10)
PIECE_ROWS = 1024
GROUP_ROWS = 1 << 16
LONGEST_LINE = 64 << 20
FACTS = b"gitops_model"


@dataclass(frozen=True, kw_only=True)
class Closed:
    """One Parquet file that was made: its day, records, lines that were none, and bytes before and after."""

    day: str
    rows: int
    broken: int
    parts: int
    before: int
    after: int


@dataclass(frozen=True, kw_only=True)
class _Part:
    """A part under its closing name: its first name, and how many of its bytes count."""

    path: Path
    name: str
    size: int


@dataclass(kw_only=True)
class _Broken:
    """Lines that are no records go to `stream`, as they are."""

    stream: BinaryIO
    count: int = 0

    def add(self, line: bytes) -> None:
        self.count += 1
        self.stream.write(line if line.endswith(b"\n") else line + b"\n")

    def clear(self) -> None:
        self.count = 0
        self.stream.seek(0)
        self.stream.truncate()


def close(folder: Path, *, now: datetime) -> Iterator[Closed]:
    """Close each day of the log in `folder` that is over. Nothing happens while another process does the same."""
    if not folder.is_dir():
        return
    try:
        with alone(folder) as mine:
            for path in over(folder, now=now) if mine else ():
                yield from close_day(path)
    except OSError as error:
        raise ExternalFailure(
            f"the log in {folder} cannot be closed: {os_words(error)}. Its JSON lines are as they were."
        ) from error


def over(folder: Path, *, now: datetime) -> Iterator[Path]:
    """The folders of the days that are over, oldest first."""
    for path in sorted(folder.iterdir()):
        day = log_files.day_of(path.name)
        if day is None or not path.is_dir():
            continue
        end = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1)
        if now >= end + GRACE:
            yield path


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[bool]:
    """Whether nobody else closes, moves or deletes days of the log in `folder` while the block lasts."""
    with (folder / log_files.LOCK).open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def close_day(folder: Path) -> Iterator[Closed]:
    """Close the day in `folder`, whose lock is held, and finish what an earlier run began."""
    names = {path.name for path in folder.iterdir()}
    for name in sorted(names):
        # Nobody else writes here, so these are a killed run's.
        if name.startswith(".closed-"):
            (folder / name).unlink()
    for name in sorted(log_files.superseded(names)):
        _remove(folder, name)
        names.remove(name)
    groups: dict[str, list[str]] = {}
    for name in sorted(names):
        if (held := log_files.closing_of(name)) is not None:
            groups.setdefault(held[0], []).append(held[1])
    fresh = sorted(n for n in names if n.endswith(".jsonl") and log_files.closing_of(n) is None)
    if fresh:
        # A part that was left half closed may have a namesake that came late.
        open_ids = [ident for ident, held in groups.items() if not set(held) & set(fresh)]
        ident = open_ids[0] if open_ids else uuid.uuid4().hex[:12]
        for name in fresh:
            _step("freeze")
            (folder / name).rename(folder / log_files.closing(ident, name))
        groups.setdefault(ident, []).extend(fresh)
    for ident, known in groups.items():
        yield _written(folder, ident, sorted(known))


def _step(_name: str) -> None:
    """Between two steps; tests end the process here."""


def _written(folder: Path, ident: str, names: list[str]) -> Closed:
    parts = []
    for name in names:
        path = folder / log_files.closing(ident, name)
        parts.append(_Part(path=path, name=name, size=path.stat().st_size))
    _step("write")
    temporary = folder / f".{log_files.closed(ident)}.tmp"
    aside = folder / f".{log_files.broken(ident)}.tmp"
    with aside.open("w+b") as stream:
        broken = _Broken(stream=stream)
        rows = _into_parquet(temporary, parts, broken)
    _step("broken")
    if broken.count:
        _flush(aside)
        aside.rename(folder / log_files.broken(ident))
    else:
        aside.unlink()
    _step("publish")
    _flush(temporary)
    after = temporary.stat().st_size
    temporary.rename(folder / log_files.closed(ident))
    _flush(folder)
    for part in parts:
        _step("delete")
        _remove(folder, part.path.name)
    return Closed(
        day=folder.name.removeprefix("date="),
        rows=rows,
        broken=broken.count,
        parts=len(parts),
        before=sum(part.size for part in parts),
        after=after,
    )


def _remove(folder: Path, name: str) -> None:
    """Delete a part that lies in Parquet. What its writer still added, because it had the file open, is kept."""
    held = log_files.closing_of(name)
    assert held is not None
    path = folder / name
    facts = facts_of(pq.read_metadata(folder / log_files.closed(held[0])).metadata)
    (known,) = (part for part in facts.parts if part.name == held[1])
    if path.stat().st_size > known.size:
        with path.open("rb") as stream:
            stream.seek(known.size)
            write_atomic(folder / f"late-{held[0]}-{held[1]}", stream.read())
    path.unlink()


@dataclass(frozen=True, kw_only=True)
class Within:
    """A part that lies in a closed file: its name, the bytes it had, and its row groups, the last one not included."""

    name: str
    size: int
    groups: range


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What a closed file says of itself. `broken` lines are kept beside it; `texts` are columns of JSON texts."""

    parts: tuple[Within, ...] = ()
    broken: int = 0
    texts: frozenset[str] = frozenset()


def facts_of(metadata: Mapping[bytes, bytes] | None) -> Facts:
    """What is written in a Parquet file's metadata; a file of somebody else says nothing. Raises ValueError."""
    text = (metadata or {}).get(FACTS)
    if text is None:
        return Facts()
    found = json.loads(text)
    return Facts(
        parts=tuple(
            Within(name=one["name"], size=one["bytes"], groups=range(*one["groups"]))
            for one in found["parts"]
        ),
        broken=found["broken"],
        texts=frozenset(found["texts"]),
    )


def groups_of(facts: Facts, part: str | None, groups: int) -> range:
    """The row groups of a closed file, or of one `part` of it. Raises ValueError where it has no such part."""
    if part is None:
        return range(groups)
    (found,) = (one for one in facts.parts if one.name == part)
    return found.groups


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _into_parquet(target: Path, parts: list[_Part], broken: _Broken) -> int:
    """Write the records of `parts` to `target`. Returns how many; what is none is added to `broken`."""
    first = next(_pieces(parts[0]), [])
    held = kinds.plan([_kind(first)])
    rows = _attempt(target, parts, held, broken, sure=False)
    if rows is None:
        # A later piece had other names or types: all are looked at, then written.
        every = (_kind(piece) for part in parts for piece in _pieces(part))
        held = kinds.plan([reduce(kinds.merged, every, Kind(fields={}))])
        rows = _attempt(target, parts, held, broken, sure=True)
    assert rows is not None
    return rows


def _kind(records: list[dict[str, Any]]) -> Kind:
    return kinds.of_records(records, exact=True)


def _attempt(
    target: Path, parts: list[_Part], held: Plan, broken: _Broken, *, sure: bool
) -> int | None:
    """None where a record does not fit `held`, unless it is `sure` that all do."""
    broken.clear()
    total, said, seen = 0, [], Kind(fields={})
    if not held.schema.names:
        # Not one record: the file still says which parts are done with.
        held = Plan(schema=pa.schema([("inputs", pa.null())]))
    with pq.ParquetWriter(target, held.schema, compression="zstd") as writer:
        group = 0
        for part in parts:
            begin, rows, waiting = group, 0, list[pa.Table]()
            for piece in _pieces(part, broken):
                if not sure:
                    seen = kinds.merged(seen, _kind(piece))
                    if not _fits(kinds.plan([seen]), held):
                        return None
                waiting.append(kinds.table(piece, held))
                rows += len(piece)
                if sum(one.num_rows for one in waiting) >= GROUP_ROWS:
                    group += _group(writer, waiting)
            group += _group(writer, waiting)
            said.append(
                {"name": part.name, "bytes": part.size, "rows": rows, "groups": [begin, group]}
            )
            total += rows
        facts = {
            "schema": 1,
            "parts": said,
            "broken": broken.count,
            "texts": sorted(held.texts),
        }
        writer.add_key_value_metadata({FACTS.decode(): json.dumps(facts)})
    return total


def _group(writer: pq.ParquetWriter, waiting: list[pa.Table]) -> int:
    """Write what waits as one row group. Returns how many groups that is."""
    if not waiting:
        return 0
    found = pa.concat_tables(waiting)
    waiting.clear()
    writer.write_table(found, row_group_size=found.num_rows)
    return 1


def _fits(needed: Plan, held: Plan) -> bool:
    """Whether `held` holds all that `needed` does: the same columns, or none where nothing was seen yet."""
    return _holds(pa.struct(list(held.schema)), pa.struct(list(needed.schema))) and (
        needed.texts <= held.texts
    )


def _holds(held: pa.DataType, needed: pa.DataType) -> bool:
    if held == needed or pa.types.is_null(needed):
        return True
    if pa.types.is_struct(held) and pa.types.is_struct(needed):
        known = {one.name: one.type for one in held}
        return all(one.name in known and _holds(known[one.name], one.type) for one in needed)
    if pa.types.is_list(held) and pa.types.is_list(needed):
        return _holds(held.value_type, needed.value_type)
    return False


def _pieces(part: _Part, broken: _Broken | None = None) -> Iterator[list[dict[str, Any]]]:
    """The records of a part, some at a time."""
    piece: list[dict[str, Any]] = []
    with part.path.open("rb") as stream:
        for line in lines(stream, part.size):
            record = record_of(line)
            if record is not None:
                piece.append(record)
            elif broken is not None and line.strip():
                broken.add(line)
            if len(piece) >= PIECE_ROWS:
                yield piece
                piece = []
    if piece:
        yield piece


def lines(stream: BinaryIO, size: int | None = None) -> Iterator[bytes]:
    """The lines of a part, or of its first `size` bytes. One that is too long comes in pieces, which are no records."""
    left = 1 << 62 if size is None else size
    while left > 0 and (line := stream.readline(min(left, LONGEST_LINE))):
        left -= len(line)
        yield line


def record_of(line: bytes) -> dict[str, Any] | None:
    """The record in a line: an object whose `inputs` is one. None for anything else, text that is no Unicode too."""
    try:
        record = json.loads(line.decode())
        if b"\\u" in line:
            json.dumps(record, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return None
    good = isinstance(record, dict) and isinstance(record.get("inputs"), dict)
    return record if good else None
