"""The one comparison; the verdict recomputed from a report that may be forged."""

import copy
import json

import pytest

from gitops_model import strict_yaml
from gitops_model.evaluation import decision, ledger, verdict
from gitops_model.evaluation.judgement import judge
from tests.support import cases


@pytest.mark.parametrize(
    ("lower", "upper", "limit", "better", "state"),
    [
        (-0.004, 0.02, -0.005, "higher", "pass"),
        (-0.005, 0.02, -0.005, "higher", "inconclusive"),  # exactly on the limit does not pass
        (-0.006, 0.02, -0.005, "higher", "inconclusive"),
        (-0.02, -0.006, -0.005, "higher", "fail"),
        (-0.02, -0.005, -0.005, "higher", "inconclusive"),  # and does not fail
        (0.01, 0.02, 0.0, "higher", "pass"),
        (0.0, 0.0, 0.0, "higher", "inconclusive"),
        (0.03, 0.04, 0.05, "lower", "pass"),
        (0.03, 0.05, 0.05, "lower", "inconclusive"),
        (0.06, 0.07, 0.05, "lower", "fail"),
        (0.05, 0.07, 0.05, "lower", "inconclusive"),
        (None, None, 0.5, "higher", "inconclusive"),
        (0.6, None, 0.5, "higher", "pass"),
        (None, 0.4, 0.5, "higher", "fail"),
        (0.6, None, 0.5, "lower", "fail"),
        (None, 0.4, 0.5, "lower", "pass"),
    ],
)
def test_judge(lower, upper, limit, better, state):
    found = judge(value=0.0, lower=lower, upper=upper, limit=limit, better=better)
    assert found == state


@pytest.mark.parametrize("value", [None, float("nan")])
def test_nothing_is_never_a_pass(value):
    assert judge(value=value, lower=1, upper=2, limit=0, better="higher") == "no_data"


def result(**kwargs):
    """A check.json as it comes back from the file."""
    return json.loads(json.dumps(verdict.evaluate(**kwargs)))


def recompute(check, gates=None, **known):
    trusted = {
        "primary": "accuracy",
        "risk": "expected_cost",
        "slices": ["depot"],
        "production_sha256": cases.PRODUCTION,
    }
    return decision.verdict_from_numbers(check, gates or cases.gates(), **(trusted | known))


def bad():
    world = cases.world()
    return result(**cases.inputs(of=world, candidate=world.scores(3.0, draw=5)))


def test_recomputing_agrees_with_the_report():
    for check in (result(**cases.inputs()), bad()):
        assert recompute(check) == (check["state"], check["sentence"])


def test_recomputing_agrees_past_the_budget_of_looks():
    given = cases.inputs()
    past = [
        ledger.Look(test_sha256=given["test"].sha256, candidate_sha256=f"{i:064d}")
        for i in range(32)
    ]
    check = result(**cases.change(given, "facts", looks=past))
    assert check["alpha"] < 0.04
    assert recompute(check) == (check["state"], check["sentence"])


def test_a_forged_pass_does_not_matter():
    check = bad()
    assert check["state"] == "blocked"
    check |= {"state": "pass", "exit_code": 0, "sentence": "May ship!"}
    for entry in check["gates"]:
        entry |= {"state": "pass", "blocks": False, "limit": -1, "sentence": "fine"}
    for numbers in check["slices"]:
        numbers["state"] = "pass"
    state, sentence = recompute(check)
    assert state == "blocked" and sentence.startswith("Blocked: accuracy fell from")


def test_weakened_gates_in_the_report_do_not_matter():
    world = cases.world()
    weak = cases.gates(
        primary={"rule": "not_worse", "margin": 0.5},
        risk={"rule": "not_worse", "margin": "900%"},
        slices={"margin": 0.9},
        limits={"ece": {"below": 0.9}},
    )
    kwargs = cases.inputs(of=world, candidate=world.scores(3.0, draw=5)) | {"gates": weak}
    check = result(**kwargs)
    assert check["state"] == "pass"
    assert recompute(check)[0] == "blocked"


def forge(change):
    check = result(**cases.inputs())
    change(check)
    return check


def primary(check):
    return cases.gate(check, "primary")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda c: primary(c).update(candidate=0.2), "is not a gain of"),
        (lambda c: primary(c).update(lower=0.3), "does not hold"),
        (lambda c: primary(c).update(metric="f1"), "primary is about f1"),
        (lambda c: primary(c).update(compared=False), "was not compared"),
        (lambda c: primary(c).update(relative=True), "other units"),
        (lambda c: c.update(baseline=None), "compares with no model"),
        (lambda c: c.update(baseline={"model": "x-v1", "sha256": "c" * 64}), "model cccccccccccc"),
        (lambda c: c.update(alpha=0.2), "confidence"),
        (lambda c: c["test_set"].update(looks=1000), "confidence"),
        (lambda c: c["gates"].append(copy.deepcopy(c["gates"][0])), "twice"),
        (lambda c: c["slices"][0].update(upper=-0.9), "does not hold"),
        (lambda c: c["slices"][0].update(wins=50), "50 wins and 0 losses are not a gain"),
        (lambda c: c["slices"][0].update(candidate=0.1), "is not a gain of"),
        (lambda c: c["slices"].pop(), "the slices of depot hold"),
        (lambda c: c["slices"].clear(), "the slices of depot hold 0 of 4,000 rows"),
        (lambda c: cases.gate(c, "artifact").update(upper=1, lower=1), "does not hold"),
        (lambda c: cases.gate(c, "limit:ece").update(metric="f1"), "is about f1"),
        (lambda c: cases.gate(c, "limit:ece").update(delta=0.0), "a limit has no gain"),
        (lambda c: primary(c).update(candidate=None, production=None), "without both values"),
        (lambda c: cases.gate(c, "latency").update(production=None), "without both values"),
        (lambda c: c["slices"][0].update(candidate=None), "without both values"),
    ],
)
def test_numbers_that_contradict_each_other_block(change, reason):
    state, sentence = recompute(forge(change))
    assert state == "blocked" and reason in sentence


@pytest.mark.parametrize(
    "name", ["leakage", "schema", "primary", "risk", "limit:ece", "slices", "memory"]
)
def test_a_gate_left_out_of_the_report_blocks(name):
    check = forge(lambda c: c.update(gates=[e for e in c["gates"] if e["id"] != name]))
    assert recompute(check)[0] == "blocked"


def test_a_gate_that_is_off_on_the_trusted_side_may_be_left_out():
    off = cases.gates(memory={"enabled": False, "reason": "the runner cannot weigh processes"})
    check = forge(lambda c: c.update(gates=[e for e in c["gates"] if e["id"] != "memory"]))
    assert recompute(check, off)[0] == "pass"


def test_a_first_release_needs_nothing_in_production():
    check = result(**cases.inputs() | {"production": None})
    assert recompute(check, production_sha256=None)[0] == "pass"
    assert recompute(check)[0] == "blocked"


def test_not_evaluated_stays_so():
    check = verdict.not_evaluated("the test set is empty.", hint="make data")
    strict_yaml.check(check, kind="check", name="check.json")
    assert recompute(check) == ("not_evaluated", "Not evaluated: the test set is empty.")
