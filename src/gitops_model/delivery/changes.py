"""Which changed files matter: what can change the model, what moves the pointer, what neither does. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

Kind = Literal["model", "pointer", "nothing"]

POINTER = "production.yaml"
MODEL_FILES = frozenset(
    {
        "contract.yaml",
        "dvc.lock",
        "dvc.yaml",
        "params.yaml",
        "requirements.lock",
        "requirements-serving.lock",
        ".dvc/config",
    }
)
MAKEFILES = frozenset({"GNUmakefile", "Makefile", "makefile"})
MODEL_FOLDERS = ("ci_scripts/", "data/", "modelops/", "pipeline/")


def reaches_model(path: str) -> bool:
    """Whether a change of this file can change the model, or the code that builds and measures it."""
    return path in MODEL_FILES or path.startswith(MODEL_FOLDERS)


def measures(path: str) -> bool:
    """Whether this file can change how `check` measures and judges: its code, and what is imported or run instead.

    Python looks into the repository's own folder first: a yaml.py there is imported in place of the library.
    """
    if path.startswith((".github/", ".venv/", "ci_scripts/", "modelops/")):
        return True
    if path.startswith(("pipeline/", "tests/")):
        return False
    installed = path == "requirements.lock" or path.startswith("requirements-remote-")
    return installed or path in MAKEFILES or path.endswith((".py", ".pyc", ".so"))


def kind(paths: Iterable[str]) -> Kind:
    """What a pull request that changes `paths` asks for. The pointer wins: it is judged by rules of its own."""
    listed = list(paths)
    if POINTER in listed:
        return "pointer"
    return "model" if any(map(reaches_model, listed)) else "nothing"
