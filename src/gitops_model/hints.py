"""Names nobody knows: a few of them, each with the name that was probably meant, at a cost that input cannot raise."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable

NAMED = 5
_LONGEST = 100


def first_unknown(names: Iterable[object], known: Collection[str]) -> tuple[list[str], int]:
    """The first NAMED of `names` that are not `known`, as text, and how many more there are."""
    unknown = [name for name in names if name not in known]
    return [str(name) for name in unknown[:NAMED]], max(0, len(unknown) - NAMED)


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that `name` was probably meant to be; None when none is near, or `name` is too long to try."""
    if len(name) > _LONGEST:
        return None
    alike = [other for other in known if abs(len(other) - len(name)) <= 3]
    found = difflib.get_close_matches(name, alike, n=1)
    return found[0] if found else None
