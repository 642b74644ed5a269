"""Who owns a file, by CODEOWNERS. Data in, names out."""

from __future__ import annotations

from fnmatch import fnmatch
from pathlib import Path

PLACES = (".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS")


def text(root: Path) -> str:
    """The file that GitHub would take, or nothing."""
    path = next((root / place for place in PLACES if (root / place).is_file()), None)
    return path.read_text(encoding="utf-8") if path else ""


def owners(text: str, path: str) -> list[str]:
    """Owners that a CODEOWNERS file gives `path` (a file at the top): the last matching line decides."""
    found: list[str] = []
    for line in text.splitlines():
        pattern, *names = line.split("#")[0].split() or [""]
        plain = pattern.removeprefix("/")
        if pattern and (fnmatch(path, plain) or plain in ("*", "**")):
            found = names
    return found
