"""Reading the repository's YAML files: every problem of a file at once, each with what, where and what is allowed."""

from __future__ import annotations

import difflib
import functools
import json
import re
from collections.abc import Hashable, Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from gitops_model.errors import BadInput

Json = dict[str, Any]

DEEPEST = 100
_CONFLICT = re.compile(r"^<{7} ", re.MULTILINE)
_TYPE_WORDS = {
    "object": "a mapping",
    "array": "a list",
    "string": "a text",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "null": "null",
}


class _StrictLoader(yaml.SafeLoader):
    """SafeLoader that refuses a key written twice, which YAML would silently resolve to the last one."""


class _FastLoader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """The same on libyaml, ten times faster where PyYAML was built with it. Its errors say less."""


def _mapping(loader: Any, node: yaml.MappingNode) -> dict[Hashable, Any]:
    seen: set[Hashable] = set()
    for key_node, _ in node.value:
        key = loader.construct_object(key_node, deep=True)
        if isinstance(key, Hashable) and key in seen:
            raise yaml.constructor.ConstructorError(
                None, None, f"the key '{key}' stands twice", key_node.start_mark
            )
        seen.add(key)
    mapping: dict[Hashable, Any] = loader.construct_mapping(node, deep=True)
    return mapping


for _loader in (_StrictLoader, _FastLoader):
    _loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)
    # Dates stay text: a window such as 2013-01-31 is compared and written back as it stands in the file.
    _loader.yaml_implicit_resolvers = {
        first: [(tag, regex) for tag, regex in rules if tag != "tag:yaml.org,2002:timestamp"]
        for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


@functools.cache
def schema(kind: str) -> Json:
    """The JSON Schema of one file kind: contract, gates, params, serving, production, record, check, manifest."""
    text = (
        resources.files("gitops_model.formats.schemas").joinpath(f"{kind}.schema.json").read_text()
    )
    loaded: Json = json.loads(text)
    return loaded


def load(path: Path, kind: str) -> Json:
    """Read and validate one YAML file. Raises BadInput with all problems, or when the file cannot be read."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise BadInput(f"{path}: the file is missing. Restore it: git checkout -- {path}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path}: cannot be read as UTF-8 text ({error}).") from error
    return parse(text, kind=kind, name=str(path))


def parse(text: str, *, kind: str, name: str) -> Json:
    """Parse YAML `text` and validate it as `kind`; `name` is what messages call the file. Raises BadInput."""
    conflict = _CONFLICT.search(text)
    if conflict:
        line = text.count("\n", 0, conflict.start()) + 1
        raise BadInput(
            f"{name}: line {line} begins a merge conflict; choose a side and delete the markers."
        )
    if _deep(text):
        raise BadInput(f"{name}: has more than {DEEPEST} lists and mappings inside each other.")
    try:
        try:
            data = yaml.load(text, Loader=_FastLoader)  # noqa: S506  a SafeLoader by inheritance
        except yaml.YAMLError:
            data = yaml.load(text, Loader=_StrictLoader)  # noqa: S506  says what is wrong, and where
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f" line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise BadInput(f"{name}:{where} is not valid YAML: {error.problem}.") from None
    except yaml.YAMLError as error:
        raise BadInput(f"{name}: is not valid YAML: {error}.") from None
    except (ArithmeticError, AttributeError, LookupError, RecursionError, ValueError) as error:
        # PyYAML leaves a value that does not fit its tag (!!int abc), or is too long, to Python.
        raise BadInput(f"{name}: holds a value that cannot be read ({error}).") from None
    problems = list(_problems(data, kind, name))
    if problems:
        raise BadInput(problems)
    result: Json = data
    return result


def _deep(text: str) -> bool:
    """Whether nodes are nested deeper than DEEPEST: libyaml builds them by recursion without a bound, and crashes."""
    marks = max((line.count("-") + line.count("?") for line in text.splitlines()), default=0)
    if text.count("[") + text.count("{") + marks <= DEEPEST:
        return False
    depth = 0
    try:
        for event in yaml.parse(text, Loader=_FastLoader):
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            if depth > DEEPEST:
                return True
    except yaml.YAMLError:
        pass  # said by whoever reads it, which comes no deeper
    return False


def check(data: Any, *, kind: str, name: str) -> None:
    """Validate already parsed data (JSON or YAML) as `kind`. Raises BadInput with all problems."""
    problems = list(_problems(data, kind, name))
    if problems:
        raise BadInput(problems)


@functools.cache
def _validator(kind: str) -> Any:
    # jsonschema takes a tenth of a second to import; commands that read no YAML do not pay for it.
    from jsonschema import Draft202012Validator
    from jsonschema.validators import extend

    def is_number(_checker: Any, value: Any) -> bool:
        # JSON Schema says nothing of NaN and infinity, which YAML can write (.nan, .inf) and no bound would catch.
        return (
            isinstance(value, (int, float))
            and not isinstance(value, bool)
            and abs(value) < float("inf")
        )

    types = Draft202012Validator.TYPE_CHECKER.redefine("number", is_number)
    return extend(Draft202012Validator, type_checker=types)(schema(kind))  # type: ignore[no-untyped-call]


def _problems(data: Any, kind: str, name: str) -> Iterator[str]:
    errors = _leaves(_validator(kind).iter_errors(data))
    ordered = sorted(errors, key=lambda e: (list(map(str, e.absolute_path)), e.validator))
    # jsonschema reports each absent key by itself, and one sentence names them all.
    yield from dict.fromkeys(f"{name}: {_sentence(error)}" for error in ordered)


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
        extra = sorted(set(map(str, error.instance)) - set(known))
        near = {key: difflib.get_close_matches(key, known, n=1) for key in extra}
        hints = "".join(
            f" Did you mean '{match[0]}' for '{key}'?" for key, match in near.items() if match
        )
        keys = ", ".join(f"'{key}'" for key in extra)
        return f"{where} has the unknown key {keys}; allowed: {', '.join(known)}.{hints}"
    if error.validator == "required":
        missing = [key for key in error.validator_value if key not in error.instance]
        keys = ", ".join(f"'{key}'" for key in missing)
        return f"{where} lacks {keys}; found: {', '.join(map(str, error.instance)) or 'nothing'}; add it."
    if error.validator in ("anyOf", "oneOf"):
        return f"{where} is {_show(error.instance)}; allowed: {_allowed(rule)}.{_example(rule)}"
    if error.validator == "uniqueItems":
        twice = next(item for item in error.instance if error.instance.count(item) > 1)
        return f"{where} holds {_show(twice)} more than once; allowed: each value once."
    if error.validator == "propertyNames" or "propertyNames" in error.schema_path:
        return f"{where} has the key {_show(error.instance)}; allowed as a key: {_allowed(rule)}."
    return f"{where} is {_show(error.instance)}; allowed: {_allowed(rule)}.{_example(rule)}"


def _where(path: Any) -> str:
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else (f".{part}" if text else str(part))
    return text or "the file"


def _show(value: Any) -> str:
    if isinstance(value, str):
        return f"'{value}'" if len(value) <= 60 else f"'{value[:57]}...'"
    if isinstance(value, dict):
        return "a mapping" if value else "an empty mapping"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    if value is None:
        return "empty"
    return str(value).lower() if isinstance(value, bool) else repr(value)


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
