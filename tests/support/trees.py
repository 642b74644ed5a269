"""Copies of repositories, cheap: what Git and DVC never change in place is linked instead of copied."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

IMMUTABLE = ("/objects/", "/files/md5/")


def copy(source: Path, target: Path) -> None:
    """Copy the tree `source` into `target`, which may exist."""
    shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True, copy_function=_file)


def _file(source: str, target: str) -> str:
    if not any(part in source for part in IMMUTABLE):
        return shutil.copy2(source, target)
    if not os.path.exists(target):
        os.link(source, target)
    return target
