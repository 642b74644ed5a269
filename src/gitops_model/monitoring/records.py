"""Reads the prediction log: a folder or an object store's address, JSON lines or Parquet, of any size, piece by piece.

A record that is broken is lost, counted and named; the others of its file are read. Nothing here knows what a shift is.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.json as pj
import pyarrow.parquet as pq
from pyarrow import fs

from gitops_model.errors import BadInput, ExternalFailure
from gitops_model.formats import log_files
from gitops_model.formats.contract import Contract
from gitops_model.monitoring import closing, kinds

BLOCK_BYTES = 4 << 20
# A line longer than this is no record.
LONGEST_LINE = 64 << 20
PARQUET_ROWS = 1 << 14
NAMED = 20
_DAY = re.compile(r"(?:^|/)date=(\d{4}-\d\d-\d\d)/[^/]+\.(jsonl|parquet)$")


@dataclass(frozen=True, kw_only=True)
class Part:
    """A file of the log: the day (UTC) its folder names, its path, its bytes."""

    day: date
    path: str
    size: int


@dataclass(frozen=True, kw_only=True)
class Piece:
    """Some records of one day. `table` has the columns of the shape it was read by.

    `wrong` counts, by input, values of another type than the contract's; they are null in the table.
    """

    day: date
    table: pa.Table
    wrong: Mapping[str, int] = field(default_factory=dict)


@dataclass(kw_only=True)
class Broken:
    """Records that could not be read: how many, and where the first ones are."""

    count: int = 0
    named: list[str] = field(default_factory=list)

    def add(self, where: str, *, records: int = 1) -> None:
        """Count one place."""
        self.count += records
        if len(self.named) < NAMED:
            self.named.append(where)


@dataclass(frozen=True, kw_only=True)
class Held:
    """Where a part's records lie now: a file, of which they are all, or the groups of one `part` of it."""

    path: str
    part: str | None = None


class Log:
    """The log at `place`, a folder or a URL such as s3://bucket/folder."""

    def __init__(self, place: str | Path) -> None:
        self._name = str(place)
        self._files, self._root = opened(place)

    def parts(self, *, first: date | None = None, last: date | None = None) -> list[Part]:
        """Its files of the days `first` to `last`, oldest first; none where there is no such folder."""
        selector = fs.FileSelector(self._root, allow_not_found=True, recursive=True)
        try:
            infos = self._files.get_file_info(selector)
        except OSError as error:
            raise ExternalFailure(f"the log at {self._name} cannot be listed: {error}") from error
        found = []
        counted = _counted([info.path for info in infos])
        for info in infos:
            match = _DAY.search(info.path)
            if info.type is not fs.FileType.File or match is None or info.path not in counted:
                continue
            try:
                day = date.fromisoformat(match[1])
            except ValueError:
                continue
            if (first is None or day >= first) and (last is None or day <= last):
                found.append(Part(day=day, path=info.path, size=info.size))
        return sorted(found, key=lambda part: (part.day, part.path))

    def read(self, part: Part, shape: pa.Schema, broken: Broken) -> Iterator[Piece]:
        """The records of one file; what cannot be read is added to `broken`."""
        name = part.path.removeprefix(self._root).lstrip("/")
        try:
            with self.stream(part) as (stream, held):
                if held.path.endswith(".parquet"):
                    yield from _parquet(stream, part.day, name, shape, broken, held.part)
                else:
                    yield from _lines(stream, part.day, name, shape, broken)
        except FileNotFoundError:
            # Retention deleted the day meanwhile.
            return
        except OSError as error:
            broken.add(f"{name}: {error}")

    @contextlib.contextmanager
    def stream(self, part: Part) -> Iterator[tuple[Any, Held]]:
        """The open file of a part, also where its day was closed since it was listed. Raises OSError."""
        held = Held(path=part.path)
        for _ in range(3):
            try:
                with self._files.open_input_file(held.path) as stream:
                    yield stream, held
                    return
            except FileNotFoundError:
                moved = self._moved(held)
                if moved is None:
                    raise
                held = moved
        raise FileNotFoundError(held.path)

    def _moved(self, held: Held) -> Held | None:
        folder, _, name = held.path.rpartition("/")
        selector = fs.FileSelector(folder, allow_not_found=True)
        names = [info.base_name for info in self._files.get_file_info(selector)]
        closing_now = log_files.closing_of(name)
        if closing_now is not None:
            ident, first = closing_now
            return Held(path=f"{folder}/{log_files.closed(ident)}", part=first)
        for one in names:
            found = log_files.closing_of(one)
            if found is not None and found[1] == name:
                return Held(path=f"{folder}/{one}")
        for one in names:
            path = f"{folder}/{one}"
            if one.startswith("closed-") and one.endswith(".parquet"):
                with self._files.open_input_file(path) as stream:
                    facts = closing.facts_of(pq.read_metadata(stream).metadata)
                if any(known.name == name for known in facts.parts):
                    return Held(path=path, part=name)
        return None


def _counted(paths: list[str]) -> set[str]:
    """Those of the listed files whose records do not lie in a Parquet file beside them."""
    folders: dict[str, set[str]] = {}
    for path in paths:
        folder, _, name = path.rpartition("/")
        folders.setdefault(folder, set()).add(name)
    return {
        f"{folder}/{name}" if folder else name
        for folder, names in folders.items()
        for name in names - log_files.superseded(names)
    }


def opened(place: str | Path) -> tuple[Any, str]:
    """The file system and the folder in it. Raises BadInput."""
    if "://" not in str(place):
        return fs.LocalFileSystem(), str(Path(place).resolve())
    try:
        found: tuple[Any, str] = fs.FileSystem.from_uri(str(place))
    except (OSError, ValueError) as error:
        raise BadInput(f"{place} is no place of a log: {error}") from None
    return found


def shape(contract: Contract) -> pa.Schema:
    """What is read of a record: the columns the monitor needs, by the contract's types."""
    kinds = {"category": pa.string(), "boolean": pa.bool_()}
    inputs = [(name, kinds.get(rule.type, pa.float64())) for name, rule in contract.inputs.items()]
    number = pa.float64()
    if contract.output.classes:
        classes = pa.struct([(name, number) for name in contract.output.classes])
        output = [("probabilities", classes)]
    else:
        output = [("probability" if contract.problem == "binary" else contract.output.name, number)]
    texts = [(name, pa.string()) for name in ("request_id", "sha256", "route")]
    row = ("row", pa.int64())
    return pa.schema([*texts, row, ("inputs", pa.struct(inputs)), ("output", pa.struct(output))])


def _parquet(
    stream: Any, day: date, name: str, shape: pa.Schema, broken: Broken, part: str | None
) -> Iterator[Piece]:
    try:
        # In order and in small pieces: memory stays flat, whatever the file.
        file = pq.ParquetFile(stream, buffer_size=1 << 16, pre_buffer=False)
        facts = closing.facts_of(file.metadata.metadata)
    except (pa.ArrowInvalid, OSError, ValueError) as error:
        broken.add(f"{name}: {str(error)[:100]}")
        return
    if facts.broken and part is None:
        broken.add(f"{name}: {facts.broken:,} lines, kept beside it", records=facts.broken)
    columns = [n for n in shape.names if n in file.schema_arrow.names]
    texts = facts.texts
    for group in closing.groups_of(facts, part, file.num_row_groups):
        try:
            for batch in file.iter_batches(
                PARQUET_ROWS, row_groups=[group], columns=columns, use_threads=False
            ):
                yield _shaped(batch, day, f"{name}: row group {group}", shape, texts, broken)
        except (pa.ArrowInvalid, OSError):
            rows = file.metadata.row_group(group).num_rows
            broken.add(f"{name}: row group {group}, {rows:,} rows", records=rows)


def _shaped(
    batch: pa.RecordBatch,
    day: date,
    name: str,
    shape: pa.Schema,
    texts: frozenset[str],
    broken: Broken,
) -> Piece:
    """The columns as `shape` has them; where they hold texts or other types, value by value, as with JSON lines."""
    wanted = [shape.field(column) for column in batch.schema.names]
    if all(_passes(one.type, batch.schema.field(one.name).type) for one in wanted) and not any(
        _asked(path, shape) for path in texts
    ):
        arrays = [
            kinds.conform(column, one.type)
            for column, one in zip(batch.columns, wanted, strict=True)
        ]
        return Piece(day=day, table=pa.Table.from_arrays(arrays, schema=pa.schema(wanted)))
    good: list[dict[str, Any]] = []
    wrong: Counter[str] = Counter()
    for record in kinds.records(batch, texts):
        found = _typed_record(record, shape, wrong)
        if found is None:
            broken.add(name)
        else:
            good.append(found)
    return Piece(day=day, table=pa.Table.from_pylist(good, schema=shape), wrong=dict(wrong))


def _asked(path: str, shape: pa.Schema) -> bool:
    """Whether anything at or below the dotted name is in the shape."""
    kind: Any = shape
    for name in path.split("."):
        if not isinstance(kind, (pa.Schema, pa.StructType)) or name not in (
            one.name for one in kind
        ):
            return False
        kind = kind.field(name).type
    return True


def _passes(wanted: pa.DataType, held: pa.DataType) -> bool:
    """Whether a column of type `held` is one of `wanted` as it is, or as other numbers."""
    if wanted == held or pa.types.is_null(held):
        return True
    if pa.types.is_struct(wanted) and pa.types.is_struct(held):
        known = {one.name: one.type for one in held}
        return all(one.name not in known or _passes(one.type, known[one.name]) for one in wanted)
    numbers = (pa.types.is_integer(held), pa.types.is_floating(held))
    return any(numbers) and (pa.types.is_floating(wanted) or pa.types.is_integer(wanted))


def _lines(stream: Any, day: date, name: str, shape: pa.Schema, broken: Broken) -> Iterator[Piece]:
    rest, line = b"", 1
    while block := stream.read(BLOCK_BYTES):
        cut = block.rfind(b"\n") + 1
        if cut == 0:
            rest += block
            if len(rest) > LONGEST_LINE:
                broken.add(f"{name}: line {line} is longer than {LONGEST_LINE >> 20} MB")
                return
            continue
        whole, rest = rest + block[:cut], block[cut:]
        yield _block(whole, day, name, line, shape, broken)
        line += whole.count(b"\n")
    if rest.strip():
        yield _block(rest, day, name, line, shape, broken)


def _block(data: bytes, day: date, name: str, line: int, shape: pa.Schema, broken: Broken) -> Piece:
    options = pj.ParseOptions(explicit_schema=shape, unexpected_field_behavior="ignore")
    try:
        table = pj.read_json(
            pa.BufferReader(data), pj.ReadOptions(block_size=len(data) + 1), options
        )
        if table.column("inputs").null_count == 0:
            return Piece(day=day, table=table)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        pass
    return _one_by_one(data, day, name, line, shape, broken)


def _one_by_one(
    data: bytes, day: date, name: str, line: int, shape: pa.Schema, broken: Broken
) -> Piece:
    """The same block where a line is broken or a value has another type: slower, and sure of each record."""
    good: list[dict[str, Any]] = []
    wrong: Counter[str] = Counter()
    for number, text in enumerate(data.split(b"\n"), start=line):
        if not text.strip():
            continue
        try:
            found = _typed_record(json.loads(text), shape, wrong)
        except (ValueError, RecursionError):
            found = None
        if found is None:
            broken.add(f"{name}: line {number}")
        else:
            good.append(found)
    return Piece(day=day, table=pa.Table.from_pylist(good, schema=shape), wrong=dict(wrong))


def _typed_record(record: Any, shape: pa.Schema, wrong: Counter[str]) -> dict[str, Any] | None:
    """What `shape` names of a record; None when it is none. `wrong` counts inputs of another type."""
    rest = pa.struct([one for one in shape if one.name not in ("inputs", "output")])
    try:
        inputs = _typed(record["inputs"], shape.field("inputs").type, wrong)
        output = _typed(record.get("output") or {}, shape.field("output").type, Counter())
        names = _typed(record, rest, Counter())
    except (LookupError, TypeError, AttributeError):
        return None
    row = names["row"]
    names["row"] = row if isinstance(row, int) and 0 <= row < 1 << 62 else 0
    return {**names, "inputs": inputs, "output": output}


def _typed(values: Mapping[str, Any], kind: pa.StructType, wrong: Counter[str]) -> dict[str, Any]:
    found = {}
    for field_ in kind:
        value = values.get(field_.name)
        if value is not None and not _fits(value, field_.type):
            wrong[field_.name] += 1
            value = None
        if isinstance(value, Mapping):
            value = _typed(value, field_.type, wrong)
        found[field_.name] = value
    return found


def _fits(value: object, kind: pa.DataType) -> bool:
    if pa.types.is_string(kind):
        return isinstance(value, str)
    if pa.types.is_boolean(kind):
        return isinstance(value, bool)
    if pa.types.is_struct(kind):
        return isinstance(value, Mapping)
    # An integer beyond float64 cannot be converted.
    return isinstance(value, float) or (
        isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1 << 1000
    )
