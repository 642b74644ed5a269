"""Reading YAML without trust: no aliases, no repeated keys, no deep nesting, no dates; then checked by its schema."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any

import yaml

from gitops_model.errors import BadInput
from gitops_model.validation import Json, problems

DEEPEST = 100
# What hostile text of this length costs is about a second.
MOST_CHARACTERS = 150_000
LONGEST_NUMBER = 60
# PyYAML's own reader says more about what is wrong, at ten times the time.
_EXPLAINED = 25_000
_MERGE = "tag:yaml.org,2002:merge"
_CONFLICT = re.compile(r"^<{7} ", re.MULTILINE)


class _StrictLoader(yaml.SafeLoader):
    """SafeLoader that refuses a key written twice, which YAML would silently resolve to the last one."""


class _FastLoader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """The same on libyaml, ten times faster where PyYAML was built with it. Its errors say less."""


def _mapping(loader: Any, node: yaml.MappingNode) -> dict[Hashable, Any]:
    seen: set[Hashable] = set()
    for key_node, _ in node.value:
        if key_node.tag == _MERGE:
            what = "'<<' merges mappings; write their keys out"
            raise yaml.constructor.ConstructorError(None, None, what, key_node.start_mark)
        key = loader.construct_object(key_node, deep=True)
        if not isinstance(key, Hashable):
            what = "a key is a list or a mapping; allowed: a text"
            raise yaml.constructor.ConstructorError(None, None, what, key_node.start_mark)
        if key in seen:
            raise yaml.constructor.ConstructorError(
                None, None, f"the key '{key}' stands twice", key_node.start_mark
            )
        seen.add(key)
    mapping: dict[Hashable, Any] = loader.construct_mapping(node, deep=True)
    return mapping


def _short(construct: Callable[[Any, yaml.ScalarNode], float]) -> Callable[..., float]:
    """Numbers in few characters only: 1:1:1:… is read in quadratic time, and Python will not write long ones down."""

    def constructed(loader: Any, node: yaml.ScalarNode) -> float:
        if len(node.value) > LONGEST_NUMBER:
            what = f"a number has {len(node.value):,} characters; allowed: {LONGEST_NUMBER}"
            raise yaml.constructor.ConstructorError(None, None, what, node.start_mark)
        return construct(loader, node)

    return constructed


for _loader in (_StrictLoader, _FastLoader):
    for _kind in ("int", "float"):
        _tag = f"tag:yaml.org,2002:{_kind}"
        _loader.add_constructor(_tag, _short(yaml.SafeLoader.yaml_constructors[_tag]))
    _loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)
    # Dates stay text: a window such as 2013-01-31 is compared and written back as it stands in the file.
    _loader.yaml_implicit_resolvers = {
        first: [(tag, regex) for tag, regex in rules if tag != "tag:yaml.org,2002:timestamp"]
        for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


def load(path: Path, kind: str) -> Json:
    """Read and validate one YAML file. Raises BadInput with all problems, or when the file cannot be read."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise BadInput(f"{path}: the file is missing. Restore it: git checkout -- {path}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path}: cannot be read as UTF-8 text ({error}).") from error
    return parse(text, kind=kind, name=str(path))


def parse(text: str, *, kind: str, name: str, newer: bool = False) -> Json:
    """Parse YAML `text` and validate it as `kind`; `name` is what messages call the file. Raises BadInput.

    `newer`: see `validation.problems`.
    """
    data: Json = read(text, name=name)
    check(data, kind=kind, name=name, newer=newer)
    return data


def read(text: str, *, name: str) -> Any:
    """Parse YAML `text` that no schema of ours describes. Raises BadInput."""
    conflict = _CONFLICT.search(text)
    if conflict:
        line = text.count("\n", 0, conflict.start()) + 1
        raise BadInput(
            f"{name}: line {line} begins a merge conflict; choose a side and delete the markers."
        )
    if len(text) > MOST_CHARACTERS:
        raise BadInput(f"{name}: has {len(text):,} characters; allowed: {MOST_CHARACTERS:,}.")
    hazard = _hazard(text)
    if hazard:
        raise BadInput(f"{name}: {hazard}")
    try:
        try:
            return yaml.load(text, Loader=_FastLoader)  # noqa: S506  a SafeLoader by inheritance
        except yaml.YAMLError:
            if len(text) > _EXPLAINED:
                raise
            return yaml.load(text, Loader=_StrictLoader)  # noqa: S506  says what is wrong, and where
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f" line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise BadInput(f"{name}:{where} is not valid YAML: {error.problem}.") from None
    except yaml.YAMLError as error:
        words = " ".join(str(error).split())
        raise BadInput(f"{name}: is not valid YAML: {words}.") from None
    except (
        ArithmeticError,
        AttributeError,
        LookupError,
        RecursionError,
        TypeError,
        ValueError,
    ) as error:
        # PyYAML leaves a value that does not fit its tag (!!int abc), or is too long, to Python.
        raise BadInput(f"{name}: holds a value that cannot be read ({error}).") from None


def _hazard(text: str) -> str | None:
    """What of `text` must not reach a loader, in words; None when nothing.

    libyaml builds nodes by recursion without a bound, and crashes. An alias stands for its anchor each time it is
    written, and for that anchor's aliases: 25 short lines can mean more values than memory holds.
    """
    marks = max((line.count("-") + line.count("?") for line in text.splitlines()), default=0)
    may_nest = text.count("[") + text.count("{") + marks > DEEPEST
    if not may_nest and not ("*" in text and "&" in text):
        return None
    depth = 0
    try:
        for event in yaml.parse(text, Loader=_FastLoader):
            if isinstance(event, yaml.AliasEvent):
                where = "" if event.start_mark is None else f"line {event.start_mark.line + 1} "
                return f"{where}repeats a value by the alias *{str(event.anchor)[:40]}; write the value out."
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            if depth > DEEPEST:
                return f"has more than {DEEPEST} lists and mappings inside each other."
    except yaml.YAMLError:
        pass  # said by whoever reads it, which comes no further
    return None


class _Dumper(yaml.SafeDumper):
    """Writes a value out wherever it stands, since aliases are not read."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def dump(data: Any, *, width: int = 100) -> str:
    """YAML text that `parse` reads back, keys in the order they have."""
    text: str = yaml.dump(
        data,
        Dumper=_Dumper,
        sort_keys=False,
        default_flow_style=False,
        width=width,
        allow_unicode=True,
    )
    return text


def check(data: Any, *, kind: str, name: str, newer: bool = False) -> None:
    """Validate already parsed data (JSON or YAML) as `kind`. Raises BadInput with all problems."""
    found = problems(data, kind=kind, name=name, newer=newer)
    if found:
        raise BadInput(found)
