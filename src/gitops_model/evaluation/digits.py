"""Numbers as a check states and judges them."""

from __future__ import annotations

import dataclasses
import math
from typing import Any, TypeVar

import numpy as np

# So many significant digits that the last bits of a library's sums decide nothing.
DIGITS = 9

T = TypeVar("T")


def rounded(value: T) -> T:
    """The same value, in dataclasses and tuples too: floats with DIGITS significant digits, NaN and infinity as None.

    numpy's scalars become Python's.
    """
    found: T = _rounded(value)
    return found


def _rounded(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        known = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
        return type(value)(**{name: _rounded(item) for name, item in known.items()})
    if isinstance(value, (list, tuple)):
        return type(value)(_rounded(item) for item in value)
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, (float, np.floating)):
        number = float(value)
        return float(f"{number:.{DIGITS}g}") if math.isfinite(number) else None
    return int(value) if isinstance(value, np.integer) else value
