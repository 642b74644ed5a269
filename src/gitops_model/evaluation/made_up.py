"""Made-up test rows and pairs of models whose true loss is known: what a gate is tried on before anybody relies on it.

Rows are drawn from `Ground`: whole days or groups with everything in them, as often as there are, so that labels that
belong together stay together. A model sees the label through noise. In a problem with classes the noise is normal
around a place that the class moves by `skill` (binormal: AUC = Phi(skill / sqrt 2)), and its scores are the
probabilities that follow; in a regression the noise is normal and `skill` is the correlation with the label. Two models
share a part of their noise (`alike`), and a part of what is their own moves all rows of a day or group (`common`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq

from gitops_model.evaluation.columns import Context
from gitops_model.evaluation.metrics import CATALOGUE, value

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]
Mask = npt.NDArray[np.bool_]
Unit = Literal["rows", "groups", "days"]

# A true value is that on so many rows: its error is a few thousandths of what a pair differs by.
POPULATION = 60_000
MOST_SKILL = {"binary": 6.0, "multiclass": 8.0, "regression": 0.999}
FIRST_DAY = np.datetime64("2024-01-01", "D")


@dataclass(frozen=True, kw_only=True)
class Ground:
    """What test sets are drawn from: labels (n,) as `evaluation.metrics` takes them, slice columns, and the day or
    group of each row, from 0 (None: every row stands alone).
    """

    labels: Array
    slices: Mapping[str, npt.NDArray[np.str_]] = field(default_factory=dict)
    unit: Unit = "rows"
    place: Ints | None = None

    @property
    def units(self) -> int:
        """Days or groups, or rows that stand alone."""
        return len(self.labels) if self.place is None else int(self.place.max()) + 1

    @cached_property
    def _members(self) -> list[Ints]:
        assert self.place is not None
        order = np.argsort(self.place, kind="stable")
        ends = np.cumsum(np.bincount(self.place))[:-1]
        return [each.astype(np.intp) for each in np.split(order, ends)]

    def draw(self, generator: np.random.Generator) -> Drawn:
        """A test set: as many units as there are, each drawn with everything in it."""
        chosen = generator.integers(self.units, size=self.units)
        if self.place is None:
            return Drawn(rows=chosen.astype(np.intp), place=None)
        parts = [self._members[unit] for unit in chosen]
        place = np.repeat(np.arange(self.units), [len(part) for part in parts])
        return Drawn(rows=np.concatenate(parts), place=place.astype(np.intp))


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """Which rows of the ground a test set has, (n,), and the new day or group of each."""

    rows: Ints
    place: Ints | None


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A production model of a known skill, and how a candidate resembles it.

    `decimals`: scores are rounded, so that many are equal (None: they are not).
    """

    ctx: Context
    ground: Ground
    skill: float
    alike: float
    common: float
    decimals: int | None = None

    def noise(self, generator: np.random.Generator, drawn: Drawn) -> tuple[Array, Array]:
        """Noise of production and candidate, (n,) or (n, classes), each of variance 1."""
        shape = (len(drawn.rows), *self._wide)
        shared = generator.normal(size=shape)
        common = 0.0 if drawn.place is None else self.common
        found = []
        for _ in range(2):
            own = np.sqrt(1 - common) * generator.normal(size=shape)
            if common and drawn.place is not None:
                units = generator.normal(size=(int(drawn.place.max()) + 1, *self._wide))
                own = own + np.sqrt(common) * units[drawn.place]
            found.append(np.sqrt(self.alike) * shared + np.sqrt(1 - self.alike) * own)
        return found[0], found[1]

    def scores(self, labels: Array, noise: Array, skill: float | Array) -> Array:
        """Scores of a model of this skill (one, or one for each row) on rows with these labels."""
        found = self._scores(labels, noise, np.broadcast_to(skill, labels.shape))
        return found if self.decimals is None else np.round(found, self.decimals)

    def _scores(self, labels: Array, noise: Array, skill: Array) -> Array:
        problem, ground = self.ctx.problem, self.ground
        if problem == "regression":
            middle, spread = ground.labels.mean(), ground.labels.std()
            seen = skill**2 * (labels - middle)
            blur: Array = middle + seen + skill * np.sqrt(1 - skill**2) * spread * noise
            return blur
        if problem == "binary":
            share = ground.labels.mean()
            where = skill * labels + noise
            odds = np.log(share / (1 - share)) + skill * where - skill**2 / 2
            likely: Array = 1 / (1 + np.exp(-odds))
            return likely
        shares = np.bincount(ground.labels.astype(int), minlength=self._wide[0]) / len(
            ground.labels
        )
        there = labels[:, None] == np.arange(self._wide[0])
        weight = np.log(np.maximum(shares, 1e-9)) + skill[:, None] * (
            skill[:, None] * there + noise
        )
        raised = np.exp(weight - weight.max(axis=1, keepdims=True))
        chances: Array = raised / raised.sum(axis=1, keepdims=True)
        return chances

    @property
    def _wide(self) -> tuple[int, ...]:
        return (len(self.ctx.classes),) if self.ctx.problem == "multiclass" else ()

    @cached_property
    def _population(self) -> tuple[Drawn, tuple[Array, Array]]:
        count = len(self.ground.labels)
        rows = np.arange(max(count, POPULATION)) % count
        drawn = Drawn(rows=rows.astype(np.intp), place=None)
        return drawn, self.noise(np.random.default_rng(1), drawn)

    def measure(self, metric: str, skill: float, mask: Mask | None = None) -> float:
        """The true value of a metric at this skill; `mask` (n,) confines it to a part of the ground.

        Raises ValueError where it is not defined.
        """
        drawn, (noise, _) = self._population
        kept = slice(None) if mask is None else mask[drawn.rows]
        labels = self.ground.labels[drawn.rows][kept]
        found = value(metric, labels, self.scores(labels, noise[kept], skill), self.ctx)
        if found is None:
            raise ValueError(f"{metric} is not defined on these rows")
        return found

    def at(
        self, metric: str, gain: float, *, relative: bool, mask: Mask | None = None
    ) -> float | None:
        """The skill of a candidate whose true gain in a metric is this; None when none has it. Worse is negative."""
        try:
            here = self.measure(metric, self.skill, mask)
            scale = abs(here) if relative else 1.0
            return (
                None
                if not scale
                else self._skill(metric, here + self._sign(metric) * gain * scale, mask)
            )
        except ValueError:
            return None

    def _skill(self, metric: str, wanted: float, mask: Mask | None) -> float | None:
        def gap(skill: float) -> float:
            return self._sign(metric) * (self.measure(metric, skill, mask) - wanted)

        most = MOST_SKILL[self.ctx.problem]
        if gap(0.0) > 0 or gap(most) < 0:
            return None
        return float(brentq(gap, 0.0, most, xtol=1e-5))

    @staticmethod
    def _sign(metric: str) -> int:
        return CATALOGUE[metric].sign

    def reaching(self, metric: str, wanted: float) -> Pair | None:
        """The same pair with a production model that reaches this value of a metric; None when none does."""
        try:
            skill = self._skill(metric, wanted, None)
        except ValueError:
            return None
        return None if skill is None else replace(self, skill=skill)


def ground(
    problem: str,
    *,
    rows: int,
    classes: int = 3,
    positives: float = 0.3,
    unit: Unit = "rows",
    units: int = 28,
    slices: Mapping[str, int] | None = None,
    seed: int = 0,
) -> Ground:
    """Rows where none are at hand. Each day or group moves the labels of all its rows; slices are drawn evenly."""
    generator = np.random.default_rng([seed, 7])
    place = None if unit == "rows" else (np.arange(rows) * units // rows).astype(np.intp)
    effect = np.zeros(rows) if place is None else 0.5 * generator.normal(size=units)[place]
    if problem == "regression":
        labels = effect + generator.normal(size=rows)
    else:
        shares = np.array([1 - positives, positives])
        if problem == "multiclass":
            shares = np.append(1 - positives, np.full(classes - 1, positives / (classes - 1)))
        # The first class is what is ordinary; an effect makes it rarer.
        ordinary = 1 / (1 + np.exp(effect - np.log(shares[0] / (1 - shares[0]))))
        other = 1 + generator.choice(len(shares) - 1, size=rows, p=shares[1:] / shares[1:].sum())
        labels = np.where(generator.random(rows) < ordinary, 0.0, other)
    return Ground(
        labels=labels,
        slices={
            name: np.char.add(name[:1], generator.integers(count, size=rows).astype(str))
            for name, count in (slices or {}).items()
        },
        unit=unit,
        place=place,
    )
