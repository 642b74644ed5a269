"""A trial is a verdict: the same gates on the same numbers as `verdict.evaluate` gives anybody else."""

from __future__ import annotations

from typing import Any

import pytest

from gitops_model.evaluation import made_up, metrics, trials, verdict
from gitops_model.evaluation.made_up import Pair, Unit
from gitops_model.evaluation.trials import Trials
from gitops_model.formats.check import GateKind
from tests.support import cases


def tried(
    problem: str = "binary", *, unit: Unit = "rows", rows: int = 1000, **gates: Any
) -> Trials:
    contract = cases.contract(problem)
    ground = made_up.ground(problem, rows=rows, unit=unit, units=20, slices={"depot": 4})
    pair = Pair(
        ctx=metrics.context(contract), ground=ground, skill=0.6 if problem == "regression" else 1.5, alike=0.9,
        common=0.001,
    )  # fmt: skip
    default: dict[str, Any] = {"limits": {}, "rows": None}
    data = cases.gates_data(problem, **default | gates)
    if data["rows"] is None:
        del data["rows"]
    return Trials(pair=pair, contract=contract, gates=cases.Gates.from_dict(data))


@pytest.mark.parametrize("problem", ["binary", "multiclass", "regression"])
@pytest.mark.parametrize("unit", ["rows", "days", "groups"])
def test_equal_candidates_hardly_fail_and_useless_ones_do(problem: str, unit: Unit) -> None:
    found = tried(problem, unit=unit)
    equal, useless = found.run(3), found.run(3, 0.05)
    assert trials.counts(equal).failed <= 1
    assert trials.counts(useless).failed == 3
    kind = {"rows": "rows", "days": "blocks", "groups": "groups"}[unit]
    assert {check.test_set.unit for check in equal} == {kind}


def test_the_same_number_draws_the_same() -> None:
    assert tried().run(2) == tried().run(2)
    first, second = tried().run(2)
    assert first.gates != second.gates


def test_what_a_brief_verdict_leaves_out_decides_nothing() -> None:
    kwargs = cases.inputs(rows=500)
    brief, whole = verdict.evaluate(**kwargs, brief=True), verdict.evaluate(**kwargs)
    assert (brief.gates, brief.slices, brief.state) == (whole.gates, whole.slices, whole.state)
    assert not brief.metrics and whole.metrics


def test_counts_are_of_one_gate_or_of_all() -> None:
    checks = tried(rows=200).run(10)
    for gate in (None, "primary", "slices"):
        assert trials.counts(checks, gate).trials == 10
    every = trials.counts(checks).passed
    assert every <= trials.counts(checks, "primary").passed
    # 200 rows are too few to show a margin of 2 points.
    assert trials.counts(checks).undecided > 0


@pytest.mark.slow
@pytest.mark.parametrize("problem", ["binary", "regression"])
def test_a_loss_that_is_caught_8_times_in_10_is(problem: str) -> None:
    found = tried(problem, rows=2000)
    equal = found.run(200)
    gate = next(gate for gate in equal[0].gates if gate.kind is GateKind.PRIMARY)
    loss = found.caught_from(gate, equal)
    assert loss is not None and gate.metric is not None
    skill = found.pair.at(gate.metric, -loss, relative=gate.relative)
    worse = found.run(200, skill)
    assert 0.72 <= trials.counts(worse, gate.id).failed / 200 <= 0.88
    slice_loss = found.slice_caught_from("depot=d1", equal)
    guard = next(gate for gate in equal[0].gates if gate.kind is GateKind.SLICE_GUARD)
    assert slice_loss is not None
    share = found._slice_share("depot=d1", guard, slice_loss, equal)
    assert share is not None and 0.7 <= share <= 0.9
