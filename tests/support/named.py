"""What a text tells a person to open or to type: paths of a repository, targets of make, commands of the library."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

KINDS = r"ya?ml|py|md|json|jsonl|toml|lock|txt|in|tar|html|csv|skops|onnx|dvc"
PATH = re.compile(
    rf"(?<![\w./*<>{{}}=@$:-])(?:((?:[\w.-]+/)+(?:[\w.-]*\w)?)|(\w[\w-]*(?:\.[\w-]+)*\.(?:{KINDS})))(?!\w|[\w.-]*[*({{<\0/])"
)
ELSEWHERE = re.compile(r"https?://\S+|\buses: \S+|\bimage: \S+")
MAKE = re.compile(r"(?<![\w-])make ([a-z][a-z-]*)((?: [A-Z_]+=)?)")
COMMAND = re.compile(r"(?<![\w-])gitops-model ([a-z][a-z-]*\w)(?![\w-])")


@dataclass(frozen=True)
class Names:
    """What one text names: paths, pairs of a target and its first variable or "", and commands."""

    paths: frozenset[str]
    targets: frozenset[tuple[str, str]]
    commands: frozenset[str]


def names(text: str, *, folders: frozenset[str]) -> Names:
    """`folders`: the first parts that make a name with a slash one of the repository's."""
    found = (slashed or bare for slashed, bare in PATH.findall(ELSEWHERE.sub(" ", text)))
    return Names(
        frozenset(n.rstrip("/") for n in found if "/" not in n or n.split("/")[0] in folders),
        frozenset((target, variable.strip(" =")) for target, variable in MAKE.findall(text)),
        frozenset(COMMAND.findall(text)),
    )


def messages(source: Path) -> Iterator[str]:
    """Texts in a module, or a template, that may reach a person; what is filled in is a NUL.

    A text without a blank counts when it has a slash: a bare `check.json` is joined to a folder by the code.
    """
    if source.suffix != ".py":
        yield source.read_text(encoding="utf-8")
        return
    tree = ast.parse(source.read_text(encoding="utf-8"))
    apart: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr):  # a docstring, or nothing that runs
            apart.add(id(node.value))
        if isinstance(node, ast.JoinedStr):
            apart.update(id(part) for part in node.values)
    for node in ast.walk(tree):
        text = ""
        if isinstance(node, ast.JoinedStr):
            parts = (p.value if isinstance(p, ast.Constant) else "\0" for p in node.values)
            text = "".join(map(str, parts))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            text = "" if id(node) in apart else node.value
        if " " in text or "/" in text:
            yield text
