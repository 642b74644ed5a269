"""data/raw: the files that `fetch` wrote and `load` reads, and their identity."""

from __future__ import annotations

from pathlib import Path

from gitops_model.errors import BadInput
from gitops_model.files import sha256_bytes, sha256_file, size_words

FOLDER = Path("data/raw")


def files(folder: Path = FOLDER) -> list[Path]:
    """Every file of the raw data, sorted. Raises BadInput when there is none."""
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    if not found:
        raise BadInput(
            f"{folder} holds no file. Run: make data   (or, from the data storage: dvc pull)"
        )
    return found


def snapshot(paths: list[Path], *, folder: Path = FOLDER) -> str:
    """The data's identity: sha256 over the names and sha256 of its files."""
    lines = (f"{path.relative_to(folder).as_posix()} {sha256_file(path)}\n" for path in paths)
    return sha256_bytes("".join(lines).encode())


def size(paths: list[Path]) -> str:
    """How much it is, in words: `3 files, 5.1 MB`."""
    total = sum(path.stat().st_size for path in paths)
    return f"{len(paths):,} file{'' if len(paths) == 1 else 's'}, {size_words(total)}"
