"""Reads the prediction log: a folder or an object store's address, JSON lines or Parquet, of any size, piece by piece.

A record that is broken is lost, counted and named; the others of its file are read. Nothing here knows what a shift is.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import pyarrow as pa
import pyarrow.json as pj

from gitops_model.formats.contract import Contract
from gitops_model.monitoring import closing, kinds, storage
from gitops_model.monitoring.parts import Part, Parts, parquet

BLOCK_BYTES = 4 << 20
# A line longer than this is no record.
LONGEST_LINE = 64 << 20
PARQUET_ROWS = 1 << 14
NAMED = 20


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


class Log(Parts):
    """The log, as records."""

    def read(self, part: Part, shape: pa.Schema, broken: Broken) -> Iterator[Piece]:
        """The records of one file; what cannot be read is added to `broken`. Raises ExternalFailure for a bucket."""
        try:
            with self.stream(part) as (stream, held):
                if held.path.endswith(".parquet"):
                    away = self.is_away(held)
                    yield from _parquet(stream, away, part.day, part.path, shape, broken, held.part)
                else:
                    yield from _lines(stream, part.day, part.path, shape, broken)
        except FileNotFoundError:
            # Retention deleted the day meanwhile.
            return
        except OSError as error:
            broken.add(f"{part.path}: {error}")


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
    stream: Any,
    away: bool,
    day: date,
    name: str,
    shape: pa.Schema,
    broken: Broken,
    part: str | None,
) -> Iterator[Piece]:
    try:
        file = parquet(stream, away)
        facts = closing.facts_of(file.metadata.metadata)
    except (pa.ArrowInvalid, OSError, ValueError) as error:
        if storage.is_away(error):
            raise
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
        except (pa.ArrowInvalid, OSError) as error:
            if storage.is_away(error):
                raise
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
