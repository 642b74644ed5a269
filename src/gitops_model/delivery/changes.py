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


def reaches_model(path: str) -> bool:
    """Whether a change of this file can change the model."""
    return path in MODEL_FILES or path.startswith(MODEL_FOLDERS)


def kind(paths: Iterable[str]) -> Kind:
    """What a pull request that changes `paths` asks for. The pointer wins: it is judged by rules of its own."""
    listed = list(paths)
    if POINTER in listed:
        return "pointer"
    return "model" if any(map(reaches_model, listed)) else "nothing"
