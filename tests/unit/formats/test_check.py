"""check.json as values: there and back, what is refused, and that refusing is quick whatever was sent."""

import copy
import functools
import json

import pytest

from gitops_model import validation
from gitops_model.actions import artifact
from gitops_model.errors import BadArtifact, BadInput
from gitops_model.formats import check as check_format
from gitops_model.formats.check import Gate, GateKind, NotEvaluated, State
from tests.support import cases


@functools.cache
def made(problem="binary"):
    return cases.check(**cases.inputs(problem, rows=600))


def data():
    """The data of a valid check.json, to be spoilt."""
    return copy.deepcopy(made().to_json())


@pytest.mark.parametrize("problem", ["binary", "multiclass", "regression"])
def test_a_check_is_what_its_file_gives_back(problem):
    found = made(problem)
    assert check_format.read(json.loads(json.dumps(found.to_json()))) == found
    assert found.exit_code == found.state.exit_code


def test_so_is_one_that_was_not_evaluated():
    found = NotEvaluated(sentence="Not evaluated: the test set is empty.", hint="make data")
    assert check_format.read(found.to_json()) == found
    assert (found.exit_code, found.to_json()["state"]) == (3, State.NOT_EVALUATED)


def test_a_gate_that_nobody_decided_blocks():
    gate = Gate(kind=GateKind.MEMORY)
    assert gate.blocks and gate.state == "no_data"


@pytest.mark.parametrize(
    ("gate", "name"),
    [
        (Gate(kind=GateKind.PRIMARY, metric="accuracy"), "primary"),
        (Gate(kind=GateKind.LIMIT, metric="ece"), "limit:ece"),
        (Gate(kind=GateKind.SLICE_PROOF, metric="f1", slice="origin=JFK"), "prove:origin=JFK"),
    ],
)
def test_each_gate_has_a_name_of_its_own(gate, name):
    assert gate.id == name


def first_gate(**fields):
    return lambda found: found["gates"][0].update(fields)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (first_gate(kind="guess"), "gates[0].kind is 'guess'"),
        (first_gate(id="primary"), "a gate has the id 'primary'"),
        (first_gate(rows=10**400), "gates[0].rows"),
        (first_gate(candidate=10**400), "gates[0].candidate"),
        (lambda found: found.update(schema=2), "a newer one wrote it. Run: make upgrade"),
        (lambda found: found["gates"][0].pop("kind"), "gates[0] lacks 'kind'"),
        (lambda found: found.pop("problem"), "lacks 'problem'"),
        (lambda found: found["candidate"].update(sha256="a" * 64 + "\n"), "candidate.sha256"),
        (lambda found: found.update(alpha=float("nan")), "alpha"),
        (
            lambda found: found["params_diff"].append(
                {"name": "x", "production": {"a": 1}, "candidate": None}
            ),
            "params_diff[0].production",
        ),
    ],
)
def test_what_does_not_fit_is_refused(spoil, said):
    found = data()
    spoil(found)
    with pytest.raises(BadInput) as caught:
        check_format.read(found)
    assert said in str(caught.value)


@pytest.mark.parametrize("value", [None, [], "pass", 1])
def test_what_is_no_report_at_all_is_refused(value):
    with pytest.raises(BadInput):
        check_format.read(value)


def deep():
    inner = []
    for _ in range(700):
        inner = [inner]
    return inner


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda found: found.update({f"k{i}": i for i in range(100_000)}), "100,022 keys"),
        (first_gate(**{f"metri{i}": i for i in range(100_000)}), "keys; none has more than"),
        (lambda found: found.update(params_diff=deep()), "lists and mappings inside each other"),
        (lambda found: found.update(slices=[{"slice": 1}] * 100_000), "slices"),
        (lambda found: found.update(warnings=[0] * 1_000_000), "warnings"),
    ],
    ids=["keys", "keys-of-a-gate", "deep", "wrong-rows", "wrong-texts"],
)
def test_no_flood_of_faults_is_worded_one_by_one(spoil, said):
    found = data()
    spoil(found)
    with pytest.raises(BadInput) as caught:
        check_format.read(found)
    assert said in str(caught.value)
    assert len(caught.value.problems) <= validation.MOST_PROBLEMS + 1
    assert all(len(problem) < 2000 for problem in caught.value.problems)


def test_the_artifacts_bytes_become_a_check_or_one_sentence():
    text = json.dumps(data())
    assert artifact.parse(text.encode()) == made()
    for broken in (b"", b"\xff", text[:-1].encode(), text.replace("0.05", "NaN").encode()):
        with pytest.raises(BadArtifact):
            artifact.parse(broken)
