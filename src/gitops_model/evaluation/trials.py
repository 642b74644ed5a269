"""What gates.yaml does to made-up pairs of models: each trial is a whole verdict on a test set of its own."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from gitops_model.evaluation import decision, power, slices, verdict
from gitops_model.evaluation.inputs import Answers, Facts, TestSet
from gitops_model.evaluation.intervals import POWER
from gitops_model.evaluation.ledger import Look
from gitops_model.evaluation.made_up import FIRST_DAY, Drawn, Pair
from gitops_model.evaluation.resampling import SEEDS
from gitops_model.evaluation.rows import Rows
from gitops_model.formats.check import (
    JUDGED,
    Check,
    Gate,
    GateKind,
    GateState,
    SliceRow,
    SliceState,
)
from gitops_model.formats.contract import Contract
from gitops_model.formats.gates import Gates

Array = npt.NDArray[np.float64]

# The gates that judge answers. What a call costs and what callers need is not simulated.
SIMULATED = (
    GateKind.PRIMARY,
    GateKind.RISK,
    GateKind.LIMIT,
    GateKind.SLICE_GUARD,
    GateKind.SLICE_PROOF,
)


@dataclass(frozen=True, kw_only=True)
class Counts:
    """How trials ended: FAIL, undecided where that blocks, or passed."""

    passed: int
    undecided: int
    failed: int

    @property
    def trials(self) -> int:
        """How many there were."""
        return self.passed + self.undecided + self.failed


@dataclass(frozen=True, kw_only=True)
class Trials:
    """A pair, judged by a contract and gates.yaml. The same number draws the same rows and noise for each candidate.

    Each is look number `look` at its test set. `step` is called after every trial.
    """

    pair: Pair
    contract: Contract
    gates: Gates
    seed: int = 0
    look: int = 1
    step: Callable[[], None] = lambda: None

    def run(self, count: int, skill: float | Array | None = None) -> list[Check]:
        """Verdicts on candidates of this skill: one number, or one for each row of the ground; None: production's."""
        return [self._check(number, skill) for number in range(count)]

    def _check(self, number: int, skill: float | Array | None) -> Check:
        drawn, labels, production, candidate = self._models(number, skill)
        keys = self._keys[: len(labels)]
        group, time = self._columns(drawn)
        self.step()
        # It seeds the resampling. A few seeds by turns, so that their resamples are drawn once.
        sha256 = f"{number % SEEDS:012x}{0:052x}"
        earlier = [
            Look(test_sha256=sha256, candidate_sha256=f"{k:064x}") for k in range(1, self.look)
        ]
        return verdict.evaluate(
            test=TestSet(
                keys=keys,
                labels=labels,
                sha256=sha256,
                slices={name: column[drawn.rows] for name, column in self._slices.items()},
                group=group,
                time=time,
            ),
            candidate=Answers(model=None, sha256="c" * 64, keys=keys, scores=candidate),
            production=Answers(model="production", sha256="p" * 64, keys=keys, scores=production),
            contract=self.contract,
            gates=self.gates,
            facts=Facts(train_keys=(), looks=earlier),
            brief=True,
        )

    def _models(
        self, number: int, skill: float | Array | None
    ) -> tuple[Drawn, Array, Array, Array]:
        pair = self.pair
        generator = np.random.default_rng([self.seed, number])
        drawn = pair.ground.draw(generator)
        labels = pair.ground.labels[drawn.rows]
        old, new = pair.noise(generator, drawn)
        wanted = np.asarray(pair.skill if skill is None else skill)
        if wanted.ndim:
            wanted = wanted[drawn.rows]
        return (
            drawn,
            labels,
            pair.scores(labels, old, pair.skill),
            pair.scores(labels, new, wanted),
        )

    def _columns(
        self, drawn: Drawn
    ) -> tuple[npt.NDArray[np.intp] | None, npt.NDArray[np.datetime64] | None]:
        """(group, time) of a test set."""
        if drawn.place is None:
            return None, None
        if self.pair.ground.unit == "groups":
            return drawn.place, None
        return None, FIRST_DAY + drawn.place

    @property
    def _slices(self) -> dict[str, npt.NDArray[np.str_]]:
        return {name: self.pair.ground.slices[name] for name in self.contract.slices}

    @cached_property
    def _keys(self) -> list[str]:
        # Drawn days or groups may have more rows than the ground.
        ground = self.pair.ground
        most = (
            len(ground.labels)
            if ground.place is None
            else int(np.bincount(ground.place).max()) * ground.units
        )
        return [f"{number:09d}" for number in range(most)]

    # --- losses ---------------------------------------------------------------------------------------------------

    def at_limit(self, gate: Gate, count: int) -> list[Check] | None:
        """Verdicts on candidates that are exactly as bad as a comparison gate allows; None where none can be made."""
        assert gate.limit is not None and gate.metric is not None
        mask = None if gate.slice is None else self._mask(gate.slice)
        skill = self.pair.at(gate.metric, gate.limit, relative=gate.relative, mask=mask)
        if skill is None:
            return None
        return self.run(count, skill if mask is None else np.where(mask, skill, self.pair.skill))

    def caught_from(self, gate: Gate, equal: Sequence[Check]) -> float | None:
        """The smallest loss that makes a comparison gate fail 8 times in 10; None where no candidate loses so much."""
        assert gate.limit is not None and gate.metric is not None
        loss = _reach(equal, gate)
        if loss is None:
            return None
        skill = self.pair.at(gate.metric, -loss, relative=gate.relative)
        if skill is None:
            return None
        # A worse candidate also scatters differently, so the first answer is mended by what it leads to.
        more = _reach(self.run(len(equal), skill), gate)
        return None if more is None else loss + more

    def slice_caught_from(self, name: str, equal: Sequence[Check]) -> float | None:
        """The smallest loss in one slice alone that makes the guard fail there 8 times in 10."""
        guard = _gate(equal[0], GateKind.SLICE_GUARD)
        found = [row for check in equal for row in check.slices if row.slice == name]
        found = [row for row in found if row.error is not None and row.state in JUDGED]
        if guard is None or guard.limit is None or not found:
            return None
        error = float(np.mean([row.error for row in found]))
        alpha = self.gates.alpha / max(1, sum(row.state in JUDGED for row in equal[0].slices))
        loss = float(np.mean([power.slice_loss(row, guard, alpha) for row in found]))
        for _ in range(2):
            share = self._slice_share(name, guard, loss, equal)
            if share is None:
                return None
            half = 0.5 / len(equal)
            loss += (power.AGAIN - float(ndtri(min(max(share, half), 1 - half)))) * error
        return loss

    def _slice_share(
        self, name: str, guard: Gate, loss: float, equal: Sequence[Check]
    ) -> float | None:
        assert guard.metric is not None
        mask = self._mask(name)
        skill = self.pair.at(guard.metric, -loss, relative=guard.relative, mask=mask)
        if skill is None:
            return None
        skills = np.where(mask, skill, self.pair.skill)
        caught = 0
        for number, check in enumerate(equal):
            row = self._slice_row(number, name, skills, guard, check.alpha)
            table = [row if each.slice == name else each for each in check.slices]
            after = decision.decide(check.gates, table, self.gates)
            caught += any(
                each.slice == name and each.state is SliceState.FAIL for each in after.slices
            )
            self.step()
        return caught / len(equal)

    def _slice_row(
        self, number: int, name: str, skills: Array, guard: Gate, alpha: float
    ) -> SliceRow:
        """The slice's row in the table of a verdict, without the rest of it."""
        assert guard.metric is not None and guard.limit is not None
        drawn, labels, production, candidate = self._models(number, skills)
        rows = Rows(labels=labels, candidate=candidate, production=production)
        group, time = self._columns(drawn)
        if self.gates.rows == "independent":
            group, time = None, None
        _, block = verdict.days_and_blocks(time, rows, self.pair.ctx)
        column, _, _ = name.partition("=")
        mask = self._mask(name)[drawn.rows]
        (row,) = slices.compare_each(
            {column: self._slices[column][drawn.rows][mask]},
            rows.subset(mask),
            self.pair.ctx,
            metric=guard.metric,
            alpha=alpha,
            relative=guard.relative,
            margin=-guard.limit,
            seed=0,
            group=None if group is None else group[mask],
            block=None if block is None else block[mask],
            time=None if time is None else time[mask],
        )
        return row

    def _mask(self, name: str) -> npt.NDArray[np.bool_]:
        column, _, value = name.partition("=")
        found: npt.NDArray[np.bool_] = self.pair.ground.slices[column] == value
        return found


def counts(checks: Sequence[Check], gate: str | None = None) -> Counts:
    """How the trials ended at one gate, or at all that are simulated."""
    failed = undecided = 0
    for check in checks:
        chosen = [
            each for each in check.gates if (each.id == gate if gate else each.kind in SIMULATED)
        ]
        if any(each.state is GateState.FAIL for each in chosen):
            failed += 1
        elif any(each.blocks for each in chosen):
            undecided += 1
    return Counts(passed=len(checks) - failed - undecided, undecided=undecided, failed=failed)


def comparisons(check: Check) -> Iterator[Gate]:
    """The gates that compare a metric with production and have a limit, in the order of the report."""
    kinds = (GateKind.PRIMARY, GateKind.RISK, GateKind.SLICE_PROOF)
    for gate in check.gates:
        if gate.kind in kinds and gate.limit is not None and gate.state is not GateState.OFF:
            yield gate


def _gate(check: Check, kind: GateKind) -> Gate | None:
    return next((gate for gate in check.gates if gate.kind is kind), None)


def _reach(checks: Sequence[Check], gate: Gate) -> float | None:
    """How much lower the gains would have to be for 8 in 10 upper bounds to lie below the limit."""
    assert gate.limit is not None
    ends = [
        each.upper if each.upper is not None else math.inf
        for check in checks
        for each in check.gates
        if each.id == gate.id
    ]
    reach = float(np.quantile(ends, POWER, method="higher")) - gate.limit
    return reach if math.isfinite(reach) else None
