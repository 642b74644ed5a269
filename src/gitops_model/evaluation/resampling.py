"""What is resampled: rows, groups of rows, or blocks of time, always the same ones for both models.

The unit of independence is the group when groups are given (a patient, a device, an aircraft), a block of
neighbouring rows when blocks or times are given, and the row otherwise.

- rows, groups and blocks of whole days (`calendar`): with more than `MAX_UNITS` units they are first put into
  `MAX_UNITS` random buckets, and buckets are drawn; a bucket of independent units is itself an independent unit, and
  100,000 rows stay fast.
- blocks of times that are no dates, or lie on a few days: circular moving-block bootstrap of the rows in time order,
  `BLOCKS` blocks long. A fixed number of long blocks needs no guess about how far dependence reaches; the price is the
  t quantile with `BLOCKS` - 1 degrees.
"""

from __future__ import annotations

from functools import cached_property, lru_cache
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, stdtrit

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]

REPLICATES = 2000
MAX_UNITS = 4000
BLOCKS = 40
# A percentile this far out still rests on 20 resamples.
FINE = 0.01
# How many sets of resamples are kept.
SEEDS = 4
_CHUNK = 250


class Resampler:
    """Paired resamples of n rows. The same seed gives the same resamples, for every metric.

    `group`: (n,) group of each row, or None. `block`: (n,) block of days of each row, or None; ignored when groups are
    given. `time`: (n,) sortable times, or None; ignored when groups or blocks are given.
    """

    def __init__(
        self,
        rows: int,
        *,
        seed: int,
        group: npt.NDArray[np.generic] | None = None,
        block: npt.NDArray[np.generic] | None = None,
        time: npt.NDArray[np.generic] | None = None,
        replicates: int = REPLICATES,
    ) -> None:
        self.rows = rows
        self.seed = seed
        self.replicates = replicates
        self.kind: Literal["rows", "groups", "blocks"] = (
            "groups"
            if group is not None
            else "rows"
            if block is None and time is None
            else "blocks"
        )
        unit = block if group is None else group
        self._moving = unit is None and time is not None
        self._order: Ints = np.arange(rows)
        self._unit: Ints = self._order
        self.units = rows
        self.block = 1
        if unit is not None:
            _, inverse = np.unique(unit, return_inverse=True)
            self._unit = inverse.astype(np.intp).ravel()
            self.units = int(self._unit.max()) + 1 if rows else 0
        elif time is not None:
            self._order = np.argsort(time, kind="stable")
            self.block = max(1, rows // BLOCKS)
            self.units = max(1, rows // self.block)

    @property
    def independent(self) -> bool:
        """True when each row is its own unit, so that the closed-form methods apply."""
        return self.kind == "rows"

    def standard_error(self, influence: Array) -> float:
        """Standard error of a mean whose rows have this influence (n,), respecting groups or blocks."""
        if self.units < 2:
            return float("inf")
        if self._moving:
            moving = self._block_sums(influence[:, None])[:, 0]
            spread = float(np.mean(moving**2)) / (self.rows * self.block)
            return float(np.sqrt(spread * self.units / (self.units - 1)))
        shift = np.bincount(self._unit, weights=influence, minlength=self.units) / self.rows
        # The jackknife's weights: a unit pulls the mean towards itself, and so hides part of its own deviation.
        without = shift / (1 - self._shares)
        return float(np.sqrt(np.sum(without**2) * (self.units - 1) / self.units))

    @property
    def effective(self) -> float:
        """Units of equal size that would tell as much: (sum w)^2 / sum w^2 (L. Kish, 1965)."""
        return (
            float(self.units)
            if self._moving or self.kind == "rows"
            else 1 / float(np.sum(self._shares**2))
        )

    @property
    def degrees(self) -> float:
        """Degrees of freedom of `standard_error`."""
        return self.effective - 1

    @property
    def largest(self) -> float:
        """Share of the rows that the largest unit holds."""
        return 1 / self.units if self._moving else float(self._shares.max())

    @cached_property
    def _shares(self) -> Array:
        found: Array = np.bincount(self._unit, minlength=self.units) / self.rows
        return found

    def means(self, columns: Array) -> Array:
        """(B, k) column means of B resamples of the rows' columns (n, k)."""
        if self._moving:
            sums = self._block_sums(columns)
            resampled: Array = np.empty((self.replicates, columns.shape[1]))
            for start in range(0, self.replicates, _CHUNK):
                starts = self._starts[start : start + _CHUNK]
                resampled[start : start + _CHUNK] = sums[starts].sum(axis=1)
            resampled /= self._starts.shape[1] * self.block
            return resampled
        # The last column counts rows, because units need not have equal sizes.
        table = np.column_stack([columns, np.ones(self.rows)])
        totals = np.empty((table.shape[1], self._bucket_count))
        for k in range(table.shape[1]):
            totals[k] = np.bincount(
                self._buckets, weights=table[:, k], minlength=self._bucket_count
            )
        drawn: Array = np.empty((self.replicates, table.shape[1]))
        for start in range(0, self.replicates, _CHUNK):
            counts = self._counts[start : start + _CHUNK].astype(np.float64)
            # Not `@`: for so few columns a BLAS spends more on its threads than on the product, and its sums
            # depend on how many processors the machine has.
            drawn[start : start + _CHUNK] = np.einsum("ru,ku->rk", counts, totals)
        means: Array = drawn[:, :-1] / drawn[:, -1:]
        return means

    def weights(self) -> Array:
        """(B, n) how often each row is drawn; for rows only, and only where B x n is small enough."""
        assert self.kind == "rows" and self.rows <= MAX_UNITS
        return self._counts.astype(np.float64)

    def tail(self, alpha: float) -> float:
        """The percentile that gives a one-sided bound at `alpha`: Hesterberg's expanded percentile (2015).

        The plain percentile interval is too short for few units; this widens it by the t quantile.
        """
        if self.units < 3:
            return 0.0
        factor = np.sqrt(self.effective / self.degrees)
        return float(ndtr(factor * stdtrit(self.degrees, alpha)))

    def bounds(self, drawn: Array, *, point: float, alpha: float) -> tuple[float, float]:
        """One-sided bounds at `alpha` from resampled values (m,) of a number that is `point` on the rows.

        A percentile below FINE would rest on the last few resamples; there the bounds of FINE are stretched by t
        quantiles.
        """
        tail = self.tail(max(alpha, FINE))
        lower, upper = (float(q) for q in np.quantile(drawn, [tail, 1 - tail]))
        if alpha >= FINE or self.units < 3:
            return lower, upper
        stretch = float(stdtrit(self.degrees, alpha) / stdtrit(self.degrees, FINE))
        return point - stretch * (point - lower), point + stretch * (upper - point)

    @cached_property
    def _starts(self) -> Ints:
        generator = np.random.default_rng(self.seed)
        return generator.integers(self.rows, size=(self.replicates, self.units))

    def _block_sums(self, columns: Array) -> Array:
        ordered = columns[self._order]
        around = np.vstack([ordered, ordered[: self.block]])
        running = np.vstack([np.zeros(columns.shape[1]), np.cumsum(around, axis=0)])
        result: Array = running[self.block : self.block + self.rows] - running[: self.rows]
        return result

    @property
    def _bucket_count(self) -> int:
        return min(self.units, MAX_UNITS)

    @cached_property
    def _buckets(self) -> Ints:
        if self.units <= MAX_UNITS:
            return self._unit
        places = np.random.default_rng([self.seed, 1]).permutation(self.units) % MAX_UNITS
        return places[self._unit]

    @property
    def _counts(self) -> npt.NDArray[np.uint16]:
        return _counts(self.seed, self._bucket_count, self.replicates)


# A simulation asks for the same few again and again; one is 16 MB at most.
@lru_cache(maxsize=SEEDS)
def _counts(seed: int, size: int, replicates: int) -> npt.NDArray[np.uint16]:
    """(replicates, size) how often each of `size` units is drawn."""
    generator = np.random.default_rng(seed)
    counts = np.empty((replicates, size), dtype=np.uint16)
    for start in range(0, replicates, _CHUNK):
        rows = min(_CHUNK, replicates - start)
        drawn = generator.integers(size, size=(rows, size)) + np.arange(rows)[:, None] * size
        counts[start : start + rows] = np.bincount(drawn.ravel(), minlength=rows * size).reshape(
            rows, size
        )
    return counts
