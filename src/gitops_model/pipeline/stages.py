"""The version of each stage: what of this library takes part in it, as one hash, kept in stages.json.

DVC reads stages.json as parameters, so a new library runs a stage again only when that stage's own modules changed.
`0.3.0+1f2e3d4c5b6a` means: these modules, unchanged since release 0.3.0 of the library.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import json
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

from gitops_model.errors import BadInput

STAGES = ("prepare", "train", "evaluate", "package")
FILE = Path("stages.json")
PACKAGE = "gitops_model"
_RESOURCES = (".j2", ".css", ".json")


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
    except (OSError, ValueError, KeyError, TypeError):
        raise BadInput(
            f"{path} is missing or is not the list of the library's stages. Restore it: git checkout -- {path}"
        ) from None
    return versions


def newest_release(versions: dict[str, str]) -> str:
    """The newest library release in which one of these stages changed: of 0.9.0+… and 0.10.0+… it is 0.10.0."""
    releases = [version.partition("+")[0] for version in versions.values()]
    return max(releases, key=lambda text: [int(part) for part in text.split(".")])


@functools.cache
def digest(stage: str) -> str:
    """Twelve hexadecimal digits: sha256 over the library's files that take part in this stage."""
    root = Path(str(resources.files(PACKAGE)))
    total = hashlib.sha256()
    for path in files(root, f"{PACKAGE}.pipeline.{stage}"):
        content = (root / path).read_bytes()
        total.update(f"{path} {hashlib.sha256(content).hexdigest()}\n".encode())
    return total.hexdigest()[:12]


def files(root: Path, module: str) -> list[str]:
    """Files below `root`, the package's folder, that `module` imports or reads, itself included; sorted.

    Read from the sources, so an import inside a function counts, too, and nothing has to be imported.
    """
    found: set[str] = set()
    waiting = [module]
    while waiting:
        path = _file(root, waiting.pop())
        if path is None or path in found:
            continue
        found.add(path)
        tree = ast.parse((root / path).read_bytes())
        waiting.extend(_imports(tree))
        found.update(_resources(tree, root))
    return sorted(found)


def _file(root: Path, module: str) -> str | None:
    parts = module.split(".")[1:]
    for path in (Path(*parts).with_suffix(".py") if parts else None, Path(*parts, "__init__.py")):
        if path is not None and (root / path).is_file():
            return path.as_posix()
    return None


def _imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
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


def _resources(tree: ast.AST, root: Path) -> Iterator[str]:
    """Schemas that are asked for by kind, and templates and other files that are named in full."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and str(node.value).endswith(_RESOURCES):
            for path in sorted(root.rglob(Path(str(node.value)).name)):
                yield path.relative_to(root).as_posix()
        if isinstance(node, ast.Call):
            for given in [*node.args[1:2], *(k.value for k in node.keywords if k.arg == "kind")]:
                schema = f"formats/schemas/{getattr(given, 'value', '')}.schema.json"
                if isinstance(given, ast.Constant) and (root / schema).is_file():
                    yield schema
