"""Which test sets are mostly the same rows, told from 256 hashes of each: a bottom-k sketch (E. Cohen, 1997).

Of all rows the smallest hashes are kept. They are a random sample that two test sets draw alike, so the share of hashes
in common estimates the share of rows in common, within about 3 points.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

SIZE = 256
DIGITS = 12
_SKETCH = re.compile(rf"(?:[0-9a-f]{{{DIGITS}}}){{0,{SIZE}}}")
# From this share on, of the smaller one's rows, two test sets are one.
SAME = 0.5


def of(keys: Iterable[object], times: Iterable[object] | None = None) -> str:
    """The sketch of rows known by key, and by time where they have one: hexadecimal, DIGITS a row, sorted.

    Times tell rows apart whose keys begin anew with each file. Labels are left out: a hash of one would give it away.
    """
    named = (
        map(str, keys)
        if times is None
        else (f"{key}\x1f{time}" for key, time in zip(keys, times, strict=True))
    )
    hashes = {hashlib.blake2b(name.encode(), digest_size=DIGITS // 2).hexdigest() for name in named}
    return "".join(sorted(hashes)[:SIZE])


def is_sketch(text: object) -> bool:
    """Whether a stranger's value is a sketch."""
    return isinstance(text, str) and _SKETCH.fullmatch(text) is not None


def overlap(first: str, second: str) -> float:
    """The estimated share of the smaller set's rows that the other has, 0 to 1; 0 when either sketch is empty."""
    one, other = _hashes(first), _hashes(second)
    # Up to the largest hash that both kept, neither left a row out.
    reach = min((max(each) for each in (one, other) if len(each) == SIZE), default="g")
    seen, known = ({h for h in each if h <= reach} for each in (one, other))
    smaller = min(len(seen), len(known))
    return len(seen & known) / smaller if smaller else 0.0


def _hashes(text: str) -> set[str]:
    return {text[place : place + DIGITS] for place in range(0, len(text), DIGITS)}
