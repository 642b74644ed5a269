"""What a verdict says of slices, groups and machines that decide nothing."""

import numpy as np
import pytest

from gitops_model.formats import check as check_format
from gitops_model.report import gate_lines
from tests.support import cases
from tests.support.verdicts import evaluate


def test_the_guard_shows_no_number_of_a_slice_that_it_did_not_judge():
    kwargs = cases.inputs(rows=900)
    depot = np.where(np.arange(900) < 60, "tiny", "large")
    scores = kwargs["production"].scores.copy()
    scores[:60] = 1 - scores[:60]
    kwargs = cases.change(kwargs, "candidate", scores=scores)
    result = evaluate(cases.change(kwargs, "test", slices={"depot": depot}))
    assert cases.gate(result, "slices").delta == 0
    assert "1 too small to judge, where a loss of up to 0." in cases.gate(result, "slices").sentence
    kwargs["gates"] = cases.gates(slices={"margin": 0.05, "min_rows": 900})
    result = evaluate(cases.change(kwargs, "test", slices={"depot": depot}))
    assert cases.gate(result, "slices").delta is None
    line = next(each for each in gate_lines.every(result) if each.gate.kind == "slices")
    assert (line.mark, line.word, line.change) == ("⚠️", "none judged", "")


def test_an_undecided_slice_gets_no_tick():
    kwargs = cases.inputs(rows=1000)
    scores = kwargs["production"].scores.copy()
    hurt = np.flatnonzero(kwargs["test"].slices["depot"] == "d01")[:10]
    scores[hurt] = 1 - scores[hurt]
    result = evaluate(cases.change(kwargs, "candidate", scores=scores))
    assert {row.slice: row.state for row in result.slices}["depot=d01"] == "undecided"
    line = next(each for each in gate_lines.every(result) if each.gate.kind == "slices")
    assert (line.gate.state, line.mark, line.word) == ("pass", "⚠️", "1 undecided")


@pytest.mark.parametrize(("large", "said"), [(2400, True), (400, False)])
def test_a_group_that_holds_most_rows_is_said(large, said):
    kwargs = cases.inputs() | {"gates": cases.gates(rows="grouped")}
    group = np.concatenate([np.zeros(large), 1 + np.arange(4000 - large) % 33])
    found = evaluate(cases.change(kwargs, "test", group=group))
    expected = "One group holds 60% of the test rows: 34 of them tell as much as 2.7 of equal size"
    assert any(expected in warning for warning in found.warnings) is said


@pytest.mark.parametrize(
    ("production", "state"), [(100.0, "inconclusive"), (1.0, "fail"), (None, "fail")]
)
def test_a_busy_machine_is_not_blamed_on_the_candidate(production, state):
    kwargs = cases.inputs()
    times = kwargs["candidate"].seconds
    kwargs = cases.change(kwargs, "candidate", seconds=times * 110)
    if production is None:
        kwargs["production"] = None
    else:
        seconds = kwargs["production"].seconds * production
        kwargs = cases.change(kwargs, "production", seconds=seconds)
    found = evaluate(kwargs)
    gate = cases.gate(found, "latency_p95")
    assert (gate.state, gate.blocks) == (state, True)
    assert ("this machine is too busy" in gate.sentence) is (state == "inconclusive")
    if production == 1.0:
        # The ratio still says it.
        assert cases.gate(found, "latency").state == "fail"


def test_a_report_from_before_productions_95th_percentile_can_be_read():
    data = evaluate(cases.inputs()).to_json()
    del data["latency"]["production_p95_ms"]
    assert check_format.read(data).latency.production_p95_ms is None
