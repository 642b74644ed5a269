"""What is counted of a column of the log, against its profile: enough to judge it, and the same size for any rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from gitops_model.formats.profile import MISSING, OTHER, Category, Column, Number

# Names of values that training did not have; further ones are counted without their names.
MOST_NAMES = 50


@dataclass(frozen=True, kw_only=True)
class Tally:
    """Counts of `rows` rows: bins in the profile's order, and the total of a number's clipped values.

    For a number `bins` are those between its edges and `beyond` how many lie outside the span of training; for a
    category they are its listed values and all others. `wrong` are values of another type; they count as missing.
    """

    rows: int
    missing: int
    bins: NDArray[np.int64]
    total: float = 0.0
    beyond: int = 0
    wrong: int = 0
    unseen: Mapping[str, int] = field(default_factory=dict)

    @property
    def known(self) -> int:
        """Rows that hold a value."""
        return self.rows - self.missing

    def __add__(self, other: Tally) -> Tally:
        names = Counter(self.unseen)
        names.update(other.unseen)
        return Tally(
            rows=self.rows + other.rows,
            missing=self.missing + other.missing,
            bins=self.bins + other.bins,
            total=self.total + other.total,
            beyond=self.beyond + other.beyond,
            wrong=self.wrong + other.wrong,
            unseen=dict(names.most_common(MOST_NAMES)),
        )

    def level(self, name: str, column: Column) -> tuple[float, int]:
        """The mean of a level of `column` here, and the rows it is of."""
        if name == MISSING:
            return self.missing / max(1, self.rows), self.rows
        if isinstance(column, Number):
            return self.total / max(1, self.known), self.known
        place = len(column.shares) if name == OTHER else list(column.shares).index(name)
        return float(self.bins[place]) / max(1, self.rows), self.rows


def empty(column: Column) -> Tally:
    """A tally of no rows."""
    size = len(column.shares) + isinstance(column, Category)
    return Tally(rows=0, missing=0, bins=np.zeros(size, dtype=np.int64))


def numbers(column: Number, values: NDArray[np.float64], *, wrong: int = 0) -> Tally:
    """Tally of n values; NaN and infinite ones are missing, and `wrong` of the missing ones had another type."""
    known = values[np.isfinite(values)]
    bins = np.zeros(len(column.shares), dtype=np.int64)
    if not column.shares:
        return Tally(rows=len(values), missing=len(values) - len(known), bins=bins, wrong=wrong)
    places = np.searchsorted(np.asarray(column.edges), known, side="right")
    clipped = np.clip(known, *column.clip)
    low, high = column.span
    return Tally(
        rows=len(values),
        missing=len(values) - len(known),
        bins=np.bincount(places, minlength=len(column.shares)).astype(np.int64),
        total=float(clipped.sum()),
        beyond=int(((known < low) | (known > high)).sum()),
        wrong=wrong,
    )


def categories(
    column: Category, values: Mapping[str, int], *, missing: int, wrong: int = 0
) -> Tally:
    """Tally of texts given as how many rows hold each."""
    places = {value: place for place, value in enumerate(column.shares)}
    bins = np.zeros(len(places) + 1, dtype=np.int64)
    unseen: Counter[str] = Counter()
    for value, count in values.items():
        place = places.get(value, len(places))
        bins[place] += count
        if place == len(places):
            unseen[value] += count
    return Tally(
        rows=int(bins.sum()) + missing,
        missing=missing,
        bins=bins,
        wrong=wrong,
        unseen=dict(unseen.most_common(MOST_NAMES)),
    )
