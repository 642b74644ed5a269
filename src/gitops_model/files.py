"""Writing files so that a reader sees the old bytes or the new ones, never a part."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any


def sha256_bytes(data: bytes) -> str:
    """Lower-case hex sha256 of `data`, 64 characters."""
    return hashlib.sha256(data).hexdigest()


def sha256_file(path: Path) -> str:
    """Lower-case hex sha256 of the file's bytes, read in blocks."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def canonical_json(value: Any) -> str:
    """JSON text that is the same for equal values: sorted keys, two spaces, a final newline.

    Raises ValueError for NaN and infinities, which JSON has no word for.
    """
    return json.dumps(value, sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def write_atomic(path: Path, content: bytes | str) -> None:
    """Replace `path` by `content` in one step that survives a crash.

    The bytes go to a temporary file in the same folder, are flushed to disk, and are renamed over `path`;
    then the folder is flushed, so that after a power cut the name points to one of the two complete files.
    """
    data = content.encode() if isinstance(content, str) else content
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def write_private(path: Path, text: str) -> None:
    """Replace `path` by a secret that nobody else can read at any moment; a final newline is added where it lacks."""
    path.unlink(missing_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as stream:
        stream.write(text.rstrip("\n") + "\n")


def remove_stale_temporaries(folder: Path, *, older_than: float) -> None:
    """Delete what a killed `write_atomic` left in `folder`: hidden files last changed before `older_than` (epoch s)."""
    for path in folder.glob(".*"):
        try:
            if path.is_file() and path.stat().st_mtime < older_than:
                path.unlink()
        except FileNotFoundError:
            continue


def size_words(count: int) -> str:
    """A number of bytes for people: 812 B, 3.4 kB, 1.2 MB, 5.6 GB."""
    size = float(count)
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"
