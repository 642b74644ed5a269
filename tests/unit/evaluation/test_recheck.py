"""The verdict decided again from a report that may be forged, and what cannot be true in it."""

from dataclasses import replace

import pytest

from gitops_model.evaluation import decision, ledger
from gitops_model.evaluation.recheck import MOST, Trusted, contradictions
from gitops_model.formats import check as check_format
from gitops_model.formats.check import BaselineModel, GateState, SliceState, State
from tests.support import cases


def trusted(gates=None, **known):
    facts = {
        "primary": "accuracy",
        "risk": "expected_cost",
        "slices": ["depot"],
        "production_sha256": cases.PRODUCTION,
    }
    return Trusted(gates=gates or cases.gates(), **(facts | known))


def rejudged(check, gates=None):
    return decision.decide(check.gates, check.slices, gates or cases.gates())


def reread(check):
    """The check as it comes back from the file."""
    return check_format.read(check.to_json())


def bad():
    world = cases.world()
    return cases.check(**cases.inputs(of=world, candidate=world.scores(3.0, draw=5)))


def test_deciding_again_agrees_with_the_report():
    for check in (cases.check(**cases.inputs()), bad()):
        found = rejudged(reread(check))
        assert (found.state, found.slices) == (check.state, check.slices)
        assert [g.state for g in found.gates] == [g.state for g in check.gates]
        assert contradictions(reread(check), trusted()) == []


def test_deciding_again_agrees_after_many_looks():
    given = cases.inputs()
    past = [
        ledger.Look(test_sha256=given["test"].sha256, candidate_sha256=f"{i:064d}")
        for i in range(32)
    ]
    check = cases.check(**cases.change(given, "facts", looks=past))
    assert check.alpha < 1e-10
    assert contradictions(check, trusted()) == []


def test_deciding_changes_nothing_that_it_was_given():
    check = bad()
    before = check.to_json()
    rejudged(check, cases.gates(slices={"margin": 0.9}))
    assert check.to_json() == before


def test_a_forged_pass_does_not_matter():
    check = bad()
    assert check.state is State.BLOCKED
    forged = replace(
        check,
        state=State.PASS,
        gates=tuple(
            replace(g, state=GateState.PASS, blocks=False, limit=-1.0) for g in check.gates
        ),
        slices=tuple(replace(row, state=SliceState.PASS) for row in check.slices),
    )
    assert rejudged(forged) == rejudged(check)
    assert rejudged(forged).state is State.BLOCKED


def test_weakened_gates_in_the_report_do_not_matter():
    world = cases.world()
    weak = cases.gates(
        primary={"rule": "not_worse", "margin": 0.5},
        risk={"rule": "not_worse", "margin": "900%"},
        slices={"margin": 0.9},
        limits={"ece": {"below": 0.9}},
    )
    kwargs = cases.inputs(of=world, candidate=world.scores(3.0, draw=5)) | {"gates": weak}
    check = cases.check(**kwargs)
    assert check.state is State.PASS
    assert rejudged(check).state is State.BLOCKED


def with_looks(check, looks):
    return replace(check, test_set=replace(check.test_set, looks=looks))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda c: cases.with_gate(c, "primary", candidate=0.2), "is not a gain of"),
        (lambda c: cases.with_gate(c, "primary", lower=0.3), "does not hold"),
        (lambda c: cases.with_gate(c, "primary", metric="f1"), "primary is about f1"),
        (lambda c: cases.with_gate(c, "primary", compared=False), "was not compared"),
        (lambda c: cases.with_gate(c, "primary", relative=True), "other units"),
        (lambda c: replace(c, baseline=None), "compares with no model"),
        (
            lambda c: replace(c, baseline=BaselineModel(model="x-v1", sha256="c" * 64)),
            "model cccccccccccc",
        ),
        (lambda c: replace(c, alpha=0.2), "confidence"),
        (lambda c: with_looks(c, 1000), "confidence"),
        (lambda c: replace(c, gates=(*c.gates, c.gates[0])), "twice"),
        (lambda c: cases.with_slice(c, 0, upper=-0.9), "does not hold"),
        (lambda c: cases.with_slice(c, 0, wins=50), "50 wins and 0 losses are not a gain"),
        (lambda c: cases.with_slice(c, 0, losses=None), "wins without losses"),
        (lambda c: cases.with_slice(c, 0, candidate=0.1), "is not a gain of"),
        (lambda c: replace(c, slices=c.slices[1:]), "the slices of depot hold"),
        (lambda c: replace(c, slices=()), "the slices of depot hold 0 of 4,000 rows"),
        (lambda c: cases.with_gate(c, "artifact", upper=1.0, lower=1.0), "does not hold"),
        (lambda c: cases.with_gate(c, "memory", upper=900.0), "a size has no interval"),
        (lambda c: cases.with_gate(c, "limit:ece", delta=0.0), "a limit has no gain"),
        (
            lambda c: cases.with_gate(c, "primary", candidate=None, production=None),
            "without both values",
        ),
        (lambda c: cases.with_gate(c, "latency", production=None), "without both values"),
        (lambda c: cases.with_slice(c, 0, candidate=None), "without both values"),
    ],
)
def test_numbers_that_contradict_each_other_are_named(change, reason):
    found = contradictions(change(cases.check(**cases.inputs())), trusted())
    assert any(reason in sentence for sentence in found)


def test_contradictions_are_counted_only_so_far():
    check = cases.check(**cases.inputs())
    slices = tuple(replace(check.slices[0], upper=-0.9, slice=f"depot={i}") for i in range(2000))
    assert len(contradictions(replace(check, slices=slices), trusted())) == MOST


@pytest.mark.parametrize(
    "name", ["leakage", "schema", "primary", "risk", "limit:ece", "slices", "memory"]
)
def test_a_gate_left_out_of_the_report_blocks(name):
    check = cases.check(**cases.inputs())
    left = replace(check, gates=tuple(g for g in check.gates if g.id != name))
    assert rejudged(left).state is State.BLOCKED
    assert cases.gate(replace(left, gates=rejudged(left).gates), name).state is GateState.NO_DATA


def test_a_limit_on_another_metric_is_not_the_one_that_was_asked_for():
    check = cases.with_gate(cases.check(**cases.inputs()), "limit:ece", metric="f1")
    assert rejudged(check).state is State.BLOCKED


def test_a_gate_that_is_off_on_the_trusted_side_may_be_left_out():
    off = cases.gates(memory={"enabled": False, "reason": "the runner cannot weigh processes"})
    check = cases.check(**cases.inputs())
    left = replace(check, gates=tuple(g for g in check.gates if g.id != "memory"))
    assert contradictions(left, trusted(off)) == []
    assert rejudged(left, off).state is State.PASS


def test_a_first_release_needs_nothing_in_production():
    check = cases.check(**cases.inputs() | {"production": None})
    assert contradictions(check, trusted(production_sha256=None)) == []
    assert rejudged(check).state is State.PASS
    assert any("compares with no model" in found for found in contradictions(check, trusted()))
