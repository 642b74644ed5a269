"""Which changed files matter: what can change the model, what moves the pointer, what neither does. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

Kind = Literal["model", "pointer", "nothing"]

POINTER = "production.yaml"
# What the bundle is built from.
MODEL_FILES = frozenset(
    {
        ".dvc/config",
        "contract.yaml",
        "dvc.lock",
        "dvc.yaml",
        "library.lock",
        "params.yaml",
        "requirements-serving.txt",
        "requirements.txt",
        "stages.json",
    }
)
MODEL_FOLDERS = ("data/", "pipeline/")
# What decides which code measures and judges on the pull request's side: the library, what is installed beside it,
# and what starts it.
TOOL_FILES = frozenset(
    {"GNUmakefile", "Makefile", "library.lock", "makefile", "pyproject.toml", "stages.json"}
)
TOOL_FOLDERS = (".github/", ".venv/", "vendor/")
TEAM_FOLDERS = ("pipeline/", "tests/")


def reaches_model(path: str) -> bool:
    """Whether a change of this file can change the model."""
    return path in MODEL_FILES or path.startswith(MODEL_FOLDERS)


def measures(path: str) -> bool:
    """Whether this file can change the code by which `check` measures and judges, or what runs in its place."""
    if path in TOOL_FILES or path.startswith(TOOL_FOLDERS):
        return True
    if path.startswith("requirements") and path.endswith((".in", ".txt")):
        return "/" not in path
    # Loaded by an interpreter that looks into the repository's own folder.
    return path.endswith((".py", ".pyc", ".so")) and not path.startswith(TEAM_FOLDERS)


def kind(paths: Iterable[str]) -> Kind:
    """What a pull request that changes `paths` asks for. The pointer wins: it is judged by rules of its own."""
    listed = list(paths)
    if POINTER in listed:
        return "pointer"
    return "model" if any(map(reaches_model, listed)) else "nothing"
