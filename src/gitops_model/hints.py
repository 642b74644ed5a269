"""Names nobody knows: a few of them, each with the name that was probably meant, at a cost that input cannot raise."""

from __future__ import annotations

import difflib
import functools
import heapq
import itertools
from collections.abc import Collection, Iterable

NAMED = 5
_LONGEST = 60
# Comparing two names takes up to a tenth of a millisecond, so of many known names only the likeliest are.
_COMPARED = 12


def first_unknown(names: Iterable[object], known: Collection[str]) -> tuple[list[str], int]:
    """The first NAMED of `names` that are not `known`, as text, and how many more there are."""
    unknown = [name for name in names if name not in known]
    return [str(name) for name in unknown[:NAMED]], max(0, len(unknown) - NAMED)


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that `name` was probably meant to be; None when none is near, or `name` is too long to try."""
    if len(name) > _LONGEST:
        return None
    alike = [other for other in known if abs(len(other) - len(name)) <= 3]
    if len(alike) > _COMPARED:
        pairs = _pairs(name)
        alike = heapq.nlargest(_COMPARED, alike, key=lambda other: len(pairs & _pairs(other)))
    found = difflib.get_close_matches(name, alike, n=1)
    return found[0] if found else None


@functools.lru_cache(maxsize=4096)
def _pairs(name: str) -> frozenset[str]:
    return frozenset(map("".join, itertools.pairwise(name))) | {name[:1], name[-1:]}
