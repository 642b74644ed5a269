"""Which column can hold values of JSON without losing any of them, decided by the values themselves.

A day may hold the answers of several contracts. Their names are joined; where one name has values of different types,
its column holds each value as JSON text. A whole number beside others with a fraction becomes a float, if that is
exactly the same number. What is `exact` is stricter: the very text of the JSON can be made again.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from itertools import chain
from operator import itemgetter
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

# Beyond it a float may be another number than the whole one.
EXACT_INT, LARGEST_INT = 1 << 53, (1 << 63) - 1
MOST_FIELDS, DEEPEST = 2000, 8
TIME = pa.timestamp("ms", tz="UTC")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
_PLAIN = {
    frozenset({"bool"}): pa.bool_(),
    frozenset({"str"}): pa.string(),
    frozenset({"time"}): TIME,
    frozenset({"time", "str"}): pa.string(),
    frozenset({"int"}): pa.int64(),
    frozenset({"long"}): pa.int64(),
    frozenset({"int", "long"}): pa.int64(),
    frozenset({"float"}): pa.float64(),
}
_ARROW = {
    "bool": pa.types.is_boolean,
    "float": pa.types.is_floating,
    "time": pa.types.is_timestamp,
    "str": lambda kind: pa.types.is_string(kind) or pa.types.is_large_string(kind),
}
USUAL = {"key": pa.string(), "imputed": pa.list_(pa.string())}
_NUMBER = frozenset({"int", "float"})


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What was seen at one place. `orders` are the sequences of names of exact objects; `text`: only text can hold it.

    `scalars` are of bool, str, time, float, and int (exact as a float), long (64 bits) and huge.
    """

    scalars: frozenset[str] = frozenset()
    fields: Mapping[str, Kind] | None = None
    items: Kind | None = None
    orders: frozenset[tuple[str, ...]] = frozenset()
    exact: bool = False
    text: bool = False


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The schema, and the dotted names of the columns that hold JSON text."""

    schema: pa.Schema
    texts: frozenset[str] = field(default_factory=frozenset)


def of(values: Sequence[Any], *, exact: bool = False, depth: int = 0) -> Kind:
    """The kind of values of JSON, None where there is none."""
    types = set(map(type, values)) - {type(None)}
    scalars: set[str] = set()
    fields = items = None
    orders: frozenset[tuple[str, ...]] = frozenset()
    if not types <= {bool, int, float, str, dict, list} or depth > DEEPEST:
        return Kind(exact=exact, text=True)
    if bool in types:
        scalars.add("bool")
    if float in types:
        scalars.add("float")
    if str in types:
        scalars.add("str")
    if int in types:
        scalars |= _sizes([value for value in values if type(value) is int])
    if dict in types:
        held = [value for value in values if type(value) is dict]
        seen = set(map(tuple, held))
        names = list(dict.fromkeys(chain.from_iterable(sorted(seen))))
        if len(names) > MOST_FIELDS or (exact and any(None in one.values() for one in held)):
            return Kind(exact=exact, text=True)
        if len(seen) == 1:
            names = list(next(iter(seen)))
        fields = {
            name: of(inner, exact=exact, depth=depth + 1)
            for name, inner in zip(names, _fields(held, names), strict=True)
        }
        orders = frozenset(seen) if exact else orders
    if list in types:
        inner = list(chain.from_iterable(value for value in values if type(value) is list))
        items = of(inner, exact=exact, depth=depth + 1)
    known = frozenset(scalars)
    return Kind(scalars=known, fields=fields, items=items, orders=orders, exact=exact)


def _fields(values: Sequence[Any], names: Sequence[str]) -> list[Sequence[Any]]:
    """The values of each of `names` in objects that may lack some, None where there is no object."""
    if len(names) > 1 and values:
        # Object by object, as they lie in memory: several times as fast as name by name.
        with contextlib.suppress(KeyError, TypeError):
            return list(zip(*map(itemgetter(*names), values), strict=True))
    return [[None if one is None else one.get(name) for one in values] for name in names]


def _sizes(values: Sequence[int]) -> set[str]:
    least, most = min(values), max(values)
    largest = max(-least, most)
    if largest > LARGEST_INT:
        return {"huge"}
    return {"int"} if largest <= EXACT_INT else {"long"}


def of_records(records: Sequence[Mapping[str, Any]], *, exact: bool) -> Kind:
    """The kind of whole records. Their `output` can be written again letter by letter where `exact`."""
    names = dict.fromkeys(chain.from_iterable(dict.fromkeys(map(tuple, records))))
    fields = {}
    for name, values in zip(names, _fields(records, list(names)), strict=True):
        fields[name] = of(values, exact=exact and name == "output", depth=1)
        if name == "time" and _are_times(values):
            fields[name] = Kind(scalars=frozenset({"time"}))
    return Kind(fields=fields)


def _are_times(values: Sequence[Any]) -> bool:
    if not all(type(value) is str and _TIME.fullmatch(value) for value in values):
        return False
    try:
        pa.array(values, pa.string()).cast(TIME)
    except pa.ArrowInvalid:
        return False
    return True


def merged(one: Kind, other: Kind) -> Kind:
    """Both."""
    fields, items = one.fields, one.items
    if fields is None or other.fields is None:
        fields = other.fields if fields is None else fields
    else:
        known = other.fields
        fields = {
            name: merged(fields[name], known[name])
            if name in fields and name in known
            else (fields.get(name) or known[name])
            for name in {**fields, **known}
        }
    if items is None or other.items is None:
        items = other.items if items is None else items
    else:
        items = merged(items, other.items)
    return Kind(
        scalars=one.scalars | other.scalars,
        fields=fields,
        items=items,
        orders=one.orders | other.orders,
        exact=one.exact or other.exact,
        text=one.text or other.text,
    )


def plan(kinds: Iterable[Kind]) -> Plan:
    """The narrowest schema that holds records of all `kinds`."""
    whole = reduce(merged, kinds, Kind(fields={}))
    texts: set[str] = set()
    columns = []
    for name, kind in (whole.fields or {}).items():
        found = _type(kind, name, texts)
        # A day without a single key has the column of other days all the same, for those who join them by SQL.
        unknown = found in (pa.null(), pa.list_(pa.null()))
        columns.append((name, USUAL.get(name, found) if unknown else found))
    return Plan(schema=pa.schema(columns), texts=frozenset(texts))


def _type(kind: Kind, path: str, texts: set[str]) -> pa.DataType:
    forms = bool(kind.scalars) + (kind.fields is not None) + (kind.items is not None)
    if not kind.text and forms == 0:
        return pa.null()
    if not kind.text and forms == 1:
        if kind.scalars:
            found = _PLAIN.get(kind.scalars)
            if found is None and kind.scalars == _NUMBER and not kind.exact:
                found = pa.float64()
            if found is not None:
                return found
        elif kind.items is not None:
            inside: set[str] = set()
            item = _type(kind.items, path, inside)
            if not inside:
                return pa.list_(item)
        elif kind.fields and all(_within(order, list(kind.fields)) for order in kind.orders):
            return pa.struct(
                [(name, _type(one, f"{path}.{name}", texts)) for name, one in kind.fields.items()]
            )
    texts.add(path)
    return pa.string()


def _within(order: Sequence[str], names: Sequence[str]) -> bool:
    """Whether dropping some of `names` leaves `order`."""
    rest = iter(names)
    return bool(order) and all(name in rest for name in order)


def table(records: Sequence[Mapping[str, Any]], held: Plan) -> pa.Table:
    """Records as columns of `held`, which must hold their kind."""
    inner = _fields(records, held.schema.names)
    columns = [
        column(values, one.type, one.name, held.texts)
        for one, values in zip(held.schema, inner, strict=True)
    ]
    return pa.Table.from_arrays(columns, schema=held.schema)


def column(values: Sequence[Any], kind: pa.DataType, path: str, texts: frozenset[str]) -> pa.Array:
    """Values of JSON as one column."""
    if path in texts:
        return pa.array([None if v is None else dumps(v) for v in values], pa.string())
    if pa.types.is_struct(kind):
        inner = _fields(values, [one.name for one in kind])
        children = [
            column(held, one.type, f"{path}.{one.name}", texts)
            for one, held in zip(kind, inner, strict=True)
        ]
        missing = pa.array([v is None for v in values], pa.bool_())
        return pa.StructArray.from_arrays(children, fields=list(kind), mask=missing)
    if kind == TIME:
        return pa.array(values, pa.string()).cast(TIME)
    return pa.array(values, kind)


def dumps(value: Any) -> str:
    """JSON as the service writes it."""
    return json.dumps(value, separators=(",", ":"), default=str)


def records(found: pa.Table | pa.RecordBatch, texts: frozenset[str]) -> list[dict[str, Any]]:
    """The records again. A name without a value is left out, which means the same as null."""
    places = [place for place, one in enumerate(found.schema) if one.type == TIME]
    for place in places:
        found = found.set_column(
            place,
            found.schema.field(place).name,
            _as_text(found.column(place)),
        )
    return [_without_nulls(row, "", texts) for row in found.to_pylist()]


def _without_nulls(value: Mapping[str, Any], path: str, texts: frozenset[str]) -> dict[str, Any]:
    found = {}
    for name, one in value.items():
        if one is None:
            continue
        where = f"{path}{name}"
        if where in texts:
            found[name] = json.loads(one)
        else:
            found[name] = _without_nulls(one, f"{where}.", texts) if isinstance(one, dict) else one
    return found


def of_table(found: pa.Table, texts: frozenset[str]) -> Kind:
    """What a table holds whose columns `texts` are JSON texts, for joining it with others."""
    return Kind(
        fields={
            name: _of_array(found.column(name).combine_chunks(), name, texts)
            for name in found.column_names
        }
    )


def _of_array(array: pa.Array, path: str, texts: frozenset[str]) -> Kind:
    kind = array.type
    if path in texts:
        return Kind(text=True)
    if pa.types.is_struct(kind):
        held = zip((one.name for one in kind), array.flatten(), strict=True)
        return Kind(
            fields={name: _of_array(inner, f"{path}.{name}", texts) for name, inner in held}
        )
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return Kind(items=_of_array(array.flatten(), path, frozenset()))
    if pa.types.is_null(kind):
        return Kind()
    if pa.types.is_integer(kind):
        ends = pc.min_max(array).as_py()
        known = [end for end in ends.values() if end is not None]
        return Kind(scalars=frozenset(_sizes(known) if known else {"int"}))
    for scalar, holds in _ARROW.items():
        if holds(kind):
            return Kind(scalars=frozenset({scalar}))
    return Kind(text=True)


def conformed(found: pa.Table, schema: pa.Schema) -> pa.Table:
    """The table with the columns of `schema`, which holds it and has no texts of JSON."""
    names = found.column_names
    columns = [
        conform(found.column(one.name).combine_chunks(), one.type)
        if one.name in names
        else pa.nulls(found.num_rows, one.type)
        for one in schema
    ]
    return pa.Table.from_arrays(columns, schema=schema)


def conform(array: pa.Array, kind: pa.DataType) -> pa.Array:
    """A column as one of `kind`, which holds it; of an object the fields that `kind` has."""
    if array.type == kind:
        return array
    if pa.types.is_null(array.type):
        return pa.nulls(len(array), kind)
    if pa.types.is_struct(kind):
        held = dict(zip((one.name for one in array.type), array.flatten(), strict=True))
        children = [
            conform(held[one.name], one.type)
            if one.name in held
            else pa.nulls(len(array), one.type)
            for one in kind
        ]
        return pa.StructArray.from_arrays(children, fields=list(kind), mask=array.is_null())
    if pa.types.is_timestamp(array.type) and pa.types.is_string(kind):
        return _as_text(array.cast(TIME))
    return array.cast(kind, safe=False)


def _as_text(times: pa.Array) -> pa.Array:
    """Times as the service writes them."""
    return pc.replace_substring(times.cast(pa.string()), " ", "T", max_replacements=1)
