"""The version of each stage: what of this library takes part in it, as one hash, kept in stages.json.

DVC reads stages.json as parameters, so a new library runs a stage again only when that stage's own modules changed.
`0.3.0+1f2e3d4c5b6a` means: these modules, unchanged since release 0.3.0 of the library.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from importlib import resources
from pathlib import Path

from gitops_model.errors import BadInput

STAGES = ("prepare", "train", "evaluate", "package")
FILE = Path("stages.json")
PACKAGE = "gitops_model"
_RESOURCES = (".j2", ".css", ".json")
_VERSION = re.compile(r"\d+(\.\d+)*\+[0-9a-f]{12}")


def require_installed(stage: str) -> None:
    """Raises BadInput when stages.json names another version of this stage than the installed library has."""
    if (wanted := locked()[stage].partition("+")[2]) != (found := digest(stage)):
        raise BadInput(
            f"stages.json names {wanted} as the library's stage {stage}, but {found} is installed. Run: make setup   "
            "(it installs the wheel in vendor/ that belongs to stages.json)"
        )


def locked(path: Path = FILE) -> dict[str, str]:
    """The versions in stages.json, by stage. Raises BadInput when the file is not what `make wheel` wrote."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        versions = {stage: str(found[stage]) for stage in STAGES}
        good = all(_VERSION.fullmatch(version) for version in versions.values())
    except (OSError, ValueError, KeyError, TypeError):
        good = False
    if not good:
        raise BadInput(
            f"{path} is missing or is not the list of the library's stages. Restore it: git checkout -- {path}"
        )
    return versions


def versions(release: str, former: Mapping[str, str]) -> dict[str, str]:
    """What stages.json must say: a stage's `former` version where its modules are the same, else this release's."""
    found = {}
    for stage in STAGES:
        kept = former.get(stage, "")
        current = f"+{digest(stage)}"
        found[stage] = kept if kept.endswith(current) else f"{release}{current}"
    return found


def newest_release(versions: dict[str, str]) -> str:
    """The newest library release in which one of these stages changed: of 0.9.0+… and 0.10.0+… it is 0.10.0."""
    releases = [version.partition("+")[0] for version in versions.values()]
    return max(releases, key=lambda text: [int(part) for part in text.split(".")])


@functools.cache
def digest(stage: str) -> str:
    """Twelve hexadecimal digits: sha256 over the library's files that take part in this stage."""
    total = hashlib.sha256()
    for path in files(stage):
        content = (_root() / path).read_bytes()
        total.update(f"{path} {hashlib.sha256(content).hexdigest()}\n".encode())
    return total.hexdigest()[:12]


@functools.cache
def files(stage: str) -> tuple[str, ...]:
    """Files of the library that take part in this stage, relative to the package's folder; sorted."""
    return reached(ast.parse(f"import {PACKAGE}.pipeline.{stage}"))


def reached(tree: ast.AST) -> tuple[str, ...]:
    """Files of the library that a module imports or reads, and those that these do in turn; sorted.

    Read from the sources, so an import inside a function counts, too, and nothing has to be imported.
    """
    root = _root()
    found: set[str] = set()
    waiting = list(_imports(tree))
    while waiting:
        path = _file(root, waiting.pop())
        if path is None or path in found:
            continue
        found.add(path)
        inner = ast.parse((root / path).read_bytes())
        waiting.extend(_imports(inner))
        found.update(_resources(inner, root))
    return tuple(sorted(found))


def _root() -> Path:
    return Path(str(resources.files(PACKAGE)))


def _file(root: Path, module: str) -> str | None:
    parts = module.split(".")[1:]
    for path in (Path(*parts).with_suffix(".py") if parts else None, Path(*parts, "__init__.py")):
        if path is not None and (root / path).is_file():
            return path.as_posix()
    return None


def _imports(tree: ast.AST) -> Iterator[str]:
    """Modules of the library that `tree` imports when it runs, with the packages around them."""
    for node in _running(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        for name in names:
            parts = name.split(".")
            if parts[0] == PACKAGE:
                # A module brings the __init__ of each package around it.
                yield from (".".join(parts[:count]) for count in range(1, len(parts) + 1))
                yield from _public().get(name, ())


def _running(tree: ast.AST) -> Iterator[ast.AST]:
    """Every node but those that only type checkers read."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING":
            waiting.extend(node.orelse)
            continue
        yield node
        waiting.extend(ast.iter_child_nodes(node))


@functools.cache
def _public() -> dict[str, tuple[str, ...]]:
    """Where each public name comes from: `gitops_model.read_csv` from `gitops_model.pipeline.csv_files`.

    The package finds them by name when they are asked for; what it imports for type checkers says the same.
    """
    tree = ast.parse((_root() / "__init__.py").read_bytes())
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(PACKAGE):
            for alias in node.names:
                parts = f"{node.module}.{alias.name}".split(".")
                around = (".".join(parts[:count]) for count in range(1, len(parts) + 1))
                found[f"{PACKAGE}.{alias.asname or alias.name}"] = tuple(around)
    return found


def _resources(tree: ast.AST, root: Path) -> Iterator[str]:
    """Schemas that are asked for by kind, and templates and other files that are named in full."""
    for node in _running(tree):
        if isinstance(node, ast.Constant) and str(node.value).endswith(_RESOURCES):
            for path in sorted(root.rglob(Path(str(node.value)).name)):
                yield path.relative_to(root).as_posix()
        if isinstance(node, ast.Call):
            for given in [*node.args[1:2], *(k.value for k in node.keywords if k.arg == "kind")]:
                schema = f"formats/schemas/{getattr(given, 'value', '')}.schema.json"
                if isinstance(given, ast.Constant) and (root / schema).is_file():
                    yield schema
