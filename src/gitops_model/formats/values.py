"""Frozen dataclasses to JSON data and back: a field has the name of its key."""

from __future__ import annotations

import dataclasses
import functools
import types
import typing
from enum import StrEnum
from typing import Any, TypeVar

from gitops_model.errors import BadInput

T = TypeVar("T")


def to_json(value: Any) -> Any:
    """What a JSON parser would give back: mappings, lists, plain values."""
    if dataclasses.is_dataclass(value):
        return {f.name: to_json(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, (list, tuple)):
        return [to_json(item) for item in value]
    return value.value if isinstance(value, StrEnum) else value


def from_json(kind: type[T], data: dict[str, Any]) -> T:
    """The dataclass `kind` from data that obeys its schema; a key that is absent leaves the field's default.

    Fields may be dataclasses, tuples of one type, enums, plain values, and any of these or None.
    """
    hints = _hints(typing.cast(Any, kind))
    return kind(**{name: _value(hints[name], data[name]) for name in hints if name in data})


@functools.cache
def _hints(kind: Any) -> dict[str, Any]:
    hints = typing.get_type_hints(kind)
    return {f.name: hints[f.name] for f in dataclasses.fields(kind) if f.init}


def _value(hint: Any, value: Any) -> Any:
    if value is None:
        return None
    if typing.get_origin(hint) is types.UnionType:
        hint = next(arm for arm in typing.get_args(hint) if arm is not types.NoneType)
    if typing.get_origin(hint) is tuple:
        inner = typing.get_args(hint)[0]
        return tuple(_value(inner, item) for item in value)
    if dataclasses.is_dataclass(hint):
        return from_json(typing.cast(type, hint), value)
    return hint(value) if isinstance(hint, type) and issubclass(hint, StrEnum) else value


def require_bounds(data: object, *, name: str, keys: int, levels: int) -> None:
    """Raises BadInput for a mapping of more than `keys` keys, or more than `levels` lists and mappings in each other.

    For data of strangers, before a schema names what is wrong one by one.
    """
    level = [data]
    for _ in range(levels):
        for value in level:
            if isinstance(value, dict) and len(value) > keys:
                raise BadInput(
                    f"{name}: a mapping in it has {len(value):,} keys; none has more than {keys}."
                )
        level = [
            inner
            for value in level
            if isinstance(value, (dict, list))
            for inner in (value.values() if isinstance(value, dict) else value)
        ]
        if not level:
            return
    raise BadInput(f"{name}: has more than {levels} lists and mappings inside each other.")
