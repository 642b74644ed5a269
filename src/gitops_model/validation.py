"""Data against a JSON Schema: every problem at once, each with what, where and what is allowed.

The size of the data bounds the work, whatever is in it: no pairs are compared, and few problems are listed.
"""

from __future__ import annotations

import functools
import itertools
import json
import re
from collections import Counter
from collections.abc import Iterator
from importlib import resources
from typing import Any

from gitops_model import hints

Json = dict[str, Any]

MOST_PROBLEMS = 100
_NAMED = 20
_TYPE_WORDS = {
    "object": "a mapping",
    "array": "a list",
    "string": "a text",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "null": "null",
}


@functools.cache
def schema(kind: str) -> Json:
    """The JSON Schema of one file kind: contract, gates, params, serving, production, record, check, manifest."""
    text = (
        resources.files("gitops_model.formats.schemas").joinpath(f"{kind}.schema.json").read_text()
    )
    loaded: Json = json.loads(text)
    return loaded


@functools.cache
def _validator(kind: str, newer: bool) -> Any:
    rules = schema(kind)
    return validator_class()(_open(rules) if newer else rules)


def _open(rules: Any) -> Any:
    """The same rules, but for keys that they do not know."""
    if isinstance(rules, list):
        return [_open(rule) for rule in rules]
    if not isinstance(rules, dict):
        return rules
    return {
        key: _open(rule)
        for key, rule in rules.items()
        if not (key == "additionalProperties" and rule is False)
    }


@functools.cache
def validator_class() -> Any:
    """jsonschema's validator of draft 2020-12, made strict where it is lax and bounded where it is not."""
    # jsonschema takes a tenth of a second to import; commands that read no YAML do not pay for it.
    from jsonschema import Draft202012Validator, ValidationError
    from jsonschema.validators import extend

    def is_number(_checker: Any, value: Any) -> bool:
        # JSON Schema says nothing of NaN and infinity, which YAML can write (.nan, .inf) and no bound would catch.
        return (
            isinstance(value, (int, float))
            and not isinstance(value, bool)
            and abs(value) < float("inf")
        )

    def pattern(_validator: Any, wanted: str, value: Any, _schema: Json) -> Iterator[Any]:
        # `$` also matches before a final newline; "x-v1\n" is no id.
        if isinstance(value, str) and not re.fullmatch(wanted, value):
            yield ValidationError("does not match")

    def unique(_validator: Any, wanted: bool, value: Any, _schema: Json) -> Iterator[Any]:
        # jsonschema compares all pairs of what it cannot sort: minutes for a list of ten thousand mappings.
        if wanted and isinstance(value, list) and _repeated(value) is not None:
            yield ValidationError("not unique")

    def unless_too_many(keyword: str, most: str) -> Any:
        # One sentence says that there are too many; nobody reads what is wrong with each of them.
        plain = Draft202012Validator.VALIDATORS[keyword]

        def checked(validator: Any, wanted: Any, value: Any, rule: Json) -> Iterator[Any]:
            if not (isinstance(value, (list, dict)) and len(value) > rule.get(most, len(value))):
                yield from plain(validator, wanted, _named(value), rule)

        return checked

    types = Draft202012Validator.TYPE_CHECKER.redefine("number", is_number)
    rules = {
        "pattern": pattern,
        "uniqueItems": unique,
        "items": unless_too_many("items", "maxItems"),
        "propertyNames": unless_too_many("propertyNames", "maxProperties"),
        "additionalProperties": unless_too_many("additionalProperties", "maxProperties"),
        "patternProperties": unless_too_many("patternProperties", "maxProperties"),
    }
    return extend(Draft202012Validator, rules, type_checker=types)  # type: ignore[no-untyped-call]


def problems(data: Any, *, kind: str, name: str, newer: bool = False) -> list[str]:
    """What is wrong with `data` as a file of `kind`: one sentence each; `name` is what they call the file.

    `newer`: a later release of the library may have written it, so keys that this one does not know are passed over.
    """
    if newer and isinstance(data, dict):
        known, found_number = schema(kind)["properties"]["schema"]["const"], data.get("schema")
        if type(found_number) is int and found_number > known:
            return [
                f"{name}: schema is {found_number}, and this library reads {known}: a newer one wrote it. Run: make "
                "upgrade"
            ]
    errors = list(itertools.islice(_validator(kind, newer).iter_errors(data), MOST_PROBLEMS + 1))
    more = len(errors) > MOST_PROBLEMS
    ordered = sorted(
        _leaves(errors[:MOST_PROBLEMS]),
        key=lambda e: (list(map(str, e.absolute_path)), e.validator),
    )
    # jsonschema reports each absent key by itself, and one sentence names them all.
    found = list(dict.fromkeys(f"{name}: {_sentence(error)}" for error in ordered))
    return [*found, f"{name}: has more problems, not listed here."] if more else found


def _named(value: Any) -> Any:
    """`value`; of a mapping, whose keys YAML may write as numbers, dates or nothing, all keys as text."""
    if not isinstance(value, dict) or all(isinstance(key, str) for key in value):
        return value
    return {key if isinstance(key, str) else str(key): each for key, each in value.items()}


def _repeated(items: list[Any]) -> Any:
    """The first plain value that stands in `items` more than once; None when there is none."""
    # True equals 1 in Python and not in JSON.
    counts = Counter((type(item), item) for item in items if isinstance(item, (str, int, float)))
    return next((item for (_, item), count in counts.items() if count > 1), None)


def _leaves(errors: Any) -> Iterator[Any]:
    """Unfold `anyOf`/`oneOf` to the branch the author most likely meant, so that the message is about that branch."""
    for error in errors:
        plain = not isinstance(error.instance, (dict, list))
        if plain and "title" in error.schema:
            # Nothing tells which branch was meant, and the rule says in words what all of them allow.
            yield error
            continue
        if error.validator in ("anyOf", "oneOf") and error.context:
            branches: dict[int, list[Any]] = {}
            for child in error.context:
                branches.setdefault(child.relative_schema_path[0], []).append(child)
            deep = [
                b
                for b in branches.values()
                if all(len(e.absolute_path) > len(error.absolute_path) for e in b)
            ]
            # A key that is not allowed or absent still means the branch's overall shape (a mapping) was right.
            shaped = deep or [b for b in branches.values() if all(e.validator != "type" for e in b)]
            if len(shaped) >= 1:
                yield from _leaves(min(shaped, key=len))
                continue
        yield error


def _sentence(error: Any) -> str:
    where = _where(error.absolute_path)
    rule = error.schema
    if error.validator == "additionalProperties":
        known = list(rule.get("properties", {}))
        extra, more = hints.first_unknown(sorted(map(str, error.instance)), known)
        near = {key: hints.nearest(key, known) for key in extra}
        meant = "".join(
            f" Did you mean '{other}' for '{key}'?" for key, other in near.items() if other
        )
        keys = ", ".join(f"'{_cut(key)}'" for key in extra) + (
            f" and {more:,} more" if more else ""
        )
        return f"{where} has the unknown key {keys}; allowed: {', '.join(known)}.{meant}"
    if error.validator == "required":
        missing = [key for key in error.validator_value if key not in error.instance]
        keys = ", ".join(f"'{key}'" for key in missing)
        found = [_cut(str(key)) for key in itertools.islice(error.instance, _NAMED)]
        return f"{where} lacks {keys}; found: {', '.join(found) or 'nothing'}; add it."
    if error.validator in ("anyOf", "oneOf"):
        return f"{where} is {_show(error.instance)}; allowed: {_allowed(rule)}.{_example(rule)}"
    if error.validator == "uniqueItems":
        return f"{where} holds {_show(_repeated(error.instance))} more than once; allowed: each value once."
    if error.validator == "propertyNames" or "propertyNames" in error.schema_path:
        return f"{where} has the key {_show(error.instance)}; allowed as a key: {_allowed(rule)}."
    return f"{where} is {_show(error.instance)}; allowed: {_allowed(rule)}.{_example(rule)}"


def _where(path: Any) -> str:
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else (f".{_cut(part)}" if text else _cut(part))
    return text or "the file"


def _show(value: Any) -> str:
    if isinstance(value, str):
        return f"'{_cut(value)}'"
    if isinstance(value, dict):
        return "a mapping" if value else "an empty mapping"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    if value is None:
        return "empty"
    return str(value).lower() if isinstance(value, bool) else _cut(repr(value))


def _cut(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}..."


def _plain(bound: Any) -> str:
    return f"{bound:.0f}" if isinstance(bound, float) and bound.is_integer() else str(bound)


def _allowed(rule: Json) -> str:
    if "title" in rule:
        return str(rule["title"])
    if "const" in rule:
        return _show(rule["const"])
    if "enum" in rule:
        return "one of " + ", ".join("null" if v is None else str(v) for v in rule["enum"])
    if "anyOf" in rule or "oneOf" in rule:
        branches: list[Json] = rule.get("anyOf") or rule["oneOf"]
        return " or ".join(map(_allowed, branches))
    declared: Any = rule.get("type", "a value")
    kinds: list[str] = declared if isinstance(declared, list) else [declared]
    words = " or ".join(_TYPE_WORDS.get(kind, kind) for kind in kinds)
    bounds = [
        f"{word} {_plain(rule[key])}"
        for key, word in (
            ("exclusiveMinimum", "above"),
            ("minimum", "at least"),
            ("exclusiveMaximum", "below"),
            ("maximum", "at most"),
        )
        if key in rule
    ]
    for low, high, unit in (
        ("minItems", "maxItems", "entries"),
        ("minProperties", "maxProperties", "keys"),
        ("minLength", "maxLength", "characters"),
    ):
        if low in rule or high in rule:
            least, most = rule.get(low, 0), rule.get(high)
            bounds.append(f"of {least} to {most} {unit}" if most else f"of at least {least} {unit}")
    if "pattern" in rule:
        bounds.append(f"matching {rule['pattern']}")
    if "required" in rule and "object" in kinds:
        bounds.append("with " + ", ".join(rule["required"]))
    return " ".join([words, " and ".join(bounds)]).strip()


def _example(rule: Json) -> str:
    return f" Example: {rule['examples'][0]}" if rule.get("examples") else ""
