"""Builds the reference profile of a bundle, see `formats.profile`: from training rows, and the scores of test rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gitops_model.formats import inputs
from gitops_model.formats.contract import Contract
from gitops_model.formats.profile import (
    MISSING,
    OTHER,
    WINDOWS,
    Category,
    Level,
    Number,
    Profile,
)

Array = NDArray[np.float64]
Days = NDArray[np.int64]

BINS = 10
MOST_VALUES = 200
# Values whose ordinary changes from day to day are kept: rarer ones change too little to alarm.
LEVEL_SHARE, MOST_LEVELS = 0.05, 20
# With fewer days nothing can be said about what days have in common.
FEWEST_DAYS = 14
# How many standard errors the differences between days must lie beyond those of rows drawn at random.
BEYOND = 3.0
# Values are clipped this many times the range of the middle 98 % beyond it: one outlier moves no mean.
REACH = 3.0


def build(
    contract: Contract,
    columns: Mapping[str, NDArray[Any]],
    scores: Array,
    *,
    days: Days | None = None,
    score_days: Days | None = None,
) -> Profile:
    """A profile: `columns` as `Model.predict` takes them, of n training rows; `scores` (m,) or (m, k) of test rows.

    `days` (n,) and `score_days` (m,) say on which day each row lies, as numbers; None where data has no time.
    """
    matrix = scores.reshape(len(scores), -1)
    names = contract.output.classes or (contract.output.name,)
    return Profile(
        rows=len(next(iter(columns.values()))),
        days=_spanned(days),
        score_days=_spanned(score_days),
        inputs={
            name: category(columns[name], days)
            if rules.type == "category"
            else number(columns[name], days)
            for name, rules in contract.inputs.items()
        },
        scores={name: number(matrix[:, place], score_days) for place, name in enumerate(names)},
    )


def _spanned(days: Days | None) -> int | None:
    return None if days is None or len(days) == 0 else int(days.max() - days.min()) + 1


def number(values: NDArray[Any], days: Days | None) -> Number:
    """The profile of n numbers; NaN is missing."""
    there = ~np.isnan(values)
    known = values[there].astype(np.float64)
    missing = 1.0 - len(known) / max(1, len(values))
    absent = level((~there).astype(np.float64), days)
    if len(known) == 0:
        return Number(rows=len(values), missing=missing, shares=(0.0,), levels={MISSING: absent})
    # Inner quantiles only: the outer bins are open, so values beyond those of training still fall somewhere.
    edges = np.unique(np.quantile(known, np.linspace(0, 1, BINS + 1)[1:-1]))
    counts = np.bincount(np.searchsorted(edges, known, side="right"), minlength=len(edges) + 1)
    clip = _clip(known)
    clipped = np.clip(known, *clip)
    known_days = None if days is None else days[there]
    return Number(
        rows=len(values),
        missing=missing,
        edges=tuple(map(float, edges)),
        shares=tuple(map(float, counts / len(known))),
        clip=clip,
        span=(float(known.min()), float(known.max())),
        levels={
            "mean": level(clipped, known_days),
            MISSING: absent,
        },
    )


def category(values: NDArray[Any], days: Days | None) -> Category:
    """The profile of n texts; `formats.inputs.MISSING` is missing."""
    counts = Counter(values.tolist())
    missing = counts.pop(inputs.MISSING, 0)
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    total = max(1, len(values))
    listed = {value: count / total for value, count in ordered[:MOST_VALUES]}
    # Good and Turing: as many rows hold a value never seen before as hold one that was seen once.
    once = sum(count == 1 for count in counts.values())
    other = sum(count for _, count in ordered[MOST_VALUES:]) + once
    common = [value for value, share in listed.items() if share >= LEVEL_SHARE][:MOST_LEVELS]
    rows = {value: values == value for value in common}
    rows[MISSING] = values == inputs.MISSING
    rows[OTHER] = ~np.isin(values, [*listed, inputs.MISSING])
    return Category(
        rows=len(values),
        missing=missing / total,
        shares=listed,
        other=other / total,
        levels={name: level(held.astype(np.float64), days) for name, held in rows.items()},
    )


def level(values: Array, days: Days | None) -> Level:
    """The mean of n `values` and how it changes, by rows and, where `days` (n,) are known, from day to day.

    Between-day variance as in a one-way analysis of variance, for windows of `WINDOWS` days; memory (1 + r) / (1 - r)
    from the correlation r of a day with the next, corrected for its bias in short series (Marriott and Pope 1954).
    """
    if len(values) == 0:
        return Level(value=0.0, row_sd=0.0)
    mean, deviation = float(values.mean()), float(values.std())
    if days is None or len(values) == 0:
        return Level(value=mean, row_sd=deviation)
    place = days - days.min()
    count = np.bincount(place).astype(np.float64)
    total = np.bincount(place, weights=values).astype(np.float64)
    lived = count > 0
    held = int(lived.sum())
    if held < FEWEST_DAYS or len(values) <= held:
        return Level(value=mean, row_sd=deviation)
    daily = np.divide(total, count, out=np.full(len(count), np.nan), where=lived)
    within = (float(np.square(values).sum()) - float(np.nansum(total * daily))) / (
        len(values) - held
    )
    away = daily - mean
    between = float(np.nansum(count * np.square(away))) / (held - 1)
    if between <= within * (1 + BEYOND * np.sqrt(2 / (held - 1))):
        return Level(value=mean, row_sd=deviation, day_sd=(0.0,) * len(WINDOWS))
    natural = [_natural(count, total, mean, within, days=width) for width in WINDOWS]
    return Level(
        value=mean,
        row_sd=float(np.sqrt(max(0.0, within))),
        day_sd=tuple(float(np.sqrt(value)) for value in natural),
        memory=_memory(away, natural[0], held),
    )


def _natural(count: Array, total: Array, mean: float, within: float, *, days: int) -> float:
    """Variance of means over `days` following days, beyond that of rows drawn at random."""
    if len(count) < days:
        return 0.0
    ones = np.ones(days)
    rows, sums = np.convolve(count, ones, "valid"), np.convolve(total, ones, "valid")
    good = rows > 0
    beyond = np.square(sums[good] / rows[good] - mean) - within / rows[good]
    return max(0.0, float(beyond.mean()))


def _memory(away: Array, natural: float, held: int) -> float:
    pairs = away[1:] * away[:-1]
    if natural <= 0 or np.isnan(pairs).all():
        return 1.0
    found = float(np.nanmean(pairs)) / natural
    corrected = min(0.95, max(0.0, found + (1 + 4 * max(0.0, found)) / held))
    return (1 + corrected) / (1 - corrected)


def _clip(known: Array) -> tuple[float, float]:
    low, high = (float(edge) for edge in np.quantile(known, (0.01, 0.99)))
    if high <= low:
        low, high = float(known.min()), float(known.max())
    reach = REACH * (high - low)
    return low - reach, high + reach
