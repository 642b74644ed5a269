"""How one command starts another program: with this interpreter, and never a module of the working directory."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def gitops_model() -> tuple[str, ...]:
    """The words that begin one of this library's commands."""
    return _module("gitops_model")


def dvc() -> tuple[str, ...]:
    """The words that begin a call of DVC."""
    return _module("dvc")


def _module(name: str) -> tuple[str, ...]:
    # -P keeps the working directory off the import path: a yaml.py that lies there is not imported.
    return (sys.executable, "-P", "-m", name)


def environment() -> dict[str, str]:
    """This process's environment, with the programs of this interpreter first on the PATH, for DVC's stages."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    return {**os.environ, "PATH": path, "DVC_NO_ANALYTICS": "1"}
